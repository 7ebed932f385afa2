"""Connections and deliveries as the database holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from quilate.deliveries.connector import DeliveredEvent


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionWish:
    """How somebody wants a connection.

    Attributes:
        name: Of people's choice, once in a project.
        type: The connector.
        settings: As the connector's own dataclass names them.
        events: Event types, with ``*`` at the end for all that begin so; what the connector knows where there are none.
        enabled: New events are delivered.
        secrets: To be set; the others stay as they are.
    """

    name: str
    type: str
    settings: Mapping[str, Any]
    events: tuple[str, ...] = ()
    enabled: bool = True
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """A connection; its secrets only by their names."""

    id: UUID
    project_id: UUID
    name: str
    type: str
    settings: Mapping[str, Any]
    events: tuple[str, ...]
    enabled: bool
    disabled_reason: str
    revision: int
    created_at: datetime
    secrets: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Names this state of it."""
        return f"{self.id.hex}-{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process may attempt; ``token`` fences off everybody who held it before."""

    id: UUID
    connection_id: UUID
    revision: int
    token: int
    attempt: int
    event: DeliveredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended.

    Attributes:
        claimed: Which one.
        state: Of the delivery then.
        outcome: ``delivered``, ``nothing-to-do``, ``failed`` or ``refused`` (by the circuit breaker: no attempt).
        detail: What happened, for people; never a secret.
        reference: What was made outside.
        next_step: What to do about a failure.
        pause_seconds: Until the next attempt.
        duration_ms: How long it took.
        disables: Switches the connection off, for the reason given in ``detail``.
    """

    claimed: Claimed
    state: DeliveryState
    outcome: str
    detail: str
    reference: str = ""
    next_step: str = ""
    pause_seconds: float = 0.0
    duration_ms: int = 0
    disables: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are listed."""

    state: DeliveryState | None = None
    connection: UUID | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """A delivery with its attempts."""

    row: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]] = ()
