"""``quilate script``: hosted pre-processing scripts; each command is a module of its own, loaded when it is called."""

from importlib import import_module

import click

SCRIPT_COMMANDS = {
    "run": "Run a script here under the limits of the service, or at a service.",
    "push": "Keep a file as a new version of a script.",
    "compose": "Keep several scripts as one pipeline.",
    "list": "List the scripts of a project, or the versions of one.",
    "logs": "Print what an execution wrote to its console, and its end.",
    "rollback": "Go back to the version that was active before.",
    "selftest": "Run the escape suite on this machine.",
}
"""Every command with its one line of help: ``NAME`` is ``command`` of the module ``script_NAME``."""


class ScriptGroup(click.Group):
    """A group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of their use."""
        del ctx
        return list(SCRIPT_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        if cmd_name not in SCRIPT_COMMANDS:
            return None
        command: click.Command = import_module(f"quilate.app.cli.script_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(SCRIPT_COMMANDS.items()))


@click.group("script", cls=ScriptGroup)
def command() -> None:
    """Hosted pre-processing scripts: JavaScript that defines process(data), run in the sandbox."""
