"""Giving back the work of workers that died. Any process may do it, any number at once."""

import asyncio
import time
from uuid import UUID

import structlog

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.waiting import happened
from quilate.runs.durable.cancelling import free_held_runs
from quilate.runs.durable.sql import QUERIES
from quilate.runs.durable.wakeups import CONTROL, Wakeups

_LOG = structlog.get_logger("quilate.recovery")
_LOOK_SECONDS = 0.5
_PARTITION_SECONDS = 3600.0


async def run_recovery(database: Database, stop: asyncio.Event) -> None:
    """Look for dead workers until ``stop`` is set: their claims are given back within a second of their lease's end."""
    wakeups = Wakeups(database)
    partitions_due = 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= partitions_due:
                await database.run(_make_partitions)
                partitions_due = time.monotonic() + _PARTITION_SECONDS
            queues = await database.run(recover)
            for queue in queues:
                wakeups.work_is_there(queue)
        except (DATABASE_ERROR, OSError) as error:
            _LOG.warning("recovery could not look", error=str(error))
        await happened(stop, _LOOK_SECONDS)


async def _make_partitions(connection: Connection) -> None:
    """Make the months ahead their partitions, long before they begin."""
    await connection.execute(QUERIES["make_partitions"])


async def recover(connection: Connection) -> set[str]:
    """Give back everything that dead workers held, within the caller's transaction; return the queues that got work.

    A worker is dead when its lease has run out by the database's clock. Its own late writes find that the fencing
    token has moved on.
    """
    # Before anything of a run is locked: see the order of locks at ``lock_runs``.
    cursor = await connection.execute(QUERIES["forgotten_held"])
    held = [(row["project_id"], row["key"]) for row in await cursor.fetchall()]
    freed = bool(held and await free_held_runs(connection, held))
    cursor = await connection.execute(QUERIES["dead_workers"])
    dead = [row["id"] for row in await cursor.fetchall()]
    cursor = await connection.execute(QUERIES["orphans"])
    dead += [row["worker"] for row in await cursor.fetchall() if row["worker"] not in dead]
    queues: set[str] = {CONTROL} if freed else set()
    if dead:
        queues |= await _return_work(connection, dead)
    return queues


async def _return_work(connection: Connection, dead: list[UUID]) -> set[str]:
    cursor = await connection.execute(QUERIES["return_checks"], {"workers": dead})
    checks = await cursor.fetchall()
    cursor = await connection.execute(QUERIES["return_steps"], {"workers": dead})
    steps = await cursor.fetchall()
    entries = [
        AuditEntry(
            action="check.returned",
            actor="system:quilate",
            subject=f"run:{row['run_id']}",
            project_id=row["project_id"],
            details={"check": row["check_id"], "losses": row["losses"]},
        )
        for row in checks
    ]
    entries += [
        AuditEntry(
            action="run.returned",
            actor="system:quilate",
            subject=f"run:{row['run_id']}",
            project_id=row["project_id"],
            details={"losses": row["losses"]},
        )
        for row in steps
    ]
    await append_entries(connection, entries)
    _LOG.warning("work of dead workers was given back", workers=len(dead), checks=len(checks), steps=len(steps))
    return {row["queue"] for row in checks} | ({CONTROL} if steps else set())
