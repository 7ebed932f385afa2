"""Runs on PostgreSQL, from submission to seal (C04, C06, C07)."""

from pathlib import Path

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.kit.database.database import Database
from tests.support.durable import blueprint, ended, running_worker, submission, submit


@pytest.mark.asyncio
async def test_a_run_goes_from_submission_to_verdict_and_seal(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}\n{id: b_STAGE, type: TEST_WORK}", stages=2)
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id)
    assert (row["status"], row["verdict"]) == ("succeeded", "PASS")
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT * FROM decisions WHERE run_id = %s", (run.run_id,))
        decision = await cursor.fetchone()
        cursor = await connection.execute("SELECT count(*) AS n FROM check_attempts WHERE final AND result = 'pass'")
        attempts = await cursor.fetchone()
    assert decision is not None
    assert decision["verdict"] == "PASS"
    assert b"dsse" in decision["seal"] or b"payload" in decision["seal"]
    assert attempts == {"n": 4}
