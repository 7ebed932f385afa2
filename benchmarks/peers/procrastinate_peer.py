# mypy: disable-error-code="import-not-found, import-untyped"
# It runs in an environment of its own: here its imports cannot be found.
"""procrastinate: a job for each check, many at once in each worker, the stages counted beside it."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

import procrastinate
import psycopg

from peers.harness import arguments, is_worker
from peers.stage_counters import Ends, Job, Measurement

_CONCURRENCY = 32


class Checks:
    """The application with its one task."""

    def __init__(self, url: str) -> None:
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=16))
        self.ends: Ends | None = None
        self.task = self.app.task(name="check")(self._check)

    async def _check(self, run: int, stage: int, place: int) -> None:
        if self.ends is None:
            raise RuntimeError("a check needs a worker")
        await self.ends.ended((run, stage, place))

    async def enqueue(self, connection: psycopg.AsyncConnection[Any], jobs: Sequence[Job]) -> None:
        """Put jobs into the queue within the connection's transaction."""
        described = [{"run": run, "stage": stage, "place": place} for run, stage, place in jobs]
        await self.task.configure(connection=connection).batch_defer_async(*described)


async def work(url: str) -> None:
    """Be a worker until SIGTERM."""
    logging.disable(logging.CRITICAL)
    checks = Checks(url)
    async with (
        checks.app.open_async(),
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        checks.ends = Ends(connection, checks.enqueue)
        await checks.app.run_worker_async(concurrency=_CONCURRENCY, fetch_job_polling_interval=1, delete_jobs="always")


async def main() -> None:
    """Measure."""
    url, runs, workers = arguments()
    logging.disable(logging.CRITICAL)
    checks = Checks(url)
    async with (
        checks.app.open_async(),
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        await checks.app.schema_manager.apply_schema_async()
        measurement = Measurement(connection, checks.enqueue)
        await measurement.measure("peers.procrastinate_peer", url, runs=runs, workers=workers)


if __name__ == "__main__":
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(work(sys.argv[2]) if is_worker() else main())
