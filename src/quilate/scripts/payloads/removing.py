"""Takes contents of executions away: what a subject asks to be erased, and what has been kept long enough (A18).

The rows go in one transaction, together with a note of what lies outside the database; that is deleted afterwards, and
tried again by ``tidy`` where it fails. Sealed contents are unreadable from the commit on: their keys go with the rows.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from quilate.accounts.model import SYSTEM, ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.ids import Digest
from quilate.evidence.artifacts import ArtifactStorageError
from quilate.kit.database.arrays import bytes_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.outbox.events import append_events
from quilate.scripts.executions.events import finished_event
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import ENVELOPE, OWN
from quilate.scripts.payloads.vault import STATEMENTS

MOST_DATASETS = 100
_BATCH = 500
_MOST_BATCHES = 20
_YOUNG_SECONDS = 3600.0
_ORPHAN_SECONDS = 86_400.0
_SWEEP_SECONDS = 86_400.0
_FIRST_SWEEP_SECONDS = 3600.0
_DAY_MILLISECONDS = 86_400_000
_LOG = structlog.get_logger("quilate.payloads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure took.

    Attributes:
        id: Of the erasure.
        executions: Executions whose contents are gone.
        cancelled: Those of them that waited or ran.
        datasets: Versions that were made of their outputs, as ``name@number``: they are not erased.
    """

    id: UUID
    executions: int
    cancelled: int
    datasets: tuple[str, ...] = ()


async def index_subjects(connection: Connection, found: Sequence[tuple[UUID, UUID, bytes]]) -> None:
    """Take down whom executions are about, within the transaction that makes them.

    Args:
        connection: The transaction.
        found: Project, execution and digest of a subject, as ``Admission.admit`` gave it.
    """
    if found:
        await STATEMENTS.execute(
            connection,
            "insert_subjects",
            projects=uuid_array(project for project, _, _ in found),
            executions=uuid_array(execution for _, execution, _ in found),
            tokens=bytes_array(token for _, _, token in found),
        )


class Removing:
    """Erases and expires.

    Args:
        database: Where the rows are.
        store: Where contents are that are too long for rows.
        days: How long contents are kept in projects that say nothing; 0 for good.
    """

    def __init__(self, database: Database, store: PayloadStore, *, days: int) -> None:
        self._database = database
        self._store = store
        self._days = days
        self._after = UUID(int=0)
        self._sweep_at = time.monotonic() + _FIRST_SWEEP_SECONDS

    # Erasure --------------------------------------------------------------------------------------------------------

    async def erase(self, access: ProjectAccess, token: bytes, reason: str) -> Erased:
        """Take away every input, output and console of executions that are about somebody."""
        erasure = uuid7()

        async def work(connection: Connection) -> Erased:
            return await _erase(connection, access, erasure, token, reason)

        erased = await self._database.run(work)
        await self.delete_removed()
        return erased

    # Retention ------------------------------------------------------------------------------------------------------

    async def expire(self) -> int:
        """Take away contents whose time is over, some thousand at a time; return of how many executions."""
        async with self._database.connection() as connection:
            row = await STATEMENTS.one(connection, "shortest_retention", days=self._days)
        if row is None or row["days"] is None:
            return 0
        milliseconds = time.time_ns() // 1_000_000 - row["days"] * _DAY_MILLISECONDS
        # Ids of executions begin with the time of their submission.
        oldest = UUID(int=max(milliseconds, 0) << 80)
        total = 0
        for _ in range(_MOST_BATCHES):
            seen, expired = await self._expire_some(oldest)
            total += expired
            if seen < _BATCH:
                self._after = UUID(int=0)
                break
        return total

    async def _expire_some(self, oldest: UUID) -> tuple[int, int]:
        async with self._database.connection() as connection:
            held = await STATEMENTS.many(connection, "held_executions", after=self._after, oldest=oldest, most=_BATCH)
        if not held:
            return 0, 0
        ids = uuid_array(row["id"] for row in held)

        async def work(connection: Connection) -> int:
            rows = await STATEMENTS.many(connection, "lock_expired_executions", ids=ids, days=self._days)
            if not rows:
                return 0
            await _remove(connection, [row["id"] for row in rows])
            projects = [row["project_id"] for row in rows]
            await append_entries(connection, [_expiry_entry(each, projects.count(each)) for each in set(projects)])
            return len(rows)

        expired = await self._database.run(work)
        self._after = held[-1]["id"]
        return len(held), expired

    # What lies outside the database -----------------------------------------------------------------------------------

    async def delete_removed(self) -> int:
        """Delete what rows that are gone referred to; return how much. What cannot be deleted now is left for later."""
        total, after = 0, ""
        while True:
            async with self._database.connection() as connection:
                rows = await STATEMENTS.many(connection, "removals", after=after, most=_BATCH)
            gone = [row["reference"] for row in rows if await self._is_gone(row["reference"], sealed=row["sealed"])]
            if gone:
                async with self._database.connection() as connection:
                    await STATEMENTS.execute(connection, "remove_removals", references=gone)
            total += len(gone)
            if len(rows) < _BATCH:
                return total
            after = rows[-1]["reference"]

    async def _is_gone(self, reference: str, *, sealed: bool) -> bool:
        """Delete an artifact or object; also true where something else refers to it now, which is left in peace."""
        if await self._is_referred_to(reference):
            return True
        try:
            if reference.startswith(OWN):
                digest = reference.removeprefix(OWN)
                age = 0.0 if sealed else _YOUNG_SECONDS
                return await asyncio.to_thread(self._store.artifacts.delete, digest, age)
            if self._store.objects is not None:
                await self._store.objects.delete(reference)
                return True
        except (Problem, OSError, ArtifactStorageError) as error:
            _LOG.warning("a removed content could not be deleted yet", error=type(error).__name__)
        return False

    async def _is_referred_to(self, reference: str) -> bool:
        async with self._database.connection() as connection:
            return await STATEMENTS.one(connection, "referred_to", references=[reference]) is not None

    async def sweep(self, older_than_seconds: float = _ORPHAN_SECONDS) -> int:
        """Delete artifacts that no execution has come to refer to: uploads whose submission was refused or broken off.

        Returns:
            How many.
        """
        loop = asyncio.get_running_loop()

        def is_referenced(digest: Digest) -> bool:
            asked = asyncio.run_coroutine_threadsafe(self._is_referred_to(f"{OWN}{digest}"), loop)
            return asked.result()

        return await asyncio.to_thread(self._store.artifacts.delete_unreferenced, is_referenced, older_than_seconds)

    async def tidy(self) -> int:
        """Do what is due: expire, delete, and once a day look for what nobody refers to; return how much went."""
        total = await self.expire() + await self.delete_removed()
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP_SECONDS
            total += await self.sweep()
        return total


async def _remove(connection: Connection, ids: Sequence[UUID]) -> None:
    """Take the contents of executions away, whose rows the caller has locked."""
    listed = uuid_array(ids)
    await STATEMENTS.execute(connection, "insert_removals", ids=listed, envelope=ENVELOPE)
    await STATEMENTS.execute(connection, "remove_contents", ids=listed)
    await STATEMENTS.execute(connection, "forget_contents", ids=listed)
    await STATEMENTS.execute(connection, "remove_subjects", ids=listed)


async def _erase(connection: Connection, access: ProjectAccess, erasure: UUID, token: bytes, reason: str) -> Erased:
    project = access.project.id
    rows = await STATEMENTS.many(connection, "lock_executions_of_subject", project=project, token=token)
    ids = [row["id"] for row in rows]
    listed = uuid_array(ids)
    cancelled = await STATEMENTS.many(connection, "cancel_waiting", ids=listed)
    datasets = await STATEMENTS.many(
        connection, "datasets_of_executions", project=project, ids=listed, limit=MOST_DATASETS
    )
    await _remove(connection, ids)
    await STATEMENTS.execute(connection, "erase_traces", ids=listed)
    await STATEMENTS.execute(
        connection,
        "insert_erasure",
        id=erasure,
        project=project,
        token=token,
        executions=len(ids),
        reason=reason,
        actor=str(access.actor),
    )
    await STATEMENTS.execute(connection, "insert_tombstones", ids=listed, project=project, erasure=erasure)
    entry = AuditEntry(
        action="script.payloads.erased",
        actor=str(access.actor),
        subject=f"script-erasure:{erasure}",
        project_id=project,
        details={"executions": len(ids), "cancelled": len(cancelled)},
    )
    await append_entries(connection, [entry])
    events = [
        finished_event(
            project_id=project,
            execution_id=row["id"],
            script_id=row["script_id"],
            version_id=row["version_id"],
            status="cancelled",
            failure="Cancelled",
        )
        for row in cancelled
    ]
    await append_events(connection, events)
    return Erased(
        id=erasure,
        executions=len(ids),
        cancelled=len(cancelled),
        datasets=tuple(f"{row['dataset']}@{row['number']}" for row in datasets),
    )


def _expiry_entry(project_id: UUID, executions: int) -> AuditEntry:
    return AuditEntry(
        action="script.payloads.expired",
        actor=str(SYSTEM),
        subject=f"project:{project_id}",
        project_id=project_id,
        details={"executions": executions},
    )
