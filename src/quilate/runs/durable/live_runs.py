"""The runs that a worker keeps in memory, with their files, beside what the database says of them."""

from collections.abc import Collection, Iterable
from uuid import UUID

from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.database.faults import is_passing
from quilate.runs.durable.items import Planned
from quilate.runs.durable.live import LiveRun
from quilate.runs.durable.preparation import Preparer
from quilate.runs.durable.reading import load_runs

_KEPT_RUNS = 2048


class LiveRuns:
    """Loads runs, keeps them and lets go of their files."""

    def __init__(self, database: Database, preparer: Preparer, artifacts: ArtifactStore) -> None:
        self._database = database
        self._preparer = preparer
        self._artifacts = artifacts
        self.known: dict[UUID, LiveRun] = {}

    def add(self, planned: Iterable[Planned], begun: Iterable[LiveRun]) -> None:
        """Keep runs that have begun here; let go of the files of those that were planned and may not begin."""
        new = {run.id: run for run in begun}
        self.known |= new
        for item in planned:
            if item.claim.run_id not in new:
                self._preparer.release(item.prepared)

    async def loaded(self, runs: Iterable[UUID], *, fresh: bool = False) -> dict[UUID, LiveRun]:
        """Return runs, read where they are not known or ``fresh`` is asked for; those that have ended are left out."""
        wanted = list(runs)
        missing = [run for run in wanted if fresh or run not in self.known]
        if missing:
            found = await load_runs(self._database, missing, self._preparer, self._artifacts)
            self.drop(missing)
            self.known |= found
        return {run: self.known[run] for run in wanted if run in self.known}

    async def loaded_apart(
        self, runs: Collection[UUID], *, fresh: bool = False
    ) -> tuple[dict[UUID, LiveRun], dict[UUID, Exception]]:
        """Return runs as ``loaded`` does, and those that cannot be read, which take no other along.

        Raises:
            Exception: The database was away; that passes.
        """
        try:
            return await self.loaded(runs, fresh=fresh), {}
        except Exception as error:
            if is_passing(error):
                raise
            if len(runs) == 1:
                return {}, dict.fromkeys(runs, error)
        found: dict[UUID, LiveRun] = {}
        failed: dict[UUID, Exception] = {}
        for run in runs:
            alone, unreadable = await self.loaded_apart({run}, fresh=fresh)
            found |= alone
            failed |= unreadable
        return found, failed

    def drop(self, runs: Iterable[UUID]) -> None:
        """Forget runs and let go of their files."""
        for run_id in runs:
            run = self.known.pop(run_id, None)
            if run is not None:
                self._preparer.release(run.prepared)

    def forget_old(self, busy: Collection[UUID]) -> None:
        """Forget runs that others go on with; what is ``busy`` here keeps its files."""
        idle = [run for run in self.known if run not in busy]
        self.drop(idle[: max(len(self.known) - _KEPT_RUNS, 0)])
