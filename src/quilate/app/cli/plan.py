"""``quilate plan``: what a run would do."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from quilate.blueprints.diff import Change
    from quilate.blueprints.model import Plan


@click.command("plan")
@click.argument("path", type=click.Path(), default=".")
@click.option("--blueprint", default="", help="Built-in name, file, or https URL with #sha256=… instead of the file's.")
@click.option("--from", "from_stage", default="", metavar="STAGE", help="Begin at this stage.")
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check (repeatable).")
@click.option("--against", default="", metavar="FILE|REF", help="Compare with another blueprint, or a git revision's.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(  # noqa: PLR0913 - one argument per option
    path: str, blueprint: str, from_stage: str, only: tuple[str, ...], against: str, *, as_json: bool
) -> None:
    """Show what a run of PATH would do; nothing runs, nothing changes.

    Prints every check with its limits, which of them come from the shipped profile, what it is bound to or lacks, and
    the evidence that each policy needs. A blueprint that was changed since git's HEAD is compared with it.
    """
    from quilate.blueprints.project_file import find_projects, load_project  # noqa: PLC0415 - keeps --help fast
    from quilate.blueprints.references import command_line_reference  # noqa: PLC0415 - as above

    if not Path(path).is_dir():
        raise ConfigurationError(f"{path} is not a directory", next_step="give the directory of a project")
    documents = []
    for root in find_projects(Path(path)):
        project = load_project(root)
        reference = command_line_reference(blueprint) if blueprint else project.blueprint
        plan, since, changes = _planned(project, reference, only, from_stage, against)
        if as_json:
            documents.append(_document(plan, since, changes))
        else:
            _print(plan, since, changes)
    if as_json:
        import json  # noqa: PLC0415 - as above

        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2, ensure_ascii=False))


def _planned(
    project: Any, reference: str, only: tuple[str, ...], from_stage: str, against: str
) -> "tuple[Plan, str, tuple[Change, ...] | None]":
    from quilate.blueprints.diff import compare_blueprints  # noqa: PLC0415 - keeps --help fast
    from quilate.blueprints.history import committed_version, earlier_version  # noqa: PLC0415 - as above
    from quilate.blueprints.planner import make_plan  # noqa: PLC0415 - as above
    from quilate.blueprints.references import load_blueprint  # noqa: PLC0415 - as above

    root = Path(project.root)
    loaded = load_blueprint(reference, root)
    plan = make_plan(project, loaded, only=only, from_stage=from_stage or None)
    if against:
        return plan, against, compare_blueprints(earlier_version(against, reference, root), loaded)
    try:
        committed = committed_version(reference, root)
    except ConfigurationError:
        # The committed version is wrong by today's rules: there is nothing to compare with, and the new one is fine.
        committed = None
    return plan, "HEAD", compare_blueprints(committed, loaded) if committed else None


def _document(plan: "Plan", since: str, changes: "tuple[Change, ...] | None") -> dict[str, Any]:
    from quilate.app.cli.plan_output import change_document, plan_document  # noqa: PLC0415 - keeps --help fast

    document = plan_document(plan)
    if changes is not None:
        document["changes"] = {"against": since, "list": change_document(changes)}
    return document


def _print(plan: "Plan", since: str, changes: "tuple[Change, ...] | None") -> None:
    from quilate.app.cli.plan_output import change_lines, plan_lines  # noqa: PLC0415 - keeps --help fast
    from quilate.app.cli.terminal import current_terminal, duration_text  # noqa: PLC0415 - as above
    from quilate.app.cli.what_if_output import replay_lines  # noqa: PLC0415 - as above
    from quilate.runs.what_if import cached_ages, replay_last_runs  # noqa: PLC0415 - as above

    terminal = current_terminal()
    ages = {check: f"{duration_text(age)} old" for check, age in cached_ages(plan).items()}
    for line in plan_lines(terminal, plan, cached=ages):
        terminal.line(line)
    if changes is not None:
        terminal.line()
        terminal.line(f"changes against {since}")
        for line in change_lines(terminal, changes):
            terminal.line(line)
    if not plan.partial:
        for line in replay_lines(replay_last_runs(plan)):
            terminal.line(line)
