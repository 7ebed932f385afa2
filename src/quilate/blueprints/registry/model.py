"""Drafts and published versions, and what is asked about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from quilate.blueprints.diff import Change
from quilate.domain.verdict import Verdict
from quilate.kit.database.database import Connection

MOST_REPLAYED = 50
"""Runs that one what-if replays at most: each is decided again in full."""


class Origin(StrEnum):
    """Where a blueprint comes from."""

    BUILT_IN = "built-in"
    PROJECT = "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The next version of a blueprint.

    Attributes:
        name: The document's ``id``.
        version: The document's ``version``.
        digest: Of the meaning after ``extends``.
        revision: Counts the changes, from one.
        authors: Everybody who wrote at it, the last one last; none of them may publish it.
    """

    id: UUID
    project_id: UUID
    name: str
    version: str
    description: str
    text: str
    digest: str
    revision: int
    authors: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def tag(self) -> str:
        """What changes with every change; a draft that was made anew has another one."""
        return f"{self.id.hex}-{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBlueprint:
    """A published version, immutable but for its withdrawal.

    Attributes:
        text: The YAML with what it extends laid under it: all that a run needs, the same for good.
        written: The YAML as its authors wrote it.
        digest: Of the meaning.
        sequence: Counts the versions of the name in the order of their publication.
    """

    id: UUID
    project_id: UUID
    name: str
    version: str
    sequence: int
    description: str
    text: str
    written: str
    digest: str
    authors: tuple[str, ...]
    publisher: str
    published_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawal_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBlueprint:
    """One line of the list; ``version`` and ``digest`` are ``None`` where nothing published counts."""

    name: str
    origin: Origin
    description: str
    version: str | None
    digest: str | None
    published_at: datetime | None = None
    draft_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two blueprints let through differently; the texts name both sides."""

    before: str
    after: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """What a run was decided on and how; ``input`` are the bytes of ``quilate.policy.decision.input_bytes``."""

    run_id: UUID
    verdict: Verdict
    input: bytes


class StoredDecisions(Protocol):
    """Where the decisions of earlier runs are; the engine of the runs has them."""

    async def last_decisions(self, connection: Connection, project_id: UUID, limit: int) -> Sequence[StoredDecision]:
        """Return the project's last decisions, the newest first; those whose input is gone are left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedDecision:
    """A run decided again under a draft. ``unmeasured`` are checks of the draft that the run did not have."""

    run_id: UUID
    before: Verdict
    after: Verdict
    unmeasured: tuple[str, ...]
