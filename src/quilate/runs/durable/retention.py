"""What of runs is not kept for good: cached answers, logs of checks, plans that no run names.

Rows go in batches, each a transaction of its own, so that no lock is held for long and any number of processes may do
it at once.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.sql import QUERIES

BATCH = 2000
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetention:
    """How long it is kept.

    Attributes:
        cache_days: Answers of the result cache, from when they were found.
        cache_answers: Answers of one project at most; the oldest go first.
        log_days: Logs of checks, from when their run was submitted; those of runs under way stay.
    """

    cache_days: int = 30
    cache_answers: int = 50_000
    log_days: int = 30


async def forget_answers(database: Database, retention: RunRetention, *, batch: int = BATCH) -> int:
    """Forget cached answers that are too old or too many, and return how many."""
    aged = await _forget(database, "forget_old_answers", {"days": retention.cache_days}, batch)
    async with database.connection() as connection:
        cursor = await connection.execute(QUERIES["projects_with_answers"], {"kept": retention.cache_answers})
        projects = [row["project_id"] for row in await cursor.fetchall()]
    many = 0
    for project in projects:
        arguments = {"project": project, "kept": retention.cache_answers}
        many += await _forget(database, "forget_oldest_answers", arguments, batch)
    return aged + many


async def forget_logs(database: Database, retention: RunRetention, *, batch: int = BATCH) -> int:
    """Forget old logs of checks and return how many pieces."""
    # Ids of runs begin with the time of their submission.
    oldest = UUID(int=int((time.time() - retention.log_days * _DAY_SECONDS) * 1000) << 80)
    return await _forget(database, "forget_logs", {"oldest": oldest}, batch)


async def forget_plans(database: Database) -> int:
    """Forget plans that no run names and return how many: a plan is kept as long as a run that was judged by it."""
    async with database.connection() as connection:
        cursor = await connection.execute(QUERIES["unnamed_plans"], {"most": BATCH})
        digests = [row["digest"] for row in await cursor.fetchall()]
    if not digests:
        return 0

    async def work(connection: Connection) -> int:
        # A worker may be about to name one of them: it has either written its run's row before this lock, and the look
        # below sees it, or waits for the lock and writes the plan anew.
        await connection.execute(QUERIES["lock_plans"])
        return (await connection.execute(QUERIES["forget_plans"], {"digests": digests})).rowcount

    return await database.run(work)


async def _forget(database: Database, name: str, arguments: Mapping[str, Any], batch: int) -> int:
    total = 0
    while gone := await _once(database, name, {**arguments, "most": batch}):
        total += gone
        if gone < batch:
            break
    return total


async def _once(database: Database, name: str, arguments: Mapping[str, Any]) -> int:
    async def work(connection: Connection) -> int:
        return (await connection.execute(QUERIES[name], arguments)).rowcount

    return await database.run(work)
