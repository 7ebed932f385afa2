"""The repository of each project, known for a moment: intake asks for it with every request."""

import time
from uuid import UUID

from quilate.kit.database.database import Database
from quilate.runs.api.sql import QUERIES

_KEPT_SECONDS = 2.0
_MOST_KEPT = 10_000


class Repositories:
    """Reads a project's repository address, at most once every two seconds and project."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[UUID, tuple[float, str]] = {}

    async def of(self, project_id: UUID) -> str:
        """Return the address, empty where the project has none."""
        known = self._known.get(project_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with self._database.connection() as connection:
            cursor = await connection.execute(QUERIES["repository"], {"project": project_id})
            row = await cursor.fetchone()
        repository = str(row["repository"] or "") if row is not None else ""
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[project_id] = (time.monotonic() + _KEPT_SECONDS, repository)
        return repository
