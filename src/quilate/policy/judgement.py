"""What the evidence of one check amounts to under its threshold, the waivers, the baseline and the date."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Finding
from quilate.kit.words import counted
from quilate.policy.model import Baseline, Binding, CheckDecision, JudgedCheck, Waiver, WaiverUse
from quilate.policy.waiver_matching import WaiverIndex, WaiverMatch, waiver_uses

_NO_MATCH = WaiverMatch({}, {})


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One judged check. Each finding is in exactly one of the four groups.

    Attributes:
        decision: What goes into the decision.
        blocking: Findings that count, at or above the threshold, whatever ``enforce_from`` says.
        below_threshold: Findings that count, below it.
        waived: Findings that an effective waiver covers.
        known: Findings of the baseline, where only new ones count.
        match: Which waivers met any finding of this check.
    """

    decision: CheckDecision
    blocking: tuple[Finding, ...] = ()
    below_threshold: tuple[Finding, ...] = ()
    waived: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    match: WaiverMatch = _NO_MATCH

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings that count: neither waived nor known."""
        return self.blocking + self.below_threshold


def judge(
    check: JudgedCheck,
    waivers: Iterable[Waiver],
    baseline: Baseline | None,
    evaluated_on: date,
    binds_on: Binding = Binding.ALL,
) -> Judgement:
    """Return what a check's evidence amounts to.

    Without a baseline every finding counts, whatever ``binds_on`` says. Before the check's ``enforce_from`` neither
    findings nor open questions can make more than a warning; a check that could not run stays what it is.
    """
    known = _known_under(baseline, binds_on)
    return _judged(check, WaiverIndex(waivers if check.findings else (), evaluated_on), known, evaluated_on)


def result_of(
    check: JudgedCheck,
    waivers: Iterable[Waiver],
    baseline: Baseline | None,
    evaluated_on: date,
    binds_on: Binding = Binding.ALL,
) -> CheckResult:
    """Return the result that ``judge`` gives, without the rest of it where nothing was found."""
    if not _completed(check):
        return CheckResult(check.completion.value)
    if not check.findings:
        return _result(check, 0, 0, evaluated_on)[0]
    return judge(check, waivers, baseline, evaluated_on, binds_on).decision.result


def judge_all(
    checks: Sequence[JudgedCheck],
    waivers: Iterable[Waiver],
    baseline: Baseline | None,
    evaluated_on: date,
    binds_on: Binding = Binding.ALL,
) -> tuple[tuple[Judgement, ...], tuple[WaiverUse, ...]]:
    """Return the judgement of every check, and what became of every waiver over all of them."""
    index = WaiverIndex(waivers, evaluated_on)
    known = _known_under(baseline, binds_on)
    judgements = tuple(_judged(check, index, known, evaluated_on) for check in checks)
    observed = frozenset(str(finding.rule) for check in checks if _completed(check) for finding in check.findings)
    return judgements, waiver_uses(index, (judgement.match for judgement in judgements), observed)


def _known_under(baseline: Baseline | None, binds_on: Binding) -> frozenset[str]:
    return baseline.fingerprints if baseline is not None and binds_on is Binding.NEW else frozenset()


def _completed(check: JudgedCheck) -> bool:
    return check.completion is Completion.COMPLETED


def _judged(check: JudgedCheck, index: WaiverIndex, known_prints: frozenset[str], evaluated_on: date) -> Judgement:
    if not _completed(check):
        result = CheckResult(check.completion.value)
        return Judgement(decision=_decision(check, result, reason=check.reason, next_step=check.next_step))
    if not check.findings:
        return _judged_clean(check, evaluated_on)
    left, waived, match = index.split(check.findings)
    known = tuple(finding for finding in left if finding.fingerprint and finding.fingerprint in known_prints)
    counted = [finding for finding in left if not finding.fingerprint or finding.fingerprint not in known_prints]
    ranks = {severity: severity >= check.severity_threshold for severity in Severity}
    blocking = tuple(finding for finding in counted if ranks[finding.severity])
    below = tuple(finding for finding in counted if not ranks[finding.severity])
    result, reason = _result(check, len(blocking), len(below), evaluated_on)
    return Judgement(
        decision=_decision(
            check,
            result,
            reason=reason,
            next_step=check.undecided[0].next_step if result is CheckResult.UNDECIDED else "",
            blocking=len(blocking),
            below_threshold=len(below),
            waived=len(waived),
            known=len(known),
        ),
        blocking=blocking,
        below_threshold=below,
        waived=tuple(waived),
        known=known,
        match=match,
    )


def _judged_clean(check: JudgedCheck, evaluated_on: date) -> Judgement:
    """Judge a completed check that found nothing: no waiver and no baseline has anything to say about it."""
    result, reason = _result(check, 0, 0, evaluated_on)
    next_step = check.undecided[0].next_step if result is CheckResult.UNDECIDED else ""
    return Judgement(decision=_decision(check, result, reason=reason, next_step=next_step))


def _result(check: JudgedCheck, blocking: int, below: int, evaluated_on: date) -> tuple[CheckResult, str]:
    """Return the result of a completed check and why, the worst reason first."""
    threshold = check.severity_threshold.value
    result, reason = CheckResult.PASS, ""
    if blocking:
        result, reason = CheckResult.FAIL, f"{counted(blocking, 'finding')} at or above {threshold}"
    elif check.undecided:
        first = check.undecided[0]
        more = f", and {len(check.undecided) - 1} more" if len(check.undecided) > 1 else ""
        result, reason = CheckResult.UNDECIDED, f"{first.subject}: {first.reason}{more}"
    elif below:
        result, reason = CheckResult.WARN, f"{counted(below, 'finding')} below {threshold}"
    elif check.flaky_tests:
        result, reason = CheckResult.WARN, f"{counted(len(check.flaky_tests), 'flaky test')}"
    lenient = check.enforce_from is not None and evaluated_on < check.enforce_from
    if lenient and result in {CheckResult.FAIL, CheckResult.UNDECIDED}:
        return CheckResult.WARN, f"{reason}; only a warning until it is enforced from {check.enforce_from}"
    return result, reason


def _decision(  # noqa: PLR0913 - one argument per column of the decision
    check: JudgedCheck,
    result: CheckResult,
    *,
    reason: str,
    next_step: str,
    blocking: int = 0,
    below_threshold: int = 0,
    waived: int = 0,
    known: int = 0,
) -> CheckDecision:
    completed = _completed(check)
    return CheckDecision(
        check_id=check.check_id,
        type=check.type,
        stage=check.stage,
        required=check.required,
        completion=check.completion,
        result=result,
        reason=reason,
        next_step=next_step,
        blocking=blocking,
        below_threshold=below_threshold,
        waived=waived,
        known=known,
        undecided=len(check.undecided) if completed else 0,
        flaky_tests=tuple(sorted(check.flaky_tests)) if completed else (),
        evidence_digest=check.evidence_digest,
    )
