"""The limit that the durable engine is held against: the same 4 x 4 jobs on plain tables with batched SKIP LOCKED.

Nothing but a claim, a completion and the next stage: no policy, no audit, no leases, no fencing, no evidence.
"""

import time

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

NEXT = """
WITH moved AS (
    UPDATE limit_runs SET stage = stage + 1, unfinished = %s WHERE id = ANY(%s) RETURNING id
)
INSERT INTO limit_jobs (run_id) SELECT id FROM moved CROSS JOIN generate_series(1, %s)
"""


def submit(connection: psycopg.Connection, runs: int) -> None:
    """Insert runs with the jobs of their first stage."""
    with connection.transaction():
        connection.execute("INSERT INTO limit_runs SELECT n, %s, 1 FROM generate_series(1, %s) AS n", (CHECKS, runs))
        connection.execute(
            "INSERT INTO limit_jobs (run_id)"
            " SELECT n FROM generate_series(1, %s) AS n CROSS JOIN generate_series(1, %s)",
            (runs, CHECKS),
        )


def work(url: str, runs: int) -> float:
    """Work until all runs have ended; return the seconds that it took."""
    finished = 0
    begin = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        while finished < runs:
            with connection.transaction():
                claimed = connection.execute(CLAIM, (_BATCH,)).fetchall()
            with connection.transaction():
                connection.execute(COMPLETE, ([row[0] for row in claimed],))
                counted = connection.execute(COUNT, ([row[1] for row in claimed],)).fetchall()
                going_on = [row[0] for row in counted if row[1] == 0 and row[2] < STAGES]
                finished += sum(1 for row in counted if row[1] == 0 and row[2] == STAGES)
                if going_on:
                    connection.execute(NEXT, (CHECKS, going_on, CHECKS))
    return time.perf_counter() - begin
