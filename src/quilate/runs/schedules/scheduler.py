"""The scheduler: any number may run, each firing happens exactly once.

A due schedule is claimed by locking its row, passing over those that another scheduler holds. Its runs, the record of
its firings and its next firing are one transaction, so that a scheduler that dies has either done all or nothing. The
clock is the database's. Where it jumps forwards, the schedule's policy for missed firings counts; where it is put
back, firings on record are not repeated and the next one is planned by the new time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog

from quilate.kit.backoff import Backoff
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import is_passing
from quilate.kit.waiting import happened
from quilate.runs.durable.intake import Wakeup
from quilate.runs.schedules import store
from quilate.runs.schedules.firing import fire, follow_clock
from quilate.runs.schedules.model import ClaimedSchedule
from quilate.waivers.requests.service import expire_waivers, remind_of_waivers

POLL_SECONDS = 1.0
_EXPIRY_SECONDS = 300.0
_SET_ASIDE_SECONDS = 60.0
"""A schedule whose firing failed is tried again after this, so that it does not keep the others from theirs."""

_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=30.0)


class Scheduler:
    """Fires what is due.

    Args:
        database: Where the schedules are.
        wakeup: Tells waiting workers of new runs; without it they find them by themselves.
    """

    def __init__(self, database: Database, wakeup: Wakeup | None = None) -> None:
        self._database = database
        self._wakeup = wakeup
        self._set_aside: dict[UUID, float] = {}
        self._current: UUID | None = None

    async def fire_due(self) -> int:
        """Fire every schedule that is due and not another scheduler's; return how many were.

        Raises:
            psycopg.Error: The database is away for longer than ``Database.run`` waits.
        """
        count = 0
        while await self._once(store.claim_after_clock_change, follow_clock):
            count += 1
        while await self._once(store.claim_due, fire):
            count += 1
        return count

    async def _once(
        self,
        claim: Callable[[Connection, Sequence[UUID]], Awaitable[ClaimedSchedule | None]],
        act: Callable[[Connection, ClaimedSchedule], Awaitable[object]],
    ) -> bool:
        """Claim one schedule and act on it in one transaction; tell whether there was one."""
        now = time.monotonic()
        self._set_aside = {each: until for each, until in self._set_aside.items() if until > now}

        async def work(connection: Connection) -> object:
            self._current = None
            claimed = await claim(connection, list(self._set_aside))
            if claimed is None:
                return None
            self._current = claimed.schedule.id
            return await act(connection, claimed)

        try:
            runs = await self._database.run(work)
        except Exception as error:
            if isinstance(error, store.UnreadableScheduleError):
                self._current = error.schedule_id
            if self._current is None or is_passing(error):
                raise
            # One schedule's fault must not stop the others.
            self._set_aside[self._current] = now + _SET_ASIDE_SECONDS
            structlog.get_logger("quilate.schedules").exception("schedule failed", schedule=str(self._current))
            return True
        if runs and self._wakeup is not None:
            self._wakeup.work_is_there("control")
        return self._current is not None


async def run_scheduler(
    database: Database, stop: asyncio.Event, *, wakeup: Wakeup | None = None, poll_seconds: float = POLL_SECONDS
) -> None:
    """Fire schedules, end waivers whose last day is over, remind of the others, until ``stop``. Any number may run.

    Args:
        database: Where the schedules are.
        stop: Ends it after the transaction that is under way.
        wakeup: Tells waiting workers of new runs; without it they find them by themselves.
        poll_seconds: Pause between two looks.
    """
    scheduler = Scheduler(database, wakeup)
    failures = 0
    expire_at = 0.0
    while not stop.is_set():
        try:
            await scheduler.fire_due()
            if time.monotonic() >= expire_at:
                await expire_waivers(database)
                await remind_of_waivers(database)
                expire_at = time.monotonic() + _EXPIRY_SECONDS
            failures = 0
        except Exception as error:
            if not is_passing(error):
                raise
            failures += 1
            structlog.get_logger("quilate.schedules").warning("database away", failures=failures)
        pause = poll_seconds if not failures else max(poll_seconds, _BACKOFF.pause(failures))
        await happened(stop, pause)
