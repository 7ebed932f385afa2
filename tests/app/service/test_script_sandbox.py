"""The sandbox of an API process: started when needed, bounded, refusing in words (A06, A07)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from quilate.accounts.model import ProjectAccess
from quilate.app.service.script_sandbox import MOST_WAITING_TESTS, ScriptSandbox
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Engine, FailureClass, Level, Limits, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.scripts.model import Mode, Shape
from quilate.scripts.versions.errors import ScriptRejectedError
from quilate.scripts.versions.model import PushWish
from quilate.scripts.versions.service import VersionService
from quilate.scripts.versions.trial import Trial, Trials
from tests.support.payloads import payload_site

_SOURCE = "function process(data) { return data.map(record => record.a + 1); }"


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[ScriptSandbox]:
    opened = ScriptSandbox(PoolSettings(workers=1, min_level=Level.PROCESS))
    try:
        yield opened
    finally:
        await opened.close()


def service_over(sandbox: ScriptSandbox, database: Database, directory: Path) -> tuple[VersionService, ProjectAccess]:
    place = payload_site(database, directory)
    trials = Trials(sandbox.run, place.store, place.admission)
    service = VersionService(database, sandbox.validate, trials, combine_validator=sandbox.validate_combining)
    return service, place.access


@pytest.mark.asyncio
async def test_scripts_are_read_and_run_in_it(sandbox: ScriptSandbox, database: Database, tmp_path: Path) -> None:
    assert [each for each in await sandbox.validate(_SOURCE, Limits()) if each.severity == "error"] == []
    lacking = await sandbox.validate_combining(_SOURCE, Limits())
    assert [each.severity for each in lacking] == ["error"]
    outcome = (await sandbox.run(Program(source=_SOURCE), Limits(), b'[{"a": 1}, {"a": 2}]')).outcome
    assert (outcome.failure, outcome.output) == (None, b"[2,3]")

    service, access = service_over(sandbox, database, tmp_path)
    trial = await service.test_source(access, PushWish(source=_SOURCE), b'[{"a": 41}]')
    assert trial.outcome is not None
    assert trial.outcome.output == b"[42]"
    with pytest.raises(ScriptRejectedError) as caught:
        await service.test_source(access, PushWish(source="function process(d) {\n  return eval(d);\n}"), b"[]")
    error = caught.value.extensions["errors"][0]
    assert (error["line"], error["pointer"]) == (2, "#/source")
    assert error["fix"]
    failed = await service.test_source(access, PushWish(source="function process(d) { return d.a.b; }"), b"{}")
    assert failed.outcome is not None
    assert failed.outcome.failure is not None
    assert failed.outcome.failure.kind is FailureClass.RUNTIME


_SUM = """
function process(data) {
  if (data.some((row) => row.a < 0)) throw new Error("below zero");
  console.log(data.length);
  return data.reduce((sum, row) => sum + row.a, 0);
}
function combine(partials) { return { parts: partials.length, sum: partials.reduce((a, b) => a + b, 0) }; }
"""


@pytest.mark.asyncio
async def test_a_test_is_cut_as_executions_of_the_shape_are(
    sandbox: ScriptSandbox, database: Database, tmp_path: Path
) -> None:
    service, access = service_over(sandbox, database, tmp_path)
    rows = b'[{"k":"x","a":1},{"k":"y","a":2},{"k":"x","a":3}]'

    async def tried(shape: Shape, data: bytes = rows) -> Trial:
        return await service.test_source(access, PushWish(source=_SUM, shape=shape), data)

    chunks = await tried(Shape(mode=Mode.CHUNK, size=2, combine=True))
    assert chunks.outcome is not None
    assert (chunks.outcome.output, chunks.outcome.console) == (b'{"parts":2,"sum":6}\n', ("2", "1"))
    groups = await tried(Shape(mode=Mode.GROUP, key=("k",)))
    assert groups.outcome is not None
    assert groups.parts is not None
    assert (json.loads(groups.outcome.output or b""), groups.parts["parts"]) == ([4, 2], 2)
    partly = await tried(Shape(mode=Mode.CHUNK, size=2), b'[{"a":1},{"a":2},{"a":-1}]')
    assert partly.outcome is not None
    assert partly.outcome.failure is not None
    assert partly.outcome.failure.kind is FailureClass.RUNTIME
    assert partly.parts is not None
    assert [(each["part"], each["record"]) for each in partly.parts["failed"]] == [(1, 2)]
    assert json.loads(partly.outcome.output or b"") == [3], "what the other parts gave"
    nothing = await tried(Shape(mode=Mode.CHUNK, size=2), b'{"a": 1}')
    assert nothing.outcome is not None
    assert nothing.outcome.failure is not None
    assert nothing.outcome.failure.kind is FailureClass.INPUT
    whole = await tried(Shape())
    assert whole.outcome is not None
    assert (whole.outcome.output, whole.parts) == (b"6", None)


@pytest.mark.asyncio
async def test_more_tests_than_may_wait_are_refused_for_now(sandbox: ScriptSandbox) -> None:
    slow = Program(source="function process(d) { const end = Date.now() + 200; while (Date.now() < end) {} return d; }")
    found = await asyncio.gather(
        *(sandbox.run(slow, Limits(), b"1") for _ in range(MOST_WAITING_TESTS + 3)), return_exceptions=True
    )
    refused = [each for each in found if isinstance(each, Problem)]
    assert [(each.status, each.headers["Retry-After"]) for each in refused] == [(429, "1")] * 2
    assert (await sandbox.run(Program(source=_SOURCE), Limits(), b"[]")).outcome.output == b"[]"


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
