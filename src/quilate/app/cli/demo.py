"""``quilate demo``: a sample project in four acts: rejected, fixed and approved, undecided, verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quilate.app.cli.terminal import Terminal, current_terminal, duration_text
from quilate.domain.errors import ExitCode

if TYPE_CHECKING:
    from quilate.app.demo import Flaw
    from quilate.runs.report import RunReport


@click.command("demo")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--keep", is_flag=True, help="Keep the temporary directory; a given DIRECTORY is always kept.")
def command(directory: Path | None, *, keep: bool) -> int:
    """Watch a sample project being rejected, fixed, approved and verified.

    Writes a credit-risk project with planted flaws of every family into DIRECTORY (new or empty; a temporary one by
    default), starts its service on this machine only, and judges it. Exit 0: every act came out as it must, 1: not.
    """
    import time  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.demo.service import interrupted_by_signals  # noqa: PLC0415 - as above

    terminal = current_terminal()
    begin = time.monotonic()
    with interrupted_by_signals(), _directory(directory, keep=keep) as (place, kept), _own_home(place):
        play = _Play(place, terminal)
        wrong = play.run()
        terminal.line()
        for line in wrong:
            terminal.line(f"  {terminal.styled('not as it must be', 'red')}: {line}")
        if kept:
            terminal.line(
                f"The project is in {place}; its service starts again with: python -m quilate.app.demo {place}"
            )
    word = terminal.styled("PASS", "green", bold=True) if not wrong else terminal.styled("FAIL", "red", bold=True)
    terminal.line(
        f"{word}  demonstration: {_ACTS - len(wrong)} of {_ACTS} acts as they must be   "
        f"{duration_text(time.monotonic() - begin)}"
    )
    return ExitCode.REJECTED if wrong else ExitCode.APPROVED


_ACTS = 4


class _Play:
    """The four acts; each returns what was not as it must be, or an empty string."""

    def __init__(self, directory: Path, terminal: Terminal) -> None:
        from quilate.app.demo import DemoService  # noqa: PLC0415 - keeps `quilate --help` fast

        self._directory = directory
        self._terminal = terminal
        self._service = DemoService(directory)
        self._approved: RunReport | None = None

    def run(self) -> list[str]:
        """Play all acts and return what went wrong."""
        from quilate.app.demo import write_project  # noqa: PLC0415 - keeps `quilate --help` fast

        write_project(self._directory, flaws=True)
        try:
            outcomes = [self._rejected(), self._fixed(), self._undecided(), self._verified()]
        finally:
            self._service.stop()
        return [outcome for outcome in outcomes if outcome]

    def _rejected(self) -> str:
        from quilate.app.demo import flaws  # noqa: PLC0415 - keeps `quilate --help` fast

        planted = flaws()
        self._title(1, f"a project with {len(planted)} planted flaws")
        self._service.start()
        report = self._judge()
        missed = self._show_flaws(planted, report)
        if report.exit_code is not ExitCode.REJECTED:
            return f"act 1: the flawed project was not rejected (exit {report.exit_code.value})"
        return f"act 1: not found: {', '.join(flaw.what for flaw in missed)}" if missed else ""

    def _fixed(self) -> str:
        from quilate.app.demo import apply_fixes  # noqa: PLC0415 - keeps `quilate --help` fast

        self._title(2, "the same project, fixed")
        self._service.stop()
        for name in apply_fixes(self._directory):
            self._terminal.line(f"  fixed {name}")
        self._service.start()
        report = self._judge()
        if report.exit_code is not ExitCode.APPROVED:
            return f"act 2: the fixed project was not approved (exit {report.exit_code.value})"
        if not report.seal_digest:
            return "act 2: the approval was not sealed"
        self._approved = report
        return ""

    def _undecided(self) -> str:
        self._title(3, "evidence taken away: the service does not answer")
        self._service.stop()
        report = self._judge()
        if report.exit_code is not ExitCode.UNDECIDED:
            return f"act 3: without evidence the run was not undecided (exit {report.exit_code.value})"
        return ""

    def _verified(self) -> str:
        from quilate.app.cli import cli  # noqa: PLC0415 - the group imports this module when it is called
        from quilate.runs.record import SEAL_FILE  # noqa: PLC0415 - keeps `quilate --help` fast

        self._title(4, "the service is back; the approval is verified from its seal")
        self._service.start()
        if self._approved is None:
            return "act 4: there is no seal to verify"
        seal = Path(self._approved.directory) / SEAL_FILE
        self._terminal.line(f"$ quilate verify {self._directory} --seal {seal.name} --allow-local")
        arguments = ["verify", str(self._directory), "--seal", str(seal), "--allow-local"]
        code = cli.main(arguments, prog_name="quilate", standalone_mode=False)
        return "" if code == ExitCode.APPROVED else f"act 4: the seal was refused (exit {code})"

    def _judge(self) -> "RunReport":
        from quilate.app.cli.run_projects import judge  # noqa: PLC0415 - keeps `quilate --help` fast
        from quilate.blueprints.project_file import load_project  # noqa: PLC0415 - as above
        from quilate.runs.session import RunOptions, plan_of  # noqa: PLC0415 - as above

        self._terminal.line("$ quilate run")
        options = RunOptions()
        return judge(plan_of(load_project(self._directory), options), options, self._terminal, silent=False)

    def _show_flaws(self, planted: "tuple[Flaw, ...]", report: "RunReport") -> "list[Flaw]":
        found = {
            (str(check.check_id), str(finding.rule))
            for check in report.decision_input.checks
            for finding in check.findings
        }
        width = max(len(flaw.what) for flaw in planted)
        missed = [flaw for flaw in planted if (flaw.check, flaw.rule) not in found]
        self._terminal.line()
        self._terminal.line(f"  planted{' ' * (width + 6)}found by")
        for flaw in planted:
            sign = self._terminal.styled("✗", "red") if flaw in missed else self._terminal.styled("✓", "green")
            by = "nobody" if flaw in missed else f"{flaw.check} {flaw.rule}"
            self._terminal.line(f"  {sign} {flaw.family:<9} {flaw.what:<{width}}  {by}")
        return missed

    def _title(self, act: int, text: str) -> None:
        self._terminal.line()
        self._terminal.line(self._terminal.styled(f"{act} of {_ACTS}  {text}", "cyan", bold=True))


@contextmanager
def _directory(given: Path | None, *, keep: bool) -> Iterator[tuple[Path, bool]]:
    """Give the project's directory and whether it stays; a temporary one is removed unless it is kept."""
    import shutil  # noqa: PLC0415 - keeps `quilate --help` fast
    import tempfile  # noqa: PLC0415 - as above

    if given is not None:
        yield given.absolute(), True
        return
    temporary = Path(tempfile.mkdtemp(prefix="quilate-demo-"))
    try:
        yield temporary / "credit-risk", keep
    finally:
        if not keep:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _own_home(project: Path) -> Iterator[None]:
    """Keep the demonstration's signing key within its project, so that the user's own is neither made nor used."""
    import os  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.demo.project import PRIVATE  # noqa: PLC0415 - as above
    from quilate.seals.keys import HOME_VARIABLE  # noqa: PLC0415 - as above

    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(project / PRIVATE / "home")
    try:
        yield
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before
