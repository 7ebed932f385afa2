"""Taking events in: durable before the sender hears of it, the same event only once."""

from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.arrays import number_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.group_commit import GroupCommit
from quilate.runs.triggers.model import Accepted, NewEvent
from quilate.runs.triggers.store import QUERIES, insert_events


class EventIntake:
    """Takes events that arrive together into one transaction; counts refused deliveries the same way."""

    def __init__(self, database: Database, *, observe: Callable[[int], None] | None = None) -> None:
        self._events: GroupCommit[Sequence[NewEvent], list[Accepted]] = GroupCommit(
            database, _keep_groups, observe=observe
        )
        self._refusals: GroupCommit[UUID, None] = GroupCommit(database, _count)

    async def accept(self, events: Sequence[NewEvent]) -> list[Accepted]:
        """Return once all of the events are durable; they stand or fall together."""
        return await self._events.submit(events) if events else []

    async def refuse(self, hook_id: UUID) -> None:
        """Count a delivery whose signature was not right."""
        await self._refusals.submit(hook_id)


async def _keep_groups(connection: Connection, groups: Sequence[Sequence[NewEvent]]) -> list[list[Accepted]]:
    outcomes = iter(await keep_events(connection, [event for group in groups for event in group]))
    return [[next(outcomes) for _ in group] for group in groups]


async def keep_events(connection: Connection, events: Sequence[NewEvent]) -> list[Accepted]:
    """Insert events with their audit entries within the caller's transaction."""
    outcomes = await insert_events(connection, events)
    entries = [
        AuditEntry(
            action="event.accepted",
            actor=event.actor,
            subject=f"event:{outcome.id}",
            project_id=event.project_id,
            details={"kind": event.facts.kind.value, "payload": event.payload_digest},
        )
        for event, outcome in zip(events, outcomes, strict=True)
        if not outcome.duplicate
    ]
    await append_entries(connection, entries)
    return outcomes


async def _count(connection: Connection, hooks: Sequence[UUID]) -> list[None]:
    counts = sorted(Counter(hooks).items())
    await connection.execute(
        QUERIES["count_refusals"],
        {"ids": uuid_array(hook for hook, _ in counts), "numbers": number_array(number for _, number in counts)},
    )
    return [None] * len(hooks)
