# mypy: disable-error-code="import-not-found, import-untyped"
# It runs in an environment of its own: here its imports cannot be found.
"""PgQueuer: a job for each check, batches as large as help, its faster driver, the stages counted beside it."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import psycopg
import uvloop
from pgqueuer import AsyncpgPoolDriver, PgQueuer, PsycopgDriver, Queries
from pgqueuer.models import Job as QueuedJob

from peers.harness import arguments, is_worker
from peers.stage_counters import Ends, Job, Measurement

_BATCH = 200


async def enqueue(connection: psycopg.AsyncConnection[Any], jobs: Sequence[Job]) -> None:
    """Put jobs into the queue within the connection's transaction."""
    payloads = [json.dumps(job).encode() for job in jobs]
    await Queries(PsycopgDriver(connection)).enqueue(["check"] * len(jobs), payloads, [0] * len(jobs))


async def work(url: str) -> None:
    """Be a worker until SIGTERM."""
    logging.disable(logging.CRITICAL)
    async with (
        asyncpg.create_pool(url, min_size=2, max_size=4) as pool,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        queuer = PgQueuer(AsyncpgPoolDriver(pool))
        ends = Ends(connection, enqueue)

        async def check(job: QueuedJob) -> None:
            run, stage, place = json.loads(job.payload or b"[]")
            await ends.ended((run, stage, place))

        queuer.entrypoint("check")(check)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queuer.shutdown.set)
        await queuer.run(batch_size=_BATCH, dequeue_timeout=timedelta(seconds=1))


async def main() -> None:
    """Measure."""
    url, runs, workers = arguments()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await Queries(PsycopgDriver(connection)).install()
        await Measurement(connection, enqueue).measure("peers.pgqueuer_peer", url, runs=runs, workers=workers)


if __name__ == "__main__":
    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(work(sys.argv[2]) if is_worker() else main())
