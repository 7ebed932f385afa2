"""``quilate plugin``: what other packages bring, and a package of one's own to begin with."""

from pathlib import Path

import click

from quilate.domain.errors import ExitCode

KINDS = ("check", "connector", "blueprint")


@click.group("plugin")
def command() -> None:
    """List what other packages bring; begin one of your own."""


@command.command("list", short_help="List what other packages bring.")
def list_command() -> int:
    """List the checks, connectors and blueprints of other packages; ends with 1 where one cannot be used."""
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - keeps --help fast
    from quilate.app.plugins import installed_plugins  # noqa: PLC0415 - as above

    terminal = current_terminal()
    plugins = installed_plugins()
    if not plugins:
        terminal.line("no installed package brings a check, a connector or a blueprint")
        return ExitCode.APPROVED
    kinds, names = max(len(each.kind) for each in plugins), max(len(each.name) for each in plugins)
    for each in plugins:
        line = f"{each.kind:<{kinds}}  {each.name:<{names}}  {each.distribution}"
        if each.fault:
            terminal.line(f"{terminal.styled('✗', 'red')} {line}  cannot be used: {each.fault}")
        else:
            terminal.line(f"{terminal.styled('✓', 'green')} {line}")
    return ExitCode.REJECTED if any(each.fault for each in plugins) else ExitCode.APPROVED


@command.command("new", short_help="Write a package to begin with.")
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice(KINDS), help="What the package brings.")
def new_command(name: str, *, kind: str) -> None:
    """Write the package quilate-NAME into the current directory: one part that works, its test, its entry point."""
    from quilate.connectors.registry import CONNECTOR_TYPES  # noqa: PLC0415 - keeps --help fast
    from quilate.domain.errors import ConfigurationError  # noqa: PLC0415 - as above
    from quilate.sdk.scaffold import PluginKind, write_plugin  # noqa: PLC0415 - as above

    if kind == PluginKind.CONNECTOR and name in CONNECTOR_TYPES:
        raise ConfigurationError(
            f"Quilate has a connector of the name {name!r} itself", next_step="choose another name"
        )
    target, files = write_plugin(name, PluginKind(kind), Path())
    for file in files:
        click.echo(str(file))
    click.echo(f"next: cd {target}; pip install -e .; pytest; quilate plugin list")
