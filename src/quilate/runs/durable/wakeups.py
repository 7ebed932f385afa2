"""Waking workers: notices are sent outside transactions and gathered, for NOTIFY serialises all commits that hold one.

A lost notice costs a second at most: workers look by themselves as well.
"""

import asyncio
import contextlib

from quilate.kit.database.database import Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.database.notices import Notice, notify

CONTROL = "control"
"""The queue of the runs' own steps."""

CANCELLED = "cancelled"
"""The notice that something was cancelled: workers compare what they run with what is theirs."""

CHANNEL = "quilate_work"
"""Where notices are sent; ``kit.database.notices`` hears them."""

_GATHERING_SECONDS = 0.005


class Wakeups:
    """Sends notices, at most one for each queue and gathering time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: set[str] = set()
        self._sender: asyncio.Task[None] | None = None

    def work_is_there(self, queue: str) -> None:
        """Tell the workers of a queue soon."""
        self._queues.add(queue)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._queues:
            await asyncio.sleep(_GATHERING_SECONDS)
            queues, self._queues = sorted(self._queues), set()
            with contextlib.suppress(DATABASE_ERROR):
                async with self._database.connection() as connection:
                    await notify(connection, Notice(channel=CHANNEL, payloads=queues))
