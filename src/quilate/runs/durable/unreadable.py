"""Runs that cannot be read back, because their files are gone or by a fault of our own.

Another worker may still have the files, so their checks go back to the queue after a pause. What nobody can read after
``most`` times ends: a claim that is given back for ever would keep workers busy and its user waiting.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import structlog

from quilate.domain.errors import QuilateError
from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.cancelling import free_held_runs
from quilate.runs.durable.endings import FailedRun, fail_runs
from quilate.runs.durable.holding import release_checks
from quilate.runs.durable.lanes import JobKey
from quilate.runs.durable.sql import QUERIES

_LOG = structlog.get_logger("quilate.worker")
_PAUSE_SECONDS: Final = 2.0


async def give_back_unreadable(
    database: Database, worker: UUID, checks: Collection[JobKey], error: Exception, *, most: int
) -> None:
    """Give back the checks of one run, or end the run where that has happened ``most`` times.

    Args:
        database: Where the claims are.
        worker: Who holds them.
        checks: What of the run it holds; all of one run.
        error: Why the run cannot be read.
        most: So many losses end a run.
    """
    (run_id,) = {run for run, _, _ in checks}
    _LOG.error("run cannot be read", run=str(run_id), error=repr(error))

    async def work(connection: Connection) -> None:
        cursor = await connection.execute(QUERIES["lock_runs"], {"runs": [run_id], "projects": [], "keys": []})
        row = await cursor.fetchone()
        losses = await release_checks(connection, worker, checks, losses=1, pause_seconds=_PAUSE_SECONDS)
        if row is not None and losses >= most:
            failed = FailedRun(
                run_id=run_id,
                project_id=row["project_id"],
                failure=_failure(error, losses),
                step="checks",
                losses=losses,
            )
            await fail_runs(connection, [failed])
            await free_held_runs(connection, [(row["project_id"], row["concurrency_key"])])

    await database.run(work)


def _failure(error: Exception, losses: int) -> dict[str, str]:
    if isinstance(error, QuilateError):
        return {"error": f"{error} (tried {losses} times after the run had begun)", "next_step": error.next_step}
    return {
        "error": f"the run could not be read back {losses} times",
        "next_step": "look at the workers' logs, then replay it from the dead letters",
    }
