"""Ending runs before their time, and letting those go on that waited for them."""

from collections.abc import Sequence
from uuid import UUID

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection
from quilate.outbox.events import OutgoingEvent, append_events
from quilate.runs.durable.sql import QUERIES


async def cancel_locked_runs(
    connection: Connection, project_id: UUID, runs: Sequence[UUID], *, actor: str, reason: str
) -> list[UUID]:
    """Cancel those of the runs that have not ended, within the caller's transaction; return them.

    Their checks' rows go at once, so that nothing that a worker still writes for them counts; the workers end the
    processes when they hear of it (a notice, or their next beat).
    """
    if not runs:
        return []
    await connection.execute(QUERIES["lock_runs"], {"runs": list(runs), "projects": [], "keys": []})
    cursor = await connection.execute(QUERIES["cancel_runs"], {"project": project_id, "runs": list(runs)})
    rows = await cursor.fetchall()
    if not rows:
        return []
    cancelled = [row["id"] for row in rows]
    await connection.execute(
        QUERIES["cancel_checks"],
        {"runs": cancelled, "versions": [row["version"] for row in rows], "reason": reason},
    )
    await append_entries(
        connection,
        [
            AuditEntry(
                action="run.cancelled",
                actor=actor,
                subject=f"run:{run}",
                project_id=project_id,
                details={"reason": reason},
            )
            for run in cancelled
        ],
    )
    await append_events(
        connection,
        [
            OutgoingEvent(
                type="dev.quilate.run.finished",
                project_id=project_id,
                subject=f"run:{run}",
                data={"run": str(run), "status": "cancelled", "verdict": None},
            )
            for run in cancelled
        ],
    )
    await free_held_runs(connection, [(project_id, row["concurrency_key"]) for row in rows])
    return cancelled


async def free_held_runs(connection: Connection, keys: Sequence[tuple[UUID, str | None]]) -> list[UUID]:
    """Let the oldest run that is held for each key go on, where no other of the key is active; return them."""
    named = sorted({(project, key) for project, key in keys if key})
    if not named:
        return []
    for project, key in named:
        await connection.execute(QUERIES["lock_concurrency_key"], {"project": project, "key": key})
    cursor = await connection.execute(
        QUERIES["release_held"],
        {"projects": [project for project, _ in named], "keys": [key for _, key in named]},
    )
    return [row["id"] for row in await cursor.fetchall()]
