"""Runs of one concurrency key under load: none beside another, none forgotten, no transaction against another (C04).

The database itself watches: a unique index refuses a second run of a key that has begun, the server counts deadlocks.
"""

import asyncio
import random
from pathlib import Path
from uuid import UUID

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.accounts.model import SYSTEM
from quilate.domain.verdict import RunStatus
from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.commands import cancel_run
from quilate.runs.durable.worker import WorkerOptions
from tests.support.durable import FAKES, PROJECT, blueprint, recovering, rows, running_worker, submission, submit, until

pytestmark = pytest.mark.asyncio

KEYED = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}", stages=2, more="concurrency: {key: deploy}")
SUPERSEDING = KEYED.replace("{key: deploy}", "{key: deploy, supersede: true}")
OPTIONS = WorkerOptions(capacity=4, plugins=(FAKES,), concurrent_runs=50)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


async def _watch_keys(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "CREATE UNIQUE INDEX one_at_a_time ON runs (project_id, concurrency_key) WHERE step IN ('checks', 'decide')"
        )


async def _all_ended(database: Database) -> bool:
    return not await rows(database, "SELECT 1 FROM runs WHERE step IS NOT NULL LIMIT 1")


async def _states(database: Database) -> dict[UUID, tuple[str, str | None]]:
    found = await rows(database, "SELECT id, status, verdict FROM runs")
    return {row["id"]: (row["status"], row["verdict"]) for row in found}


async def _deadlocks(database: Database) -> int:
    (found,) = await rows(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(found["deadlocks"])


async def _cancel(database: Database, run: UUID) -> None:
    async def work(connection: Connection) -> RunStatus | None:
        return await cancel_run(connection, PROJECT, run, SYSTEM)

    await database.run(work)


async def test_superseding_waiting_and_cancelled_runs_of_few_keys_all_end(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await _watch_keys(database)
    chance = random.Random(7)  # noqa: S311 - the same mixture each time
    async with (
        recovering(database),
        running_worker(database_url, tmp_path, blueprint_text=KEYED, options=OPTIONS),
        running_worker(database_url, tmp_path, blueprint_text=KEYED, options=OPTIONS),
        running_worker(database_url, tmp_path, blueprint_text=KEYED, options=OPTIONS),
    ):
        for _ in range(25):
            wave = [
                submission(concurrency_key=chance.choice(["", "a", "b", "c"]), supersede=chance.random() < 0.4)
                for _ in range(8)
            ]
            submitted = await submit(database, *wave)
            await asyncio.gather(*(_cancel(database, run.run_id) for run in chance.sample(submitted, 2)))
        await until(lambda: _all_ended(database), seconds=90)
    ends = await _states(database)
    assert len(ends) == 200
    assert set(ends.values()) == {("succeeded", "PASS"), ("cancelled", None)}
    assert await _deadlocks(database) == 0


async def test_runs_that_wait_all_run(database: Database, database_url: str, tmp_path: Path) -> None:
    await _watch_keys(database)
    await submit(database, *(submission() for _ in range(30)))
    async with (
        running_worker(database_url, tmp_path, blueprint_text=KEYED, options=OPTIONS),
        running_worker(database_url, tmp_path, blueprint_text=KEYED, options=OPTIONS),
    ):
        await until(lambda: _all_ended(database), seconds=60)
    assert set((await _states(database)).values()) == {("succeeded", "PASS")}
    assert await _deadlocks(database) == 0


async def test_of_runs_that_are_planned_together_the_newest_supersedes_the_others(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await _watch_keys(database)
    submitted = await submit(database, *(submission() for _ in range(10)))
    async with running_worker(database_url, tmp_path, blueprint_text=SUPERSEDING, options=OPTIONS):
        await until(lambda: _all_ended(database), seconds=60)
    ends = await _states(database)
    assert ends[submitted[-1].run_id] == ("succeeded", "PASS")
    entries = await rows(database, "SELECT run_id FROM decisions")
    assert {row["run_id"] for row in entries} == {run for run, end in ends.items() if end[0] == "succeeded"}


async def test_a_superseded_run_is_not_held_and_does_not_come_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    await _watch_keys(database)
    older = [submission(concurrency_key="a", priority=-1) for _ in range(5)]
    submitted = await submit(database, *older, submission(concurrency_key="a", supersede=True, priority=1))
    async with running_worker(database_url, tmp_path, blueprint_text=KEYED, options=OPTIONS):
        await until(lambda: _all_ended(database), seconds=60)
    ends = await _states(database)
    assert [ends[run.run_id][0] for run in submitted] == ["cancelled"] * 5 + ["succeeded"]
