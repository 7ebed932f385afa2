"""Waiting for an event for a while."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def happened(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event at most so long and tell whether it came.

    ``asyncio.wait_for`` of Python 3.11 loses a cancellation that arrives together with the event; this does not.
    """
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until all have ended.

    Libraries that turn a cancellation into an error of their own make a task go on: it is cancelled again until it
    has ended.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)
