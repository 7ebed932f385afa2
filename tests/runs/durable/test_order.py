"""Who goes first, who waits, who is cancelled (C04, A15)."""

import asyncio
import itertools
from pathlib import Path
from uuid import UUID

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.accounts.model import SYSTEM
from quilate.domain.verdict import RunStatus
from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.commands import cancel_run
from quilate.runs.durable.intake import Intake
from quilate.runs.durable.model import Idempotency, Refusal
from quilate.runs.durable.wakeups import CANCELLED, Wakeups
from quilate.runs.durable.worker import WorkerOptions
from tests.support.durable import FAKES, PROJECT, blueprint, ended, rows, running_worker, submission, submit, until
from tests.support.unheard_commits import repeat_transactions

pytestmark = pytest.mark.asyncio

OTHER = UUID("00000000-0000-7000-8000-000000000002")
TRIVIAL = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


async def test_ten_thousand_queued_runs_of_one_project_do_not_delay_anothers_first(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    for _ in range(10):
        await submit(database, *(submission() for _ in range(1000)))
    async with running_worker(database_url, tmp_path, blueprint_text=TRIVIAL):
        await until(lambda: rows(database, "SELECT 1 FROM runs WHERE step IS NULL"))
        (other,) = await submit(database, submission(project_id=OTHER, project="other"))
        await ended(database, other.run_id)
        (done,) = await rows(database, "SELECT count(*) AS n FROM runs WHERE step IS NULL AND project_id = %s", PROJECT)
    assert done["n"] < 2000


async def test_higher_priority_goes_first(database: Database, database_url: str, tmp_path: Path) -> None:
    low, high = await submit(database, submission(priority=-5), submission(priority=5))
    options = WorkerOptions(capacity=1, plugins=(FAKES,), runs=1, concurrent_runs=1)
    async with running_worker(database_url, tmp_path, blueprint_text=TRIVIAL, options=options):
        first = await ended(database, high.run_id)
        second = await ended(database, low.run_id)
    assert first["started_at"] < second["started_at"]


async def test_a_project_runs_no_more_at_once_than_it_may(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(f"{{id: a_STAGE, type: TEST_WORK, required: true, seconds: 0.2, ledger: {ledger}}}")
    submitted = await submit(database, *(submission() for _ in range(6)))
    options = WorkerOptions(capacity=4, plugins=(FAKES,), concurrent_runs=2)
    most = 0

    async def done() -> bool:
        nonlocal most
        (row,) = await rows(database, "SELECT count(*) AS n FROM runs WHERE status = 'running'")
        most = max(most, row["n"])
        return not await rows(database, "SELECT 1 FROM runs WHERE step IS NOT NULL")

    async with (
        running_worker(database_url, tmp_path, blueprint_text=text, options=options),
        running_worker(database_url, tmp_path, blueprint_text=text, options=options),
    ):
        await until(done)
    assert most == 2
    assert len(submitted) == 6


async def test_the_same_name_gives_the_same_run(database: Database) -> None:
    named = submission(idempotency=Idempotency(source="api", id="7"))
    first, second = await submit(database, named, named)
    (third,) = await submit(database, named)
    assert first.created
    assert (second.run_id, second.created, third.run_id, third.created) == (first.run_id, False, first.run_id, False)
    (other,) = await submit(database, submission(idempotency=Idempotency(source="api", id="7"), priority=3))
    assert (other.run_id, other.refusal) == (first.run_id, Refusal.IDEMPOTENCY_MISMATCH)
    assert len(await rows(database, "SELECT 1 FROM runs")) == 1


async def test_a_full_queue_refuses(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO projects (id, slug, name, max_queued_runs) VALUES (%s, 'test', 'Test', 2)", (PROJECT,)
        )
    intake = Intake(database)
    outcomes = [await intake.submit(submission()) for _ in range(4)]
    assert [outcome.refusal for outcome in outcomes] == [None, None, Refusal.QUEUE_FULL, Refusal.QUEUE_FULL]
    assert len(await rows(database, "SELECT 1 FROM runs")) == 2


async def test_a_submission_whose_commit_nobody_heard_of_is_one_run(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeat_transactions(monkeypatch)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO projects (id, slug, name, max_queued_runs) VALUES (%s, 'test', 'Test', 2)", (PROJECT,)
        )
    intake = Intake(database)
    named = submission(idempotency=Idempotency(source="api", id="7"))
    outcomes = [await intake.submit(each) for each in (submission(), named)]
    assert [(each.created, each.refusal) for each in outcomes] == [(True, None), (True, None)]
    found = await rows(database, "SELECT id FROM runs ORDER BY id")
    assert [row["id"] for row in found] == [each.run_id for each in outcomes]
    entries = await rows(database, "SELECT 1 FROM audit_pending WHERE action = 'run.submitted'")
    assert len(entries) == 2


async def test_a_thousand_submissions_at_once_are_all_there(database: Database) -> None:
    batches: list[int] = []
    intake = Intake(database, observe=batches.append)
    outcomes = await asyncio.gather(*(intake.submit(submission()) for _ in range(1000)))
    assert len({outcome.run_id for outcome in outcomes}) == 1000
    (count,) = await rows(database, "SELECT count(*) AS n FROM runs JOIN run_submissions ON run_id = id")
    assert count["n"] == 1000
    assert len(batches) < 100


async def test_cancelling_ends_the_processes_of_the_run(database: Database, database_url: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: a_STAGE, type: TEST_WORK, required: true, seconds: 60, ledger: {ledger}}}\n"
        "{id: b_STAGE, type: TEST_TRIVIAL, required: true, needs: [a_STAGE]}"
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text) as worker:
        (run,) = await submit(database, submission())

        async def begun() -> bool:
            return ledger.exists()

        await until(begun)
        status = await database.run(lambda connection: cancel_run(connection, PROJECT, run.run_id, SYSTEM))
        assert status is RunStatus.CANCELLED
        Wakeups(database).work_is_there(CANCELLED)

        async def idle() -> bool:
            return not worker.busy

        await until(idle, seconds=10)
    attempts = await rows(database, "SELECT check_id, completion FROM check_attempts")
    assert [(each["check_id"], each["completion"]) for each in attempts] == [("a_0", "cancelled")]
    (row,) = await rows(database, "SELECT status, verdict FROM runs")
    assert (row["status"], row["verdict"]) == ("cancelled", None)


async def test_a_foreign_project_cancels_nothing(database: Database) -> None:
    (run,) = await submit(database, submission())

    async def work(connection: Connection) -> RunStatus | None:
        return await cancel_run(connection, OTHER, run.run_id, SYSTEM)

    assert await database.run(work) is None
    assert (await rows(database, "SELECT status FROM runs"))[0]["status"] == "queued"


async def test_runs_of_one_concurrency_key_follow_each_other(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_WORK, required: true, seconds: 0.2}")
    submitted = await submit(database, *(submission(concurrency_key="deploy") for _ in range(3)))
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        ends = [await ended(database, run.run_id) for run in submitted]
    spans = await rows(
        database,
        "SELECT min(d.decided_at) AS decided, min(a.ended_at) AS ended FROM runs r"
        " JOIN check_attempts a ON a.run_id = r.id JOIN decisions d ON d.run_id = r.id GROUP BY r.id ORDER BY 1",
    )
    assert [row["verdict"] for row in ends] == ["PASS"] * 3
    assert all(before["decided"] <= after["ended"] for before, after in itertools.pairwise(spans))


async def test_a_newer_run_supersedes_the_older_one_of_its_key(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(f"{{id: a_STAGE, type: TEST_WORK, required: true, seconds: 3, ledger: {ledger}}}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (old,) = await submit(database, submission(concurrency_key="branch=main", supersede=True))

        async def begun() -> bool:
            return ledger.exists()

        await until(begun)
        (new,) = await submit(database, submission(concurrency_key="branch=main", supersede=True))
        assert (await ended(database, new.run_id))["verdict"] == "PASS"
        assert (await ended(database, old.run_id))["status"] == "cancelled"
