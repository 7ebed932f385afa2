"""Taking executions in where the database's answer to a COMMIT is lost (A14)."""

import pytest

from quilate.scripts.executions.model import Status
from tests.support.script_executions import Site, running_worker
from tests.support.unheard_commits import repeat_transactions


@pytest.mark.asyncio
@pytest.mark.parametrize("key", [None, "same"])
async def test_a_submission_whose_commit_nobody_heard_of_is_taken_once(
    executions: Site, database_url: str, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    repeat_transactions(monkeypatch)
    version = await executions.script()
    async with running_worker(database_url, executions.directory):
        submitted = await executions.submit(version, b"[1]", key=key, wait=20.0)
    assert submitted.created
    assert submitted.ended is not None
    assert submitted.ended.status is Status.COMPLETED
    rows = await executions.rows("SELECT id FROM script_executions")
    assert [row["id"] for row in rows] == [submitted.id]
    entries = await executions.rows(
        "SELECT action FROM audit_pending WHERE action LIKE 'script.execution%%' ORDER BY id"
    )
    assert [row["action"] for row in entries] == ["script.execution.submitted", "script.execution.finished"]


@pytest.mark.asyncio
async def test_the_last_place_in_a_queue_is_not_refused_to_who_has_it(
    executions: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeat_transactions(monkeypatch)
    version = await executions.script()
    await executions.service.set_quota(executions.granted(), {"queue_length": 1}, revision=0)
    submitted = await executions.submit(version, b"[1]")
    assert submitted.created
    assert submitted.pending is not None
    assert len(await executions.rows("SELECT 1 FROM script_queue")) == 1
