"""The real clock of a call, and the end of its time."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def now_milliseconds() -> int:
    """The real time since 1970 in UTC."""
    return time.time_ns() // 1_000_000


class Deadline:
    """A thread that calls a function where a block takes longer than it may; started before the process is locked.

    Attributes:
        passed: The block's time is over.
    """

    def __init__(self, end: "Callable[[], None]") -> None:
        """Starts it.

        Args:
            end: Called by the thread at most once for each block, never after the block.
        """
        self._end = end
        self._changed = threading.Condition()
        self._at: float | None = None
        self.passed = False
        threading.Thread(target=self._watch, name="strict-deadline", daemon=True).start()

    @contextlib.contextmanager
    def within(self, seconds: float) -> "Iterator[None]":
        """A block that is ended after so many seconds."""
        self._set(time.monotonic() + seconds)
        try:
            yield
        finally:
            self._set(None)

    def _set(self, at: float | None) -> None:
        with self._changed:
            self._at = at
            self.passed = False
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while True:
                if self._at is None:
                    self._changed.wait()
                elif (left := self._at - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    self._at = None
                    self.passed = True
                    self._end()
