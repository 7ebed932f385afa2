"""The sandbox of an API process: started when needed, bounded, refusing in words (A06, A07)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quilate.app.service.script_sandbox import MOST_WAITING_TESTS, ScriptSandbox
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Engine, FailureClass, Level, Limits, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.scripts.versions.errors import ScriptRejectedError
from quilate.scripts.versions.model import PushWish
from quilate.scripts.versions.service import VersionService

_SOURCE = "function process(data) { return data.map(record => record.a + 1); }"


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[ScriptSandbox]:
    opened = ScriptSandbox(PoolSettings(workers=1, min_level=Level.PROCESS))
    try:
        yield opened
    finally:
        await opened.close()


@pytest.mark.asyncio
async def test_scripts_are_read_and_run_in_it(sandbox: ScriptSandbox, database: Database) -> None:
    assert [each for each in await sandbox.validate(_SOURCE, Limits()) if each.severity == "error"] == []
    lacking = await sandbox.validate_combining(_SOURCE, Limits())
    assert [each.severity for each in lacking] == ["error"]
    outcome = await sandbox.run(Program(source=_SOURCE), Limits(), b'[{"a": 1}, {"a": 2}]')
    assert (outcome.failure, outcome.output) == (None, b"[2,3]")

    service = VersionService(database, sandbox.validate, sandbox.run, combine_validator=sandbox.validate_combining)
    trial = await service.test_source(PushWish(source=_SOURCE), b'[{"a": 41}]')
    assert trial.outcome is not None
    assert trial.outcome.output == b"[42]"
    with pytest.raises(ScriptRejectedError) as caught:
        await service.test_source(PushWish(source="function process(d) {\n  return eval(d);\n}"), b"[]")
    error = caught.value.extensions["errors"][0]
    assert (error["line"], error["pointer"]) == (2, "#/source")
    assert error["fix"]
    failed = await service.test_source(PushWish(source="function process(d) { return d.a.b; }"), b"{}")
    assert failed.outcome is not None
    assert failed.outcome.failure is not None
    assert failed.outcome.failure.kind is FailureClass.RUNTIME


@pytest.mark.asyncio
async def test_more_tests_than_may_wait_are_refused_for_now(sandbox: ScriptSandbox) -> None:
    slow = Program(source="function process(d) { const end = Date.now() + 200; while (Date.now() < end) {} return d; }")
    found = await asyncio.gather(
        *(sandbox.run(slow, Limits(), b"1") for _ in range(MOST_WAITING_TESTS + 3)), return_exceptions=True
    )
    refused = [each for each in found if isinstance(each, Problem)]
    assert [(each.status, each.headers["Retry-After"]) for each in refused] == [(429, "1")] * 2
    assert (await sandbox.run(Program(source=_SOURCE), Limits(), b"[]")).output == b"[]"


@pytest.mark.asyncio
async def test_without_a_sandbox_the_answer_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    async def start(_: SandboxPool) -> None:
        attempts.append(1)
        raise SandboxUnavailableError("no worker can be shut in", next_step="use a kernel with Landlock")

    monkeypatch.setattr(SandboxPool, "start", start)
    sandbox = ScriptSandbox(PoolSettings(engines=frozenset({Engine.DEFAULT})))
    for _ in range(2):
        with pytest.raises(Problem) as caught:
            await sandbox.validate(_SOURCE, Limits())
        assert (caught.value.status, caught.value.type) == (503, "sandbox-unavailable")
        assert caught.value.next_step == "use a kernel with Landlock"
    assert len(attempts) == 1
    await sandbox.close()
