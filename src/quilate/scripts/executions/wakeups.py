"""Telling other processes of news: the first at once, what comes meanwhile together with the next.

Notices are sent outside of transactions, for NOTIFY serialises all commits that hold one. A lost notice costs a moment:
workers and those who wait look by themselves as well.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from uuid import UUID

from quilate.kit.database.database import Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.database.notices import Notice, notify

WORK_CHANNEL = "quilate_scripts"
"""Says ``work`` to those who claim, or ``cancelled`` to those who run."""

DONE_CHANNEL = "quilate_scripts_done"
"""Names executions that have ended and that somebody waits for, or holds all of their ends; see ``end_notices``."""

WORK, CANCELLED = "work", "cancelled"

WORK_NOTICE = Notice(channel=WORK_CHANNEL, payloads=(WORK,))

_PAUSE_SECONDS = 0.003
_IDS_OF_A_NOTICE = 200
"""A notice holds 8,000 bytes at most."""


class Notifier:
    """Sends notices of one process on one channel."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._waiting: dict[str, None] = {}
        self._sender: asyncio.Task[None] | None = None

    def tell(self, *notices: str) -> None:
        """Send notices soon; the same one twice is one."""
        self._waiting |= dict.fromkeys(notices)
        if self._waiting and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._waiting:
            notices, self._waiting = list(self._waiting), {}
            with contextlib.suppress(DATABASE_ERROR):
                async with self._database.connection() as connection:
                    await notify(connection, Notice(channel=self._channel, payloads=payloads(notices)))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        """Send what is left and end."""
        if self._sender is not None:
            await asyncio.gather(self._sender, return_exceptions=True)


def payloads(notices: list[str]) -> list[str]:
    """Return the texts of the notices, several in one."""
    return [",".join(notices[place : place + _IDS_OF_A_NOTICE]) for place in range(0, len(notices), _IDS_OF_A_NOTICE)]


def notice_of(ids: Iterable[UUID]) -> list[str]:
    """Return how ids are written in a notice."""
    return [each.hex for each in ids]
