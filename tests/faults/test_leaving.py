"""A worker that leaves in an orderly way: what takes effect outside is never begun a second time (C04, C07).

Found by the campaign of kills: a worker that left while PostgreSQL came back gave checks with effects to others.
"""

import asyncio
from pathlib import Path

import psycopg
import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.kit.database.database import Database
from quilate.runs.durable.worker import WorkerOptions
from tests.support.durable import (
    FAKES,
    blueprint,
    ended,
    recovering,
    rows,
    running_worker,
    submission,
    submit,
    until,
)

pytestmark = pytest.mark.asyncio
_OPTIONS = WorkerOptions(capacity=4, plugins=(FAKES,), lease_seconds=30)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


def effect(ledger: Path, seconds: float) -> str:
    return blueprint(
        f"{{id: e_STAGE, type: TEST_EFFECT, required: true, effects: true, ledger: {ledger}, seconds: {seconds}}}"
    )


async def lines(ledger: Path) -> int:
    return len(ledger.read_text().split()) if ledger.exists() else 0  # noqa: ASYNC240 - a short file


async def test_an_effect_that_a_stopping_worker_cut_off_is_not_begun_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = effect(ledger, 30)
    async with recovering(database):
        async with running_worker(database_url, tmp_path, blueprint_text=text, options=_OPTIONS):
            (run,) = await submit(database, submission())
            await until(lambda: lines(ledger))
        async with running_worker(database_url, tmp_path, blueprint_text=text, options=_OPTIONS):
            row = await ended(database, run.run_id)
    assert await lines(ledger) == 1
    assert row["verdict"] == "UNKNOWN"
    (attempt,) = await rows(database, "SELECT result, reason FROM check_attempts")
    assert (attempt["result"], "not known whether" in attempt["reason"]) == ("error", True)


async def test_an_end_that_could_not_be_written_is_written_when_the_worker_leaves(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = effect(ledger, 1)
    stop = asyncio.Event()
    async with (
        recovering(database),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as blocking,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watching,
    ):

        async def a_write_waits() -> bool:
            found = await watching.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND query LIKE '%check_attempts%'"
            )
            return await found.fetchone() is not None

        async with running_worker(database_url, tmp_path, blueprint_text=text, options=_OPTIONS, stop=stop):
            (run,) = await submit(database, submission())
            await until(lambda: lines(ledger))
            await blocking.execute("BEGIN")
            await blocking.execute("LOCK TABLE check_attempts IN SHARE MODE")
            await until(a_write_waits)
            stop.set()
            # The write is cut off now; the one at the end of the worker waits as it did.
            await asyncio.sleep(0.2)
            await blocking.execute("ROLLBACK")
        async with running_worker(database_url, tmp_path, blueprint_text=text, options=_OPTIONS):
            row = await ended(database, run.run_id)
    assert await lines(ledger) == 1
    assert row["verdict"] == "PASS"
