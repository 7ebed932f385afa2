"""What the service tells, as dataclasses; members that a newer service adds are ignored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from quilate.domain.verdict import CheckResult, Completion, RunStatus, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedRun:
    """A run that the service has accepted; ``created`` is false where the same request had made it before."""

    id: UUID
    status: RunStatus
    created: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubject:
    """What a run judges."""

    kind: str
    name: str
    digest: str
    revision: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as lists show it; times have a time zone."""

    id: UUID
    status: RunStatus
    verdict: Verdict | None
    event: str
    actor: str
    source: Mapping[str, Any]
    version: int
    submitted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    held: bool = False
    priority: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trigger: Mapping[str, Any] | None = None
    subject: RunSubject | None = None
    concurrency_key: str | None = None
    rerun_of: UUID | None = None

    @property
    def ended(self) -> bool:
        """Nothing will happen to it any more."""
        return self.status not in {RunStatus.QUEUED, RunStatus.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAttempt:
    """One try of a check that has ended."""

    attempt: int
    completion: Completion
    result: CheckResult
    final: bool
    summary: str = ""
    reason: str = ""
    next_step: str = ""
    duration_seconds: float = 0.0
    cached_age_seconds: float | None = None
    findings: Mapping[str, int] = field(default_factory=dict)
    evidence_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """A check of a run; ``state`` is ``waiting``, ``queued``, ``running``, ``succeeded``, ``failed``, ``cancelled``."""

    id: str
    type: str
    stage: str
    required: bool
    state: str
    result: CheckResult | None = None
    summary: str = ""
    attempts: tuple[CheckAttempt, ...] = ()
    facts: tuple[Mapping[str, Any], ...] = ()
    findings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStage:
    """A stage of a run."""

    name: str
    state: str
    checks: tuple[RunCheck, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailure:
    """Why a run ended without a plan."""

    error: str
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail(Run):
    """A run with its stages and checks, empty until it has a plan."""

    blueprint: str = ""
    blueprint_digest: str | None = None
    partial: bool = False
    failure: RunFailure | None = None
    stages: tuple[RunStage, ...] = ()
    decision_digest: str | None = None
    seal_digest: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[RunCheck, ...]:
        """All checks in the order of the plan."""
        return tuple(check for stage in self.stages for check in stage.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinding:
    """One thing wrong."""

    check: str
    attempt: int
    rule: str
    severity: str
    message: str
    fingerprint: str
    path: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One event of a run's stream: ``name`` is ``run`` or ``check``."""

    name: str
    data: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A seal of a subject; ``envelope`` is to be verified against a trusted key and an expected blueprint digest."""

    run: UUID
    verdict: Verdict
    subject: str
    blueprint: str
    blueprint_digest: str
    decision_digest: str
    seal_digest: str
    decided_at: datetime
    envelope: Mapping[str, Any]
    inclusion: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedArchive:
    """An archive that runs may name as their source until it expires."""

    digest: str
    size: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A name in the project's catalogue; ``latest`` is zero before the first version."""

    name: str
    kind: str
    description: str = ""
    archived: bool = False
    latest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """An immutable version."""

    number: int
    digest: str
    size: int
    files: int
    rows: int | None = None
    parent: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project."""

    slug: str
    name: str
    id: UUID | None = None
    repository_url: str | None = None
    protected_branch: str = "main"
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A blueprint that a project can use or is writing."""

    name: str
    origin: str
    description: str = ""
    version: str | None = None
    digest: str | None = None
    draft_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintVersion:
    """A published version; ``text`` is there where one was asked for."""

    name: str
    version: str
    digest: str
    published_at: datetime
    publisher: str = ""
    authors: tuple[str, ...] = ()
    withdrawn_at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintDraft:
    """A draft in one state; ``tag`` names that state."""

    name: str
    version: str
    text: str
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRequest:
    """A waiver with who asked and who decided; ``state`` says whether it counts."""

    id: UUID
    state: str
    rule: str
    reason: str
    until: date
    owner: str
    paths: tuple[str, ...] = ()
    check: str = ""
    decided_by: str | None = None
    comment: str | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule; ``run`` is what it submits."""

    id: UUID
    name: str
    cron: str
    time_zone: str
    enabled: bool
    revision: int
    missed: str = "run_once"
    run: Mapping[str, Any] = field(default_factory=dict)
    next_fire: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What became of a firing of a schedule."""

    fire_at: datetime
    outcome: str
    run_id: UUID | None = None
    reason: str = ""
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who asks, as the service's audit log names them.

    ``scopes``: what a token is limited to, ``None`` for a login; ``roles``: by the id of each project.
    """

    actor: str
    scopes: tuple[str, ...] | None = None
    instance_admin: bool = False
    auditor: bool = False
    roles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """An API token in the one moment in which the service tells it."""

    id: UUID
    name: str
    token: str
    expires_at: datetime
