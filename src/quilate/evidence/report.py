"""A run's checks as the report formats see them: SARIF and JUnit read nothing else.

The runs floor fills these in, so that the formats know neither plans nor policies.
"""

from dataclasses import dataclass
from enum import StrEnum

from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Finding, TestAttempt, Undecided


class FindingState(StrEnum):
    """How a finding stands against the baseline; ``NOT_COMPARED`` where there is none."""

    NOT_COMPARED = ""
    NEW = "new"
    UNCHANGED = "unchanged"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverNote:
    """A waiver over a finding.

    Attributes:
        justification: Reason, owner and expiry as one text.
        inline: It is written beside the finding, not in ``quilate.yaml``.
        effective: It counts; otherwise it is a request that still waits for approval, or has expired.
    """

    justification: str
    inline: bool = False
    effective: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFinding:
    """A finding with what became of it. ``state`` takes the values of ``FindingState``; ``absent`` means fixed."""

    finding: Finding
    state: str = ""
    waiver: WaiverNote | None = None

    @property
    def counts(self) -> bool:
        """Neither waived nor there before nor fixed: somebody has to do something about it."""
        waived = self.waiver is not None and self.waiver.effective
        return not waived and self.state in {FindingState.NOT_COMPARED, FindingState.NEW}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCheck:
    """One check of a run with everything that a report may say about it; the duration is in seconds."""

    check_id: str
    type: str
    stage: str
    result: CheckResult
    completion: Completion
    reason: str = ""
    next_step: str = ""
    findings: tuple[ReportedFinding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    test_attempts: tuple[TestAttempt, ...] = ()
    duration_seconds: float = 0.0
