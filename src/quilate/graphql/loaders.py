"""Data loaders: whatever the fields of one level ask for is read in one statement, however many parents there are."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from quilate.evidence.artifacts import ArtifactStore
from quilate.graphql.store import FindingsWanted, GraphStore, Row, RunsWanted, WaiversWanted
from quilate.kit.database.database import Database

_LONGEST_DOCUMENT_BYTES = 64 << 20

Wanted = TypeVar("Wanted", bound=Hashable)
Place = tuple[UUID, str | None]


class Loaders:
    """The loaders of one query; they keep what they have read until it is answered."""

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self.store = GraphStore(database)
        self._artifacts = artifacts
        self.runs: DataLoader[tuple[UUID, RunsWanted], Sequence[Row]] = DataLoader(self._runs)
        self.waivers: DataLoader[tuple[UUID, WaiversWanted], Sequence[Row]] = DataLoader(self._waivers)
        self.checks: DataLoader[UUID, CheckRows] = DataLoader(self._checks)
        self.findings: DataLoader[tuple[Place, FindingsWanted], Sequence[Row]] = DataLoader(self._findings)
        self.decisions: DataLoader[UUID, Row | None] = DataLoader(self._decisions)
        self.documents: DataLoader[UUID, bytes | None] = DataLoader(self._documents)

    async def _runs(self, keys: list[tuple[UUID, RunsWanted]]) -> list[Sequence[Row]]:
        found: dict[tuple[UUID, RunsWanted], list[Row]] = defaultdict(list)
        for wanted, projects in _by_wish(keys).items():
            for row in await self.store.runs_of_projects(projects, wanted):
                found[row["project_id"], wanted].append(row)
        return [found[key] for key in keys]

    async def _waivers(self, keys: list[tuple[UUID, WaiversWanted]]) -> list[Sequence[Row]]:
        found: dict[tuple[UUID, WaiversWanted], list[Row]] = defaultdict(list)
        for wanted, projects in _by_wish(keys).items():
            for row in await self.store.waivers(projects, wanted):
                found[row["project_id"], wanted].append(row)
        return [found[key] for key in keys]

    async def _findings(self, keys: list[tuple[Place, FindingsWanted]]) -> list[Sequence[Row]]:
        found: dict[tuple[Place, FindingsWanted], list[Row]] = defaultdict(list)
        for wanted, places in _by_wish(keys).items():
            # Whole runs and single checks apart: a check's row belongs to both.
            for row in await self._found([place for place in places if place[1] is None], wanted):
                found[(row["run_id"], None), wanted].append(row)
            for row in await self._found([place for place in places if place[1] is not None], wanted):
                found[(row["run_id"], row["check_id"]), wanted].append(row)
        return [found[key] for key in keys]

    async def _found(self, places: Sequence[Place], wanted: FindingsWanted) -> Sequence[Row]:
        return await self.store.findings(places, wanted) if places else ()

    async def _checks(self, keys: list[UUID]) -> list["CheckRows"]:
        plans = {row["run_id"]: bytes(row["plan"]) for row in await self.store.plans(keys)}
        attempts = _grouped(await self.store.attempts(keys), lambda row: row["run_id"])
        waiting = _grouped(await self.store.in_flight(keys), lambda row: row["run_id"])
        return [CheckRows(plans.get(run), attempts.get(run, ()), waiting.get(run, ())) for run in keys]

    async def _decisions(self, keys: list[UUID]) -> list[Row | None]:
        rows = {row["run_id"]: row for row in await self.store.decisions(keys)}
        return [rows.get(run) for run in keys]

    async def _documents(self, keys: list[UUID]) -> list[bytes | None]:
        rows = {row["run_id"]: row for row in await self.store.documents(keys)}
        return [await self._document(rows[run]) if run in rows else None for run in keys]

    async def _document(self, row: Row) -> bytes:
        if row["decision"] is not None:
            return bytes(row["decision"])
        return await asyncio.to_thread(self._artifacts.read, row["decision_digest"], _LONGEST_DOCUMENT_BYTES)


class CheckRows:
    """What is stored of the checks of one run."""

    __slots__ = ("attempts", "in_flight", "plan")

    def __init__(self, plan: bytes | None, attempts: Sequence[Row], in_flight: Sequence[Row]) -> None:
        self.plan = plan
        self.attempts = attempts
        self.in_flight = in_flight


def _by_wish(keys: Sequence[tuple[Any, Wanted]]) -> Mapping[Wanted, list[Any]]:
    groups: dict[Wanted, list[Any]] = defaultdict(list)
    for parent, wanted in keys:
        groups[wanted].append(parent)
    return groups


def _grouped(rows: Sequence[Row], key: Callable[[Row], UUID]) -> dict[UUID, Sequence[Row]]:
    groups: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)
