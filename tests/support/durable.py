"""A durable runner for tests: real workers in this process over a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

from quilate.accounts.model import SYSTEM
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Connection, Database
from quilate.kit.metrics import Metrics
from quilate.runs.durable.assembly import assembled_worker
from quilate.runs.durable.intake import insert_runs
from quilate.runs.durable.model import Submission, Submitted
from quilate.runs.durable.planning import ProjectRules, Rules
from quilate.runs.durable.preparation import Trees
from quilate.runs.durable.recovery import run_recovery
from quilate.runs.durable.worker import Worker, WorkerOptions
from quilate.runs.workspaces.model import MaterialisedTree, Source, SourceKind
from quilate.seals.keys import local_key

PROJECT = UUID("00000000-0000-7000-8000-000000000001")
FAKES = "tests.support.durable_checks"


class NoTrees:
    """For runs without files."""

    def materialise(self, source: Source, *, project: str) -> MaterialisedTree:
        raise AssertionError((source, project))

    def release(self, tree: MaterialisedTree) -> None:
        raise AssertionError(tree)


class FixedRules:
    """The same rules for every project."""

    def __init__(self, blueprint_text: str = "") -> None:
        self._rules = ProjectRules(blueprint="test" if blueprint_text else "", blueprint_text=blueprint_text)

    async def read(self, connection: Connection, project_id: UUID, blueprint: str, on: date) -> ProjectRules:
        del connection, project_id, blueprint, on
        return self._rules


def blueprint(checks: str, *, stages: int = 1, policy: str = "all_required_checks_pass", more: str = "") -> str:
    """Return a blueprint whose stages all hold the same check lines."""
    lines = ["id: test", "version: 1", "project_types: [ds]", more, "stages:"]
    for stage in range(stages):
        lines += [f"  - name: stage_{stage}", "    checks:"]
        lines += [f"      - {line.replace('STAGE', str(stage))}" for line in checks.strip().splitlines()]
    return "\n".join([*lines, "policies:", "  approval:", f"    rule: {policy}"])


PROJECT_FILE = "project: test\ntype: ds\nblueprint: ds-batch\n"


def submission(**more: object) -> Submission:
    """Return a submission without files."""
    given: dict[str, object] = {
        "project_id": PROJECT,
        "project": "test",
        "source": Source(kind=SourceKind.NONE),
        "actor": SYSTEM,
        "project_file": PROJECT_FILE,
        **more,
    }
    return Submission(**given)  # type: ignore[arg-type]


async def submit(database: Database, *submissions: Submission) -> list[Submitted]:
    """Insert runs."""

    async def work(connection: Connection) -> list[Submitted]:
        return await insert_runs(connection, submissions)

    return await database.run(work)


@asynccontextmanager
async def running_worker(  # noqa: PLR0913 - what a test may choose
    url: str,
    directory: Path,
    *,
    blueprint_text: str = "",
    trees: Trees | None = None,
    rules: Rules | None = None,
    options: WorkerOptions | None = None,
    stop: asyncio.Event | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Worker]:
    """Run a worker for the time of the block; its failure is the test's."""
    stop = stop or asyncio.Event()
    chosen = options or WorkerOptions(capacity=4, plugins=(FAKES,), secret_variables=None)
    async with assembled_worker(
        url,
        state=directory / f"worker-{uuid4().hex}",
        trees=trees or NoTrees(),
        rules=rules or FixedRules(blueprint_text),
        artifacts=DirectoryArtifactStore(directory / "artifacts"),
        key=local_key(),
        options=chosen,
        metrics=metrics,
    ) as worker:
        task = asyncio.create_task(worker.run(stop))
        task.add_done_callback(lambda _: stop.set())
        try:
            yield worker
        finally:
            stop.set()
            await task


async def rows(database: Database, sql: LiteralString, *parameters: object) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    async with database.connection() as connection:
        cursor = await connection.execute(sql, parameters or None)
        return await cursor.fetchall()


async def ended(database: Database, run_id: UUID, *, seconds: float = 30.0) -> dict[str, Any]:
    """Return the row of a run once it has ended."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        async with database.connection() as connection:
            cursor = await connection.execute("SELECT * FROM runs WHERE id = %s", (run_id,))
            row = await cursor.fetchone()
        if row is not None and row["step"] is None:
            return row
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"run {run_id} has not ended: {row}")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def recovering(database: Database) -> AsyncIterator[None]:
    """Give back the work of dead workers for the time of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_recovery(database, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], Awaitable[object]], *, seconds: float = 20.0) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (found := await condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("it never came about")
        await asyncio.sleep(0.02)
    return found
