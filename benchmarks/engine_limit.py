"""The limit that the durable engine is held against: the same 4 x 4 jobs on plain tables with batched SKIP LOCKED.

Nothing but a claim, a completion and the next stage: no policy, no audit, no leases, no fencing, no evidence.
"""

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier

import psycopg

STAGES, CHECKS = 4, 4
_BATCH = 512

SCHEMA = """
CREATE TABLE limit_runs (
    id bigint PRIMARY KEY,
    unfinished smallint NOT NULL,
    stage smallint NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE limit_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL,
    status smallint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX limit_ready ON limit_jobs (id) WHERE status = 0;
"""

CLAIM = """
UPDATE limit_jobs SET status = 1 FROM (
    SELECT id FROM limit_jobs WHERE status = 0 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
) AS chosen
WHERE limit_jobs.id = chosen.id RETURNING limit_jobs.id, run_id
"""

COMPLETE = "UPDATE limit_jobs SET status = 2 WHERE id = ANY(%s)"

COUNT = """
UPDATE limit_runs SET unfinished = unfinished - given.done
FROM (SELECT run_id, count(*)::smallint AS done FROM unnest(%s::bigint[]) AS t (run_id) GROUP BY run_id) AS given
WHERE limit_runs.id = given.run_id
RETURNING limit_runs.id, unfinished, stage
"""

LOCK = "SELECT FROM limit_runs WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
"""So that two workers never wait for each other."""

UNFINISHED = "SELECT 1 FROM limit_runs WHERE unfinished > 0 LIMIT 1"

RIGHT = """
SELECT (SELECT count(*) FROM limit_runs WHERE unfinished = 0 AND stage = %s),
    (SELECT count(*) FROM limit_jobs WHERE status = 2)
"""

NEXT = """
WITH moved AS (
    UPDATE limit_runs SET stage = stage + 1, unfinished = %s WHERE id = ANY(%s) RETURNING id
)
INSERT INTO limit_jobs (run_id) SELECT id FROM moved CROSS JOIN generate_series(1, %s)
"""


def submit(url: str, runs: int) -> None:
    """Insert runs with the jobs of their first stage, all of them visible at once."""
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO limit_runs SELECT n, %s, 1 FROM generate_series(1, %s) AS n", (CHECKS, runs))
        connection.execute(
            "INSERT INTO limit_jobs (run_id)"
            " SELECT n FROM generate_series(1, %s) AS n CROSS JOIN generate_series(1, %s)",
            (runs, CHECKS),
        )


def work(url: str) -> None:
    """Work until every run has ended."""
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            with connection.transaction():
                claimed = connection.execute(CLAIM, (_BATCH,)).fetchall()
            if claimed:
                _end(connection, claimed)
            elif not connection.execute(UNFINISHED).fetchone():
                return


def _end(connection: psycopg.Connection, claimed: Sequence[tuple[int, int]]) -> None:
    runs = [run for _, run in claimed]
    with connection.transaction():
        connection.execute(COMPLETE, ([job for job, _ in claimed],))
        connection.execute(LOCK, (runs,))
        counted = connection.execute(COUNT, (runs,)).fetchall()
        going_on = [run for run, unfinished, stage in counted if unfinished == 0 and stage < STAGES]
        if going_on:
            connection.execute(NEXT, (CHECKS, going_on, CHECKS))


def measure(url: str, *, runs: int, workers: int) -> tuple[float, bool]:
    """Return the runs a second of so many processes, and whether every job was done once."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS limit_runs, limit_jobs")
        connection.execute(SCHEMA)
    submit(url, runs)
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(workers + 1)
    processes = [context.Process(target=_wait_and_work, args=(ready, url)) for _ in range(workers)]
    for process in processes:
        process.start()
    ready.wait()
    begin = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - begin
    ended = all(process.exitcode == 0 for process in processes)
    with psycopg.connect(url) as connection:
        row = connection.execute(RIGHT, (STAGES,)).fetchone()
    return runs / seconds, ended and row == (runs, runs * STAGES * CHECKS)


def _wait_and_work(ready: Barrier, url: str) -> None:
    ready.wait()
    work(url)
