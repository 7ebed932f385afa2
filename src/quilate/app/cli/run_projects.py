"""Judge the projects of a directory one after the other and print what came of it."""

from collections.abc import Sequence
from pathlib import Path

from quilate.app.cli.live import ProgressPrinter
from quilate.app.cli.run_output import Frame, closing_lines, details, header
from quilate.app.cli.terminal import Terminal
from quilate.blueprints.model import Plan
from quilate.blueprints.project_file import find_projects, load_project
from quilate.domain.errors import ConfigurationError, ExitCode
from quilate.domain.subject import Subject
from quilate.evidence.model import Location
from quilate.runs.report import RunReport
from quilate.runs.session import RunOptions, plan_of, run_session

_WORST_FIRST = (ExitCode.REJECTED, ExitCode.UNDECIDED, ExitCode.APPROVED)


def judge_projects(
    path: Path, options: RunOptions, terminal: Terminal, output_format: str | None, target: Path | None
) -> ExitCode:
    """Judge every project at or below ``path``; return the worst exit code.

    Raises:
        ConfigurationError: ``path`` is no directory, or a project file or blueprint is wrong.
    """
    if not path.is_dir():
        raise ConfigurationError(f"{path} is not a directory", next_step="give the directory of a project")
    roots = find_projects(path)
    # Every project file is read before the first run: a typing error in the last must not cost the time of the others.
    plans = [plan_of(load_project(root), options) for root in roots]
    silent = output_format is not None and target is None
    reports = [judge(plan, options, terminal, silent=silent) for plan in plans]
    return finish_projects(reports, terminal, output_format, target)


def finish_projects(
    reports: Sequence[RunReport], terminal: Terminal, output_format: str | None, target: Path | None
) -> ExitCode:
    """Write the runs in a format, if one was asked for; return the worst exit code.

    Raises:
        ConfigurationError: ``target`` cannot be written.
    """
    if output_format is not None:
        from quilate.app.cli.formats import document_of  # noqa: PLC0415 - most runs are for people: saves 50 ms

        content = document_of(reports, output_format)
        if target is None:
            terminal.document(content)
        else:
            _write(target, content)
    codes = {report.exit_code for report in reports}
    return next(code for code in _WORST_FIRST if code in codes)


def _write(target: Path, content: str) -> None:
    try:
        target.write_text(content + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{target} cannot be written: {error.strerror}", next_step="write to another place"
        ) from error


def judge(plan: Plan, options: RunOptions, terminal: Terminal, *, silent: bool) -> RunReport:
    """Judge one project by its plan, print what came of it unless ``silent``, and return the report."""
    if silent:
        return run_session(plan, options)

    def announce(subject: Subject) -> None:
        terminal.line(header(plan, subject))
        if plan.project.detected:
            terminal.line("  no quilate.yaml here: the kind of project was detected; `quilate init` writes it down")

    with ProgressPrinter(terminal, plan) as progress:
        report = run_session(plan, options, announce=announce, progress=progress)
    for line in (*details(terminal, report, code_frames(report)), *closing_lines(terminal, report)):
        terminal.line(line)
    return report


def code_frames(report: RunReport) -> Frame:
    """Return the source of a run's code frames, read only when the first is asked for."""
    made: list[Frame] = []

    def frame(location: Location, is_secret: bool) -> tuple[str, ...]:  # noqa: FBT001 - the frames' own signature
        if not made:
            from quilate.evidence.frames import frame_source  # noqa: PLC0415 - a run without findings needs none

            made.append(frame_source(Path(report.plan.project.root), report_secrets(report)))
        return made[0](location, is_secret)

    return frame


def report_secrets(report: RunReport) -> tuple[tuple[str, int], ...]:
    """Return path and line of every secret that was found, so that no code frame shows one."""
    return tuple(
        (finding.location.path, finding.location.line)
        for check in report.decision_input.checks
        for finding in check.findings
        if finding.kind.value == "secret" and finding.location.line
    )
