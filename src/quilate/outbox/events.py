"""Append outgoing events: they exist if and only if the change that they tell of was committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.database.arrays import text_array, uuid_array
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries
from quilate.kit.ids import uuid7s

_QUERIES = load_queries("quilate.outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingEvent:
    """One event; ``type`` as CloudEvents has it, for example ``dev.quilate.run.decided``.

    ``subject`` orders delivery: events of one subject leave in the order in which they were appended.
    """

    type: str
    project_id: UUID
    subject: str
    data: Mapping[str, Any]


async def append_events(connection: Connection, events: Sequence[OutgoingEvent]) -> None:
    """Add events within the caller's transaction."""
    if not events:
        return
    await connection.execute(
        _QUERIES["append_events"],
        {
            "ids": uuid_array(uuid7s(len(events))),
            "types": text_array(event.type for event in events),
            "projects": uuid_array(event.project_id for event in events),
            "subjects": text_array(event.subject for event in events),
            "data": text_array(msgspec.json.encode(event.data).decode() for event in events),
        },
    )
