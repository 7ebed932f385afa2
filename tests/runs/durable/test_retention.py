"""What runs leave behind does not grow for ever, and nothing that a run still needs goes (C06, C19)."""

import asyncio
import time
from uuid import UUID, uuid4

import pytest

from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from quilate.runs.durable.retention import RunRetention, forget_answers, forget_logs, forget_plans
from tests.support.durable import rows

pytestmark = pytest.mark.asyncio

DAY_MILLISECONDS = 86_400_000


async def _answers(database: Database, project: UUID, ages_in_days: list[int]) -> None:
    async with database.transaction() as connection:
        for place, days in enumerate(ages_in_days):
            await connection.execute(
                "INSERT INTO result_cache (project_id, key, attempts, created_at)"
                " VALUES (%s, %s, '{}', now() - make_interval(days => %s))",
                (project, f"key-{place}", days),
            )


async def _left(database: Database, project: UUID) -> list[str]:
    found = await rows(database, "SELECT key FROM result_cache WHERE project_id = %s ORDER BY key", project)
    return [row["key"] for row in found]


async def test_answers_go_when_they_are_old_and_the_oldest_where_they_are_many(database: Database) -> None:
    busy, quiet = uuid4(), uuid4()
    await _answers(database, busy, [31, 40, 0, 1, 2, 3, 4])
    await _answers(database, quiet, [29, 31])
    retention = RunRetention(cache_days=30, cache_answers=3)

    assert await forget_answers(database, retention, batch=2) == 5
    assert await _left(database, busy) == ["key-2", "key-3", "key-4"]
    assert await _left(database, quiet) == ["key-0"]
    assert await forget_answers(database, retention, batch=2) == 0


async def test_many_processes_forget_together_and_never_too_much(database: Database) -> None:
    project = uuid4()
    await _answers(database, project, list(range(80)))
    retention = RunRetention(cache_days=1000, cache_answers=25)

    forgotten = await asyncio.gather(*(forget_answers(database, retention, batch=7) for _ in range(4)))

    assert sum(forgotten) == 55
    assert sorted(int(key.removeprefix("key-")) for key in await _left(database, project)) == list(range(25))


async def _run(database: Database, *, age_days: int, step: str | None, plan: str = "p") -> UUID:
    run = uuid7(time.time_ns() // 1_000_000 - age_days * DAY_MILLISECONDS)
    status = "succeeded" if step is None else "running"
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO runs (id, project_id, status, step, plan_digest) VALUES (%s, %s, %s, %s, %s)",
            (run, uuid4(), status, step, plan),
        )
        for sequence in range(3):
            await connection.execute(
                "INSERT INTO check_logs (run_id, check_id, attempt, sequence, text) VALUES (%s, 'a', 1, %s, 'x')",
                (run, sequence),
            )
    return run


async def test_logs_go_with_time_but_not_those_of_runs_under_way(database: Database) -> None:
    old = await _run(database, age_days=31, step=None)
    running = await _run(database, age_days=31, step="checks")
    young = await _run(database, age_days=29, step=None)

    assert await forget_logs(database, RunRetention(log_days=30), batch=2) == 3

    found = await rows(database, "SELECT DISTINCT run_id FROM check_logs")
    assert {row["run_id"] for row in found} == {running, young}
    assert await rows(database, "SELECT 1 FROM runs WHERE id = %s", old)


async def _plan(database: Database, digest: str, *, age_days: int) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO run_plans (digest, document, created_at) VALUES (%s, '{}', now() - make_interval(days => %s))",
            (digest, age_days),
        )


async def test_a_plan_stays_as_long_as_a_run_names_it(database: Database) -> None:
    await _run(database, age_days=400, step=None, plan="named")
    for digest, days in (("named", 400), ("unnamed", 2), ("new", 0)):
        await _plan(database, digest, age_days=days)

    assert await forget_plans(database) == 1

    found = await rows(database, "SELECT digest FROM run_plans ORDER BY digest")
    assert [row["digest"] for row in found] == ["named", "new"]


async def test_a_plan_that_a_worker_is_about_to_name_is_not_lost(database: Database) -> None:
    """The worker found the plan there and wrote nothing; its run's row comes with the same transaction."""
    await _plan(database, "wanted", age_days=2)
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO run_plans (digest, document) VALUES ('wanted', '{}') ON CONFLICT DO NOTHING"
        )
        forgetting = asyncio.create_task(forget_plans(database))
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'run_plans'::regclass"
        deadline = time.monotonic() + 10
        while not await rows(database, waiting):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        await connection.execute(
            "INSERT INTO runs (id, project_id, status, step, plan_digest)"
            " VALUES (%s, %s, 'running', 'checks', 'wanted')",
            (uuid7(), uuid4()),
        )
    assert await forgetting == 0
    assert await rows(database, "SELECT 1 FROM run_plans")
