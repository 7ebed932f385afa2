"""The parent's own clock over a worker: it ends workers that do not keep to the limits that they were given.

A worker ends its script by itself (``v8_engine.CallClock``), waits ``GRACE_SECONDS`` and gives up on a stuck engine.
This is the second line, for a worker that does not: wall time, and the processor time that the kernel counts.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from quilate.sandbox import failures
from quilate.sandbox.model import Failure, Limits

ALLOWANCE_SECONDS: Final = 2.0
"""What a well-meaning worker takes beyond a limit: 0.5 s of grace, 0.5 s to find the record of a throw and as much
grace there, and its own work on input and answer."""
_LEAST_WAIT: Final = 0.05


def processor_seconds(process: int) -> float | None:
    """Processor time that a process has used; ``None`` where it is gone or the system does not say.

    Source: clock_getcpuclockid(3): the clock of a process has the number ``(~pid << 3) | 2``.
    """
    with contextlib.suppress(OSError, ValueError, OverflowError):
        return time.clock_gettime((~process << 3) | 2)
    return None


class Watchdog:
    """Over one worker; one timer for all of its calls.

    Args:
        process: The worker's process id.
        expired: Called with the failure when a call has used too much; it kills.
    """

    def __init__(self, process: int, expired: Callable[[Failure], None]) -> None:
        self._process = process
        self._expired = expired
        self._limits: Limits | None = None
        self._wall_end = 0.0
        self._processor_end: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, limits: Limits) -> None:
        """A call has begun."""
        loop = asyncio.get_running_loop()
        self._limits = limits
        self._wall_end = loop.time() + limits.wall_seconds + ALLOWANCE_SECONDS
        used = processor_seconds(self._process)
        self._processor_end = None if used is None else used + limits.cpu_seconds + ALLOWANCE_SECONDS
        if self._timer is None or self._timer.when() > self._wall_end:
            self._arm(loop, self._wait(loop.time()))

    def end(self) -> None:
        """No call is under way. The timer stays: the next call most likely finds it right."""
        self._limits = None

    def close(self) -> None:
        """Nothing will be watched any more."""
        self._limits = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._look)

    def _wait(self, now: float) -> float:
        left = self._wall_end - now
        used = processor_seconds(self._process)
        if self._processor_end is not None and used is not None:
            left = min(left, self._processor_end - used)
        return max(left, _LEAST_WAIT)

    def _look(self) -> None:
        self._timer = None
        if (limits := self._limits) is None:
            return
        loop = asyncio.get_running_loop()
        used = processor_seconds(self._process)
        if loop.time() >= self._wall_end:
            self._expired(failures.wall_time(limits.wall_seconds))
        elif used is not None and self._processor_end is not None and used >= self._processor_end:
            self._expired(failures.processor_time(limits.cpu_seconds))
        else:
            self._arm(loop, self._wait(loop.time()))
