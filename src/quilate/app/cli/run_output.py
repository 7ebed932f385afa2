"""What ``quilate run`` prints for people: a line per check, then what is wrong with its fix, the reason last."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quilate import __version__
from quilate.app.cli.terminal import SIGNS, VERDICT_COLOURS, WAIVED_SIGN, Terminal, duration_text
from quilate.blueprints.model import Plan, PlannedCheck
from quilate.domain.errors import ExitCode
from quilate.domain.subject import Subject
from quilate.domain.verdict import CheckResult, Verdict
from quilate.evidence.model import Finding, FindingKind, Location
from quilate.evidence.safe_text import visible_text
from quilate.kit.words import counted
from quilate.policy.model import CheckDecision, JudgedCheck, WaiverUse
from quilate.runs.report import RunReport
from quilate.runs.state import CheckRun

SHOWN_FINDINGS = 10
"""Findings shown in full per check; the rest is counted and in the other formats."""

_REASONS = {
    ExitCode.APPROVED: "exit 0: approved",
    ExitCode.REJECTED: "exit 1: rejected by the gate",
    ExitCode.UNDECIDED: "exit 3: undecided, does not pass",
}

Frame = Callable[[Location, bool], tuple[str, ...]]
"""Location and whether it is a secret's, to the lines of its code frame."""


def header(plan: Plan, subject: Subject) -> str:
    """Return the first line: version, project, revision, blueprint."""
    place = ""
    if subject.revision:
        place = f"  {subject.branch or 'detached'}@{subject.revision[:7]}" + (" +dirty" if subject.dirty else "")
    document = plan.blueprint.document
    # A service tells the version once the run has its plan.
    blueprint = (
        f"  {document.id} v{document.version}" if document.version else f"  {document.id}" if document.id else ""
    )
    return f"quilate {__version__}  {plan.project.project}{place}{blueprint}"


def check_line(terminal: Terminal, check: PlannedCheck, run: CheckRun, decided: CheckDecision, columns: int) -> str:
    """Return the line of one check that has ended."""
    result = decided.result
    sign, colour = WAIVED_SIGN if decided.waived and result is CheckResult.PASS else SIGNS[result]
    attempt = run.last
    evidence = attempt.evidence
    said = evidence.summary if evidence is not None else attempt.reason
    if result is CheckResult.UNDECIDED and evidence is not None and evidence.undecided and not said:
        said = evidence.undecided[0].reason
    if decided.waived:
        said += f", {decided.waived} waived"
    took = f"  {duration_text(attempt.duration_seconds)}" if attempt.duration_seconds else ""
    if attempt.cached_age_seconds is not None:
        took = f"  cached, {duration_text(attempt.cached_age_seconds)} old"
    if len(run.attempts) > 1:
        took += f"  {len(run.attempts)} attempts"
    return f"{terminal.styled(sign, colour)} {check.id:<{columns}}  {_one_line(said)}{took}".rstrip()


def _one_line(text: str) -> str:
    first = visible_text(" ".join(text.split()))
    return first if len(first) <= 110 else first[:109] + "…"  # noqa: PLR2004 - what fits a wide terminal


def stage_lines(stage: str, lines: Iterable[str], width: int) -> list[str]:
    """Return a stage's lines, its name on the first."""
    return [f"  {stage if number == 0 else '':<{width}}  {line}" for number, line in enumerate(lines)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The findings of one check that are to be shown."""

    check: CheckDecision
    findings: tuple[Finding, ...]
    new: frozenset[str] | None


def details(terminal: Terminal, report: RunReport, frame: Frame) -> list[str]:
    """Return what is wrong, worst first: failing checks, open questions, waivers that do not count."""
    lines: list[str] = []
    for group in failing_findings(report):
        lines += ["", *_finding_lines(terminal, group, frame)]
    lines += _open_lines(report)
    lines += _waiver_lines(report)
    return lines


def failing_findings(report: RunReport) -> list[Findings]:
    """Return the blocking findings of every check that failed, in the order of the plan."""
    decision = report.decision
    if decision is None:
        waived: set[str] = set()
    else:
        waived = {print_ for use in decision.waivers if use.effective for print_ in use.fingerprints}
    baseline = report.decision_input.baseline
    known = baseline.fingerprints if baseline else frozenset()
    groups = []
    for check in report.decision_input.checks:
        if report.results[check.check_id] is not CheckResult.FAIL:
            continue
        blocking = [
            finding
            for finding in check.findings
            if finding.severity >= check.severity_threshold
            and finding.fingerprint not in waived
            and finding.fingerprint not in known
        ]
        blocking.sort(key=lambda finding: -finding.severity.rank)
        groups.append(
            Findings(
                check=_decision_of(report, check.check_id),
                findings=tuple(blocking),
                new=frozenset(finding.fingerprint for finding in blocking) if baseline else None,
            )
        )
    return groups


def _decision_of(report: RunReport, check_id: str) -> CheckDecision:
    judged = next(check for check in report.decision_input.checks if check.check_id == check_id)
    if report.decision is not None:
        return next(check for check in report.decision.checks if check.check_id == check_id)
    return CheckDecision(
        check_id=judged.check_id,
        type=judged.type,
        stage=judged.stage,
        required=judged.required,
        completion=judged.completion,
        result=report.results[judged.check_id],
    )


def _finding_lines(terminal: Terminal, group: Findings, frame: Frame) -> list[str]:
    lines = []
    for finding in group.findings[:SHOWN_FINDINGS]:
        new = "  new" if group.new is not None else ""
        rule = terminal.styled(finding.rule, "red", bold=True)
        lines.append(f"{rule} {finding.severity.value}  {_one_line(finding.message)}{new}")
        if finding.location != Location():
            lines += frame(finding.location, finding.kind is FindingKind.SECRET)
        if finding.measured and finding.limit:
            lines.append(f"  measured {_one_line(finding.measured)}, limit {_one_line(finding.limit)}")
        fixable = " [*]" if finding.fixable else ""
        lines.append(f"  fix: {_one_line(finding.fix)}{fixable}")
    hidden = len(group.findings) - SHOWN_FINDINGS
    if hidden > 0:
        lines.append(f"… and {hidden} more of {group.check.check_id}: --sarif, --json or `quilate explain` show all")
    if not group.check.required:
        lines.append(f"  ({group.check.check_id} is not required: it does not decide by itself)")
    return lines


def _open_lines(report: RunReport) -> list[str]:
    lines: list[str] = []
    for check in report.decision_input.checks:
        name = check.check_id if check.required else f"{check.check_id} (not required)"
        for reason, next_step in _open_questions(check, report.results[check.check_id]):
            lines.append(f"  {name}  {visible_text(reason)}")
            lines += [f"    {visible_text(next_step)}"] if next_step else []
    return ["", "Not decided:", *lines] if lines else []


def _open_questions(check: JudgedCheck, result: CheckResult) -> list[tuple[str, str]]:
    """Return why a check gave no answer, each with what to do."""
    if result in {CheckResult.ERROR, CheckResult.TIMED_OUT}:
        return [(check.reason, check.next_step)]
    if result is not CheckResult.UNDECIDED:
        return []
    return [(f"{each.subject}: {each.reason}", each.next_step) for each in check.undecided[:SHOWN_FINDINGS]]


def _waiver_lines(report: RunReport) -> list[str]:
    if report.decision is None or not report.decision.waivers:
        return []
    return ["", "Waivers:", *(f"  {_waiver_text(use)}" for use in report.decision.waivers)]


def _waiver_text(use: WaiverUse) -> str:
    what = f"{use.waiver_id} {use.rule}, {counted(len(use.fingerprints), 'finding')}"
    if use.effective:
        return visible_text(f"{what}, by {use.owner} until {use.until}: {use.reason}")
    return visible_text(f"{what}: does not count, {use.not_effective_reason}")


def summary_line(terminal: Terminal, report: RunReport, name: str = "") -> str:
    """Return the verdict with the tally, the run's number (or ``name``) and the time it took."""
    results = list(report.results.values())
    failed = sum(result is CheckResult.FAIL for result in results)
    parts = [
        f"{sum(result is CheckResult.PASS for result in results)} passed",
        counted(sum(result is CheckResult.WARN for result in results), "warning"),
        f"{failed} failed",
    ]
    open_results = {CheckResult.UNDECIDED, CheckResult.ERROR, CheckResult.TIMED_OUT}
    undecided = sum(result in open_results for result in results)
    skipped = sum(result in {CheckResult.SKIPPED, CheckResult.NOT_APPLICABLE} for result in results)
    parts += [f"{undecided} undecided"] if undecided else []
    parts += [f"{skipped} skipped"] if skipped else []
    waived = sum(check.waived for check in report.decision.checks) if report.decision else 0
    parts += [f"{counted(waived, 'finding')} waived"] if waived else []
    tally = f"{counted(len(results), 'check')}: {', '.join(parts)}"
    verdict = report.decision.verdict if report.decision else None
    word = terminal.styled(verdict.value, VERDICT_COLOURS[verdict], bold=True) if verdict else "PARTIAL, no verdict"
    return f"{word}  {tally}   run {name or report.number}   {duration_text(report.duration_seconds)}"


def closing_lines(terminal: Terminal, report: RunReport, *, name: str = "", reasons: str = "") -> list[str]:
    """Return the verdict, what it rests on, and the reason for the exit code, which comes last.

    Args:
        terminal: Where it is printed.
        report: What came of the run.
        name: What the run is called where it is not known by its number.
        reasons: Where all reasons are to be had, where ``quilate explain`` does not know them.
    """
    lines = ["", summary_line(terminal, report, name)]
    if report.comparison is not None:
        compared = report.comparison
        reference = compared.reference[:12] if len(compared.reference) >= 40 else compared.reference  # noqa: PLR2004 - a git hash
        lines.append(
            f"  against {reference}: {compared.new} new, {compared.fixed} fixed, {compared.unchanged} unchanged (debt)"
        )
    lines += [f"  note: {visible_text(note)}" for note in report.notes]
    if report.seal_digest:
        lines.append(f"  evidence in {report.directory}, signed {report.seal_digest[:19]}…")
    lines += why_lines(report, reasons)
    lines.append(_REASONS[report.exit_code] if report.decision else _partial_reason(report))
    return lines


def _partial_reason(report: RunReport) -> str:
    answer = "every required check passed" if report.exit_code is ExitCode.APPROVED else "not every check passed"
    return f"exit {int(report.exit_code)}: {answer}; a partial run has no verdict and no seal"


def why_lines(report: RunReport, reasons: str = "") -> list[str]:
    """Return the clauses that decided, one line each, with a pointer to the whole explanation."""
    decision = report.decision
    if decision is None or decision.verdict is Verdict.PASS:
        return []
    lines = []
    reasons = reasons or f"quilate explain {report.number}"
    for policy in decision.policies:
        if policy.verdict is Verdict.PASS:
            continue
        word = "rejected" if policy.verdict is Verdict.FAIL else "left open"
        lines.append(f"  {word} by policy {policy.name}; all reasons: {reasons}")
    return lines or [f"  no policy asks about a check that completed; see: {reasons}"]
