"""Script workers over a real database with real sandboxes (A03, A08, A14, A15, A16)."""

import asyncio
from uuid import UUID

import pytest

from quilate.sandbox.model import FailureClass, Limits
from quilate.scripts.executions.model import Options, Quota, Status
from tests.support.script_executions import ECHO, Site, running_worker, until

SUM = "function process(data) { console.log('n', data.length); return {sum: data.reduce((a, b) => a + b, 0)}; }"
ENDLESS = "function process(data) { for (;;) {} }"
LONG = Limits(wall_seconds=30.0, cpu_seconds=30.0)
EVER = "function process(data) { const end = Date.now() + 20000; while (Date.now() < end) {} return data; }"


@pytest.mark.asyncio
async def test_a_waiting_caller_gets_the_result_and_everything_is_kept(executions: Site, database_url: str) -> None:
    version = await executions.script(SUM)
    async with running_worker(database_url, executions.directory):
        submitted = await executions.submit(version, b"[1, 2, 3]", wait=20.0)
    assert submitted.ended is not None
    assert submitted.ended.status is Status.COMPLETED
    assert submitted.ended.output is not None
    assert submitted.ended.output.inline == b'{"sum":6}'
    assert submitted.ended.level in {"locked", "jailed"}
    assert submitted.ended.cpu_us
    entries = await executions.rows("SELECT action, subject FROM audit_pending WHERE action LIKE 'script.execution%%'")
    subject = f"execution:{submitted.id}"
    assert [(row["action"], row["subject"]) for row in entries] == [
        ("script.execution.submitted", subject),
        ("script.execution.finished", subject),
    ]
    events = await executions.rows("SELECT type, subject FROM outgoing_events WHERE subject = %s", subject)
    assert [row["type"] for row in events] == ["dev.quilate.script.execution.finished"]
    assert not await executions.rows("SELECT 1 FROM script_queue")


@pytest.mark.asyncio
async def test_many_executions_end_once_each_with_their_own_results(executions: Site, database_url: str) -> None:
    version = await executions.script(SUM)
    async with running_worker(database_url, executions.directory):
        ended = await asyncio.gather(*(executions.submit(version, f"[{n}, 1]".encode(), wait=30.0) for n in range(200)))
    for number, each in enumerate(ended):
        assert each.ended is not None
        assert each.ended.output is not None
        assert each.ended.output.inline == f'{{"sum":{number + 1}}}'.encode()
    counts = await executions.rows("SELECT count(*) AS n FROM audit_pending WHERE action = 'script.execution.finished'")
    assert counts[0]["n"] == 200


@pytest.mark.asyncio
async def test_a_throw_and_an_endless_loop_get_their_classes(executions: Site, database_url: str) -> None:
    throwing = await executions.script("function process(data) {\n  throw new Error('no card');\n}")
    endless = await executions.script(ENDLESS, limits=Limits(wall_seconds=1.0, cpu_seconds=0.5))
    async with running_worker(database_url, executions.directory):
        thrown, looped = await asyncio.gather(
            executions.submit(throwing, wait=20.0), executions.submit(endless, wait=20.0)
        )
    assert thrown.ended is not None
    assert thrown.ended.status is Status.FAILED
    assert thrown.ended.failure is not None
    assert thrown.ended.failure.kind is FailureClass.RUNTIME
    assert thrown.ended.failure.line == 2
    assert "no card" in thrown.ended.failure.message
    assert looped.ended is not None
    assert looped.ended.status is Status.TIMED_OUT
    assert looped.ended.failure is not None
    assert looped.ended.failure.kind in {FailureClass.CPU, FailureClass.TIMEOUT}
    assert not looped.ended.dead


@pytest.mark.asyncio
async def test_results_and_throws_that_are_no_text_are_the_scripts_failures_and_harm_no_others(
    executions: Site, database_url: str
) -> None:
    deep = await executions.script(
        "function process(d) { let x = []; for (let i = 0; i < 5000; i++) x = [x]; return x }"
    )
    half = await executions.script("function process(d) { throw '\\ud83d'; }")
    echo = await executions.script(ECHO)
    async with running_worker(database_url, executions.directory):
        ended = await asyncio.gather(*(executions.submit(version, wait=20.0) for version in (deep, half, echo) * 4))
    found = [(each.ended.failure and each.ended.failure.kind, each.ended.attempts) for each in ended if each.ended]
    assert found == [(FailureClass.RESULT, 1), (FailureClass.RUNTIME, 1), (None, 1)] * 4
    assert not await executions.rows("SELECT 1 FROM script_versions WHERE crashes > 0")


@pytest.mark.asyncio
async def test_what_waits_and_what_runs_can_be_cancelled(executions: Site, database_url: str) -> None:
    version = await executions.script(EVER, limits=LONG)
    access = executions.granted()
    async with running_worker(database_url, executions.directory, sandboxes=1, capacity=4):
        running = await executions.submit(version)

        async def is_running() -> bool:
            found = await executions.service.get(access.project.id, running.id)
            return found.status is Status.RUNNING

        await until(is_running, "running")
        waiter = asyncio.create_task(executions.service.ended(running.id, 15.0))
        cancelled = await executions.service.cancel(access, running.id, "not needed")
        assert cancelled.status is Status.CANCELLED
        heard = await waiter
        assert heard is not None
        assert heard.status is Status.CANCELLED
        # The sandbox is free again long before the script would have ended.
        quick = await executions.script(ECHO)
        following = await executions.submit(quick, b"[1]", wait=10.0)
        assert following.ended is not None
        assert following.ended.status is Status.COMPLETED
    waiting = await executions.submit(version)
    assert (await executions.service.cancel(access, waiting.id, "")).status is Status.CANCELLED
    actions = await executions.rows("SELECT action FROM audit_pending WHERE action = 'script.execution.cancelled'")
    assert len(actions) == 2


@pytest.mark.asyncio
async def test_a_project_with_a_long_queue_does_not_delay_the_first_of_another(
    executions: Site, database_url: str
) -> None:
    busy = await executions.script(SUM)
    quiet = await executions.script(SUM, project="credit")
    await asyncio.gather(*(executions.submit(busy, b"[1]") for _ in range(3000)))
    submitted = await executions.submit(quiet, b"[2]", project="credit")
    async with running_worker(database_url, executions.directory):
        ended = await executions.ended(submitted.id, "credit")
        left = await executions.rows("SELECT count(*) AS n FROM script_queue")
    assert ended.status is Status.COMPLETED
    assert left[0]["n"] > 2000


@pytest.mark.asyncio
async def test_no_more_run_at_a_time_than_the_quota_allows(executions: Site, database_url: str) -> None:
    slow = "function process(data) { const end = Date.now() + 100; while (Date.now() < end) {} return 1; }"
    version = await executions.script(slow)
    access = executions.granted(name="admin")
    await executions.service.set_quota(access, {"concurrency": 2}, revision=0)
    submitted = [await executions.submit(version) for _ in range(8)]
    most = 0
    async with running_worker(database_url, executions.directory, sandboxes=4):

        async def none_left() -> bool:
            nonlocal most
            rows = await executions.rows(
                "SELECT count(*) AS all, count(*) FILTER (WHERE worker IS NOT NULL) AS running FROM script_queue"
            )
            most = max(most, rows[0]["running"])
            return bool(rows[0]["all"] == 0)

        await until(none_left, "the end of the queue")
    assert most == 2
    assert len(submitted) == 8


@pytest.mark.asyncio
async def test_processor_time_is_taken_from_the_bucket(executions: Site, database_url: str) -> None:
    version = await executions.script(SUM)
    async with running_worker(database_url, executions.directory, quota=Quota(cpu_ms_per_second=1, cpu_ms_burst=50)):
        await executions.submit(version, b"[1]", wait=10.0)
        await executions.submit(version, b"[1]", wait=10.0)
    rows = await executions.rows("SELECT cpu_ms_left FROM script_usage")
    used = await executions.rows("SELECT sum(cpu_us) / 1000.0 AS ms FROM script_executions")
    assert rows[0]["cpu_ms_left"] == pytest.approx(50 - float(used[0]["ms"]), abs=1.0)


@pytest.mark.asyncio
async def test_a_claim_with_another_fence_writes_nothing(executions: Site, database_url: str) -> None:
    version = await executions.script(EVER, limits=LONG)
    submitted = await executions.submit(version)
    async with running_worker(database_url, executions.directory, sandboxes=1) as worker:

        async def is_claimed() -> bool:
            rows = await executions.rows("SELECT worker FROM script_queue")
            return bool(rows[0]["worker"] == worker.id)

        await until(is_claimed, "the claim")
        # Somebody else has taken it over.
        async with executions.database.connection() as connection:
            await connection.execute("UPDATE script_queue SET fence = fence + 1, worker = %s", (UUID(int=7),))
    found = await executions.service.get(executions.granted().project.id, submitted.id)
    assert not found.status.ended
    assert not await executions.rows("SELECT 1 FROM audit_pending WHERE action = 'script.execution.finished'")


@pytest.mark.asyncio
async def test_a_graceful_end_gives_work_back_without_counting_an_attempt(executions: Site, database_url: str) -> None:
    version = await executions.script(EVER, limits=LONG)
    submitted = await executions.submit(version, options=Options(attempts=1))
    async with running_worker(database_url, executions.directory, sandboxes=1):

        async def is_claimed() -> bool:
            return bool(await executions.rows("SELECT 1 FROM script_queue WHERE worker IS NOT NULL"))

        await until(is_claimed, "the claim")
    rows = await executions.rows("SELECT execution_id, worker, attempt FROM script_queue")
    assert [(row["execution_id"], row["worker"], row["attempt"]) for row in rows] == [(submitted.id, None, 0)]
    assert not await executions.rows("SELECT 1 FROM script_workers")


@pytest.mark.asyncio
async def test_an_execution_whose_workers_died_too_often_is_given_up(executions: Site, database_url: str) -> None:
    version = await executions.script(ECHO)
    submitted = await executions.submit(version, options=Options(attempts=2))
    async with executions.database.connection() as connection:
        # Two workers have claimed it and are gone without a trace, as after a kill -9.
        await connection.execute(
            "UPDATE script_queue SET attempt = 2, losses = 1, fence = 2, worker = %s", (UUID(int=7),)
        )
    async with running_worker(database_url, executions.directory):
        ended = await executions.ended(submitted.id)
    assert ended.status is Status.FAILED
    assert ended.dead
    assert ended.failure is not None
    assert "2 workers died" in ended.failure.message
    assert not (await executions.rows("SELECT crashes FROM script_versions"))[0]["crashes"]
    returned = await executions.rows("SELECT subject FROM audit_pending WHERE action = 'script.execution.returned'")
    assert [row["subject"] for row in returned] == [f"execution:{submitted.id}"]
