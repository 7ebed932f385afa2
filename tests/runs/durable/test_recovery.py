"""Workers that die, hang or come back: nothing is lost and nothing takes effect twice (C04, C07)."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.kit.database.database import Database
from tests.support.durable import blueprint, ended, recovering, rows, running_worker, submission, submit, until
from tests.support.worker_process import start_worker

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


def work(ledger: Path, seconds: float, more: str = "") -> str:
    return blueprint(f"{{id: a_STAGE, type: TEST_WORK, required: true, ledger: {ledger}, seconds: {seconds}{more}}}")


async def started(database: Database, ledger: Path, times: int) -> None:
    async def enough() -> bool:
        return ledger.exists() and ledger.read_text().split().count("a_0") >= times  # noqa: ASYNC240 - a short file

    await until(enough)


async def test_the_work_of_a_killed_worker_is_done_by_another(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    process = start_worker(database_url, tmp_path, work(ledger, 1.5))
    async with recovering(database):
        (run,) = await submit(database, submission())
        await started(database, ledger, 1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed = time.monotonic()
        async with running_worker(database_url, tmp_path, blueprint_text=work(ledger, 1.5)):
            await started(database, ledger, 2)
            again = time.monotonic() - killed
            row = await ended(database, run.run_id)
    assert row["verdict"] == "PASS"
    assert again < 30
    attempts = await rows(database, "SELECT attempt, result FROM check_attempts WHERE run_id = %s", run.run_id)
    assert [(each["attempt"], each["result"]) for each in attempts] == [(2, "pass")]


async def test_a_worker_that_comes_back_after_its_lease_changes_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = work(ledger, 1.0)
    process = start_worker(database_url, tmp_path, text)
    try:
        async with recovering(database):
            (run,) = await submit(database, submission())
            await started(database, ledger, 1)
            os.kill(process.pid, signal.SIGSTOP)
            async with running_worker(database_url, tmp_path, blueprint_text=text):
                row = await ended(database, run.run_id)
                before = await state_of(database)
                os.kill(process.pid, signal.SIGCONT)
                # It finds that its lease is gone, ends what it runs and leaves with an error.
                code = await asyncio.to_thread(process.wait, 20)
                assert await state_of(database) == before
        assert code != 0
        assert row["verdict"] == "PASS"
    finally:
        process.kill()
        process.wait()


async def state_of(database: Database) -> list[dict[str, Any]]:
    found = await rows(database, "SELECT run_id, check_id, attempt, result FROM check_attempts ORDER BY 1, 2, 3")
    return [*found, *await rows(database, "SELECT id, status, verdict, version FROM runs ORDER BY id")]


async def test_a_check_with_effects_is_never_begun_twice(database: Database, database_url: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    text = work(ledger, 1.5, ", effects: true")
    process = start_worker(database_url, tmp_path, text)
    async with recovering(database):
        (run,) = await submit(database, submission())
        await started(database, ledger, 1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        async with running_worker(database_url, tmp_path, blueprint_text=text):
            row = await ended(database, run.run_id)
    assert row["verdict"] == "UNKNOWN"
    assert ledger.read_text().split() == ["a_0"]
    (attempt,) = await rows(database, "SELECT result, reason FROM check_attempts")
    assert attempt["result"] == "error"
    assert "not known whether" in attempt["reason"]
    assert [row["reason"] for row in await rows(database, "SELECT reason FROM dead_letters")] == ["worker lost"]


async def test_a_check_that_kills_its_workers_ends_as_lost(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = work(ledger, 30)
    async with recovering(database):
        (run,) = await submit(database, submission())
        for times in range(1, 4):
            process = start_worker(database_url, tmp_path, text)
            await started(database, ledger, times)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        async with running_worker(database_url, tmp_path, blueprint_text=text):
            row = await ended(database, run.run_id)
    assert row["verdict"] == "UNKNOWN"
    assert len(ledger.read_text().split()) == 3
    (attempt,) = await rows(database, "SELECT result, reason FROM check_attempts")
    assert (attempt["result"], "3 workers died" in attempt["reason"]) == ("error", True)


async def test_a_worker_that_stops_gives_its_work_back_at_once(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = work(ledger, 30)
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        await submit(database, submission())
        await started(database, ledger, 1)
    (row,) = await rows(database, "SELECT status, worker, losses, attempt FROM check_runs")
    assert (row["status"], row["worker"], row["losses"], row["attempt"]) == ("queued", None, 0, 2)
    assert await rows(database, "SELECT 1 FROM workers") == []
