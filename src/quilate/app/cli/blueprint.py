"""``quilate blueprint``: the built-in blueprints, and whether one's own is sound."""

from pathlib import Path

import click

from quilate.domain.errors import ConfigurationError, ExitCode


@click.group("blueprint")
def command() -> None:
    """List, show, validate and compare blueprints."""


@command.command("list")
def list_command() -> None:
    """List the built-in blueprints and those of installed plugins."""
    from quilate.app.cli.terminal import harmless  # noqa: PLC0415 - keeps --help fast
    from quilate.blueprints.references import builtin_names, load_blueprint  # noqa: PLC0415 - as above

    names = builtin_names()
    width = max(map(len, names))
    for name in names:
        try:
            blueprint = load_blueprint(name, Path())
        except ConfigurationError as error:
            # One of a plugin that is broken hides none of the others.
            click.echo(f"{name:<{width}}  cannot be used: {harmless(str(error))}")
            continue
        checks = sum(len(stage.checks) for stage in blueprint.stages)
        about = blueprint.description or ", ".join(stage.description or stage.name for stage in blueprint.stages)
        types = ", ".join(blueprint.project_types)
        click.echo(f"{name:<{width}}  v{blueprint.document.version}  {checks:>2} checks  for {types}: {about}")


@command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Print the YAML of the built-in blueprint NAME."""
    from quilate.blueprints.references import builtin_text  # noqa: PLC0415 - keeps --help fast

    click.echo(builtin_text(name), nl=False)


@command.command("validate", short_help="Say whether a blueprint is sound.")
@click.argument("reference", metavar="FILE")
def validate_command(reference: str) -> None:
    """Read FILE with everything that it extends and plan it: keys, check types, limits, order and rules.

    Exit 0 when it is sound, 2 with every fault by line and column when it is not.
    """
    from quilate.blueprints.model import ProjectFile  # noqa: PLC0415 - as above
    from quilate.blueprints.planner import make_plan  # noqa: PLC0415 - as above
    from quilate.blueprints.references import command_line_reference, load_blueprint  # noqa: PLC0415 - as above
    from quilate.kit.words import counted  # noqa: PLC0415 - keeps --help fast

    blueprint = load_blueprint(command_line_reference(reference), Path())
    project_type = next(iter(blueprint.project_types), "any")
    project = ProjectFile(project="any", type=project_type, blueprint=reference, root=str(Path.cwd()))
    plan = make_plan(project, blueprint)
    document = blueprint.document
    parts = [
        f"{counted(len(plan.checks), 'check')} in {counted(len(plan.stages), 'stage')}",
        counted(len(plan.policies), "policy", "policies"),
    ]
    click.echo(f"{document.id} v{document.version} is sound: {', '.join(parts)}  {document.digest}")


@command.command("diff", short_help="Say what a change means: stricter or looser.")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@click.option("--fail-on-looser", is_flag=True, help="Exit 1 when anything becomes looser.")
def diff_command(before: str, after: str, *, as_json: bool, fail_on_looser: bool) -> int:
    """Compare the blueprints BEFORE and AFTER by what they let through."""
    import json  # noqa: PLC0415 - keeps --help fast

    from quilate.app.cli.plan_output import change_document, change_lines  # noqa: PLC0415 - as above
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.blueprints.diff import Direction, compare_blueprints  # noqa: PLC0415 - as above
    from quilate.blueprints.references import command_line_reference, load_blueprint  # noqa: PLC0415 - as above

    old, new = (load_blueprint(command_line_reference(reference), Path()) for reference in (before, after))
    changes = compare_blueprints(old, new)
    if as_json:
        click.echo(json.dumps(change_document(changes), indent=2, ensure_ascii=False))
    else:
        terminal = current_terminal()
        one, other = old.document, new.document
        terminal.line(f"{one.id} v{one.version} → {other.id} v{other.version}")
        for line in change_lines(terminal, changes):
            terminal.line(line)
    looser = any(change.direction is Direction.LOOSER for change in changes)
    return ExitCode.REJECTED if looser and fail_on_looser else ExitCode.APPROVED


@command.command("schema")
@click.option("--project", is_flag=True, help="The schema of quilate.yaml instead.")
def schema_command(*, project: bool) -> None:
    """Print the JSON Schema of blueprints, for editors."""
    from quilate.blueprints.schema import blueprint_schema, project_schema, schema_text  # noqa: PLC0415 - as above

    click.echo(schema_text(project_schema() if project else blueprint_schema()), nl=False)
