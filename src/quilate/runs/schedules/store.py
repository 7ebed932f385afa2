"""Schedules and firings as rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries
from quilate.runs.durable.intake import full_projects
from quilate.runs.schedules.model import (
    ClaimedSchedule,
    Firing,
    FiringOutcome,
    MissedPolicy,
    Schedule,
    ScheduledRun,
    ScheduleWish,
)

_QUERIES = load_queries("quilate.runs.schedules")


class UnreadableScheduleError(Exception):
    """A schedule's row does not hold a schedule, for example one that a newer version wrote."""

    def __init__(self, schedule_id: UUID) -> None:
        super().__init__(f"the schedule {schedule_id} cannot be read")
        self.schedule_id = schedule_id


async def database_time(connection: Connection) -> datetime:
    """Return the database's time: all schedulers go by this one clock."""
    cursor = await connection.execute(_QUERIES["now"])
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without a table gives one row
    moment: datetime = row["now"]
    return moment


async def insert_schedule(  # noqa: PLR0913 - the columns of a new row
    connection: Connection,
    project_id: UUID,
    schedule_id: UUID,
    wish: ScheduleWish,
    *,
    author: str,
    next_fire: datetime | None,
    now: datetime,
) -> bool:
    """Insert a schedule unless id or name are there; tell whether it was new."""
    given = {"project": project_id, **_columns(schedule_id, wish, author, next_fire, now)}
    cursor = await connection.execute(_QUERIES["insert_schedule"], given)
    return cursor.rowcount == 1


async def find_schedule(
    connection: Connection, project_id: UUID, schedule_id: UUID, *, lock: bool = False
) -> Schedule | None:
    """Return a project's schedule, its row locked until the transaction ends where ``lock`` says so."""
    cursor = await connection.execute(
        _QUERIES["locked_schedule" if lock else "schedule"], {"project": project_id, "id": schedule_id}
    )
    row = await cursor.fetchone()
    return None if row is None else _schedule(row)


async def list_schedules(
    connection: Connection, project_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Schedule]:
    """Return schedules, the newest first, from before an id on."""
    cursor = await connection.execute(_QUERIES["schedules"], {"project": project_id, "before": before, "limit": limit})
    return [_schedule(row) for row in await cursor.fetchall()]


async def name_is_taken(connection: Connection, project_id: UUID, schedule_id: UUID, name: str) -> bool:
    """Tell whether another schedule of the project has a name."""
    cursor = await connection.execute(_QUERIES["same_name"], {"project": project_id, "id": schedule_id, "name": name})
    return await cursor.fetchone() is not None


async def update_schedule(  # noqa: PLR0913 - the columns of a row
    connection: Connection,
    schedule: Schedule,
    wish: ScheduleWish,
    *,
    author: str,
    next_fire: datetime | None,
    now: datetime,
) -> Schedule:
    """Write a schedule whose row the caller has locked."""
    cursor = await connection.execute(_QUERIES["update_schedule"], _columns(schedule.id, wish, author, next_fire, now))
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the caller holds the row's lock
    return _schedule(row)


async def delete_schedule(connection: Connection, schedule: Schedule) -> None:
    """Take a schedule away; what became of its firings stays."""
    await connection.execute(_QUERIES["delete_schedule"], {"id": schedule.id})


async def list_firings(
    connection: Connection, project_id: UUID, schedule_id: UUID, *, before: datetime | None, limit: int
) -> Sequence[Firing]:
    """Return what became of firings, the newest first, from before a moment on."""
    cursor = await connection.execute(
        _QUERIES["firings"], {"project": project_id, "id": schedule_id, "before": before, "limit": limit}
    )
    return [_firing(row) for row in await cursor.fetchall()]


async def claim_due(connection: Connection, excluded: Sequence[UUID]) -> ClaimedSchedule | None:
    """Lock a schedule that is due and that no other scheduler holds.

    Raises:
        UnreadableScheduleError: Its row does not hold a schedule.
    """
    return await _claimed(connection, "claim_due", excluded)


async def claim_after_clock_change(connection: Connection, excluded: Sequence[UUID]) -> ClaimedSchedule | None:
    """Lock a schedule whose next firing was computed before the database's clock was put back."""
    return await _claimed(connection, "claim_after_clock_change", excluded)


async def _claimed(connection: Connection, query: str, excluded: Sequence[UUID]) -> ClaimedSchedule | None:
    cursor = await connection.execute(_QUERIES[query], {"excluded": list(excluded)})
    row = await cursor.fetchone()
    if row is None:
        return None
    try:
        schedule = _schedule(row)
    except ValueError as error:
        raise UnreadableScheduleError(row["id"]) from error
    repository = row["repository_url"] or ""
    return ClaimedSchedule(schedule=schedule, project=row["slug"], repository=repository, now=row["now"])


async def queue_is_full(connection: Connection, project_id: UUID) -> bool:
    """Tell whether a project has as many runs waiting as it may have."""
    return bool(await full_projects(connection, [project_id]))


async def known_firings(connection: Connection, schedule_id: UUID, moments: Sequence[datetime]) -> frozenset[datetime]:
    """Return which of these firings have happened."""
    cursor = await connection.execute(_QUERIES["known_firings"], {"id": schedule_id, "moments": list(moments)})
    return frozenset(row["fire_at"] for row in await cursor.fetchall())


async def record_firings(
    connection: Connection, project_id: UUID, schedule_id: UUID, firings: Sequence[Firing]
) -> None:
    """Write down what became of firings; one that is known already ends the transaction, and what else is in it."""
    await connection.execute(
        _QUERIES["insert_firings"],
        {
            "id": schedule_id,
            "project": project_id,
            "moments": [firing.fire_at for firing in firings],
            "outcomes": [firing.outcome.value for firing in firings],
            "runs": [firing.run_id for firing in firings],
            "reasons": [firing.reason for firing in firings],
            "missed": [firing.missed for firing in firings],
        },
    )


async def advance(
    connection: Connection, schedule_id: UUID, *, next_fire: datetime | None, now: datetime, enabled: bool = True
) -> None:
    """Move a schedule, whose row the caller has locked, to its next firing."""
    await connection.execute(
        _QUERIES["advance"], {"id": schedule_id, "next_fire": next_fire, "now": now, "enabled": enabled}
    )


def _columns(
    schedule_id: UUID, wish: ScheduleWish, author: str, next_fire: datetime | None, now: datetime
) -> dict[str, Any]:
    return {
        "id": schedule_id,
        "name": wish.name,
        "cron": wish.cron,
        "time_zone": wish.time_zone,
        "missed": wish.missed.value,
        "most_missed": wish.most_missed,
        "enabled": wish.enabled,
        "submission": msgspec.json.encode(wish.run).decode(),
        "author": author,
        "next_fire": next_fire,
        "now": now,
    }


def _schedule(row: Mapping[str, Any]) -> Schedule:
    return Schedule(
        id=row["id"],
        project_id=row["project_id"],
        wish=ScheduleWish(
            name=row["name"],
            cron=row["cron"],
            time_zone=row["time_zone"],
            missed=MissedPolicy(row["missed"]),
            most_missed=row["most_missed"],
            enabled=row["enabled"],
            run=msgspec.convert(row["submission"], ScheduledRun),
        ),
        author=row["author"],
        revision=row["revision"],
        next_fire=row["next_fire"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _firing(row: Mapping[str, Any]) -> Firing:
    return Firing(
        fire_at=row["fire_at"],
        outcome=FiringOutcome(row["outcome"]),
        run_id=row["run_id"],
        reason=row["reason"],
        missed=row["missed"],
        fired_at=row["fired_at"],
    )
