"""kill -9 of sandbox, script worker and API under load: nothing is lost and nothing done twice (A03, A08, A13, A14)."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from quilate.app.service.listening import LISTEN_VARIABLE, listen
from quilate.app.service.settings import Settings, load_settings, settings_environment
from quilate.kit.process.tree import has_ended
from quilate.sandbox.model import FailureClass, Limits
from quilate.scripts.executions.model import Options, Status
from tests.support.sandbox_processes import computing_sandbox, sandboxes_of
from tests.support.script_executions import DEADLINE_SECONDS, ECHO, Site, running_worker, until

LONG = Limits(wall_seconds=30.0, cpu_seconds=30.0)
EVER = "function process(data) { const end = Date.now() + 20000; while (Date.now() < end) {} return data; }"
BRIEF = "function process(data) { const end = Date.now() + 40; while (Date.now() < end) {} return data; }"
LEASE = {"lease_seconds": 2.0, "beat_seconds": 0.5}


def settings_of(database_url: str, state: Path, port: int = 0) -> Settings:
    """Return the settings of a small service."""
    return load_settings(
        {}, state=state, database_url=database_url, local=True, port=port, script_workers=2,
        script_engines=("default",), **LEASE,
    )  # fmt: skip


@contextlib.contextmanager
def role(module: str, settings: Settings, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of the service; what is left of it at the end is ended."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}
    descriptors = [int(each) for name, each in variables.items() if name == LISTEN_VARIABLE]
    process = subprocess.Popen(
        [sys.executable, "-m", f"quilate.app.service.{module}"],
        env={**environment, **settings_environment(settings), **variables},
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


async def kill_attempt(site: Site, number: int) -> None:
    """Kill the sandbox of this process in the middle of an attempt, once that has begun."""

    async def claimed() -> bool:
        return bool(await site.rows("SELECT 1 FROM script_queue WHERE attempt = %s AND claimed_at IS NOT NULL", number))

    await until(claimed, f"attempt {number}")
    os.kill(await computing_sandbox(os.getpid()), signal.SIGKILL)


async def everything_ended(site: Site) -> bool:
    """Tell whether the queue is empty."""
    return not await site.rows("SELECT 1 FROM script_queue LIMIT 1")


async def require_each_once(site: Site, number: int) -> None:
    """Require that so many executions completed, each with one end in the audit log and one event."""
    rows = await site.rows("SELECT status, count(*) AS n FROM script_executions GROUP BY status")
    assert {row["status"]: row["n"] for row in rows} == {"completed": number}
    ends = await site.rows(
        "SELECT count(*) AS n, count(DISTINCT subject) AS different FROM audit_pending"
        " WHERE action = 'script.execution.finished'"
    )
    assert (ends[0]["n"], ends[0]["different"]) == (number, number)
    events = await site.rows("SELECT count(*) AS n FROM outgoing_events WHERE type LIKE '%%execution.finished'")
    assert events[0]["n"] == number
    outputs = await site.rows("SELECT count(*) AS n FROM script_payloads WHERE part = 'output'")
    assert outputs[0]["n"] == number


@pytest.mark.asyncio
async def test_killed_sandbox_is_retried_then_a_dead_letter_that_can_be_replayed(
    executions: Site, database_url: str
) -> None:
    version = await executions.script(EVER, limits=LONG)
    project = executions.granted().project.id
    async with running_worker(database_url, executions.directory, sandboxes=1):
        submitted = await executions.submit(version, options=Options(attempts=2))
        for attempt in (1, 2):
            await kill_attempt(executions, attempt)
        ended = await executions.ended(submitted.id)
        assert ended.status is Status.FAILED
        assert ended.failure is not None
        assert ended.failure.kind is FailureClass.CRASHED
        assert ended.dead
        assert ended.attempts == 2
        assert [each["class"] for each in ended.history] == ["SandboxWorkerCrashed"]
        letters = await executions.service.dead_letters(project, before=None, limit=10)
        assert [each.id for each in letters] == [submitted.id]
        again = await executions.service.replay(executions.granted(), submitted.id)
        assert not again.status.ended
        assert len(again.history) == 2
        assert not await executions.service.dead_letters(project, before=None, limit=10)
        await executions.service.cancel(executions.granted(), submitted.id, "")
    crashes = await executions.rows("SELECT crashes FROM script_versions")
    assert crashes[0]["crashes"] == 2


@pytest.mark.asyncio
async def test_third_crash_quarantines_the_version_and_others_go_on(executions: Site, database_url: str) -> None:
    bad, good = await executions.script(EVER, limits=LONG), await executions.script(ECHO)
    async with running_worker(database_url, executions.directory, sandboxes=1):
        submitted = await executions.submit(bad, options=Options(attempts=5))
        for attempt in (1, 2, 3):
            await kill_attempt(executions, attempt)
        ended = await executions.ended(submitted.id)
        assert ended.status is Status.FAILED
        assert ended.failure is not None
        assert ended.failure.kind is FailureClass.REJECTED
        assert "quarantined" in ended.failure.message
        fine = await executions.submit(good, b"[1]", wait=10.0)
        assert fine.ended is not None
        assert fine.ended.status is Status.COMPLETED


@pytest.mark.asyncio
async def test_killed_sandboxes_and_script_workers_lose_and_duplicate_nothing(
    executions: Site, database_url: str
) -> None:
    version = await executions.script(BRIEF)
    number = 60
    settings = settings_of(database_url, executions.directory / "state")
    # Two losses under one execution are possible here and must not make it a dead letter.
    options = Options(attempts=8)
    await asyncio.gather(*(executions.submit(version, f"[{n}]".encode(), options=options) for n in range(number)))

    async def some_ended(least: int) -> bool:
        rows = await executions.rows("SELECT count(*) AS n FROM script_executions WHERE status = 'completed'")
        return bool(rows[0]["n"] >= least)

    with role("script_worker_main", settings) as first:
        await until(lambda: some_ended(5), "the first results")
        os.kill(await computing_sandbox(first.pid), signal.SIGKILL)
        await until(lambda: some_ended(15), "results after the death of a sandbox")
        children = sandboxes_of(first.pid)
        first.kill()
        first.wait()
        end = time.monotonic() + DEADLINE_SECONDS
        while not all(has_ended(each) for each in children):
            assert time.monotonic() < end, "sandboxes outlive their worker"
            await asyncio.sleep(0.05)
    with role("script_worker_main", settings):
        await until(lambda: everything_ended(executions), "the end of the queue")
    await require_each_once(executions, number)
    returned = await executions.rows("SELECT 1 FROM audit_pending WHERE action = 'script.execution.returned'")
    assert returned


@pytest.mark.asyncio
async def test_a_killed_api_loses_and_duplicates_nothing(executions: Site, database_url: str) -> None:
    version = await executions.script(ECHO)
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    settings = settings_of(database_url, executions.directory / "state", port)
    descriptor = {LISTEN_VARIABLE: str(listening.fileno())}
    number, answered = 60, dict[str, str]()
    path = f"/api/v1/projects/fraud/scripts/{version.script_id}/executions"

    async def submit(client: httpx.AsyncClient, key: str) -> None:
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.post(path, json=[key], headers={"Idempotency-Key": key})
            if answer.status_code == 202:
                known = answered.setdefault(key, answer.json()["id"])
                assert known == answer.json()["id"]

    keys = [f"key-{n}" for n in range(number)]
    with role("script_worker_main", settings):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS) as client:
            with role("api", settings, **descriptor) as api:

                async def burst() -> None:
                    for key in keys:
                        await submit(client, key)

                sending = asyncio.create_task(burst())

                async def some() -> bool:
                    return len(answered) >= 15

                await until(some, "the first answers")
                api.kill()
                api.wait()
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS) as client:
            with role("api", settings, **descriptor):
                for key in keys:
                    await submit(client, key)
        await until(lambda: everything_ended(executions), "the end of the queue")
    listening.close()
    assert len(answered) == number
    await require_each_once(executions, number)
    rows = await executions.rows("SELECT id FROM script_executions")
    assert {str(row["id"]) for row in rows} == set(answered.values())
