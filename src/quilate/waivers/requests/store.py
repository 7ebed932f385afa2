"""Waivers as rows."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries
from quilate.policy.model import Waiver
from quilate.waivers.requests.model import WaiverRequest, WaiverState, WaiverWish

_QUERIES = load_queries("quilate.waivers.requests")


async def possible_days(connection: Connection) -> tuple[date, date]:
    """Return the first and the last day that a waiver asked for now may end on, by the database's clock."""
    cursor = await connection.execute(_QUERIES["today"])
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without a table gives one row
    return row["today"], row["last"]


async def insert_request(
    connection: Connection, project_id: UUID, request_id: UUID, wish: WaiverWish, owner: str
) -> bool:
    """Insert a request; tell whether it was new."""
    given = {
        "id": request_id,
        "project": project_id,
        "rule": wish.rule,
        "paths": list(wish.paths),
        "check": wish.check_id,
        "reason": wish.reason,
        "until": wish.until,
        "owner": owner,
    }
    cursor = await connection.execute(_QUERIES["insert_request"], given)
    return cursor.rowcount == 1


async def find_request(
    connection: Connection, project_id: UUID, request_id: UUID, *, lock: bool = False
) -> WaiverRequest | None:
    """Return a project's waiver, its row locked until the transaction ends where ``lock`` says so."""
    cursor = await connection.execute(
        _QUERIES["locked_request" if lock else "request"], {"project": project_id, "id": request_id}
    )
    row = await cursor.fetchone()
    return None if row is None else _request(row)


async def list_requests(  # noqa: PLR0913 - the filters of the list
    connection: Connection,
    project_id: UUID,
    *,
    state: WaiverState | None,
    rule: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[WaiverRequest]:
    """Return waivers, the newest first, from before an id on."""
    given = {"project": project_id, "state": state, "rule": rule, "before": before, "limit": limit}
    cursor = await connection.execute(_QUERIES["requests"], given)
    return [_request(row) for row in await cursor.fetchall()]


async def decide(
    connection: Connection, request: WaiverRequest, state: WaiverState, person: str, comment: str
) -> WaiverRequest:
    """Approve or reject a request whose row the caller has locked."""
    given = {"id": request.id, "state": state, "person": person, "comment": comment}
    cursor = await connection.execute(_QUERIES["decide"], given)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the caller holds the lock, and has seen state and owner
    return _request(row)


async def revoke(connection: Connection, request: WaiverRequest, person: str, reason: str) -> WaiverRequest:
    """End a waiver or a request whose row the caller has locked."""
    cursor = await connection.execute(_QUERIES["revoke"], {"id": request.id, "person": person, "reason": reason})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the caller holds the lock, and has seen the state
    return _request(row)


async def expire(connection: Connection, person: str, limit: int) -> Sequence[WaiverRequest]:
    """End up to ``limit`` waivers whose last day is over."""
    cursor = await connection.execute(_QUERIES["expire"], {"person": person, "limit": limit})
    return [_request(row) for row in await cursor.fetchall()]


async def remind(connection: Connection, days: Sequence[int], limit: int) -> Sequence[WaiverRequest]:
    """Note which waivers are reminded of now and return them; each number of days counts once for each waiver."""
    cursor = await connection.execute(_QUERIES["remind"], {"days": list(days), "limit": limit})
    return [_request(row) for row in await cursor.fetchall()]


async def approved_waivers(connection: Connection, project_id: UUID, on: date) -> tuple[Waiver, ...]:
    """Return the waivers of a project that count on a day, for its runs."""
    cursor = await connection.execute(_QUERIES["approved"], {"project": project_id, "on": on})
    return tuple(
        Waiver(
            id=str(row["id"]),
            rule=row["rule"],
            reason=row["reason"],
            until=row["until"],
            owner=row["owner"],
            approver=row["decided_by"],
            paths=tuple(row["paths"]),
            source=f"waiver request {row['id']}",
        )
        for row in await cursor.fetchall()
    )


def _request(row: Mapping[str, Any]) -> WaiverRequest:
    return WaiverRequest(**{**row, "state": WaiverState(row["state"]), "paths": tuple(row["paths"])})
