"""Executions, what they are asked with, and what a project may use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from quilate.sandbox.model import Failure, FailureClass
from quilate.scripts.exports.model import Export, ExportState, OutputTarget
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import StoredPayload

LEAST_PRIORITY, MOST_PRIORITY = -100, 100


class Status(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self not in {Status.PENDING, Status.RUNNING}


STATUS_OF_FAILURE: Mapping[FailureClass, Status] = {
    FailureClass.TIMEOUT: Status.TIMED_OUT,
    FailureClass.CPU: Status.TIMED_OUT,
    FailureClass.CANCELLED: Status.CANCELLED,
}
"""What an execution that failed for a reason is called; ``failed`` for every other."""


class Part(StrEnum):
    """Data of an execution."""

    INPUT = "input"
    OUTPUT = "output"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a caller may say about an execution beside its data.

    Attributes:
        priority: Higher ones first within a project, -100 to 100.
        output_format: ``None``: JSON where the answer is one value, the input's format where it is records, and NDJSON
            where that is CSV.
        attempts: How often an execution is begun whose sandbox or worker died, 1 to 10.
        target: Where the output is to go besides.
    """

    priority: int = 0
    output_format: FileFormat | None = None
    attempts: int = 3
    target: OutputTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """An execution on its way into the queue.

    Attributes:
        id: Of the execution that it becomes.
        project_id: Whose it is.
        script_id: Of which script.
        version_id: Of which version.
        actor: Who asks.
        input: The data.
        subjects: Keyed digests of those whom the data is about.
        options: What the caller said besides.
        idempotency_key: The caller's name for it.
        request_digest: Of all that the caller asked for.
        awaited: Somebody waits for its end.
    """

    id: UUID
    project_id: UUID
    script_id: UUID
    version_id: UUID
    actor: str
    input: StoredPayload
    subjects: tuple[bytes, ...] = ()
    options: Options
    idempotency_key: str | None
    request_digest: str
    awaited: bool = False


class Refusal(StrEnum):
    """Why a submission was not taken in."""

    QUEUE_FULL = "queue full"
    QUOTA = "quota"
    SANDBOX = "sandbox"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a submission.

    Attributes:
        id: The execution; an earlier one's where the same key came again.
        created: It is new.
        refusal: Why it was not taken in.
        wait_seconds: After how long it may be tried again.
        reason: In words, where there are some.
        at: When it was taken in.
    """

    id: UUID
    created: bool = True
    at: datetime | None = None
    refusal: Refusal | None = None
    wait_seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution as it stands.

    Attributes:
        id: Never reused.
        project_id: Whose it is.
        script_id: Of which script.
        version_id: Of which version.
        status: Where it stands.
        options: What it was asked with.
        created_by: Who asked, as the audit log names it.
        input: Its data; the content itself only where it was read with it.
        output: As the input; ``None`` before and without one.
        failure: Why there is none.
        parts: What became of data that was split; ``failed`` names the parts that failed.
        submitted_at: When it was taken in.
        started_at: When its last attempt began.
        ended_at: When it ended.
        wall_us: Microseconds in the sandbox.
        cpu_us: Microseconds of processor time.
        peak_memory: Highest resident size of the sandbox in bytes; 0 where that cannot be read.
        fuel: Steps, where the engine counts them.
        engine: What ran it.
        level: How the sandbox was shut in.
        attempts: How often it was begun.
        history: Attempts that were repeated, oldest first.
        dead: Its retries are used up and nobody has replayed it.
        export: What has become of an output that is to go somewhere, once it has completed.
        erasure: The erasure that took its contents; ``None`` where none did.
    """

    id: UUID
    project_id: UUID
    script_id: UUID
    version_id: UUID
    status: Status
    options: Options
    created_by: str
    input: StoredPayload
    output: StoredPayload | None
    failure: Failure | None
    parts: Mapping[str, Any] | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    wall_us: int | None
    cpu_us: int | None
    peak_memory: int | None
    fuel: int | None
    engine: str | None
    level: str | None
    attempts: int
    history: Sequence[Mapping[str, Any]] = ()
    dead: bool = False
    export: Export | None = None
    erasure: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions a list holds; ``None`` stands for any."""

    status: Status | None = None
    script: UUID | None = None
    version: UUID | None = None
    since: datetime | None = None
    dead: bool | None = None
    export: ExportState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a project may use.

    Attributes:
        cpu_ms_per_second: Milliseconds of processor time that it gets back each second.
        cpu_ms_burst: How many of them it can save up.
        concurrency: Executions that run at a time.
        queue_length: Executions that wait.
    """

    cpu_ms_per_second: int = 2_000
    cpu_ms_burst: int = 120_000
    concurrency: int = 128
    queue_length: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaState:
    """A project's quota with what is used of it.

    Attributes:
        quota: What holds.
        own: What an administrator has set for this project; ``None`` in each place where the service's default holds.
        revision: Counts the changes, 0 before the first.
        waiting: Executions that wait now.
        running: Executions that run now.
        cpu_ms_left: Of the processor time; below zero where more was used than there was.
    """

    quota: Quota
    own: Mapping[str, int | None]
    revision: int
    waiting: int
    running: int
    cpu_ms_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An execution that a worker has taken; ``fence`` proves it when the result is written."""

    id: UUID
    project_id: UUID
    script_id: UUID
    version_id: UUID
    fence: int
    attempt: int
    losses: int
    awaited: bool
    options: Options
    input: StoredPayload
    created_by: str
    quarantined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one attempt.

    Attributes:
        output: The result; ``None`` where it failed.
        failure: Why there is none.
        console: Lines, as a JSON array; empty for none.
        parts: See ``Execution``.
        started_at: When the attempt began.
        wall_us: Microseconds in the sandbox.
        cpu_us: Microseconds of processor time.
        peak_memory: In bytes.
        fuel: Steps, where the engine counts them.
        engine: What ran it.
        level: How the sandbox was shut in.
    """

    output: StoredPayload | None = None
    failure: Failure | None = None
    console: bytes = b""
    parts: Mapping[str, Any] | None = None
    started_at: datetime
    wall_us: int = 0
    cpu_us: int = 0
    peak_memory: int = 0
    fuel: int | None = None
    engine: str = ""
    level: str = ""

    @property
    def status(self) -> Status:
        """How the execution ends if this is its last attempt."""
        if self.failure is None:
            return Status.COMPLETED
        return STATUS_OF_FAILURE.get(self.failure.kind, Status.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt whose end is to be written."""

    claim: Claim
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a batch of ends did.

    Attributes:
        counted: Executions whose ends, or retries, counted.
        awaited: When those of them ended that somebody waits for.
        retried: Those of them that are tried again.
        quarantined: Versions that are quarantined now.
        more: Others wait to be claimed.
    """

    counted: frozenset[UUID] = frozenset()
    more: bool = True
    awaited: Mapping[UUID, datetime] = field(default_factory=dict)
    retried: frozenset[UUID] = frozenset()
    quarantined: tuple[UUID, ...] = field(default=())
