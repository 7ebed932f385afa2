"""Machines whose clocks are wrong and jump: leases go by the database's, nothing is lost or done twice (C04, C07)."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quilate.app.service.processes import BACKGROUND, WORKER
from quilate.kit.database.database import Database
from tests.support.durable import blueprint, rows, until
from tests.support.fault_clock import MovedClock, moved_clock
from tests.support.fault_judge import gather_facts, judge
from tests.support.fault_load import load_on
from tests.support.fault_service import fault_service, sign_in

_DAY = 86_400
_RUNS = 24


def test_the_clock_of_a_process_is_really_moved(tmp_path: Path) -> None:
    clock = moved_clock(tmp_path, 10 * _DAY)
    program = "import datetime, time; print(int(time.time()), int(datetime.datetime.now().timestamp()))"
    environment = {**os.environ, **clock.variables}
    shifted = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True).stdout
    true = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    for there, here in zip(shifted.split(), true.split(), strict=True):
        assert abs(int(there) - int(here) - 10 * _DAY) < 60


@pytest.mark.slow
@pytest.mark.asyncio
async def test_clocks_that_are_wrong_and_jump_lose_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: w_STAGE, type: TEST_EFFECT, required: true, seconds: 0.3, ledger: {ledger}}}\n"
        f"{{id: e_STAGE, type: TEST_EFFECT, required: true, effects: true, ledger: {ledger}}}"
    )
    clocks = [made(tmp_path / "ahead", _DAY), made(tmp_path / "behind", -_DAY)]
    lease = {"QUILATE_LEASE_SECONDS": "3", "QUILATE_BEAT_SECONDS": "0.5"}
    async with fault_service(database_url, tmp_path, lease) as service:
        token = await sign_in(service, text)
        for number, clock in enumerate(clocks):
            service.start(WORKER, number, **clock.variables)
        service.start(BACKGROUND, 0, **clocks[0].variables)
        async with load_on(service, token) as load:

            async def jumping() -> None:
                for part, seconds in ((6, -_DAY), (12, 10 * _DAY), (18, 0)):
                    await until(lambda part=part: ended(database, part), seconds=60)  # type: ignore[misc]
                    for clock in clocks:
                        clock.jump(seconds)

            async def submitting() -> None:
                for number in range(_RUNS):
                    await load.submit(number)

            await asyncio.gather(submitting(), jumping())
        await until(lambda: ended(database, _RUNS), seconds=60)
        assert [each.name for each in service.processes.values() if each.ended() is not None] == []
        await service.stop()
        entries = await asyncio.to_thread(service.exported_entries)
    facts = await gather_facts(database, entries, ledger)
    assert [*judge(list(load.accepted.values()), 2, facts), *load.wrong] == []
    assert (facts.lost, len(facts.effects)) == (0, 2 * _RUNS)
    assert await rows(database, "SELECT 1 FROM decisions WHERE verdict <> 'PASS'") == []


def made(directory: Path, seconds: int) -> MovedClock:
    directory.mkdir()
    return moved_clock(directory, seconds)


async def ended(database: Database, number: int) -> bool:
    (row,) = await rows(database, "SELECT count(*) AS n FROM runs WHERE step IS NULL")
    return bool(row["n"] >= number)
