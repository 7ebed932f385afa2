"""Deliveries over a fresh database: parts, connections, events, a dispatcher for the time of a block."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess, ProjectReference, Role
from quilate.connectors.registry import RegisteredConnectors
from quilate.deliveries.connector import RUN_FINISHED
from quilate.deliveries.dispatching import DispatchOptions, run_deliveries
from quilate.deliveries.model import ConnectionWish, StoredConnection
from quilate.deliveries.reports import ReportReader
from quilate.deliveries.sending import SendingOptions, SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.backoff import Backoff
from quilate.kit.circuit_breaker import BreakerPolicy
from quilate.kit.database.database import Database
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.secrets.box import box_of
from quilate.ops.breakers import audit_transition
from quilate.outbox.breakers import Breakers
from quilate.outbox.events import OutgoingEvent, append_events

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)
QUICK = DispatchOptions(
    look_seconds=0.02,
    sending=SendingOptions(
        attempt_seconds=2.0,
        most_attempts=4,
        backoff=Backoff(first_seconds=0.02, longest_seconds=0.05),
        rest_seconds=0.1,
    ),
)


def parts(database: Database, directory: Path, *, failures: int = 1_000) -> SendingParts:
    """Return what deliveries stand on; the circuit breakers open after so many failures."""
    return SendingParts(
        database=database,
        box=box_of(b"k" * 32),
        catalog=RegisteredConnectors(),
        reports=ReportReader(database, DirectoryArtifactStore(directory / "artifacts"), "https://q.example"),
        policy=LOOPBACK,
        breakers=Breakers(
            database,
            audit_transition,
            policy=BreakerPolicy(failures=failures, pause=Backoff(first_seconds=0.5, longest_seconds=0.5)),
        ),
    )


def access_to(project: ProjectReference) -> ProjectAccess:
    """Return the access of an administrator."""
    principal = Principal(actor=Actor(kind=ActorKind.USER, id="1"), user_id=None, roles={project.id: Role.ADMIN})
    return ProjectAccess(principal=principal, project=project)


async def connect(
    service: ConnectionService, project: ProjectReference, url: str, name: str = "hook", **settings: Any
) -> StoredConnection:
    """Make a webhook connection."""
    wish = ConnectionWish(
        name=name,
        type="webhook",
        settings={"url": url, "with_report": False, **settings},
        secrets={"secret": SECRET},
    )
    return await service.create(access_to(project), wish)


async def happen(database: Database, project: ProjectReference, *subjects: str, kind: str = RUN_FINISHED) -> None:
    """Let events happen, each in a transaction of its own."""
    for number, subject in enumerate(subjects):
        async with database.transaction() as connection:
            event = OutgoingEvent(type=kind, project_id=project.id, subject=subject, data={"number": number})
            await append_events(connection, [event])


@asynccontextmanager
async def dispatching(given: SendingParts, options: DispatchOptions = QUICK) -> AsyncIterator[None]:
    """Deliver for the time of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_deliveries(given, stop, options))
    try:
        yield
    finally:
        stop.set()
        await task


def quick(**more: Any) -> DispatchOptions:
    """Return quick options with other settings of sending."""
    return replace(QUICK, sending=replace(QUICK.sending, **more))


async def states(database: Database, connection_id: UUID | None = None) -> list[dict[str, Any]]:
    """Return the deliveries in the order of their events."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT * FROM deliveries WHERE %s::uuid IS NULL OR connection_id = %s::uuid ORDER BY place, connection_id",
            (connection_id, connection_id),
        )
        return await cursor.fetchall()


async def settled(database: Database, number: int, *, seconds: float = 20.0) -> list[dict[str, Any]]:
    """Return the deliveries once so many have ended."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        rows = await states(database)
        if sum(row["state"] in {"delivered", "dead"} for row in rows) >= number:
            return rows
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not ended: {[(row['state'], row['error']) for row in rows][:10]}")
        await asyncio.sleep(0.02)
