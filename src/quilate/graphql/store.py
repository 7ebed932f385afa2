"""Reading for many parents at once; nothing here decides or writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from quilate.kit.database.database import Database
from quilate.kit.database.queries import load_queries

_QUERIES = load_queries("quilate.graphql")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunsWanted:
    """Which runs of a project: a page of a filter; ``None`` does not limit."""

    first: int
    before: UUID | None = None
    status: str | None = None
    verdict: str | None = None
    branch: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class FindingsWanted:
    """Which findings of a run or of one of its checks."""

    first: int
    severities: tuple[str, ...] | None = None
    after: tuple[str, int, int] | None = None


@dataclass(frozen=True, slots=True)
class WaiversWanted:
    """Which waivers of a project."""

    first: int
    before: UUID | None = None
    state: str | None = None


class GraphStore:
    """Rows for the data loaders. Whoever calls has asked whether the caller may see the projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs_of_projects(self, projects: Sequence[UUID], wanted: RunsWanted) -> Sequence[Row]:
        """Return the newest runs of each project, one more than a page of each."""
        return await self._all(
            "runs_of_projects",
            projects=list(projects),
            before=wanted.before,
            status=wanted.status,
            verdict=wanted.verdict,
            branch=wanted.branch,
            event=wanted.event,
            limit=wanted.first + 1,
        )

    async def run(self, project: UUID, run: UUID) -> Row | None:
        """Return one run of a project."""
        rows = await self._all("run", project=project, run=run)
        return rows[0] if rows else None

    async def plans(self, runs: Sequence[UUID]) -> Sequence[Row]:
        """Return the plans of runs."""
        return await self._all("plans_of_runs", runs=list(runs))

    async def attempts(self, runs: Sequence[UUID]) -> Sequence[Row]:
        """Return the attempts of all checks of runs, first to last."""
        return await self._all("attempts_of_runs", runs=list(runs))

    async def in_flight(self, runs: Sequence[UUID]) -> Sequence[Row]:
        """Return the checks of runs that may run or are running."""
        return await self._all("checks_in_flight", runs=list(runs))

    async def findings(self, places: Sequence[tuple[UUID, str | None]], wanted: FindingsWanted) -> Sequence[Row]:
        """Return the findings of runs, or of single checks of them, one more than a page of each."""
        after = wanted.after or (None, None, None)
        return await self._all(
            "findings_of_runs",
            runs=[run for run, _ in places],
            checks=[check for _, check in places],
            severities=list(wanted.severities) if wanted.severities is not None else None,
            after_check=after[0],
            after_attempt=after[1],
            after_place=after[2],
            limit=wanted.first + 1,
        )

    async def decisions(self, runs: Sequence[UUID]) -> Sequence[Row]:
        """Return the decisions of runs, without their documents."""
        return await self._all("decisions_of_runs", runs=list(runs))

    async def documents(self, runs: Sequence[UUID]) -> Sequence[Row]:
        """Return the decision documents of runs; one that is NULL is an artifact of its digest."""
        return await self._all("documents_of_runs", runs=list(runs))

    async def waivers(self, projects: Sequence[UUID], wanted: WaiversWanted) -> Sequence[Row]:
        """Return the newest waivers of each project, one more than a page of each."""
        return await self._all(
            "waivers_of_projects",
            projects=list(projects),
            before=wanted.before,
            state=wanted.state,
            limit=wanted.first + 1,
        )

    async def _all(self, name: str, **arguments: Any) -> Sequence[Row]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(_QUERIES[name], arguments)
            return await cursor.fetchall()
