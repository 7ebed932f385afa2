"""One sandbox that a Python process keeps: a pool with one worker on an event loop in a thread of its own.

On an executor it lives as long as Spark's Python worker. That one may end without running any exit handler; the sandbox
process then ends by itself, as its parent is gone.
"""

import asyncio
import atexit
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, Self, TypeVar

from quilate.sandbox.model import Engine, Format, Level, Limits, Outcome, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.sandbox.session import SandboxSession

Result = TypeVar("Result")


class HeldSandbox:
    """A pool that code without an event loop can use.

    Args:
        engine: What its worker runs.
        limits: The largest of its calls.
        min_level: How its worker has to be shut in.

    Raises:
        SandboxUnavailableError: There is no sandbox of that level here.
    """

    def __init__(self, engine: Engine, limits: Limits, min_level: Level) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="quilate-sandbox", daemon=True)
        self._thread.start()
        self._session: SandboxSession | None = None
        self._mark: object = None
        self._closed = False
        settings = PoolSettings(
            workers=1,
            engines=frozenset({engine}),
            min_level=min_level,
            heap_bytes=limits.heap_bytes,
            spares=0,
            sessions=1,
        )
        try:
            self.pool: SandboxPool = self.run(_started(settings))
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine that runs on the loop of the pool."""
        future: Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(self, mark: object, program: Program, limits: Limits, payload: Payload, answer: Format) -> Outcome:
        """Call ``process`` in the isolate that is kept for ``mark``; another mark gets a new isolate."""
        return self.run(self._call(mark, program, limits, payload, answer))

    async def _call(self, mark: object, program: Program, limits: Limits, payload: Payload, answer: Format) -> Outcome:
        if self._session is None or mark != self._mark:
            await self._leave()
            session = self.pool.session(program, limits=limits)
            self._session, self._mark = await session.__aenter__(), mark
        return await self._session.call(payload, answer=answer)

    async def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.__aexit__(None, None, None)

    async def _end(self) -> None:
        await self._leave()
        await self.pool.close()

    def close(self) -> None:
        """End the sandbox; none of its processes is left when this returns."""
        if self._closed:
            return
        try:
            self.run(self._end())
        finally:
            self._stop()

    def _stop(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _started(settings: PoolSettings) -> SandboxPool:
    pool = SandboxPool(settings)
    await pool.start()
    return pool


class _Kept:
    """The sandbox of this process, for the one kind that the present run needs."""

    def __init__(self, make: Callable[[Engine, Limits, Level], HeldSandbox]) -> None:
        self._make = make
        self._process = 0
        self._kind: tuple[Engine, int, Level] | None = None
        self._held: HeldSandbox | None = None

    def get(self, engine: Engine, limits: Limits, min_level: Level) -> HeldSandbox:
        """The sandbox; started by the first call in a process, and anew for another kind."""
        kind = (engine, limits.heap_bytes, min_level)
        if self._held is not None and self._process == os.getpid() and self._kind == kind:
            return self._held
        self.close()
        held = self._make(engine, limits, min_level)
        self._process, self._kind, self._held = os.getpid(), kind, held
        return held

    def close(self) -> None:
        """End it; after a fork it is the parent's, which is left alone."""
        held, self._held = self._held, None
        if held is not None and self._process == os.getpid():
            held.close()


KEPT = _Kept(HeldSandbox)
"""Of a Python worker of an executor."""
atexit.register(KEPT.close)
