"""Puts the digests of access records into the audit log, and removes records whose time is over.

A batch is the records of one project that came within a few seconds. Its digest is in the log, so that a record that
is changed, added or taken away later is noticed by whoever compares (``AccessReading.check``).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from uuid import UUID

import structlog

from quilate.accounts.model import SYSTEM
from quilate.accounts.trail.model import AccessRecord, batch_from, record_from
from quilate.accounts.trail.recording import STATEMENTS
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.canonical import digest_of
from quilate.kit.database.arrays import uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

SEALED = "access.recorded"
EXPIRED = "access.expired"
SEAL_SECONDS = 5.0
EXPIRY_SECONDS = 3600.0
LARGEST_BATCH = 1000
_MOST_PROJECTS = 100
_MOST_EXPIRED = 100
_LOCK = 7_391_004_205


def batch_digest(records: Sequence[AccessRecord]) -> str:
    """Return the digest of records in the order of their ids."""
    return digest_of([record.document() for record in sorted(records, key=lambda record: record.id)])


async def run_trail(database: Database, stop: asyncio.Event, *, days: int) -> None:
    """Seal every few seconds, and once more before the end; remove once an hour what is older than ``days``."""
    expiry = 0.0
    while True:
        stopping = stop.is_set()
        try:
            while await seal(database):
                pass
            if expiry <= 0 and not stopping:
                while await expire(database, days=days):
                    pass
                expiry = EXPIRY_SECONDS
        except Exception as error:  # noqa: BLE001 - the next round tries again; nothing is lost meanwhile
            structlog.get_logger("quilate.trail").warning("sealing failed", error=type(error).__name__)
        if stopping:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEAL_SECONDS):
                await stop.wait()
        expiry -= SEAL_SECONDS


async def seal(database: Database) -> int:
    """Seal what waits, a batch for each project; return how many batches are full, so that more may wait."""

    async def work(connection: Connection) -> int:
        locked = await STATEMENTS.one(connection, "lock_sealing", lock=_LOCK)
        if locked is None or not locked["locked"]:
            return 0
        projects = await STATEMENTS.many(connection, "unsealed_projects", most=_MOST_PROJECTS)
        sizes = [await _seal_project(connection, row["project_id"]) for row in projects]
        return sum(size == LARGEST_BATCH for size in sizes) + (len(projects) == _MOST_PROJECTS)

    return await database.run(work)


async def _seal_project(connection: Connection, project_id: UUID) -> int:
    rows = await STATEMENTS.many(connection, "unsealed_records", project_id=project_id, most=LARGEST_BATCH)
    records = [record_from(row) for row in rows]
    if not records:
        return 0
    batch_id, digest = uuid7(), batch_digest(records)
    times = [record.at for record in records]
    await STATEMENTS.execute(
        connection,
        "insert_batch",
        id=batch_id,
        project_id=project_id,
        records=len(records),
        digest=digest,
        first_at=min(times),
        last_at=max(times),
    )
    ids = uuid_array(record.id for record in records)
    await STATEMENTS.execute(connection, "seal_records", batch_id=batch_id, ids=ids)
    entry = AuditEntry(
        action=SEALED,
        actor=str(SYSTEM),
        subject=f"access-batch:{batch_id}",
        project_id=project_id,
        details={"records": len(records), "digest": digest},
    )
    await append_entries(connection, [entry])
    return len(records)


async def expire(database: Database, *, days: int) -> int:
    """Remove the records of whole batches that are older than ``days``; return how many batches those were."""

    async def work(connection: Connection) -> int:
        rows = await STATEMENTS.many(connection, "expired_batches", days=days, most=_MOST_EXPIRED)
        batches = [batch_from(row) for row in rows]
        if not batches:
            return 0
        ids = uuid_array(batch.id for batch in batches)
        await STATEMENTS.execute(connection, "delete_records", batches=ids)
        await STATEMENTS.execute(connection, "expire_batches", batches=ids)
        entries = [
            AuditEntry(
                action=EXPIRED,
                actor=str(SYSTEM),
                subject=f"access-batch:{batch.id}",
                project_id=batch.project_id,
                details={"records": batch.records, "digest": batch.digest, "days": days},
            )
            for batch in batches
        ]
        await append_entries(connection, entries)
        return len(batches)

    return await database.run(work)
