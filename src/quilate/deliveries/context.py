"""A connector's door to the world, for one attempt."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from quilate.deliveries.connector import DeliveryError, RunReport
from quilate.deliveries.reports import ReportReader
from quilate.deliveries.store import execute, many, one
from quilate.kit.database.database import Connection, Database
from quilate.kit.masking import MASK
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.kit.secrets.box import SecretUnreadableError
from quilate.kit.secrets.opened import Secrets

LONGEST_MEMORY = 2_000
_SHORTEST_MASKED = 4
_SHORTEST_CUT = 4


def secret_context(connection_id: UUID, name: str) -> str:
    """Return the place that a connection's secret is sealed for."""
    return f"connections:{connection_id}:{name}"


@dataclass(slots=True, kw_only=True)
class StoredContext:
    """Implements ``DeliveryContext`` over the database; see there."""

    database: Database
    box: Secrets
    reports: ReportReader
    project_id: UUID
    connection_id: UUID
    settings: Any
    sealed: dict[str, bytes]
    http: OutgoingHttp
    dry_run: bool = False
    _opened: set[str] = field(default_factory=set, repr=False)

    def secret(self, name: str) -> str:
        """Return a secret of the connection; empty where it was not given.

        Raises:
            DeliveryError: It cannot be opened any more.
        """
        sealed = self.sealed.get(name)
        if sealed is None:
            return ""
        try:
            opened = self.box.open(bytes(sealed), secret_context(self.connection_id, name))
        except SecretUnreadableError as error:
            raise DeliveryError(error.message, next_step=error.next_step, permanent=True) from error
        if len(opened) >= _SHORTEST_MASKED:
            self._opened |= {opened, quote(opened, safe=""), json.dumps(opened)[1:-1]}
        return opened

    def without_secrets(self, text: str) -> str:
        """Return a text without the secrets that were used: receivers say back what they got, addresses included."""
        for secret in sorted(self._opened, key=len, reverse=True):
            text = text.replace(secret, MASK)
            # What is quoted of an answer ends somewhere, perhaps within a secret.
            cut = next((n for n in range(len(secret) - 1, _SHORTEST_CUT - 1, -1) if text.endswith(secret[:n])), 0)
            text = f"{text[:-cut]}{MASK}" if cut else text
        return text

    async def report(self, run_id: UUID) -> RunReport:
        """Return what there is to say about a run of the connection's project."""
        return await self.reports.report(self.project_id, run_id)

    async def sarif(self, run_id: UUID) -> bytes:
        """Return the run's SARIF log."""
        return await self.reports.sarif(self.project_id, run_id)

    async def remembered(self, key: str) -> str | None:
        """Return what this connection remembered."""
        async with self.database.connection() as connection:
            row = await one(connection, "remembered", id=self.connection_id, key=key)
        return None if row is None else str(row["value"])

    async def remember(self, key: str, value: str) -> None:
        """Keep something; a dry run keeps nothing.

        Raises:
            ValueError: It is longer than anything that is worth keeping.
        """
        if self.dry_run:
            return
        if len(key) > LONGEST_MEMORY or len(value) > LONGEST_MEMORY:
            raise ValueError("what a connection remembers is short")

        async def work(connection: Connection) -> None:
            await execute(connection, "remember", id=self.connection_id, key=key, value=value)

        await self.database.run(work)


async def sealed_secrets(database: Database, connection_id: UUID) -> dict[str, bytes]:
    """Return a connection's secrets as they are stored."""
    async with database.connection() as connection:
        rows = await many(connection, "sealed_secrets", id=connection_id)
    return {row["name"]: bytes(row["sealed"]) for row in rows}
