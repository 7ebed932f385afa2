"""Taking executions in where the database's answer to a COMMIT is lost (A14)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quilate.kit.database.database import Connection, Database
from quilate.scripts.executions.model import Status
from tests.support.script_executions import Site, running_worker

Work = Callable[[Connection], Awaitable[Any]]


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction counts, nobody hears of it, and it is repeated."""
    run = Database.run_pipelined

    async def twice(self: Database, work: Work, **options: Any) -> Any:
        await run(self, work)
        return await run(self, work, **options)

    monkeypatch.setattr(Database, "run_pipelined", twice)


@pytest.mark.asyncio
@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize("key", [None, "same"])
async def test_a_submission_whose_commit_nobody_heard_of_is_taken_once(
    executions: Site, database_url: str, key: str | None
) -> None:
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
@pytest.mark.usefixtures("unheard")
async def test_the_last_place_in_a_queue_is_not_refused_to_who_has_it(executions: Site) -> None:
    version = await executions.script()
    await executions.service.set_quota(executions.granted(), {"queue_length": 1}, revision=0)
    submitted = await executions.submit(version, b"[1]")
    assert submitted.created
    assert submitted.pending is not None
    assert len(await executions.rows("SELECT 1 FROM script_queue")) == 1
