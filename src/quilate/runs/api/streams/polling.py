"""One look at the database for everybody who waits: a thousand streams cost one query every half second."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

from quilate.kit.database.database import RETRIED_ERRORS
from quilate.kit.waiting import happened
from quilate.kit.web.problems import Problem

PAUSE_SECONDS = 0.5
_FASTEST_SECONDS = 0.02
_PATIENCE_SECONDS = 5.0
MOST_WATCHERS = 4096
"""Streams that one process keeps open; a further one is told to come back."""

Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")


class Watch(Generic[State]):
    """What the watchers of one key see; ``state`` is ``None`` before the first look."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.watchers = 0
        self._changed = asyncio.Event()

    def tell(self, state: State) -> None:
        """Show a new state to everybody who waits."""
        if state == self.state:
            return
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()

    async def after(self, seen: State | None, seconds: float) -> State | None:
        """Return the state once it is not ``seen`` any more, or after ``seconds`` as it is."""
        if self.state is seen:
            await happened(self._changed, seconds)
        return self.state


class SharedPoll(Generic[Key, State]):
    """Looks at all watched keys together, at once where a new one came, else after a pause.

    Args:
        look: Takes the watched keys with what was seen of each and returns what is to be seen now.
        pause_seconds: Time between two looks.
    """

    def __init__(
        self,
        look: Callable[[Mapping[Key, State | None]], Awaitable[Mapping[Key, State]]],
        *,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._look = look
        self._pause = pause_seconds
        self._watches: dict[Key, Watch[State]] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._open = 0

    @contextlib.asynccontextmanager
    async def watching(self, key: Key) -> AsyncIterator[Watch[State]]:
        """Give the watch of a key for as long as somebody watches.

        Raises:
            Problem: 503, too many streams are open in this process.
        """
        if self._open >= MOST_WATCHERS:
            raise Problem(
                status=503,
                type="unavailable",
                detail="too many streams are open",
                next_step="come back later, or ask for the state instead of a stream",
                headers={"Retry-After": "10"},
            )
        watch = self._watches.setdefault(key, Watch())
        watch.watchers += 1
        self._open += 1
        self.wake()
        try:
            yield watch
        finally:
            watch.watchers -= 1
            self._open -= 1
            if not watch.watchers and self._watches.get(key) is watch:
                del self._watches[key]

    def wake(self) -> None:
        """Look soon; the looking begins with the first watcher and ends with the last."""
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        pause = self._pause
        while self._watches:
            self._wanted.clear()
            try:
                seen = await self._look({key: watch.state for key, watch in self._watches.items()})
                pause = self._pause
            except RETRIED_ERRORS:
                # The database is away; the streams stay open and go on when it is back.
                seen, pause = {}, min(pause * 2, _PATIENCE_SECONDS)
            for key, state in seen.items():
                if key in self._watches:
                    self._watches[key].tell(state)
            await asyncio.sleep(_FASTEST_SECONDS)
            await happened(self._wanted, pause)
