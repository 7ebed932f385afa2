"""Earlier decisions for the replay of a draft blueprint: the registry asks, the engine's table and store answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from quilate.blueprints.registry.model import StoredDecision
from quilate.domain.verdict import Verdict
from quilate.evidence.artifacts import ArtifactMissingError, ArtifactStore, ArtifactTooLargeError
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries

LARGEST_INPUT_BYTES = 32 << 20
"""A decision over more than that is left out of a replay."""

_QUERIES = load_queries("quilate.app.service", "stored_decisions.sql")


class DecisionsOfRuns:
    """Reads decisions with their inputs, from the row or, where that is too long for one, from the artifacts."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    async def last_decisions(self, connection: Connection, project_id: UUID, limit: int) -> Sequence[StoredDecision]:
        """Return the project's last decisions, the newest first; those whose input is gone are left out."""
        cursor = await connection.execute(_QUERIES["last_decisions"], {"project": project_id, "most": limit})
        found = []
        for row in await cursor.fetchall():
            data = await self._input(row)
            if data is not None:
                found.append(StoredDecision(run_id=row["run_id"], verdict=Verdict(row["verdict"]), input=data))
        return found

    async def _input(self, row: Mapping[str, Any]) -> bytes | None:
        if row["input"] is not None:
            return bytes(row["input"])
        try:
            return await asyncio.to_thread(self._artifacts.read, row["input_digest"], LARGEST_INPUT_BYTES)
        except (ArtifactMissingError, ArtifactTooLargeError):
            return None
