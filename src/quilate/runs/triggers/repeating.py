"""Doing a step again and again, while the database may come and go."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from quilate.kit.backoff import Backoff
from quilate.kit.database.faults import is_passing
from quilate.kit.waiting import happened

_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=30.0)


async def repeated(step: Callable[[], Awaitable[int]], stop: asyncio.Event, pause_seconds: float) -> None:
    """Do a step until ``stop``, at once again while it has something to do.

    Args:
        step: Returns how much it did.
        stop: Ends it after the step that is under way.
        pause_seconds: Pause after a step that had nothing to do; longer while the database is away.

    Raises:
        Exception: Of a step, unless it passes by itself.
    """
    failures = 0
    while not stop.is_set():
        busy = False
        try:
            busy = await step() > 0
            failures = 0
        except Exception as error:
            if not is_passing(error):
                raise
            failures += 1
            structlog.get_logger("quilate.triggers").warning("database away", failures=failures)
        if not busy:
            await happened(stop, pause_seconds if not failures else max(pause_seconds, _BACKOFF.pause(failures)))
