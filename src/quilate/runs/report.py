"""What a run leaves for people: the record, the explanation and the exit code."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quilate.blueprints.model import Plan
from quilate.domain.errors import ExitCode
from quilate.domain.ids import CheckId
from quilate.domain.subject import Subject
from quilate.domain.verdict import CheckResult, Verdict
from quilate.policy.model import Decision, DecisionInput
from quilate.runs.state import CheckRun


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineComparison:
    """How the findings stand against the baseline; ``unchanged`` is the debt that stays visible."""

    reference: str
    new: int
    fixed: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run. ``decision`` is ``None`` for a partial run, which has results but no verdict and no seal."""

    number: int
    plan: Plan
    subject: Subject
    runs: Mapping[CheckId, CheckRun]
    results: Mapping[CheckId, CheckResult]
    decision_input: DecisionInput
    decision: Decision | None
    started_at: str
    duration_seconds: float
    directory: str
    seal_digest: str = ""
    comparison: BaselineComparison | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> ExitCode:
        """0 approved, 1 rejected, 3 undecided; a partial run has 0 or 1 only."""
        if self.decision is not None:
            return {Verdict.PASS: ExitCode.APPROVED, Verdict.FAIL: ExitCode.REJECTED}.get(
                self.decision.verdict, ExitCode.UNDECIDED
            )
        harmless = {CheckResult.PASS, CheckResult.WARN, CheckResult.NOT_APPLICABLE}
        required = {check.id for check in self.plan.checks if check.required}
        passed = all(result in harmless for check_id, result in self.results.items() if check_id in required)
        return ExitCode.APPROVED if passed else ExitCode.REJECTED
