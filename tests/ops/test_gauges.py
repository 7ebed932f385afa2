"""A scrape shows queues, runs, workers and recent results of the whole service (A13)."""

import time

import pytest

from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from quilate.kit.metrics import Metrics
from quilate.ops.gauges import database_readings, first_id, pool_readings


@pytest.mark.asyncio
async def test_the_state_of_the_service_is_read_from_the_database(database: Database) -> None:
    project, run, old = uuid7(), uuid7(), uuid7(int((time.time() - 3600) * 1000))
    async with database.connection() as connection:
        for each, verdict in ((run, "PASS"), (old, "FAIL")):
            await connection.execute(
                "INSERT INTO runs (id, project_id, status, verdict, submitted_at, ended_at)"
                " VALUES (%s, %s, 'succeeded', %s, now() - interval '2 s', now())",
                (each, project, verdict),
            )
            await connection.execute(
                "INSERT INTO decisions (run_id, project_id, verdict, subject_digest, blueprint_id, blueprint_digest,"
                " decision_digest, input_digest, seal_digest, seal, failing)"
                " VALUES (%s, %s, %s, '', '', '', '', '', '', '', '[]')",
                (each, project, verdict),
            )
        await connection.execute(
            "INSERT INTO runs (id, project_id, status, step) VALUES (%s, %s, 'queued', 'plan')", (uuid7(), project)
        )
        await connection.execute(
            "INSERT INTO check_runs (run_id, check_id, project_id, queue, status, priority, attempt, ready_at)"
            " VALUES (%s, 'a', %s, 'code', 'queued', 0, 1, now() - interval '9 s')",
            (run, project),
        )
        await connection.execute(
            "INSERT INTO check_attempts (run_id, check_id, attempt, project_id, run_version, completion, result,"
            " duration_ms, final) VALUES (%s, 'a', 1, %s, 1, '', 'pass', 1500, true)",
            (run, project),
        )

    readings = list(await database_readings(database)())
    found = {(reading.name, *reading.labels.values()): reading.value for reading in readings}

    assert found["queue_depth", "code"] == 1
    assert 9 <= found["queue_oldest_age_seconds", "code"] < 60
    assert found["runs", "queued"] == 1
    assert found["recent_verdicts", "PASS"] == 1
    assert ("recent_verdicts", "FAIL") not in found
    assert found["recent_run_seconds", "0.5"] == pytest.approx(2, abs=0.5)
    assert found["recent_check_seconds", "pass", "0.95"] == pytest.approx(1.5)
    assert found["recent_checks", "pass"] == 1
    assert found["workers_alive",] == 0
    assert found["dead_letters_waiting",] == 0


@pytest.mark.asyncio
async def test_an_empty_service_can_be_scraped(database: Database) -> None:
    metrics = Metrics()
    metrics.register_collector("database", database_readings(database))
    metrics.register_collector("pool", pool_readings(database))

    page = (await metrics.render()).decode()

    assert 'quilate_collector_failed{collector="database"} 0.0' in page
    assert "quilate_workers_alive 0.0" in page
    assert "quilate_database_pool_size" in page


def test_ids_of_a_moment_come_after_earlier_ones() -> None:
    now = time.time()

    assert uuid7(int(now * 1000) - 1) < first_id(now) <= uuid7(int(now * 1000))
