"""What administrators of a project decide about its payloads: how long they stay, and whose are erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.accounts.statements import Row
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.removing import Erased, Removing
from quilate.scripts.payloads.vault import STATEMENTS, DataVault


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRetention:
    """How long contents of executions are kept.

    Attributes:
        days: After their submission; 0 for good.
        own: The project says so; else the installation does.
        revision: Counts the project's changes, 0 before the first.
        updated_at: When it was changed last.
        updated_by: By whom, as the audit log names it.
    """

    days: int
    own: bool = False
    revision: int = 0
    updated_at: datetime | None = None
    updated_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectCount:
    """How much there is about somebody: executions that hold something, erasures that were done before."""

    executions: int
    erasures: int


class PayloadService:
    """Retention, searches and erasures of one installation's projects.

    Args:
        database: Where the rows are.
        store: Where long contents are.
        vault: Keys of the subjects' index.
        days: How long contents are kept in projects that say nothing; 0 for good.
    """

    def __init__(self, database: Database, store: PayloadStore, vault: DataVault, *, days: int) -> None:
        self.database = database
        self._vault = vault
        self._days = days
        self._removing = Removing(database, store, days=days)

    async def tidy(self) -> int:
        """Take away what is due; return how much."""
        return await self._removing.tidy()

    # Retention ------------------------------------------------------------------------------------------------------

    async def retention(self, project_id: UUID) -> PayloadRetention:
        """Return how long a project's contents are kept."""
        async with self.database.connection() as connection:
            return self._retention(await STATEMENTS.one(connection, "retention", project=project_id))

    async def set_retention(self, access: ProjectAccess, days: int, revision: int | None) -> PayloadRetention:
        """Change how long a project's contents are kept.

        Args:
            access: Who changes it.
            days: 0 for good.
            revision: The state that is replaced; ``None`` for any.

        Raises:
            Problem: 412, it was changed since.
        """

        async def work(connection: Connection) -> PayloadRetention | None:
            row = await STATEMENTS.one(connection, "lock_retention", project=access.project.id)
            before = self._retention(row)
            if revision is not None and revision != before.revision:
                # A commit that nobody heard of: it counted.
                repeated = revision == before.revision - 1 and before.updated_by == str(access.actor)
                return before if repeated and before.days == days else None
            changed = await STATEMENTS.one(
                connection, "set_retention", project=access.project.id, days=days, actor=str(access.actor)
            )
            entry = AuditEntry(
                action="script.retention.changed",
                actor=str(access.actor),
                subject=f"project:{access.project.id}",
                project_id=access.project.id,
                details={"days": days, "before": before.days},
            )
            await append_entries(connection, [entry])
            return self._retention(changed)

        changed = await self.database.run(work)
        if changed is None:
            raise Problem(
                status=412,
                type="precondition-failed",
                detail="the retention was changed since it was read",
                next_step="read it again, and send its ETag as If-Match",
            )
        return changed

    def _retention(self, row: Row | None) -> PayloadRetention:
        return PayloadRetention(days=self._days) if row is None else PayloadRetention(own=True, **row)

    # Subjects -------------------------------------------------------------------------------------------------------

    async def count(self, access: ProjectAccess, subject: str) -> SubjectCount:
        """Return how much there is about somebody; who asked is in the audit log, about whom is not."""
        token = await self._token(access, subject)

        async def work(connection: Connection) -> SubjectCount:
            found = await STATEMENTS.one(connection, "count_subject", project=access.project.id, token=token)
            before = await STATEMENTS.one(connection, "erasures_of_subject", project=access.project.id, token=token)
            count = SubjectCount(
                executions=found["executions"] if found else 0, erasures=before["erasures"] if before else 0
            )
            entry = AuditEntry(
                action="script.subject.searched",
                actor=str(access.actor),
                subject=f"project:{access.project.id}",
                project_id=access.project.id,
                details={"executions": count.executions},
            )
            await append_entries(connection, [entry])
            return count

        return await self.database.run(work)

    async def erase(self, access: ProjectAccess, subject: str, reason: str) -> Erased:
        """Take away every input, output and console that is about somebody; a second time finds nothing more."""
        return await self._removing.erase(access, await self._token(access, subject), reason)

    async def erasures(self, project_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Row]:
        """Return erasures, the newest first, from before an id on."""
        async with self.database.connection() as connection:
            return await STATEMENTS.many(connection, "erasures", project=project_id, before=before, limit=limit)

    async def _token(self, access: ProjectAccess, subject: str) -> bytes:
        return (await self._vault.tokeniser(access.project.id)).subject(subject)
