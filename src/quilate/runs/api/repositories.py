"""What intake asks with every request, known for a moment: a project's repository, and that it may be cloned."""

import asyncio
import time
from typing import Protocol
from uuid import UUID

from quilate.accounts.model import ProjectReference
from quilate.kit.database.database import Database
from quilate.runs.api.sql import QUERIES
from quilate.runs.workspaces.model import Source, SourceKind

_KEPT_SECONDS = 2.0
_MOST_KEPT = 10_000


class Repositories:
    """Reads a project's repository address, at most once every two seconds and project."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[UUID, tuple[float, str]] = {}
        self._reading = asyncio.Lock()

    async def of(self, project_id: UUID) -> str:
        """Return the address, empty where the project has none."""
        known = self._remembered(project_id)
        if known is not None:
            return known
        # Those who miss it together wait for one answer.
        async with self._reading:
            known = self._remembered(project_id)
            return known if known is not None else await self._read(project_id)

    def _remembered(self, project_id: UUID) -> str | None:
        known = self._known.get(project_id)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    async def _read(self, project_id: UUID) -> str:
        async with self._database.connection() as connection:
            cursor = await connection.execute(QUERIES["repository"], {"project": project_id})
            row = await cursor.fetchone()
        repository = str(row["repository"] or "") if row is not None else ""
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[project_id] = (time.monotonic() + _KEPT_SECONDS, repository)
        return repository


class Sources(Protocol):
    """Judges sources; ``runs.workspaces.resolver.SourceResolver`` does."""

    async def resolve(self, project: ProjectReference, source: Source) -> Source:
        """Return the source as this project may use it.

        Raises:
            SourceRefusedError: The project may not have it, or it is not there.
        """
        ...


class JudgedSources:
    """Judges sources; that a repository may be cloned is known for two seconds, everything else is asked each time.

    Workers judge a repository once more when they fetch from it.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[tuple[UUID, Source], tuple[float, Source]] = {}

    async def resolve(self, project: ProjectReference, source: Source) -> Source:
        """Return the source as this project may use it.

        Raises:
            SourceRefusedError: The project may not have it, or it is not there.
        """
        if source.kind is not SourceKind.GIT:
            return await self._sources.resolve(project, source)
        known = self._known.get((project.id, source))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        judged = await self._sources.resolve(project, source)
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[project.id, source] = (time.monotonic() + _KEPT_SECONDS, judged)
        return judged
