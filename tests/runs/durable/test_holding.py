"""Plans, decisions and checks that a living worker holds and does not go on with: given back, never kept (C04, C07)."""

import asyncio
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.accounts.model import SYSTEM
from quilate.domain.subject import SubjectKind
from quilate.kit.database.database import Connection, Database
from quilate.runs.durable.commands import cancel_run
from quilate.runs.durable.deciding import DecidedRun, decide_run
from quilate.runs.durable.intake import insert_runs
from quilate.runs.durable.live import LiveRun
from quilate.runs.durable.planning import ProjectRules
from quilate.runs.durable.worker import WorkerOptions
from quilate.runs.workspaces.errors import SourceUnavailableError
from quilate.runs.workspaces.model import MaterialisedTree, Source, SourceKind
from quilate.seals.keys import SigningKey
from quilate.seals.statement import Environment
from tests.support.durable import (
    FAKES,
    PROJECT,
    FixedRules,
    blueprint,
    ended,
    rows,
    running_worker,
    submission,
    submit,
    until,
)

pytestmark = pytest.mark.asyncio

TEXT = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}")
OPTIONS = WorkerOptions(capacity=2, plugins=(FAKES,), lease_seconds=5.0, beat_seconds=0.1)
_SECONDS = 10.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


class FaultyRules(FixedRules):
    """Rules whose reading fails as often as it is told, for one blueprint or for all."""

    def __init__(self, times: int, *, only: str = "", cut: bool = False) -> None:
        super().__init__(TEXT)
        self._times = times
        self._only = only
        self._cut = cut

    async def read(self, connection: Connection, project_id: UUID, blueprint: str, on: date) -> ProjectRules:
        if self._times and (not self._only or blueprint == self._only):
            self._times -= 1
            if self._cut:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            raise RuntimeError("a fault of our own")
        return await super().read(connection, project_id, blueprint, on)


async def test_a_plan_whose_connection_is_cut_is_made_all_the_same(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    rules = FaultyRules(1, cut=True)
    async with running_worker(database_url, tmp_path, rules=rules, options=OPTIONS):
        runs = await submit(database, *[submission() for _ in range(3)])
        found = [await ended(database, run.run_id, seconds=_SECONDS) for run in runs]
    assert [(row["verdict"], row["losses"]) for row in found] == [("PASS", 0)] * 3


async def test_a_plan_that_failed_is_given_back_and_made_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with running_worker(database_url, tmp_path, rules=FaultyRules(1), options=OPTIONS):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id, seconds=_SECONDS)
    assert (row["verdict"], row["losses"]) == ("PASS", 1)


async def test_a_run_that_can_never_be_planned_ends_and_takes_no_other_along(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with running_worker(database_url, tmp_path, rules=FaultyRules(99, only="bad"), options=OPTIONS):
        bad, good = await submit(database, submission(blueprint="bad"), submission())
        row = await ended(database, good.run_id, seconds=_SECONDS)
        assert (row["verdict"], row["losses"]) == ("PASS", 0)
        row = await ended(database, bad.run_id, seconds=_SECONDS)
    assert (row["status"], row["verdict"], row["losses"]) == ("failed", "UNKNOWN", 3)
    (told,) = await rows(database, "SELECT failure->>'error' AS error FROM run_submissions WHERE failure IS NOT NULL")
    assert "3 workers died or failed" in told["error"]
    letters = await rows(database, "SELECT run_id, check_id, reason FROM dead_letters")
    assert [tuple(letter.values()) for letter in letters] == [(bad.run_id, None, "worker lost")]


async def test_a_decision_that_failed_is_given_back_and_made_again(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [RuntimeError("a fault of our own")]

    def faulty(run: LiveRun, key: SigningKey, environment: Environment) -> DecidedRun:
        if faults:
            raise faults.pop()
        return decide_run(run, key, environment)

    monkeypatch.setattr("quilate.runs.durable.deciding.decide_run", faulty)
    async with running_worker(database_url, tmp_path, blueprint_text=TEXT, options=OPTIONS):
        (run,) = await submit(database, submission())
        row = await ended(database, run.run_id, seconds=_SECONDS)
    assert (row["verdict"], row["losses"]) == ("PASS", 1)


async def test_a_claim_whose_worker_never_heard_of_it_is_given_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """As after a connection that broke in a COMMIT that had counted."""
    async with running_worker(database_url, tmp_path, blueprint_text=TEXT, options=OPTIONS) as worker:

        async def claimed(connection: Connection) -> UUID:
            (run,) = await insert_runs(connection, [submission()])
            await connection.execute(
                "UPDATE runs SET status = 'running', worker = %s, attempt = 1 WHERE id = %s", (worker.id, run.run_id)
            )
            return run.run_id

        await until(lambda: rows(database, "SELECT 1 FROM workers"))
        row = await ended(database, await database.run(claimed), seconds=_SECONDS)
    assert (row["verdict"], row["losses"]) == ("PASS", 0)


class SlowTrees:
    """A tree that takes its time."""

    def __init__(self, root: Path, seconds: Callable[[], float]) -> None:
        self._root = root
        self._seconds = seconds
        self.fetched = 0
        self.released = 0

    def materialise(self, source: Source, *, project: str) -> MaterialisedTree:
        del project
        self.fetched += 1
        time.sleep(self._seconds())
        return MaterialisedTree(source=source, root=self._root, subject_kind=SubjectKind.TREE)

    def release(self, tree: MaterialisedTree) -> None:
        del tree
        self.released += 1


async def test_the_files_of_a_run_that_is_cancelled_while_they_are_fetched_are_let_go(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "quilate.yaml").write_text("project: test\ntype: ds\nblueprint: test\n")
    given = submission(source=Source(kind=SourceKind.GIT, location="https://git.example/a.git"), project_file="")
    trees = SlowTrees(root, lambda: 0.5)

    async def let_go() -> bool:
        return trees.released == trees.fetched

    async with running_worker(database_url, tmp_path, blueprint_text=TEXT, trees=trees, options=OPTIONS):
        (run,) = await submit(database, given)
        await until(lambda: rows(database, "SELECT 1 FROM runs WHERE status = 'running'"))
        await database.run(lambda connection: cancel_run(connection, PROJECT, run.run_id, SYSTEM))
        await until(lambda: asyncio.sleep(0, trees.fetched))
        await until(let_go)
    assert (await ended(database, run.run_id))["status"] == "cancelled"


async def test_a_check_whose_files_are_still_fetched_is_not_given_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "quilate.yaml").write_text("project: test\ntype: ds\nblueprint: test\n")
    text = blueprint("{id: a_STAGE, type: TEST_WORK, required: true}")
    planner = WorkerOptions(queues=frozenset({"security"}), plugins=(FAKES,))
    given = submission(source=Source(kind=SourceKind.GIT, location="https://git.example/a.git"), project_file="")
    async with running_worker(
        database_url, tmp_path, blueprint_text=text, trees=SlowTrees(root, lambda: 0.0), options=planner
    ):
        (run,) = await submit(database, given)
        await until(lambda: rows(database, "SELECT 1 FROM check_runs"))
    # Long enough for many beats.
    async with running_worker(
        database_url, tmp_path, blueprint_text=text, trees=SlowTrees(root, lambda: 1.5), options=OPTIONS
    ):
        row = await ended(database, run.run_id, seconds=_SECONDS)
    assert row["verdict"] == "PASS"
    attempts = await rows(database, "SELECT attempt, result FROM check_attempts")
    assert [(each["attempt"], each["result"]) for each in attempts] == [(1, "pass")]


class GoneTrees(SlowTrees):
    """Trees of which one cannot be had any more."""

    def materialise(self, source: Source, *, project: str) -> MaterialisedTree:
        if "gone" in source.location:
            raise SourceUnavailableError("the repository is not there any more", next_step="put it back")
        return super().materialise(source, project=project)


async def test_a_run_whose_files_are_gone_after_its_plan_ends_and_takes_no_other_along(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "quilate.yaml").write_text("project: test\ntype: ds\nblueprint: test\n")
    text = blueprint("{id: a_STAGE, type: TEST_WORK, required: true}")
    planner = WorkerOptions(queues=frozenset({"security"}), plugins=(FAKES,))
    sources = [Source(kind=SourceKind.GIT, location=f"https://git.example/{name}.git") for name in ("gone", "there")]
    given = [submission(source=source, project_file="") for source in sources]
    there = SlowTrees(root, lambda: 0.0)
    async with running_worker(database_url, tmp_path, blueprint_text=text, trees=there, options=planner):
        gone, good = await submit(database, *given)
        await until(lambda: rows(database, "SELECT 1 FROM check_runs HAVING count(*) = 2"))
    trees = GoneTrees(root, lambda: 0.0)
    async with running_worker(database_url, tmp_path, blueprint_text=text, trees=trees, options=OPTIONS):
        assert (await ended(database, good.run_id, seconds=_SECONDS))["verdict"] == "PASS"
        row = await ended(database, gone.run_id, seconds=20.0)
    assert (row["status"], row["verdict"]) == ("failed", "UNKNOWN")
    (told,) = await rows(database, "SELECT failure FROM run_submissions WHERE run_id = %s", gone.run_id)
    assert told["failure"] == {
        "error": "the repository is not there any more (tried 3 times after the run had begun)",
        "next_step": "put it back",
    }
    assert await rows(database, "SELECT run_id, reason FROM dead_letters") == [
        {"run_id": gone.run_id, "reason": "worker lost"}
    ]
    assert await rows(database, "SELECT 1 FROM check_runs") == []
