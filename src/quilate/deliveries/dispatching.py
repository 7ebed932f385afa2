"""The loop that turns events into deliveries and attempts them; any number of processes may run it.

A slow or a dead receiver holds up nobody else: each connection has places of its own, and none waits for another.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from quilate.audit.entries import AuditEntry, append_entries
from quilate.deliveries import store
from quilate.deliveries.model import Claimed, DeliveryState, Ending
from quilate.deliveries.sending import REFUSED, Sender, SendingOptions, SendingParts
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.group_commit import GroupCommit
from quilate.kit.log import logger

_LOG = logger(__name__)
_FAN_OUT_BATCH = 1_000
_FORGOTTEN_AT_ONCE = 2_000
_LEASE_MARGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOptions:
    """How the loop works.

    Attributes:
        places: Deliveries of one connection that are under way at once in this process.
        look_seconds: Pause between looks for what is due; a look that found work is followed by another at once.
        finish_seconds: What is under way at a stop may go on for so long; then it is given back.
        sending: How deliveries are attempted.
    """

    places: int = 8
    look_seconds: float = 0.25
    finish_seconds: float = 5.0
    sending: SendingOptions = field(default_factory=SendingOptions)


async def run_deliveries(parts: SendingParts, stop: asyncio.Event, options: DispatchOptions | None = None) -> None:
    """Make deliveries of events and attempt them until ``stop``; then let what is under way end within its time.

    Raises:
        Exception: The database is away for longer than its patience.
    """
    chosen = options or DispatchOptions()
    dispatcher = Dispatcher(parts, chosen)
    try:
        await dispatcher.run(stop)
    finally:
        await dispatcher.close()


class Dispatcher:
    """One process's part of the work."""

    def __init__(self, parts: SendingParts, options: DispatchOptions) -> None:
        self._database = parts.database
        self._options = options
        self._sender = Sender(parts, options.sending)
        self._endings: GroupCommit[Ending, None] = GroupCommit(parts.database, _write_endings)
        self._under_way: Counter[UUID] = Counter()
        self._tasks: dict[asyncio.Task[None], Claimed] = {}
        self._freed = asyncio.Event()
        self._resting: dict[UUID, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``."""
        while not stop.is_set():
            self._freed.clear()
            made = await fan_out(self._database)
            started = await self._start_due()
            if not made and not started:
                await self._pause(stop)
        await self._finish()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait for a while, or until there is room again or an end is asked for."""
        waiters = [asyncio.ensure_future(each.wait()) for each in (stop, self._freed)]
        await asyncio.wait(waiters, timeout=self._options.look_seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()

    async def _start_due(self) -> int:
        lease = self._options.sending.attempt_seconds + _LEASE_MARGIN_SECONDS
        now = asyncio.get_running_loop().time()
        self._resting = {each: until for each, until in self._resting.items() if until > now}
        full = {each for each, number in self._under_way.items() if number >= self._options.places}

        async def work(connection: Connection) -> list[Claimed]:
            rows = await store.many(connection, "connections_with_work", resting=[*full, *self._resting])
            free = {row["id"]: self._options.places - self._under_way[row["id"]] for row in rows}
            return await store.claim(connection, free, lease)

        claimed = await self._database.run(work)
        for each in claimed:
            self._under_way[each.connection_id] += 1
            task = asyncio.create_task(self._deliver(each))
            self._tasks[task] = each
            task.add_done_callback(self._ended)
        return len(claimed)

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            ending = await self._sender.attempt(claimed)
            if ending.outcome == REFUSED:
                # All that waits for this receiver rests with it, without being claimed again and again.
                self._resting[claimed.connection_id] = asyncio.get_running_loop().time() + ending.pause_seconds
            await self._endings.submit(ending)
        except Exception:  # noqa: BLE001 - its lease runs out, and another attempt is made
            _LOG.exception("an attempt's end could not be written", delivery=str(claimed.id))
        finally:
            self._under_way[claimed.connection_id] -= 1
            if not self._under_way[claimed.connection_id]:
                del self._under_way[claimed.connection_id]
            self._freed.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)

    async def _finish(self) -> None:
        """Wait for what ends soon and give back the rest: a receiver that does not answer holds up no stop."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=self._options.finish_seconds)
        left = await self._cancelled()
        if left:
            await self._database.run(lambda connection: store.give_back(connection, left))

    async def _cancelled(self) -> list[Claimed]:
        left = dict(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(list(left))
        return [claimed for task, claimed in left.items() if task.cancelled()]

    async def close(self) -> None:
        """End what is still under way and close all connections; its leases run out."""
        await self._cancelled()
        await self._sender.close()


async def fan_out(database: Database) -> int:
    """Make deliveries of the events that are next; return how many events were looked at."""

    async def work(connection: Connection) -> int:
        turn = await store.one(connection, "fan_out_turn")
        if turn is None or not turn["mine"]:
            return 0  # Another process is at it.
        row = await store.one(connection, "fan_out", limit=_FAN_OUT_BATCH)
        return int(row["events"]) if row is not None else 0

    return await database.run(work)


async def forget_old(database: Database, days: int, *, batch: int = _FORGOTTEN_AT_ONCE) -> int:
    """Forget deliveries and events that ended so long ago, in batches, and return how many; 0 days for never.

    There are as many events as runs end: a fixed number in a while would let them grow for good.
    """
    if days <= 0:
        return 0
    total = 0
    for name in ("forget_deliveries", "forget_events"):
        while gone := await database.run(partial(_forget, name=name, days=days, limit=batch)):
            total += gone
    return total


async def _forget(connection: Connection, *, name: str, days: int, limit: int) -> int:
    return await store.execute(connection, name, days=days, limit=limit)


async def _write_endings(connection: Connection, endings: Sequence[Ending]) -> Sequence[None]:
    written = await store.end_attempts(connection, endings)
    dead = {row["id"]: row["project_id"] for row in written if row["state"] == DeliveryState.DEAD}
    by_id = {ending.claimed.id: ending for ending in endings}
    entries = [
        _entry("delivery.dead", project, f"delivery:{each}", {"connection": str(by_id[each].claimed.connection_id)})
        for each, project in dead.items()
    ]
    for each in dead:
        ending = by_id[each]
        if ending.disables:
            row = await store.one(
                connection, "disable_connection", id=ending.claimed.connection_id, reason=ending.detail
            )
            if row is not None:
                subject = f"connection:{ending.claimed.connection_id}"
                entries.append(_entry("connection.disabled", row["project_id"], subject, {}))
    if entries:
        await append_entries(connection, entries)
    return [None] * len(endings)


def _entry(action: str, project: UUID, subject: str, details: dict[str, Any]) -> AuditEntry:
    return AuditEntry(action=action, actor="system:quilate", subject=subject, project_id=project, details=details)
