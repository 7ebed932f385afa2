"""Firing: exactly once with several schedulers, through kills, clock jumps and missed times (C03, A12)."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess, ProjectReference
from quilate.kit.database.database import Database
from quilate.runs.schedules.model import MissedPolicy, Schedule, ScheduledRun, ScheduleWish
from quilate.runs.schedules.scheduler import Scheduler, run_scheduler
from quilate.runs.schedules.service import ScheduleService
from quilate.runs.workspaces.model import Source, SourceKind
from tests.support.run_rows import add_project, submitted_run

_WISH = ScheduleWish(
    name="nightly",
    cron="30 2 * * *",
    time_zone="Europe/Berlin",
    missed=MissedPolicy.RUN_ONCE,
    most_missed=3,
    enabled=True,
    run=ScheduledRun(source=Source(kind=SourceKind.GIT, branch="main"), blueprint="ds-batch", priority=7),
)


def _access(project: ProjectReference) -> ProjectAccess:
    principal = Principal(actor=Actor(kind=ActorKind.USER, id="dev"), user_id=None)
    return ProjectAccess(principal=principal, project=project)


async def _schedule(database: Database, project: ProjectReference, **changes: Any) -> Schedule:
    return await ScheduleService(database).create(_access(project), replace(_WISH, **changes))


async def _rows(database: Database, query: str, *values: object) -> Sequence[dict[str, Any]]:
    async with database.connection() as connection:
        cursor = await connection.execute(query.encode(), values or None)
        return await cursor.fetchall() if cursor.description else []


async def _until(database: Database, query: str, *values: object) -> None:
    """Wait until a question to the database is answered with yes."""
    for _ in range(20_000):
        if (await _rows(database, query, *values))[0]["yes"]:
            return
        await asyncio.sleep(0.003)
    raise AssertionError(f"it did not happen: {query}")


async def _due_since(database: Database, ago: timedelta) -> None:
    """Put the time of the next firing back, as if no scheduler had run since."""
    await _rows(
        database,
        "UPDATE schedules SET next_fire = now() - %s::interval, planned_at = now()",
        ago,
    )


@pytest.mark.asyncio
async def test_a_due_schedule_submits_its_run_and_goes_on(database: Database) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    schedule = await _schedule(database, project, cron="0 * * * *")
    assert await Scheduler(database).fire_due() == 0
    await _due_since(database, timedelta(hours=1))
    assert await Scheduler(database).fire_due() == 1
    assert await Scheduler(database).fire_due() == 0
    (firing,) = await _rows(database, "SELECT * FROM schedule_firings")
    (run,) = await _rows(
        database, "SELECT runs.*, event, actor, document FROM runs JOIN run_submissions ON run_id = id"
    )
    assert (firing["outcome"], firing["run_id"]) == ("submitted", run["id"])
    assert (run["event"], run["actor"], run["priority"]) == ("schedule", "system:quilate", 7)
    document = run["document"]
    assert document["source"]["location"] == "https://git.example/fraud.git"
    assert document["blueprint"] == "ds-batch"
    assert document["parameters"]["schedule"] == "nightly"
    assert document["parameters"]["schedule_id"] == str(schedule.id)
    (after,) = await _rows(database, "SELECT next_fire, next_fire > now() AS ahead FROM schedules")
    assert after["ahead"]
    assert after["next_fire"].second == 0


@pytest.mark.asyncio
async def test_several_schedulers_fire_each_schedule_once(database: Database, database_url: str) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    for number in range(25):
        await _schedule(database, project, name=f"s{number}", cron="0 * * * *")
    await _due_since(database, timedelta(hours=1))
    async with Database.open(database_url, name="second") as other:
        schedulers = [Scheduler(database), Scheduler(other), Scheduler(database), Scheduler(other)]
        counts = await asyncio.gather(*(each.fire_due() for each in schedulers))
    assert sum(counts) == 25
    assert len(await _rows(database, "SELECT 1 FROM runs")) == 25
    names = await _rows(
        database, "SELECT count(DISTINCT schedule_id) AS n FROM schedule_firings WHERE outcome = 'submitted'"
    )
    assert names[0]["n"] == 25


_PROGRAM = """
import asyncio, sys
from quilate.kit.database.database import Database
from quilate.runs.schedules.scheduler import run_scheduler

async def main():
    async with Database.open(sys.argv[1], name="killed") as database:
        await run_scheduler(database, asyncio.Event(), poll_seconds=0.01)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.asyncio
async def test_schedulers_that_are_killed_lose_and_repeat_nothing(database: Database, database_url: str) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    for number in range(120):
        await _schedule(database, project, name=f"s{number}", cron="0 * * * *")
    await _due_since(database, timedelta(hours=1))
    for threshold in (10, 50):
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM, database_url])  # noqa: ASYNC220 - starts at once
        try:
            await _until(database, "SELECT count(*) >= %s AS yes FROM runs", threshold)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    async with asyncio.timeout(60):
        # What the killed one had locked is free once the server has noticed.
        while (await _rows(database, "SELECT count(*) AS n FROM schedules WHERE next_fire <= now()"))[0]["n"]:
            await Scheduler(database).fire_due()
    (count,) = await _rows(
        database,
        "SELECT (SELECT count(*) FROM runs) AS runs, count(*) AS firings, count(DISTINCT run_id) AS named,"
        " (SELECT count(*) FROM audit_pending WHERE convert_from(leaf, 'UTF8') LIKE '%run.submitted%') AS audited"
        " FROM schedule_firings",
    )
    assert count == {"runs": 120, "firings": 120, "named": 120, "audited": 120}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("policy", "runs", "missed", "outcomes"),
    [
        (MissedPolicy.SKIP, 0, 5, {"skipped"}),
        (MissedPolicy.RUN_ONCE, 1, 4, {"submitted"}),
        (MissedPolicy.RUN_ALL, 3, 2, {"submitted"}),
    ],
)
async def test_a_clock_that_jumped_forwards_is_a_missed_time(
    database: Database, policy: MissedPolicy, runs: int, missed: int, outcomes: set[str]
) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    now = datetime.now(UTC)
    # Daily at a time two hours ago: five of them within the last five days, none within the last minute.
    at = now - timedelta(hours=2)
    await _schedule(database, project, cron=f"{at.minute} {at.hour} * * *", time_zone="UTC", missed=policy)
    await _due_since(database, timedelta(days=5))
    await Scheduler(database).fire_due()
    firings = await _rows(database, "SELECT * FROM schedule_firings ORDER BY fire_at")
    assert {firing["outcome"] for firing in firings} == outcomes
    assert sum(firing["missed"] for firing in firings) == missed
    assert len(await _rows(database, "SELECT 1 FROM runs")) == runs
    assert firings[-1]["fire_at"] == at.replace(second=0, microsecond=0)


@pytest.mark.asyncio
async def test_a_clock_that_was_put_back_fires_nothing_twice_and_stops_nothing(database: Database) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    schedule = await _schedule(database, project, cron="* * * * *")
    await _due_since(database, timedelta(seconds=61))
    await Scheduler(database).fire_due()
    before = await _rows(database, "SELECT fire_at FROM schedule_firings")
    # The same times come again.
    await _due_since(database, timedelta(seconds=125))
    await Scheduler(database).fire_due()
    after = await _rows(database, "SELECT fire_at, count(*) OVER () AS n FROM schedule_firings")
    assert len({row["fire_at"] for row in after}) == len(after)
    assert {row["fire_at"] for row in before} <= {row["fire_at"] for row in after}
    assert len(await _rows(database, "SELECT 1 FROM runs")) == len(after)
    # It had been a year ahead when the next firing was planned: nobody waits a year for it.
    await _rows(
        database, "UPDATE schedules SET next_fire = now() + interval '1 year', planned_at = now() + interval '1 year'"
    )
    await Scheduler(database).fire_due()
    (row,) = await _rows(database, "SELECT id, next_fire < now() + interval '2 minutes' AS soon FROM schedules")
    assert row == {"id": schedule.id, "soon": True}


@pytest.mark.asyncio
async def test_a_project_without_repository_or_with_a_full_queue_says_why(database: Database) -> None:
    bare = await add_project(database, "bare")
    full = await add_project(database, "full", "https://git.example/full.git")
    await _schedule(database, bare, cron="0 * * * *")
    await _schedule(database, full, cron="0 * * * *")
    await _due_since(database, timedelta(hours=1))
    await submitted_run(database, full)
    await _rows(database, "UPDATE projects SET max_queued_runs = 1 WHERE id = %s", full.id)
    await Scheduler(database).fire_due()
    firings = await _rows(database, "SELECT project_id, outcome, reason, run_id FROM schedule_firings")
    assert {(row["project_id"], row["outcome"], row["reason"], row["run_id"]) for row in firings} == {
        (bare.id, "refused", "the project has no repository", None),
        (full.id, "refused", "the project has too many runs waiting", None),
    }


@pytest.mark.asyncio
async def test_disabled_schedules_and_archived_projects_fire_nothing(database: Database) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    disabled = await _schedule(database, project, name="off", enabled=False)
    assert disabled.next_fire is None
    await _schedule(database, project, cron="0 * * * *")
    await _rows(database, "UPDATE schedules SET next_fire = now() - interval '1 hour' WHERE enabled")
    await _rows(database, "UPDATE projects SET archived = true")
    assert await Scheduler(database).fire_due() == 0
    await _rows(database, "UPDATE projects SET archived = false")
    assert await Scheduler(database).fire_due() == 1


@pytest.mark.asyncio
async def test_one_broken_schedule_does_not_keep_the_others(database: Database) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    broken = await _schedule(database, project, name="a", cron="0 * * * *")
    abolished = await _schedule(database, project, name="b", cron="0 * * * *")
    await _schedule(database, project, name="c", cron="0 * * * *")
    await _due_since(database, timedelta(hours=1))
    await _rows(database, "UPDATE schedules SET submission = '[]' WHERE id = %s", broken.id)
    await _rows(database, "UPDATE schedules SET time_zone = 'Mars/Olympus' WHERE id = %s", abolished.id)
    scheduler = Scheduler(database)
    await scheduler.fire_due()
    assert len(await _rows(database, "SELECT 1 FROM runs")) == 1
    (off,) = await _rows(database, "SELECT enabled, next_fire FROM schedules WHERE id = %s", abolished.id)
    assert off == {"enabled": False, "next_fire": None}
    (why,) = await _rows(database, "SELECT reason FROM schedule_firings WHERE schedule_id = %s", abolished.id)
    assert "there is no time zone 'Mars/Olympus'" in why["reason"]


@pytest.mark.asyncio
async def test_the_loop_fires_expires_waivers_and_ends_when_asked(database: Database) -> None:
    project = await add_project(database, "fraud", "https://git.example/fraud.git")
    await _schedule(database, project, cron="0 * * * *")
    await _due_since(database, timedelta(hours=1))
    await _rows(
        database,
        "INSERT INTO waiver_requests (id, project_id, state, rule, paths, check_id, reason, until, owner, requested_at)"
        " VALUES (%s, %s, 'requested', 'a/B', '{}', '', 'why', current_date - 3, 'user:a', now() - interval '9 days')",
        UUID(int=7),
        project.id,
    )
    stop = asyncio.Event()
    woken: list[str] = []

    class Bell:
        def work_is_there(self, queue: str) -> None:
            woken.append(queue)

    task = asyncio.create_task(run_scheduler(database, stop, wakeup=Bell(), poll_seconds=0.01))
    await _until(database, "SELECT count(*) = 1 AS yes FROM waiver_requests WHERE state = 'expired'")
    stop.set()
    await task
    assert len(await _rows(database, "SELECT 1 FROM runs")) == 1
    assert woken == ["control"]
