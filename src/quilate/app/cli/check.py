"""``quilate check``: the check types."""

import click


@click.group("check")
def command() -> None:
    """List the check types and show one."""


@command.command("list")
def list_command() -> None:
    """List every check type with what it is for."""
    from quilate.checks.registry import check_types  # noqa: PLC0415 - keeps --help fast

    names = check_types()
    width = max(map(len, names))
    for check_type in names:
        click.echo(f"{check_type:<{width}}  {_documentation(check_type).partition(chr(10))[0]}")


@command.command("show")
@click.argument("check_type", metavar="TYPE")
def show_command(check_type: str) -> None:
    """Show what TYPE asks, its parameters with the shipped values, its binding and its facts."""
    import dataclasses  # noqa: PLC0415 - keeps --help fast

    from quilate.blueprints.parameters import required_names  # noqa: PLC0415 - as above
    from quilate.checks.registry import load_check  # noqa: PLC0415 - as above
    from quilate.kit.canonical import to_document  # noqa: PLC0415 - as above

    kind = load_check(check_type)
    click.echo(f"{check_type}: {_documentation(check_type)}")
    click.echo("\nParameters (name, type, value of the profile):")
    profile = to_document(dict(kind.profile))
    types = {field.name: _type_name(field.type) for field in dataclasses.fields(kind.parameters)}
    for name in sorted({*types, *profile}):
        shipped = f"= {profile[name]!r}" if name in profile else "the blueprint must give it"
        click.echo(f"  {name}: {types.get(name, 'severity')}  {shipped}")
    fields = dataclasses.fields(kind.binding)
    click.echo("\nBinding in quilate.yaml:" if fields else "\nBinding: none, it judges the whole workspace")
    required = required_names(kind.binding)
    for field in fields:
        click.echo(f"  {field.name}: {_type_name(field.type)}  {'required' if field.name in required else 'optional'}")
    _echo_facts(check_type)


def _echo_facts(check_type: str) -> None:
    from quilate.checks.registry import load_check  # noqa: PLC0415 - keeps --help fast
    from quilate.checks.validation import merged_parameters  # noqa: PLC0415 - as above
    from quilate.domain.errors import ConfigurationError  # noqa: PLC0415 - as above

    kind = load_check(check_type)
    try:
        parameters, _, _ = merged_parameters(kind, {})
    except ConfigurationError:
        click.echo("\nFacts: they depend on the parameters, see above")
        return
    click.echo("\nFacts that policies may read:")
    for fact in kind.produces(parameters):
        unit = f", {fact.unit}" if fact.unit else ""
        click.echo(f"  {fact.name}: {fact.type.value}{unit}  {fact.description}".rstrip())


def _documentation(check_type: str) -> str:
    import inspect  # noqa: PLC0415 - keeps --help fast
    import sys  # noqa: PLC0415 - as above

    from quilate.checks.registry import failure_of, load_check  # noqa: PLC0415 - as above

    check = load_check(check_type)
    if failure_of(check):
        return f"cannot be used: {failure_of(check)}"
    of_plugin = getattr(check, "documentation", None)
    if of_plugin is not None:
        return str(of_plugin)
    module = sys.modules[type(check).__module__]
    return inspect.cleandoc(module.__doc__ or "")


def _type_name(annotation: object) -> str:
    text = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    return text.replace("collections.abc.", "").replace("typing.", "").replace("decimal.", "")
