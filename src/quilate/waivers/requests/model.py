"""A waiver of the service and its states."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID


class WaiverState(StrEnum):
    """Requested, then approved or rejected; revoked by a person, expired by the day."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    REVOKED = "revoked"
    EXPIRED = "expired"


OPEN = (WaiverState.REQUESTED, WaiverState.APPROVED)
"""States that something may still happen to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRequest:
    """What is asked for, and what became of it.

    Attributes:
        rule: A rule id, or the beginning of one followed by ``*``.
        paths: Glob patterns of the places that it covers; empty for all.
        check_id: The check that showed the finding to whoever asked; for the reviewer, it limits nothing.
        until: The last day (UTC) that it counts.
        owner: The person who asked and who answers for it.
        decided_by: The person who approved or rejected it; never the owner.
        ended_by: Who revoked it, or the service itself when it expired.
        read_at: The database's time when this was read.
    """

    id: UUID
    project_id: UUID
    state: WaiverState
    rule: str
    paths: tuple[str, ...]
    check_id: str
    reason: str
    until: date
    owner: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_comment: str | None
    ended_by: str | None
    ended_at: datetime | None
    end_reason: str | None
    read_at: datetime

    @property
    def current_state(self) -> WaiverState:
        """The state now: past its last day an open waiver is expired, even before its end is written down."""
        over = self.state in OPEN and self.until < self.read_at.astimezone(UTC).date()
        return WaiverState.EXPIRED if over else self.state

    @property
    def age(self) -> timedelta:
        """How long ago it was asked for."""
        return self.read_at - self.requested_at


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverWish:
    """What somebody asks for; see ``WaiverRequest``."""

    rule: str
    paths: tuple[str, ...]
    check_id: str
    reason: str
    until: date
