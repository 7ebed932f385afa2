"""The process that executes scripts: what it says of its sandboxes, and what it does when they are too weak (A08)."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from quilate.app.service.script_worker import relaxed, run_script_worker
from quilate.kit.database.database import Database
from quilate.ops.health import Wellness
from quilate.ops.sandbox_look import sandbox_look
from tests.scripts.executions.test_killed_processes import role, settings_of
from tests.support.script_executions import ECHO, site, until


@pytest.mark.asyncio
async def test_health_shows_what_the_sandboxes_have_proven(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    look = sandbox_look(database, wanted=True)
    before = await look()
    assert before.wellness is Wellness.WARNING
    assert before.detail.startswith("no script worker runs: scripts wait for one")
    unwanted = await sandbox_look(database, wanted=False)()
    assert (unwanted.wellness, unwanted.detail) == (Wellness.OK, "no script worker runs")
    stop = asyncio.Event()
    working = asyncio.create_task(run_script_worker(settings_of(database_url, tmp_path), stop))

    async def registered() -> bool:
        return "level" in (await look()).detail

    await until(registered, "the worker's row")
    shown = await look()
    assert shown.wellness is Wellness.OK
    assert "sandboxes: 2" in shown.detail
    for name in ("open", "socket", "fork", "exec"):
        assert name in shown.detail.partition("refused by attempt: ")[2]
    async with database.connection() as connection:
        row = await (await connection.execute("SELECT level, attempts::text AS a FROM script_workers")).fetchone()
    assert row is not None
    assert row["level"] in {"locked", "jailed"}
    assert all(each["refused"] for each in msgspec.json.decode(row["a"]))
    stop.set()
    await working
    assert (await look()).detail.startswith("no script worker runs")


@pytest.mark.asyncio
async def test_below_the_least_level_nothing_is_executed_and_everybody_is_told(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    settings = settings_of(database_url, tmp_path / "state")
    look = sandbox_look(database, wanted=True)
    async with site(database, tmp_path) as executions:
        version = await executions.script(ECHO)
        # Without bubblewrap on the path no sandbox is jailed.
        with role("script_worker_main", settings, QUILATE_SANDBOX_MIN_LEVEL="jailed", PATH="/nowhere") as process:

            async def refused() -> bool:
                return "SandboxUnavailable" in (await look()).detail

            await until(refused, "the refusal")
            assert (await look()).wellness is Wellness.WARNING
            answer = await executions.client.post(
                f"/projects/fraud/scripts/{version.script_id}/executions", content=b"[]"
            )
            assert answer.status_code == 503
            assert answer.json()["class"] == "SandboxUnavailable"
            assert process.poll() is None
        assert process.returncode == 0
    assert (await look()).detail.startswith("no script worker runs")


def test_commits_of_claims_do_not_wait_for_the_disk(database_url: str) -> None:
    async def setting(url: str) -> str:
        async with Database.open(url, name="test", max_size=1) as opened, opened.connection() as connection:
            row = await (await connection.execute("SHOW synchronous_commit")).fetchone()
        assert row is not None
        return str(row["synchronous_commit"])

    assert asyncio.run(setting(relaxed(database_url))) == "off"
    assert asyncio.run(setting(database_url)) == "on"
