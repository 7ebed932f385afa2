"""What is asked about runs and what streams carry, between the database and the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.evidence.model import Artifact, Fact, Undecided

RunRow = Mapping[str, Any]
"""A row of ``runs`` with its submission, as ``queries.sql`` gives it."""

AttemptRow = Mapping[str, Any]
"""A row of ``check_attempts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs of a project are listed; ``None`` does not limit. Times have a time zone."""

    status: RunStatus | None = None
    verdict: Verdict | None = None
    branch: str | None = None
    event: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings of a run are listed; by default those of each check's last attempt."""

    check: str | None = None
    rule: str | None = None
    severities: tuple[str, ...] | None = None
    path: str | None = None
    fingerprint: str | None = None
    all_attempts: bool = False


class CheckState(StrEnum):
    """Where a check stands; ``waiting`` has others before it."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_STATE_OF_RESULT = {
    CheckResult.PASS: CheckState.SUCCEEDED,
    CheckResult.WARN: CheckState.SUCCEEDED,
    CheckResult.NOT_APPLICABLE: CheckState.SUCCEEDED,
    CheckResult.CANCELLED: CheckState.CANCELLED,
}


def state_of_result(result: str) -> CheckState:
    """Return the state of a check whose last attempt gave a result."""
    return _STATE_OF_RESULT.get(CheckResult(result), CheckState.FAILED)


class EvidenceBrief(msgspec.Struct, frozen=True, kw_only=True):
    """Of evidence what is shown with a run: everything but the findings themselves."""

    summary: str = ""
    facts: tuple[Fact, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """All that is shown of one run, read at one moment.

    Attributes:
        run: Its row.
        attempts: Every attempt of its checks.
        briefs: What their evidence says, by check and attempt.
        findings: How many findings, by check and attempt, then severity.
        in_flight: Rows of checks that may run or are running, by check.
    """

    run: RunRow
    attempts: tuple[AttemptRow, ...]
    briefs: Mapping[tuple[str, int], EvidenceBrief]
    findings: Mapping[tuple[str, int], Mapping[str, int]]
    in_flight: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedAttempt:
    """An attempt that has ended, as streams tell of it; ``version`` is the run's version that recorded it."""

    check: str
    attempt: int
    version: int
    result: str
    final: bool
    summary: str
    reason: str
    next_step: str
    duration_seconds: float
    cached_age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """Where a run stood when the watcher last looked.

    Attributes:
        in_flight: Status and attempt of each check that may run or is running.
        attempts: All that have ended so far, in the order of the versions that recorded them.
    """

    id: UUID
    status: RunStatus
    held: bool
    verdict: str | None
    version: int
    failure: Mapping[str, Any] | None
    in_flight: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    attempts: tuple[WatchedAttempt, ...] = ()

    @property
    def ended(self) -> bool:
        """Nothing will happen to this run any more."""
        return self.status not in {RunStatus.QUEUED, RunStatus.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedLog:
    """How far a check's log goes; ``ended`` where nothing will be added."""

    attempt: int
    sequence: int
    ended: bool
