"""Scripts, their immutable versions, and how a version wants its data."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from quilate.sandbox.model import Engine, Limits, Program

DETERMINISTIC_SEED = 1
DETERMINISTIC_NOW_MILLISECONDS = 0


class Mode(StrEnum):
    """How data that may be large reaches ``process``: at once, in chunks of records, or one group of records each."""

    WHOLE = "whole"
    CHUNK = "chunk"
    GROUP = "group"


class FileFormat(StrEnum):
    """How inputs and outputs of executions are written.

    ``json``: one value; ``ndjson``: one value a line; ``arrow``: an Arrow IPC stream; ``csv``: with a line of names.
    """

    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"


class VersionState(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one call of ``process`` gets.

    Attributes:
        mode: Everything, a chunk, or a group.
        size: Records of a chunk, 1 to 1,000,000.
        key: Names of the fields that make a group.
        combine: ``combine(partials)`` is called at the end with the array of all results; else they are concatenated
            where each is an array, or listed.
    """

    mode: Mode = Mode.WHOLE
    size: int = 10_000
    key: tuple[str, ...] = ()
    combine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A name under which versions are kept.

    Attributes:
        id: Never reused.
        project_id: Whose it is.
        name: Unique in its project among those that are not deleted; 1 to 255 characters.
        description: For people, at most 1,000 characters.
        active: Version that executions use unless they name one; ``None`` before the first activation.
        latest: Number of the newest version.
        revision: Counts the changes of this row, for ``ETag`` and ``If-Match``.
        created_at: When.
        updated_at: When it or its active version last changed.
        created_by: Who, as the audit log names it.
    """

    id: UUID
    project_id: UUID
    name: str
    description: str
    active: UUID | None
    latest: int
    revision: int
    created_at: datetime
    updated_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptVersion:
    """What never changes but its state.

    Attributes:
        id: Never reused.
        script_id: Of which script.
        project_id: Whose it is.
        number: From 1, by script.
        semver: As its author numbers it; unique by script.
        source: The JavaScript.
        digest: ``sha256:`` of the source's UTF-8.
        state: Where it stands.
        shape: How it wants its data.
        engine: What runs it.
        deterministic: Seeded ``Math.random``, a clock that stands still.
        reuse: Isolates are used again (warm).
        limits: Of each call.
        input_schema: JSON Schema (2020-12) as canonical JSON; fields with ``"x-sensitive": true`` are sensitive.
        output_schema: As the input's.
        privileged: It asks for more than the defaults (limits, engine ``fast``, warm isolates) and needs a review.
        crashes: How often it has crashed a worker.
        quarantined: After the third crash: no execution is taken.
        created_at: When.
        created_by: Who, as the audit log names it.
    """

    id: UUID
    script_id: UUID
    project_id: UUID
    number: int
    semver: str
    source: str
    digest: str
    state: VersionState
    shape: Shape = field(default_factory=Shape)
    engine: Engine = Engine.DEFAULT
    deterministic: bool = False
    reuse: bool = False
    limits: Limits = field(default_factory=Limits)
    input_schema: bytes | None = None
    output_schema: bytes | None = None
    privileged: bool = False
    crashes: int = 0
    quarantined: bool = False
    created_at: datetime
    created_by: str

    @property
    def program(self) -> Program:
        """What the sandbox runs."""
        return Program(
            source=self.source,
            engine=self.engine,
            seed=DETERMINISTIC_SEED if self.deterministic else None,
            now_milliseconds=DETERMINISTIC_NOW_MILLISECONDS if self.deterministic else None,
            reuse=self.reuse,
        )
