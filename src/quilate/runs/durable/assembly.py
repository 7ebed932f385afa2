"""A worker put together from its parts."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.metrics import Metrics
from quilate.runs.durable.attempts import AttemptRunner
from quilate.runs.durable.figures import WorkerFigures
from quilate.runs.durable.log_tails import LogTails
from quilate.runs.durable.planning import Planner, Rules, Sources
from quilate.runs.durable.preparation import Preparer, Trees
from quilate.runs.durable.wakeups import Wakeups
from quilate.runs.durable.worker import Worker, WorkerOptions, WorkerParts
from quilate.seals.keys import SigningKey


@asynccontextmanager
async def assembled_worker(  # noqa: PLR0913 - one argument for each thing that the outside provides
    url: str,
    *,
    state: Path,
    trees: Trees,
    rules: Rules,
    artifacts: ArtifactStore,
    key: SigningKey,
    options: WorkerOptions,
    sources: Callable[[Database], Sources] | None = None,
    metrics: Metrics | None = None,
    trust_trees: bool = False,
) -> AsyncIterator[Worker]:
    """Give a worker over a database; ``state`` is a directory of its own on this machine.

    Without ``sources`` nobody is asked whether a project may have its files, as for tests.
    """
    os.makedirs(state, exist_ok=True)  # noqa: PTH103 - once, at the start
    for name in options.plugins:
        import_module(name)
    async with Database.open(url, name="quilate-worker", min_size=2, max_size=6) as database:
        preparer = Preparer(trees, state, trust_trees=trust_trees)
        runner = AttemptRunner(
            state=state,
            artifacts=artifacts,
            logs=LogTails(database),
            capacity=options.capacity,
            plugins=options.plugins,
            variables=options.secret_variables,
        )
        parts = WorkerParts(
            database=database,
            preparer=preparer,
            planner=Planner(database, preparer, rules, sources(database) if sources else None, artifacts),
            artifacts=artifacts,
            runner=runner,
            wakeups=Wakeups(database),
            key=key,
            figures=WorkerFigures(metrics or Metrics()),
        )
        yield Worker(parts, options)
