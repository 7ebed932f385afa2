"""Takes accesses down before the answer leaves: whoever has seen evidence is on record, also after a crash.

Accesses that come together share one transaction. Sealing, which puts digests of whole batches into the audit log,
comes a few seconds later (``trail.sealing``), so that reading does not wait for it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quilate.accounts.model import ProjectAccess
from quilate.accounts.statements import Statements
from quilate.accounts.trail.model import AccessKind, AccessRecord
from quilate.kit.database.arrays import text_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.group_commit import GroupCommit
from quilate.kit.ids import uuid7
from quilate.kit.web.routes import route_template

if TYPE_CHECKING:
    from starlette.requests import Request

STATEMENTS = Statements("quilate.accounts.trail")
LONGEST_SUBJECT = 500
_LARGEST_GROUP = 500


class AccessTrail:
    """Records accesses; one for each process. Nothing waits inside it between requests, so there is nothing to close.

    Args:
        database: Where the records are.
        observe: Hears the size of each group that was written together.
    """

    def __init__(self, database: Database, *, observe: Callable[[int], None] | None = None) -> None:
        self._writer = GroupCommit(database, _write, largest_batch=_LARGEST_GROUP, observe=observe)

    async def record(self, request: "Request", granted: ProjectAccess, kind: AccessKind, *subjects: str) -> None:
        """Return once it is durable that the caller sees these things, each ``kind:id``."""
        await self.record_route(route_template(request.scope), granted, kind, *subjects)

    async def record_route(self, route: str, granted: ProjectAccess, kind: AccessKind, *subjects: str) -> None:
        """Do the same for what is no request of its own, for example a field of a larger query."""
        now = datetime.now(UTC)
        records = tuple(
            AccessRecord(
                id=uuid7(),
                project_id=granted.project.id,
                actor=str(granted.actor),
                kind=kind,
                subject=subject[:LONGEST_SUBJECT].replace("\0", "\ufffd"),
                route=route,
                at=now,
            )
            for subject in subjects
        )
        if records:
            await self._writer.submit(records)


async def _write(connection: Connection, groups: Sequence[tuple[AccessRecord, ...]]) -> Sequence[None]:
    records = [record for group in groups for record in group]
    await STATEMENTS.execute(
        connection,
        "insert_records",
        ids=uuid_array(record.id for record in records),
        projects=uuid_array(record.project_id for record in records),
        actors=text_array(record.actor for record in records),
        kinds=text_array(record.kind.value for record in records),
        subjects=text_array(record.subject for record in records),
        routes=text_array(record.route for record in records),
        times=text_array(record.at.isoformat() for record in records),
    )
    return [None] * len(groups)
