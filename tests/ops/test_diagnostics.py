"""Depth and age of the queues (C10)."""

from uuid import uuid4

import pytest

from quilate.kit.database.database import Database
from quilate.ops.diagnostics import queue_depths

_ROW = """
INSERT INTO check_runs (run_id, check_id, project_id, queue, status, priority, attempt, ready_at)
VALUES (%s, %s, %s, %s, %s, 0, 1, now() - make_interval(secs => %s))
"""


@pytest.mark.asyncio
async def test_waiting_and_running_checks_are_counted_by_queue_with_the_age_of_the_oldest(database: Database) -> None:
    async with database.connection() as connection:
        assert await queue_depths(connection) == ()
        for check, queue, status, age in (
            ("a", "code", "queued", 5), ("b", "code", "queued", 90), ("c", "code", "running", 500),
            ("d", "data", "running", 7), ("e", "ml", "queued", -60),
        ):  # fmt: skip
            await connection.execute(_ROW, (uuid4(), check, uuid4(), queue, status, age))
        code, data, ml = await queue_depths(connection)
    assert (code.queue, code.waiting, code.running) == ("code", 2, 1)
    assert 90 <= code.oldest_seconds < 120
    assert (data.queue, data.waiting, data.running, data.oldest_seconds) == ("data", 0, 1, 0)
    assert (ml.queue, ml.waiting) == ("ml", 1)
    assert ml.oldest_seconds < 0


@pytest.mark.asyncio
async def test_a_schema_without_the_queue_has_none(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("DROP TABLE check_runs CASCADE")
        assert await queue_depths(connection) == ()
