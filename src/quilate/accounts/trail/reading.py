"""Reads the access trail; the caller has checked the permission ``audit:read``."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from quilate.accounts.errors import not_found
from quilate.accounts.model import ProjectAccess
from quilate.accounts.trail.model import AccessRecord, Batch, CheckedBatch, RecordFilter, batch_from, record_from
from quilate.accounts.trail.recording import STATEMENTS
from quilate.accounts.trail.sealing import EXPIRED, SEALED, batch_digest
from quilate.audit import store as audit_store
from quilate.audit.store import EntryFilter
from quilate.kit.database.database import Connection, Database

_LAST = UUID(int=(1 << 128) - 1)


class AccessReading:
    """Lists records and holds batches against the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(
        self, access: ProjectAccess, wanted: RecordFilter, *, before: UUID | None, most: int
    ) -> Sequence[AccessRecord]:
        """Return records, newest first."""
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(
                connection,
                "list_records",
                project_id=access.project.id,
                before=before or _LAST,
                most=most,
                actor=wanted.actor,
                kind=wanted.kind.value if wanted.kind is not None else None,
                subject=wanted.subject,
                since=wanted.since,
                until=wanted.until,
            )
        return [record_from(row) for row in rows]

    async def batches(self, access: ProjectAccess, *, before: UUID | None, most: int) -> Sequence[Batch]:
        """Return batches, newest first."""
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(
                connection, "list_batches", project_id=access.project.id, before=before or _LAST, most=most
            )
        return [batch_from(row) for row in rows]

    async def check(self, access: ProjectAccess, batch_id: UUID) -> CheckedBatch:
        """Hold a batch against the audit log.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            row = await STATEMENTS.one(connection, "batch", id=batch_id, project_id=access.project.id)
            if row is None:
                raise not_found(f"the project {access.project.slug!r} has no access batch {batch_id}")
            batch = batch_from(row)
            records = await STATEMENTS.many(connection, "records_of_batch", batch_id=batch_id)
            logged = await _logged_digests(connection, batch, SEALED)
            expired = await _logged_digests(connection, batch, EXPIRED) if batch.expired_at is not None else ""
        found = batch_digest([record_from(each) for each in records]) if records else ""
        return CheckedBatch(batch=batch, found=found, logged=logged, expiry_logged=bool(expired))


async def _logged_digests(connection: Connection, batch: Batch, action: str) -> str:
    """Return the digest that the audit log has; several entries about one batch agree with nothing."""
    wanted = EntryFilter(project_id=batch.project_id, action=action, subject=f"access-batch:{batch.id}")
    entries = await audit_store.list_entries(connection, wanted, before=None, limit=2)
    leaves = [msgspec.json.decode(entry.leaf) for entry in entries]
    return ", ".join(str(leaf.get("details", {}).get("digest", "")) for leaf in leaves)
