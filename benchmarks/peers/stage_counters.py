"""A run's state for queues that know jobs but no graph: counters and results in tables of one's own.

Many jobs' ends share one transaction, as the products' own guides recommend for small jobs. Needs psycopg, which both
queues use.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg

from peers.harness import ANSWER, CHECKS, LATENCIES, STAGES, WARM_UP, report, worker_processes

Job = tuple[int, int, int]
"""Run, stage and check."""

SCHEMA = """
CREATE TABLE dag_runs (
    id bigint PRIMARY KEY, stage smallint NOT NULL, unfinished smallint NOT NULL, done boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);
CREATE INDEX dag_unfinished ON dag_runs (id) WHERE NOT done;
CREATE TABLE dag_checks (
    run bigint NOT NULL, stage smallint NOT NULL, place smallint NOT NULL, answer smallint NOT NULL,
    PRIMARY KEY (run, stage, place)
);
"""

_RECORD = """
WITH recorded AS (
    INSERT INTO dag_checks (run, stage, place, answer)
    SELECT * FROM unnest(%(runs)s::bigint[], %(stages)s::smallint[], %(places)s::smallint[], %(answers)s::smallint[])
    ON CONFLICT DO NOTHING
    RETURNING run
),
counted AS (SELECT run, count(*)::smallint AS number FROM recorded GROUP BY run ORDER BY run)
UPDATE dag_runs SET
    unfinished = CASE WHEN unfinished = number AND stage < %(last)s THEN %(checks)s ELSE unfinished - number END,
    stage = CASE WHEN unfinished = number AND stage < %(last)s THEN stage + 1 ELSE stage END,
    done = unfinished = number AND stage = %(last)s
FROM counted WHERE dag_runs.id = counted.run
RETURNING dag_runs.id, stage, unfinished = %(checks)s AND NOT done AS began
"""

_WARM_UP_RUNS = 50

Enqueue = Callable[[psycopg.AsyncConnection[Any], Sequence[Job]], Awaitable[None]]


_LOCK = "SELECT FROM dag_runs WHERE id = ANY(%(runs)s) ORDER BY id FOR UPDATE"
"""So that two workers never wait for each other."""


class Ends:
    """Writes what ended: everything that comes in while one transaction is under way goes into the next."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], enqueue: Enqueue) -> None:
        self._connection = connection
        self._enqueue = enqueue
        self._waiting: list[tuple[Job, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def ended(self, job: Job) -> None:
        """Return once the end of a job is recorded and what it made ready is in the queue."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await future

    async def _write(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._record([job for job, _ in batch])
            except Exception as error:  # noqa: BLE001 - each job fails with what its transaction failed with
                for _, future in batch:
                    future.set_exception(error)
            else:
                for _, future in batch:
                    future.set_result(None)

    async def _record(self, jobs: Sequence[Job]) -> None:
        columns = {
            "runs": [run for run, _, _ in jobs],
            "stages": [stage for _, stage, _ in jobs],
            "places": [place for _, _, place in jobs],
            "answers": [ANSWER for _ in jobs],
        }
        async with self._connection.transaction():
            await self._connection.execute(_LOCK, columns)
            cursor = await self._connection.execute(_RECORD, {**columns, "last": STAGES, "checks": CHECKS})
            moved = [(row[0], row[1]) for row in await cursor.fetchall() if row[2]]
            if moved:
                await self._enqueue(self._connection, [(run, stage, n) for run, stage in moved for n in range(CHECKS)])


class Measurement:
    """Runs that are submitted to a queue and waited for."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], enqueue: Enqueue) -> None:
        self._connection = connection
        self._enqueue = enqueue

    async def measure(self, module: str, url: str, *, runs: int, workers: int) -> None:
        """Print what it takes to work off runs that all become visible at once, and then one at a time."""
        await self._connection.execute(SCHEMA)
        with worker_processes(module, workers, url) as started:

            def alive() -> bool:
                return all(worker.poll() is None for worker in started)

            await self._submit(range(-_WARM_UP_RUNS, 0))
            await self._finish(alive)
            await self._submit(range(runs))
            begin = time.perf_counter()
            await self._finish(alive)
            seconds = time.perf_counter() - begin
            times = []
            for number in range(WARM_UP + LATENCIES):
                begin = time.perf_counter()
                await self._submit([runs + number])
                await self._finish(alive, pause=0.0005)
                times.append(time.perf_counter() - begin)
        report(
            runs=runs,
            seconds=seconds,
            p50_ms=statistics.median(times[WARM_UP:]) * 1000,
            checks_executed=await self._executed(runs),
        )

    async def _submit(self, runs: Sequence[int]) -> None:
        async with self._connection.transaction():
            await self._connection.execute(
                "INSERT INTO dag_runs (id, stage, unfinished) SELECT id, 1, %s FROM unnest(%s::bigint[]) AS id",
                (CHECKS, list(runs)),
            )
            await self._enqueue(self._connection, [(run, 1, place) for run in runs for place in range(CHECKS)])

    async def _finish(self, alive: Callable[[], bool], *, pause: float = 0.01) -> None:
        while True:
            cursor = await self._connection.execute("SELECT EXISTS (SELECT 1 FROM dag_runs WHERE NOT done)")
            row = await cursor.fetchone()
            if row is not None and not row[0]:
                return
            if not alive():
                raise RuntimeError("a worker ended")
            await asyncio.sleep(pause)

    async def _executed(self, runs: int) -> int:
        """Return how many checks of the measured runs left the right result."""
        sql = "SELECT count(*) FROM dag_checks WHERE run >= 0 AND run < %s AND answer = %s"
        cursor = await self._connection.execute(sql, (runs, ANSWER))
        row = await cursor.fetchone()
        return int(row[0]) if row is not None else 0
