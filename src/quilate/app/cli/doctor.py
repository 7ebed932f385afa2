"""``quilate doctor``: what keeps Quilate from working here, each with its fix."""

from itertools import chain
from pathlib import Path

import click

from quilate.app.cli.terminal import current_terminal
from quilate.domain.errors import ExitCode
from quilate.kit.words import counted


@click.command("doctor")
@click.argument("path", type=click.Path(), default=".")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Look only at the service of this state directory.",
)
@click.option("--canaries", is_flag=True, help="Run every check on a tiny input on which it must go red.")
def command(path: str, *, state: Path | None, canaries: bool) -> int:
    """Look at Python, git, the project, its interpreter, the tools of its checks, the key and the disk.

    Where a service is configured or has run in PATH also at its database, schema, clock, queues and secrets; only at
    these where no project lies there, or where PATH is a state directory itself.

    Exit 0 without problems (warnings are none), 1 otherwise.
    """
    from quilate.app.cli.diagnosis import Health, canary_findings, diagnose  # noqa: PLC0415 - keeps `--help` fast
    from quilate.app.cli.service_diagnosis import diagnose_service, is_service  # noqa: PLC0415 - as above

    terminal = current_terminal()
    signs = {
        Health.GOOD: terminal.styled("✓", "green"),
        Health.WARNING: terminal.styled("!", "yellow"),
        Health.PROBLEM: terminal.styled("✗", "red"),
    }
    found = []
    place = Path(path)
    service_only = state is not None or is_service(place)
    looked_at = (diagnose(place, service_only=service_only), diagnose_service(place, state))
    for diagnosis in canary_findings() if canaries else chain(*looked_at):
        found.append(diagnosis.health)
        fix = f"     fix: {diagnosis.fix}" if diagnosis.fix else ""
        terminal.line(f"  {signs[diagnosis.health]} {diagnosis.text}{fix}")
    problems, warnings = found.count(Health.PROBLEM), found.count(Health.WARNING)
    terminal.line(f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}")
    return ExitCode.REJECTED if problems else ExitCode.APPROVED
