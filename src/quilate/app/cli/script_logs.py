"""``quilate script logs``: what an execution wrote to its console, and what became of it."""

from typing import TYPE_CHECKING

import click

from quilate.app.cli.script_server import at_server, client_of
from quilate.app.cli.terminal import Terminal, current_terminal
from quilate.domain.errors import ExitCode

if TYPE_CHECKING:
    from quilate.client.scripts import Execution, ExecutionExport


@click.command("logs")
@at_server()
@click.argument("execution")
def command(*, server: str, project: str, token_file: str, execution: str) -> int:
    """Print the console of EXECUTION, then its end; 1 where it has no result, 3 while it goes on."""
    from quilate.client import NotFoundError  # noqa: PLC0415 - keeps --help fast

    terminal = current_terminal()
    with client_of(server, token_file) as client:
        found = client.executions.get(project, execution)
        try:
            console = client.executions.console(project, execution)
        except NotFoundError:
            console = None
    for line in console.lines if console is not None else ():
        terminal.line(line)
    if console is not None and console.truncated:
        terminal.line("(the rest was cut)")
    show_end(terminal, found)
    if not found.ended:
        return ExitCode.UNDECIDED
    return ExitCode.APPROVED if found.status == "completed" else ExitCode.REJECTED


def _show_export(terminal: Terminal, export: "ExecutionExport | None") -> None:
    """Print what has become of an output that was to go somewhere."""
    if export is None:
        return
    places = [f"{export.dataset}@{export.version}"] if export.version is not None else []
    places += [f"run {export.run}"] if export.run is not None else []
    places += [export.url] if export.url and export.state == "completed" else []
    terminal.line("  ".join([f"export {export.state}", *places]))
    if export.problem:
        terminal.line(export.problem + (f"; {export.next_step}" if export.next_step else ""))


def show_end(terminal: Terminal, execution: "Execution") -> None:
    """Print one line of an execution, and why it has no result."""
    usage = execution.usage
    cost = [f"{usage.cpu_ms:.1f} ms CPU"] if usage.cpu_ms is not None else []
    cost += [f"{usage.peak_memory_bytes / (1 << 20):.0f} MiB"] if usage.peak_memory_bytes else []
    cost += [f"sandbox {execution.sandbox_level}"] if execution.sandbox_level else []
    terminal.line("  ".join([str(execution.id), execution.status, *cost]))
    if execution.erased is not None:
        terminal.line(f"its input, output and console were erased: {execution.erased}")
    _show_export(terminal, execution.export)
    failure = execution.failure
    if failure:
        place = f" (line {failure['line']}, column {failure['column']})" if failure.get("line") is not None else ""
        record = f", record {failure['record']}" if failure.get("record") is not None else ""
        terminal.line(f"{failure.get('class', '')}: {failure.get('message', '')}{place}{record}")
