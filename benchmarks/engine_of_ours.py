"""Our engine in ``bench_engine.py``: the service's own workers over runs of 4 stages of 4 trivial checks."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from processor_time import ProcessorTime, kind_of_ours, kind_of_postgres
from quilate.kit.database.database import Database
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.wakeups import CONTROL, Wakeups
from service_under_test import CHECKS, STAGES, Service, insert_all, one_row, submission

_LATENCIES = 200
_WARM_UP_RUNS = 400
_WARM_UP_LATENCIES = 20
_LOOK_SECONDS = 0.01
_LONGEST_SECONDS = 900

_UNFINISHED = """
SELECT EXISTS (SELECT 1 FROM runs WHERE status = 'queued' AND NOT held)
    OR EXISTS (SELECT 1 FROM runs WHERE status = 'running')
"""

_RIGHT = """
SELECT
    count(*),
    count(*) FILTER (WHERE r.status = 'succeeded' AND r.verdict = 'PASS' AND d.verdict = 'PASS'),
    coalesce(sum(a.attempts), 0)::bigint,
    coalesce(sum(a.final_passes), 0)::bigint,
    coalesce(sum(a.checks), 0)::bigint
FROM runs AS r
LEFT JOIN decisions AS d ON d.run_id = r.id
LEFT JOIN LATERAL (
    SELECT count(*) AS attempts, count(DISTINCT check_id) AS checks,
        count(*) FILTER (WHERE final AND result = 'pass' AND cached_age_seconds IS NULL) AS final_passes
    FROM check_attempts WHERE run_id = r.id
) AS a ON true
WHERE r.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one measurement gave."""

    runs_per_second: float
    submitted_per_second: float
    cores: dict[str, float]
    right: bool


def measure(service: Service, postgres: int, *, workers: int, runs: int, background: bool = False) -> Measured:
    """Let workers work off runs that all become visible at once, after others that warm them up."""
    roles = ["worker_main"] * workers + ["background"] * background
    with service.running(*roles) as started:
        asyncio.run(_work_off(service.url, _WARM_UP_RUNS))
        roots = {each.pid: kind_of_ours for each in started} | {postgres: kind_of_postgres}
        watch = ProcessorTime(roots=roots)
        ids, submitting, seconds = asyncio.run(_work_off(service.url, runs, watch))
        cores = watch.cores()
        alive = all(each.poll() is None for each in started)
    return Measured(
        runs_per_second=runs / seconds,
        submitted_per_second=runs / submitting,
        cores=cores,
        right=alive and every_run_is_right(service.url, ids),
    )


async def _work_off(url: str, runs: int, watch: ProcessorTime | None = None) -> tuple[list[UUID], float, float]:
    """Return the runs, and the seconds that submitting them and working them off took."""
    async with Database.open(url, name="benchmark", max_size=2) as database:
        begin = time.perf_counter()
        ids = await insert_all(database, runs)
        submitted = time.perf_counter()
        if watch is not None:
            watch.start()
        Wakeups(database).work_is_there(CONTROL)
        async with database.connection() as connection:
            while True:
                cursor = await connection.execute(_UNFINISHED)
                row = await cursor.fetchone()
                if row is not None and not next(iter(row.values())):
                    break
                if time.perf_counter() > submitted + _LONGEST_SECONDS:
                    raise TimeoutError(f"{runs} runs were not worked off in {_LONGEST_SECONDS} seconds")
                await asyncio.sleep(_LOOK_SECONDS)
        return ids, submitted - begin, time.perf_counter() - submitted


def every_run_is_right(url: str, ids: Sequence[UUID]) -> bool:
    """Tell whether each run passed, with one final attempt for each of its checks and none besides."""
    runs, passed, attempts, final, checks = one_row(url, _RIGHT, list(ids))
    every = len(ids) * STAGES * CHECKS
    return bool(runs == passed == len(ids) and attempts == final == checks == every)


def latency_milliseconds(service: Service) -> float:
    """Return the median time from submission to verdict of one run at a time, through the service's own intake."""
    with service.running("worker_main"):
        return asyncio.run(_latency(service.url))


async def _latency(url: str) -> float:
    async with Database.open(url, name="benchmark", max_size=4) as database:
        intake = Intake(database, Wakeups(database))
        times = []
        with psycopg.Connection.connect(url, autocommit=True) as connection:
            for _ in range(_WARM_UP_LATENCIES + _LATENCIES):
                begin = time.perf_counter()
                submitted = await intake.submit(submission())
                await _ended(connection, submitted.run_id)
                times.append(time.perf_counter() - begin)
    return statistics.median(times[_WARM_UP_LATENCIES:]) * 1000


async def _ended(connection: psycopg.Connection[Any], run_id: UUID) -> None:
    """Return once a run has ended, as the database says: the look is one of many that a client might take."""
    while True:
        row = connection.execute("SELECT step IS NULL FROM runs WHERE id = %s", (run_id,)).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(0.0005)
