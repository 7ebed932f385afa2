"""The command line: one file per command, loaded when it is called, so that ``--help`` stays fast."""

import gc
import os
import sys
from importlib import import_module
from typing import Any

import click

from quilate import __version__
from quilate.domain.errors import ConfigurationErrors, ExitCode, QuilateError

COMMANDS = {
    "run": "Judge a project: plan, run its checks, decide, explain.",
    "gate": "In CI: let a service judge the commit, wait, end as it decides.",
    "plan": "Show what a run would do; nothing runs, nothing changes.",
    "explain": "Say why a run was approved, rejected or left undecided.",
    "init": "Detect what a repository holds and write quilate.yaml.",
    "demo": "Watch a sample project being rejected, fixed, approved and verified.",
    "event": "Send, list and replay the events that begin runs.",
    "connector": "Connect outside systems, try them, see and replay deliveries.",
    "blueprint": "List, show, validate and compare blueprints.",
    "check": "List the check types and show one.",
    "script": "Run, keep and roll back hosted scripts, here and at a service.",
    "plugin": "List what other packages bring, begin one.",
    "up": "Start the service here: database, API, workers, scheduler.",
    "api": "Run the API alone, for a service on several machines.",
    "worker": "Run workers alone, for a service on several machines.",
    "admin": "Recover an administrator, upgrade or back up the database.",
    "doctor": "Look for what keeps Quilate from working here.",
    "login": "Keep a service's token here for the commands that speak to it.",
    "logout": "Forget the token of a service.",
    "verify": "Accept or refuse a subject from its seal alone.",
    "waiver": "Ask for waivers at a service, decide on them, end them.",
    "audit": "Export and verify the audit log, rotate its key.",
    "keys": "Make and show the signing key.",
    "completion": "Print the completion script of a shell.",
}
"""Every command with its one line of help: the module is imported only when the command is called."""

_NOT_AUTHENTICATED = 401


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, each with a ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of their use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"quilate.app.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command; an unknown one names the nearest."""
        from quilate.domain.nearest import nearest_hint  # noqa: PLC0415 - needed for a mistyped command only

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no such command {args[0]!r}{nearest_hint(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with nobody left to read its output it ends with 2.

        click itself would end with 1, which says that something was rejected.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            from quilate.app.cli.terminal import discard_output  # noqa: PLC0415 - needed for a closed pipe only

            discard_output()
            return ExitCode.USAGE

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="quilate")
def cli() -> None:
    """Quilate judges what a team ships: one blueprint, one verdict with its reasons, one signed record.

    \b
    Exit codes: 0 approved, 1 rejected, 2 usage or configuration, 3 undecided,
    4 internal error (with a report file), 130 interrupted.
    """  # noqa: D301 - click reads \b as "keep these lines"


def main() -> None:
    """Run the command line and exit with one of the documented codes."""
    _open_standard_streams()
    sys.exit(run_command_line(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Give a process that was started without standard streams empty ones, so that no other file takes their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number, which is this one.
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")


def run_command_line(arguments: list[str]) -> int:
    """Run one command and return its exit code; every error is printed with what to do next."""
    # Loading modules makes many objects that stay: looking among them for garbage again and again finds none.
    gc.set_threshold(100_000, 20, 100)
    try:
        result: Any = cli.main(arguments, prog_name="quilate", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted: nothing was decided, nothing is left running", err=True)
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        click.echo("interrupted: nothing was decided, nothing is left running", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except QuilateError as error:
        _show(error, is_login=arguments[:1] == ["login"])
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place that turns a fault of ours into exit 4 and a report
        from quilate.app.cli.crash_report import write_crash_report  # noqa: PLC0415 - needed for a fault only

        click.echo(write_crash_report(error, arguments), err=True)
        return ExitCode.INTERNAL
    return result if isinstance(result, int) else ExitCode.APPROVED


def _show(error: QuilateError, *, is_login: bool) -> None:
    listed = error.errors if isinstance(error, ConfigurationErrors) else (error,)
    from quilate.app.cli.terminal import harmless  # noqa: PLC0415 - needed for an error only

    for each in listed:
        click.echo(f"error: {harmless(str(each))}", err=True)
        if each.next_step:
            click.echo(f"  {harmless(each.next_step)}", err=True)
    # What is kept helps nobody who is logging in.
    if getattr(error, "status", 0) == _NOT_AUTHENTICATED and not is_login:
        from quilate.app.cli.logins import kept_for  # noqa: PLC0415 - needed for a refusal only

        click.echo(f"  {harmless(kept_for())}", err=True)
