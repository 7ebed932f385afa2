"""Rows of connections and deliveries."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from quilate.deliveries.connector import DeliveredEvent
from quilate.deliveries.model import Claimed, ConnectionWish, DeliveryFilter, Ending, StoredConnection, StoredDelivery
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries

QUERIES = load_queries("quilate.deliveries")

Row = Mapping[str, Any]


async def many(connection: Connection, name: str, /, **arguments: Any) -> Sequence[Row]:
    """Return the rows of a named block."""
    cursor = await connection.execute(QUERIES[name], arguments)
    return await cursor.fetchall()


async def one(connection: Connection, name: str, /, **arguments: Any) -> Row | None:
    """Return the only row of a named block, if any."""
    rows = await many(connection, name, **arguments)
    return rows[0] if rows else None


async def execute(connection: Connection, name: str, /, **arguments: Any) -> int:
    """Execute a named block and return how many rows it changed."""
    cursor = await connection.execute(QUERIES[name], arguments)
    return cursor.rowcount


def connection_from(row: Row) -> StoredConnection:
    """Return the connection of a row."""
    return StoredConnection(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        type=row["type"],
        settings=row["settings"],
        events=tuple(_shown(pattern) for pattern in row["events"]),
        enabled=row["enabled"],
        disabled_reason=row["disabled_reason"],
        revision=row["revision"],
        created_at=row["created_at"],
        secrets=tuple(row["secret_names"]),
    )


def pattern_of(event: str) -> str:
    """Return an event's name, with ``*`` at its end for all that begin so, as a pattern of the database."""
    stem = event.removesuffix("*")
    escaped = stem.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%" if event.endswith("*") else escaped


def _shown(pattern: str) -> str:
    text = f"{pattern[:-1]}*" if pattern.endswith("%") and not pattern.endswith("\\%") else pattern
    return text.replace("\\%", "%").replace("\\_", "_").replace("\\\\", "\\")


def columns_of(wish: ConnectionWish) -> dict[str, Any]:
    """Return a wish as arguments."""
    return {
        "name": wish.name,
        "settings": msgspec.json.encode(wish.settings).decode(),
        "events": [pattern_of(event) for event in wish.events],
        "enabled": wish.enabled,
    }


async def find_connection(connection: Connection, project_id: UUID, connection_id: UUID) -> StoredConnection | None:
    """Return a connection of a project."""
    row = await one(connection, "connection", project=project_id, id=connection_id)
    return None if row is None else connection_from(row)


async def claim(connection: Connection, free: Mapping[UUID, int], lease_seconds: float) -> list[Claimed]:
    """Claim deliveries: so many of each connection, one at a time of each subject."""
    if not free:
        return []
    rows = await many(
        connection, "claim", connections=list(free), free=[free[each] for each in free], lease=lease_seconds
    )
    return [_claimed(row) for row in rows]


def _claimed(row: Row) -> Claimed:
    kind, _, name = row["subject"].partition(":")
    event = DeliveredEvent(
        id=row["event_id"],
        type=row["type"],
        time=row["occurred_at"],
        project=row["slug"],
        subject=row["subject"],
        data=row["data"],
        run_id=UUID(name) if kind == "run" else None,
    )
    return Claimed(
        id=row["id"],
        connection_id=row["connection_id"],
        revision=row["revision"],
        token=row["token"],
        attempt=row["attempts"],
        event=event,
    )


async def end_attempts(connection: Connection, endings: Sequence[Ending]) -> Sequence[Row]:
    """Write how attempts ended; one whose token is old says nothing any more. Return what was written."""
    return await many(
        connection,
        "end_attempts",
        ids=[each.claimed.id for each in endings],
        tokens=[each.claimed.token for each in endings],
        states=[each.state.value for each in endings],
        outcomes=[each.outcome for each in endings],
        details=[each.detail for each in endings],
        references=[each.reference for each in endings],
        steps=[each.next_step for each in endings],
        pauses=[each.pause_seconds for each in endings],
        durations=[each.duration_ms for each in endings],
    )


async def give_back(connection: Connection, claimed: Sequence[Claimed]) -> None:
    """Let others attempt at once what was claimed and not ended."""
    await execute(connection, "give_back", ids=[each.id for each in claimed], tokens=[each.token for each in claimed])


async def list_deliveries(
    connection: Connection, project_id: UUID, wanted: DeliveryFilter, *, before: UUID | None, limit: int
) -> Sequence[Row]:
    """Return deliveries, newest first."""
    return await many(
        connection,
        "deliveries",
        project=project_id,
        before=before,
        state=wanted.state.value if wanted.state else None,
        connection=wanted.connection,
        subject=wanted.subject,
        limit=limit,
    )


async def find_delivery(connection: Connection, project_id: UUID, delivery_id: UUID) -> StoredDelivery | None:
    """Return a delivery with its attempts."""
    row = await one(connection, "delivery", project=project_id, id=delivery_id)
    if row is None:
        return None
    return StoredDelivery(row=row, attempts=await many(connection, "attempts", id=delivery_id))
