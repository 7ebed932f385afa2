"""What people ask of runs that are there: cancel, replay."""

from uuid import UUID

import msgspec

from quilate.accounts.model import Actor
from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.verdict import RunStatus
from quilate.kit.database.database import Connection
from quilate.runs.durable.cancelling import cancel_locked_runs
from quilate.runs.durable.intake import insert_runs
from quilate.runs.durable.model import Idempotency, Submission, Submitted
from quilate.runs.durable.sql import QUERIES


async def cancel_run(
    connection: Connection, project_id: UUID, run_id: UUID, actor: Actor, reason: str = "cancelled"
) -> RunStatus | None:
    """Cancel a run, within the caller's transaction, and return its status; ``None`` where there is no such run.

    A run that had ended before keeps its status. Tell the workers afterwards (``Wakeups``, notice ``cancelled``).
    """
    await cancel_locked_runs(connection, project_id, [run_id], actor=str(actor), reason=reason)
    cursor = await connection.execute(QUERIES["run_status"], {"run": run_id, "project": project_id})
    row = await cursor.fetchone()
    return None if row is None else RunStatus(row["status"])


async def replay_dead_letter(
    connection: Connection, project_id: UUID, dead_letter_id: UUID, actor: Actor
) -> Submitted | None:
    """Submit the run of a dead letter again, within the caller's transaction; ``None``: there is no such letter.

    What passed at its first attempt does not run again. A second replay gives the same run as it is now, and leaves no
    further trace.
    """
    cursor = await connection.execute(QUERIES["dead_letter"], {"letter": dead_letter_id, "project": project_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    document = msgspec.json.decode(row["document"])
    submission = msgspec.convert(
        {
            **document,
            "project_id": project_id,
            "actor": {"kind": actor.kind.value, "id": actor.id},
            "idempotency": msgspec.to_builtins(Idempotency(source="dead-letter", id=str(dead_letter_id))),
            "rerun_of": row["run_id"],
        },
        type=Submission,
    )
    submitted = (await insert_runs(connection, [submission]))[0]
    if not submitted.created:
        return submitted
    await connection.execute(QUERIES["mark_replayed"], {"letter": dead_letter_id, "run": submitted.run_id})
    await append_entries(
        connection,
        [
            AuditEntry(
                action="dead-letter.replayed",
                actor=str(actor),
                subject=f"dead-letter:{dead_letter_id}",
                project_id=project_id,
                details={"run": str(submitted.run_id)},
            )
        ],
    )
    return submitted
