"""The buckets of processor time (A16)."""

import pytest

from quilate.sandbox.model import Limits
from quilate.scripts.executions.model import Quota, Status
from quilate.scripts.executions.quotas import read_states, use_processor
from tests.support.script_executions import Site, running_worker, until

QUOTA = Quota(cpu_ms_per_second=10, cpu_ms_burst=100)


async def left(executions: Site, project: str) -> float:
    """Return the milliseconds that a project has left."""
    wanted = executions.callers.projects[project].id
    async with executions.database.connection() as connection:
        return (await read_states(connection, [wanted], QUOTA))[wanted].cpu_ms_left


async def use(executions: Site, **used: float) -> None:
    """Take milliseconds from projects' buckets."""
    projects = executions.callers.projects
    async with executions.database.connection() as connection:
        await use_processor(connection, {projects[slug].id: each for slug, each in used.items()}, QUOTA)


@pytest.mark.asyncio
async def test_each_project_uses_its_own_full_bucket_first(executions: Site) -> None:
    await use(executions, fraud=30.0, credit=5.0)
    assert await left(executions, "fraud") == pytest.approx(70, abs=1)
    assert await left(executions, "credit") == pytest.approx(95, abs=1)
    await use(executions, fraud=90.0)
    assert await left(executions, "fraud") == pytest.approx(-20, abs=1)
    assert await left(executions, "credit") == pytest.approx(95, abs=1)


@pytest.mark.asyncio
@pytest.mark.parametrize(("seconds", "expected"), [(3, 70 + 3 * 10 - 50), (60, 100 - 50)])
async def test_a_bucket_fills_up_meanwhile_and_never_beyond_its_size(
    executions: Site, seconds: int, expected: float
) -> None:
    await use(executions, fraud=30.0)
    async with executions.database.connection() as connection:
        await connection.execute("UPDATE script_usage SET at = at - make_interval(secs => %s)", (seconds,))
    await use(executions, fraud=50.0)
    assert await left(executions, "fraud") == pytest.approx(expected, abs=1)


@pytest.mark.asyncio
async def test_a_projects_own_quota_holds_in_place_of_the_services(executions: Site) -> None:
    await executions.service.set_quota(
        executions.granted(), {"cpu_ms_burst": 1000, "cpu_ms_per_second": 100}, revision=0
    )
    await use(executions, fraud=400.0)
    async with executions.database.connection() as connection:
        await connection.execute("UPDATE script_usage SET at = at - interval '2 seconds'")
    await use(executions, fraud=1.0)
    assert await left(executions, "fraud") == pytest.approx(600 + 2 * 100 - 1, abs=10)


@pytest.mark.asyncio
async def test_a_new_rate_fills_no_time_that_has_passed(executions: Site) -> None:
    executions.service.quota = QUOTA
    await use(executions, fraud=60.0)
    async with executions.database.connection() as connection:
        await connection.execute("UPDATE script_usage SET at = at - interval '3 seconds'")
    state = await executions.service.set_quota(executions.granted(), {"cpu_ms_per_second": 1}, revision=0)
    assert state.cpu_ms_left == pytest.approx(40 + 3 * 10, abs=1)


@pytest.mark.asyncio
async def test_a_debt_is_not_forgiven_by_a_new_rate(executions: Site) -> None:
    executions.service.quota = QUOTA
    await use(executions, fraud=100_000.0)
    state = await executions.service.set_quota(executions.granted(), {"cpu_ms_per_second": 60_000}, revision=0)
    assert state.cpu_ms_left < -50_000


@pytest.mark.asyncio
async def test_what_is_cancelled_while_it_runs_is_charged_up_to_its_limit(executions: Site, database_url: str) -> None:
    endless = await executions.script("function process(data) { for (;;) {} }", limits=Limits(cpu_seconds=0.5))
    async with running_worker(database_url, executions.directory, sandboxes=1):
        submitted = await executions.submit(endless)

        async def is_running() -> bool:
            found = await executions.service.get(executions.granted().project.id, submitted.id)
            return found.status is Status.RUNNING

        await until(is_running, "running")
        await executions.service.cancel(executions.granted(), submitted.id, "")
    waiting = await executions.submit(endless)
    await executions.service.cancel(executions.granted(), waiting.id, "")
    (row,) = await executions.rows("SELECT cpu_ms_left FROM script_usage")
    charged = executions.service.quota.cpu_ms_burst - row["cpu_ms_left"]
    assert 0 < charged <= 500
