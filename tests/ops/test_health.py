"""Health says what is wrong, quickly, and cannot be used to load the database (C04, A13)."""

import asyncio
from pathlib import Path

import pytest

from quilate.kit.database.database import Database
from quilate.ops import health
from quilate.ops.diagnostics import QueueDepth
from quilate.ops.health import HealthService, Probe, Wellness, database_look, disk_look, judge_queues, queue_look


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.asyncio
async def test_looks_are_shared_for_a_second() -> None:
    clock, looks = Clock(), 0

    async def look() -> Probe:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return Probe(wellness=Wellness.OK)

    service = HealthService({"part": look}, clock=clock)
    await asyncio.gather(*(service.health() for _ in range(50)))
    clock.now = 0.9
    await service.health()
    assert looks == 1
    clock.now = 1.0
    await service.health()
    assert looks == 2


@pytest.mark.asyncio
async def test_a_part_that_hangs_or_breaks_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.05)

    async def hang() -> Probe:
        await asyncio.Event().wait()
        raise AssertionError

    async def fail() -> Probe:
        raise ConnectionError("to db.internal as quilate")

    async def warn() -> Probe:
        return Probe(wellness=Wellness.WARNING, detail="soon")

    found = await HealthService({"hangs": hang, "breaks": fail, "warns": warn}).health()
    hangs, breaks, warns = found.parts

    assert (hangs.wellness, hangs.detail) == (Wellness.FAILED, "no answer within 0.05 s")
    assert (breaks.wellness, breaks.detail) == (Wellness.FAILED, "ConnectionError")
    assert warns.wellness is Wellness.WARNING
    assert found.wellness is Wellness.FAILED
    assert not found.is_ready
    assert (await HealthService({"warns": warn}).health()).is_ready


@pytest.mark.asyncio
async def test_a_database_that_takes_writes_is_well(database: Database) -> None:
    assert (await database_look(database)()).wellness is Wellness.OK
    assert (await queue_look(database)()).wellness is Wellness.OK
    async with database.connection() as connection:
        await connection.execute("SET default_transaction_read_only = on")
        assert connection.info.dbname
    looks = [await database_look(database)() for _ in range(20)]

    assert Wellness.FAILED in {probe.wellness for probe in looks}


def _depth(queue: str, waiting: int, oldest: float = 0.0) -> QueueDepth:
    return QueueDepth(queue=queue, waiting=waiting, running=0, oldest_seconds=oldest)


def test_work_that_nobody_does_is_told() -> None:
    depths = (_depth("code", 2), _depth("data", 0), _depth("ml", 1))

    orphaned = judge_queues(depths, frozenset({"ml"}))
    assert (orphaned.wellness, orphaned.detail) == (Wellness.WARNING, "no worker serves code")
    assert judge_queues(depths, frozenset({"ml", "code"})).detail == "3 waiting"
    slow = judge_queues((_depth("code", 1, 301.0),), frozenset({"code"}))
    assert slow.wellness is Wellness.WARNING


@pytest.mark.asyncio
async def test_a_full_disk_has_failed(tmp_path: Path) -> None:
    there_later = tmp_path / "artifacts" / "deep"

    assert (await disk_look(there_later, least_free_bytes=1)()).wellness is Wellness.OK
    assert (await disk_look(there_later, least_free_bytes=1 << 60)()).wellness is Wellness.FAILED
