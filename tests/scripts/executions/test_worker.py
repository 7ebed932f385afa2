"""Script workers over a real database with real sandboxes (A03, A14, A15, A16)."""

import asyncio

import pytest

from quilate.scripts.executions.model import Status
from tests.support.script_executions import Site, running_worker

SUM = "function process(data) { console.log('n', data.length); return {sum: data.reduce((a, b) => a + b, 0)}; }"


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
