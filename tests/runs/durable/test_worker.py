"""Runs on PostgreSQL, from submission to seal (C04, C06, C07)."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.kit.database.database import Database
from quilate.policy.decision import replay
from quilate.runs.durable.worker import WorkerOptions
from quilate.seals.dsse import parse_envelope
from quilate.seals.keys import local_verification_key
from tests.support.durable import FAKES, blueprint, ended, rows, running_worker, submission, submit, until

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


async def test_a_run_goes_from_submission_to_verdict_and_seal(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}\n{id: b_STAGE, type: TEST_WORK}", stages=2)
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id)
    assert (row["status"], row["verdict"]) == ("succeeded", "PASS")
    (decision,) = await rows(database, "SELECT * FROM decisions WHERE run_id = %s", run.run_id)
    assert decision["verdict"] == "PASS"
    assert replay(bytes(decision["input"])) == bytes(decision["decision"])
    envelope = json.loads(bytes(decision["seal"]))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    attempts = await rows(database, "SELECT check_id, result, final FROM check_attempts WHERE run_id = %s", run.run_id)
    assert {(row["check_id"], row["result"], row["final"]) for row in attempts} == {
        (name, "pass", True) for name in ("a_0", "b_0", "a_1", "b_1")
    }
    assert await rows(database, "SELECT 1 FROM check_runs") == []


async def test_the_same_input_gives_the_same_decision_in_both_runners(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """A laptop and a cluster decide alike: the decision is a function of what was stored as its input."""
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}", policy="a_0.answer == 41")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        first, second = await submit(database, submission(), submission())
        assert (await ended(database, first.run_id))["verdict"] == "FAIL"
        assert (await ended(database, second.run_id))["status"] == "failed"
    found = await rows(database, "SELECT DISTINCT decision_digest, input_digest FROM decisions")
    assert len(found) == 1


async def test_a_failing_check_is_retried_and_every_attempt_is_kept(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(f"{{id: a_STAGE, type: TEST_WORK, required: true, retries: 1, failures: 1, ledger: {ledger}}}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id)
    assert row["verdict"] == "PASS"
    attempts = await rows(
        database, "SELECT attempt, result, final FROM check_attempts WHERE run_id = %s ORDER BY attempt", run.run_id
    )
    # It failed and then passed: flaky, which is a warning and never silently green.
    assert [(each["attempt"], each["result"], each["final"]) for each in attempts] == [
        (1, "fail", False),
        (2, "warn", True),
    ]
    assert ledger.read_text().split() == ["a_0", "a_0"]
    findings = await rows(database, "SELECT rule, attempt FROM findings WHERE run_id = %s", run.run_id)
    assert [(each["rule"], each["attempt"]) for each in findings] == [("QL-TST-001", 1)]


async def test_a_check_waits_for_a_worker_of_its_queue(database: Database, database_url: str, tmp_path: Path) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_SECURITY, required: true}")
    code = WorkerOptions(capacity=2, plugins=(FAKES,), queues=frozenset({"code"}))
    security = WorkerOptions(capacity=2, plugins=(FAKES,), queues=frozenset({"security"}))
    async with running_worker(database_url, tmp_path, blueprint_text=text, options=code):
        (run,) = await submit(database, submission())
        await until(lambda: rows(database, "SELECT 1 FROM check_runs WHERE queue = 'security' AND status = 'queued'"))
        assert (await rows(database, "SELECT step FROM runs"))[0]["step"] == "checks"
        async with running_worker(database_url, tmp_path, blueprint_text=text, options=security):
            assert (await ended(database, run.run_id))["verdict"] == "PASS"


async def test_a_blueprint_that_does_not_fit_ends_the_run_with_the_reason(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: NO_SUCH_TYPE, required: true}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id)
    assert (row["status"], row["verdict"]) == ("failed", "UNKNOWN")
    (told,) = await rows(database, "SELECT failure FROM run_submissions WHERE run_id = %s", run.run_id)
    assert "NO_SUCH_TYPE" in told["failure"]["error"]


async def test_a_partial_run_has_results_and_neither_verdict_nor_seal(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}", stages=2)
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission(only=("a_1",)))
        row = await ended(database, run.run_id)
    assert (row["status"], row["verdict"]) == ("succeeded", None)
    assert await rows(database, "SELECT 1 FROM decisions") == []


async def test_only_what_failed_runs_again(database: Database, database_url: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: good_STAGE, type: TEST_WORK, required: true, ledger: {ledger}}}\n"
        f"{{id: bad_STAGE, type: TEST_WORK, required: true, failures: 1, ledger: {ledger}}}"
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (first,) = await submit(database, submission())
        assert (await ended(database, first.run_id))["verdict"] == "FAIL"
        (second,) = await submit(database, submission(rerun_of=first.run_id))
        assert (await ended(database, second.run_id))["verdict"] == "PASS"
    assert sorted(ledger.read_text().split()) == ["bad_0", "bad_0", "good_0"]
    (kept,) = await rows(
        database,
        "SELECT cached_age_seconds FROM check_attempts WHERE run_id = %s AND check_id = 'good_0'",
        second.run_id,
    )
    assert kept["cached_age_seconds"] >= 0


async def test_what_passed_after_a_failed_attempt_runs_again_with_what_failed(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Taken over without its failed attempt, a flaky check would be a clean pass."""
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: flaky_STAGE, type: TEST_WORK, required: true, failures: 1, retries: 1, ledger: {ledger}}}\n"
        f"{{id: bad_STAGE, type: TEST_WORK, required: true, failures: 1, ledger: {ledger}}}"
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (first,) = await submit(database, submission())
        assert (await ended(database, first.run_id))["verdict"] == "FAIL"
        (second,) = await submit(database, submission(rerun_of=first.run_id))
        assert (await ended(database, second.run_id))["verdict"] == "PASS"
    assert sorted(ledger.read_text().split()) == ["bad_0", "bad_0", "flaky_0", "flaky_0", "flaky_0"]


async def test_what_is_taken_over_keeps_its_age_and_is_no_older_than_it_may_be(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: old_STAGE, type: TEST_WORK, required: true, ledger: {ledger}}}\n"
        f"{{id: fresh_STAGE, type: TEST_WORK, required: true, fresh_for: 30m, ledger: {ledger}}}\n"
        f"{{id: bad_STAGE, type: TEST_WORK, required: true, failures: 9, ledger: {ledger}}}"
    )
    age = "SELECT cached_age_seconds AS age FROM check_attempts WHERE run_id = %s AND check_id = 'old_0'"
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (first,) = await submit(database, submission())
        await ended(database, first.run_id)
        async with database.connection() as connection:
            await connection.execute("UPDATE check_attempts SET ended_at = ended_at - interval '1 hour'")
        (second,) = await submit(database, submission(rerun_of=first.run_id))
        await ended(database, second.run_id)
        (third,) = await submit(database, submission(rerun_of=second.run_id))
        await ended(database, third.run_id)
    ages = [(await rows(database, age, run.run_id))[0]["age"] for run in (second, third)]
    assert 3600 <= ages[0] <= ages[1], "counted from when it ran"
    assert ledger.read_text().split().count("old_0") == 1
    assert ledger.read_text().split().count("fresh_0") == 2, "too old for the second run, not for the third"


async def test_a_run_that_names_a_foreign_run_takes_nothing_over(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """The same plan over the same subject, but what passed there was seen by another tenant's checks."""
    ledger = tmp_path / "ledger"
    text = blueprint(f"{{id: good_STAGE, type: TEST_WORK, required: true, ledger: {ledger}}}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (first,) = await submit(database, submission())
        await ended(database, first.run_id)
        other = submission(project_id=uuid4(), rerun_of=first.run_id)
        (second,) = await submit(database, other)
        assert (await ended(database, second.run_id))["verdict"] == "PASS"
    assert ledger.read_text().split() == ["good_0", "good_0"]
    plans = await rows(database, "SELECT DISTINCT plan_digest FROM runs")
    assert len(plans) == 1, "without this the test shows nothing"
    (own,) = await rows(
        database, "SELECT project_id, cached_age_seconds FROM check_attempts WHERE run_id = %s", second.run_id
    )
    assert own == {"project_id": other.project_id, "cached_age_seconds": None}


async def test_every_step_leaves_its_audit_entry_and_its_events(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_WORK, required: true}", stages=2)
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        await ended(database, run.run_id)
    entries = [json.loads(bytes(row["leaf"])) for row in await rows(database, "SELECT leaf FROM audit_pending")]
    of_run = [entry for entry in entries if entry["subject"] == f"run:{run.run_id}"]
    assert [entry["action"] for entry in of_run] == [
        "run.submitted",
        "run.advanced",
        "run.advanced",
        "run.advanced",
        "run.decided",
    ]
    assert of_run[-1]["details"]["seal"].startswith("sha256:")
    events = await rows(database, "SELECT type FROM outgoing_events ORDER BY sequence")
    assert [row["type"] for row in events] == [
        "dev.quilate.run.queued",
        "dev.quilate.run.started",
        "dev.quilate.run.finished",
    ]


async def test_the_seal_is_signed_with_the_key_of_the_worker(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        await ended(database, run.run_id)
    (decision,) = await rows(database, "SELECT seal, verdict FROM decisions")
    key = local_verification_key()
    assert key is not None
    envelope = parse_envelope(bytes(decision["seal"]))
    key.public_key.verify(envelope.signatures[0].signature, envelope.signed_bytes())


async def test_a_worker_that_dies_in_the_warm_process_only_loses_the_check(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint(
        "{id: a_STAGE, type: TEST_TRIVIAL, required: false, die: true}\n"
        "{id: b_STAGE, type: TEST_TRIVIAL, required: true}"
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id)
    results = await rows(database, "SELECT check_id, result FROM check_attempts WHERE run_id = %s", run.run_id)
    assert {(each["check_id"], each["result"]) for each in results} == {("a_0", "error"), ("b_0", "pass")}
    assert row["verdict"] == "PASS"


async def test_many_runs_of_one_batch_keep_apart(database: Database, database_url: str, tmp_path: Path) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}", stages=3)
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        submitted = await submit(database, *(submission() for _ in range(60)))
        for run in submitted:
            assert (await ended(database, run.run_id))["verdict"] == "PASS"
    (counts,) = await rows(
        database, "SELECT count(*) AS n, count(DISTINCT (run_id, check_id)) AS d FROM check_attempts"
    )
    assert (counts["n"], counts["d"]) == (180, 180)
    assert len({UUID(str(run.run_id)) for run in submitted}) == 60
