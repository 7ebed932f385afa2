"""Exports as rows; transactions are the caller's."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.accounts.statements import Statements
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.arrays import uuid_array
from quilate.kit.database.database import Connection
from quilate.scripts.exports.model import ClaimedExport, Export, Exported, ExportState

_STATEMENTS = Statements("quilate.scripts.exports")


async def insert(connection: Connection, executions: Sequence[tuple[UUID, UUID]]) -> None:
    """Note that outputs are to go somewhere: pairs of an execution and its project."""
    if executions:
        arguments = {
            "ids": uuid_array(execution for execution, _ in executions),
            "projects": uuid_array(project for _, project in executions),
        }
        await _STATEMENTS.execute(connection, "insert", **arguments)


async def of_executions(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Export]:
    """Return the exports of executions, where there are some."""
    rows = await _STATEMENTS.many(connection, "of_executions", ids=list(ids))
    return {row["execution_id"]: _export(row) for row in rows}


async def depth(connection: Connection) -> tuple[int, float]:
    """Return how many exports are still to be done, and since how many seconds the oldest."""
    row = await _STATEMENTS.one(connection, "depth")
    return (row["pending"], row["oldest_seconds"]) if row is not None else (0, 0.0)


async def claim(connection: Connection, *, limit: int, lease_seconds: float) -> list[ClaimedExport]:
    """Take exports that are due, for as long as the lease is renewed."""
    rows = await _STATEMENTS.many(connection, "claim", limit=limit, lease=lease_seconds)
    return [ClaimedExport(**row) for row in rows]


async def renew(connection: Connection, claimed: ClaimedExport, lease_seconds: float) -> bool:
    """Keep an export; tell whether it is still held."""
    return bool(await _STATEMENTS.execute(connection, "renew", **_name(claimed), lease=lease_seconds))


async def release(connection: Connection, claimed: ClaimedExport) -> None:
    """Give an export back that could not be ended."""
    await _STATEMENTS.execute(connection, "release", **_name(claimed))


async def put_off(  # noqa: PLR0913 - a row's columns
    connection: Connection,
    claimed: ClaimedExport,
    done: Exported,
    *,
    pause_seconds: float,
    problem: str,
    next_step: str,
) -> None:
    """Have an export tried again after a pause."""
    facts = {"pause": pause_seconds, "problem": problem, "next_step": next_step}
    await _STATEMENTS.execute(connection, "put_off", **_name(claimed), **_done(done), **facts)


async def end(
    connection: Connection, claimed: ClaimedExport, done: Exported, *, problem: str = "", next_step: str = ""
) -> bool:
    """Write that an export is done, or given up where there is a problem; tell whether it was still held."""
    state = ExportState.FAILED if problem else ExportState.COMPLETED
    facts = {"state": state.value, "problem": problem, "next_step": next_step}
    return bool(await _STATEMENTS.execute(connection, "end", **_name(claimed), **_done(done), **facts))


async def begin_again(connection: Connection, access: ProjectAccess, execution_id: UUID) -> bool:
    """Have an export that was given up tried again, with its audit entry; tell whether there was one."""
    project = access.project.id
    if not await _STATEMENTS.execute(connection, "begin_again", id=execution_id, project=project):
        return False
    entry = AuditEntry(
        action="script.execution.export_repeated",
        actor=str(access.actor),
        subject=f"execution:{execution_id}",
        project_id=project,
        details={},
    )
    await append_entries(connection, [entry])
    return True


def _name(claimed: ClaimedExport) -> dict[str, Any]:
    return {"id": claimed.execution_id, "attempts": claimed.attempts}


def _done(done: Exported) -> dict[str, Any]:
    return {"version": done.version, "run": done.run, "object": done.object}


def _export(row: Mapping[str, Any]) -> Export:
    return Export(
        state=ExportState(row["state"]),
        attempts=row["attempts"],
        version=row["version"],
        run=row["run_id"],
        object=row["object"],
        problem=row["problem"],
        next_step=row["next_step"],
        ready_at=row["ready_at"],
        ended_at=row["ended_at"],
    )
