"""The steps of a durable run are those that docs/run-states.md draws (C04)."""

import re
from pathlib import Path

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.accounts.model import SYSTEM
from quilate.kit.database.database import Database
from quilate.runs.durable.commands import cancel_run
from tests.support.durable import PROJECT, blueprint, ended, rows, running_worker, submission, submit, until

pytestmark = pytest.mark.asyncio

PAGE = Path(__file__).resolve().parents[3] / "docs" / "run-states.md"

RECORD = """
CREATE TABLE observed_steps (before text NOT NULL, after text NOT NULL);
CREATE FUNCTION describe_step(r runs) RETURNS text LANGUAGE sql AS $$
    SELECT CASE
        WHEN r.step IS NULL THEN r.status
        WHEN r.held THEN r.status || ': held'
        ELSE r.status || ': ' || r.step
    END
$$;
CREATE FUNCTION record_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.version <> NEW.version THEN
        INSERT INTO observed_steps
        VALUES (CASE WHEN TG_OP = 'INSERT' THEN 'nothing' ELSE describe_step(OLD) END, describe_step(NEW));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER record_step AFTER INSERT OR UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION record_step();
"""


def documented() -> set[tuple[str, str]]:
    """Return the steps of the page's second table."""
    text = PAGE.read_text(encoding="utf-8").partition("## The steps of a durable run")[2]
    lines = re.findall(r"^\| ([a-z: ]+) \| ([a-z: ]+) \| .* \|$", text, re.MULTILINE)
    return {(before.strip(), after.strip()) for before, after in lines if before.strip() != "from"}


async def test_every_step_of_the_page_happens_and_no_other(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    async with database.connection() as connection:
        await connection.execute(RECORD)
    passing = blueprint("{id: a_STAGE, type: TEST_WORK, required: true, seconds: 0.3}", stages=2)
    settled = blueprint('{id: a_STAGE, type: TEST_WORK, required: true, when: event == "never"}')
    (queued,) = await submit(database, submission())
    await database.run(lambda connection: cancel_run(connection, PROJECT, queued.run_id, SYSTEM))
    async with running_worker(database_url, tmp_path, blueprint_text=passing):
        first, second = await submit(database, submission(concurrency_key="k"), submission(concurrency_key="k"))
        (going,) = await submit(database, submission())
        await until(lambda: rows(database, "SELECT 1 FROM check_runs WHERE run_id = %s", going.run_id))
        await database.run(lambda connection: cancel_run(connection, PROJECT, going.run_id, SYSTEM))
        assert {(await ended(database, run.run_id))["verdict"] for run in (first, second)} == {"PASS"}
    async with running_worker(database_url, tmp_path, blueprint_text=settled):
        (nothing,) = await submit(database, submission())
        assert (await ended(database, nothing.run_id))["status"] == "failed"
    async with running_worker(database_url, tmp_path, blueprint_text="id: broken"):
        (broken,) = await submit(database, submission())
        assert (await ended(database, broken.run_id))["verdict"] == "UNKNOWN"
    observed = {
        (row["before"], row["after"]) for row in await rows(database, "SELECT before, after FROM observed_steps")
    }
    assert observed == documented()
