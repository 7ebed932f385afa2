"""Where an output is to go, and what has become of that."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ExportState(StrEnum):
    """Where an export stands."""

    WAITING = "waiting"
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTarget:
    """What a submission asks to become of its output.

    Attributes:
        dataset: Name of the dataset that it becomes a version of; empty for none.
        gate: A run judges that version.
        blueprint: By which the run judges, ``name`` or ``name@version``; empty for the project's own.
        url: Below which object address it is written, ``s3://bucket/prefix``, ``gs://...`` or ``az://...``; empty for
            none.
    """

    dataset: str = ""
    gate: bool = False
    blueprint: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What has become of an output that is to go somewhere.

    Attributes:
        state: Where it stands.
        attempts: How often it was begun.
        version: Number of the dataset version that it has become.
        run: The run that judges that version.
        object: Address of the object that it was written to.
        problem: Why the last attempt came to nothing; empty where it did not.
        next_step: What can be done about it.
        ready_at: When the next attempt is due, where one is.
        ended_at: When it was done, or given up.
    """

    state: ExportState
    attempts: int = 0
    version: int | None = None
    run: UUID | None = None
    object: str | None = None
    problem: str = ""
    next_step: str = ""
    ready_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedExport:
    """An export that this process carries out; ``attempts`` proves it when its end is written."""

    execution_id: UUID
    project_id: UUID
    slug: str
    project_name: str
    attempts: int


@dataclass(slots=True, kw_only=True)
class Exported:
    """What one attempt has done so far, also where it fails later; see ``Export``."""

    version: int | None = None
    run: UUID | None = None
    object: str | None = None
