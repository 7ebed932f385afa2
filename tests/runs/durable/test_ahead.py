"""Stages of trivial checks are carried on before anything is written, and leave the same record (C04, C07)."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.accounts.model import SYSTEM
from quilate.domain.ids import Digest
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Database
from quilate.policy.decision import replay
from quilate.runs.durable.commands import cancel_run
from quilate.runs.durable.worker import WorkerOptions
from tests.support.durable import (
    FAKES,
    PROJECT,
    blueprint,
    ended,
    recovering,
    rows,
    running_worker,
    submission,
    submit,
    until,
)

pytestmark = pytest.mark.asyncio

TRIVIAL = "{id: a_STAGE, type: TEST_TRIVIAL, required: true}\n{id: b_STAGE, type: TEST_TRIVIAL, required: true}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


async def entries_of(database: Database, run_id: UUID) -> list[dict[str, object]]:
    """Return the audit entries of a run."""
    leaves = [json.loads(bytes(row["leaf"])) for row in await rows(database, "SELECT leaf FROM audit_pending")]
    return [entry for entry in leaves if entry["subject"] == f"run:{run_id}"]


async def attempts_of(database: Database, run_id: UUID) -> list[tuple[str, int, str]]:
    found = await rows(
        database,
        "SELECT check_id, attempt, result FROM check_attempts WHERE run_id = %s ORDER BY check_id, attempt",
        run_id,
    )
    return [(row["check_id"], row["attempt"], row["result"]) for row in found]


async def test_all_stages_and_the_decision_are_one_step_with_every_record_that_single_steps_leave(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quilate.runs.durable.ahead.LONGEST_SECONDS", 60.0)
    async with running_worker(database_url, tmp_path, blueprint_text=blueprint(TRIVIAL, stages=3)):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id)
    assert (row["status"], row["verdict"], row["worker"]) == ("succeeded", "PASS", None)
    names = [f"{letter}_{stage}" for letter in "ab" for stage in range(3)]
    assert await attempts_of(database, run.run_id) == [(name, 1, "pass") for name in names]
    advanced = [entry for entry in await entries_of(database, run.run_id) if entry["action"] == "run.advanced"]
    (entry,) = advanced
    details = entry["details"]
    assert isinstance(details, dict)
    assert sorted(each["check"] for each in details["ended"]) == names
    assert all(each["evidence"].startswith("sha256:") for each in details["ended"])
    (decision,) = await rows(database, "SELECT * FROM decisions WHERE run_id = %s", run.run_id)
    assert replay(bytes(decision["input"])) == bytes(decision["decision"])


async def test_the_stages_before_and_behind_a_check_with_a_process_of_its_own_are_carried_on_or_not_alike(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    lines = [
        "id: test", "version: 1", "project_types: [ds]", "stages:",
        "  - name: first", "    checks:", f"      - {{id: a, type: TEST_TRIVIAL, required: true, ledger: {ledger}}}",
        "  - name: second", "    checks:", f"      - {{id: b, type: TEST_WORK, required: true, ledger: {ledger}}}",
        "  - name: third", "    checks:", f"      - {{id: c, type: TEST_TRIVIAL, required: true, ledger: {ledger}}}",
        "policies:", "  approval:", "    rule: all_required_checks_pass",
    ]  # fmt: skip
    async with running_worker(database_url, tmp_path, blueprint_text="\n".join(lines)):
        (run,) = await submit(database, submission())
        assert (await ended(database, run.run_id))["verdict"] == "PASS"
    assert ledger.read_text().split() == ["a", "b", "c"]


async def test_a_check_that_fails_and_is_retried_leaves_both_attempts(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: a_STAGE, type: TEST_TRIVIAL, required: true, retries: 1, failures: 1, ledger: {ledger}}}", stages=2
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        assert (await ended(database, run.run_id))["verdict"] == "PASS"
    assert await attempts_of(database, run.run_id) == [
        ("a_0", 1, "fail"), ("a_0", 2, "warn"), ("a_1", 1, "fail"), ("a_1", 2, "warn"),
    ]  # fmt: skip


async def test_what_takes_long_is_seen_while_it_runs_and_ends_once(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint(
        "{id: a_STAGE, type: TEST_TRIVIAL, required: true}\n"
        "{id: slow_STAGE, type: TEST_TRIVIAL, required: true, seconds: 1}",
        stages=2,
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        await until(lambda: rows(database, "SELECT 1 FROM check_runs WHERE check_id = 'slow_0' AND status = 'running'"))
        assert (await ended(database, run.run_id))["verdict"] == "PASS"
    assert await attempts_of(database, run.run_id) == [(name, 1, "pass") for name in ("a_0", "a_1", "slow_0", "slow_1")]
    assert await rows(database, "SELECT 1 FROM check_runs") == []


async def test_a_run_that_is_cancelled_meanwhile_stays_cancelled(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(f"{{id: a_STAGE, type: TEST_TRIVIAL, required: true, seconds: 0.2, ledger: {ledger}}}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        await until(lambda: asyncio.to_thread(ledger.exists))
        await database.run(lambda connection: cancel_run(connection, PROJECT, run.run_id, SYSTEM))
        (after,) = await submit(database, submission())
        assert (await ended(database, after.run_id))["verdict"] == "PASS"
    assert (await ended(database, run.run_id))["status"] == "cancelled"
    assert {result for _, _, result in await attempts_of(database, run.run_id)} <= {"cancelled"}
    assert await rows(database, "SELECT 1 FROM decisions WHERE run_id = %s", run.run_id) == []


async def test_a_run_whose_worker_dies_meanwhile_is_begun_anew_by_another(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """The first worker is stopped while the check runs: nothing of the run is written, and its claim goes back."""
    ledger = tmp_path / "ledger"
    text = blueprint(f"{{id: a_STAGE, type: TEST_TRIVIAL, required: true, seconds: 0.2, ledger: {ledger}}}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        await until(lambda: asyncio.to_thread(ledger.exists))
    (left,) = await rows(database, "SELECT status, step, worker FROM runs WHERE id = %s", run.run_id)
    assert left["worker"] is None
    async with recovering(database), running_worker(database_url, tmp_path, blueprint_text=text):
        assert (await ended(database, run.run_id))["verdict"] == "PASS"
    assert len(await attempts_of(database, run.run_id)) == 1


async def test_runs_of_one_concurrency_key_never_run_beside_each_other(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    text = blueprint(
        f"{{id: first_STAGE, type: TEST_TRIVIAL, required: true, seconds: 0.05, ledger: {ledger}}}", stages=2
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        runs = await submit(database, *[submission(concurrency_key="one") for _ in range(3)])
        for run in runs:
            assert (await ended(database, run.run_id))["verdict"] == "PASS"
    assert ledger.read_text().split() == ["first_0", "first_1"] * 3


async def test_checks_of_another_queue_are_left_to_its_workers(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}")
    others = WorkerOptions(capacity=4, plugins=(FAKES,), queues=frozenset({"security"}))
    async with running_worker(database_url, tmp_path, blueprint_text=text, options=others):
        (run,) = await submit(database, submission())
        await until(lambda: rows(database, "SELECT 1 FROM check_runs WHERE status = 'queued'"))
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        assert (await ended(database, run.run_id))["verdict"] == "PASS"


@pytest.mark.parametrize("type_", ["TEST_TRIVIAL", "TEST_WORK"])
async def test_evidence_that_is_too_long_for_a_column_is_an_artifact_of_the_digest_that_everybody_is_told(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: str
) -> None:
    """Also where the blueprint sets the severity of what the check found: that is judging, not evidence."""
    monkeypatch.setattr("quilate.runs.durable.ahead.LONGEST_SECONDS", 60.0)
    text = blueprint(
        f"{{id: a_STAGE, type: {type_}, required: true, severity: low, failures: 1, findings: 400,"
        f" ledger: {tmp_path / 'ledger'}}}"
    )
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (run,) = await submit(database, submission())
        assert (await ended(database, run.run_id))["verdict"] == "FAIL"
    (attempt,) = await rows(database, "SELECT evidence, evidence_digest FROM check_attempts")
    assert attempt["evidence"] is None
    content = DirectoryArtifactStore(tmp_path / "artifacts").read(Digest(attempt["evidence_digest"]), 1 << 24)
    assert sha256_of(content) == attempt["evidence_digest"]
    assert len(json.loads(content)["findings"]) == 400
    (decision,) = await rows(database, "SELECT decision, input, input_digest FROM decisions")
    assert decision["input"] is None
    given = DirectoryArtifactStore(tmp_path / "artifacts").read(Digest(decision["input_digest"]), 1 << 24)
    assert attempt["evidence_digest"].encode() in given
