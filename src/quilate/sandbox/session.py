"""An isolate that is kept from call to call."""

import asyncio
from types import TracebackType
from typing import Protocol, Self

from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Outcome, Payload, Program
from quilate.sandbox.requests import Request, Wanted, check_function
from quilate.sandbox.worker_process import WorkerProcess


class Lender(Protocol):
    """Who has the workers; ``pool.SandboxPool`` is it."""

    async def enter_session(self) -> None:
        """Wait until there may be one more session."""

    def leave_session(self, worker: WorkerProcess | None) -> None:
        """Take a session's worker back, if it has one."""

    async def lend(self, program: Program, limits: Limits, lost: WorkerProcess | None) -> WorkerProcess | Failure:
        """Give a worker in place of the one that was lost, or why there is none."""

    async def call(self, worker: WorkerProcess, request: Request, wanted: Wanted) -> Outcome:
        """Call a worker that was lent."""

    def refused(self, program: Program, failure: Failure) -> Outcome:
        """Give the outcome of what never ran."""


class SandboxSession:
    """One isolate that is kept from call to call; an async context manager, made by ``SandboxPool.session``.

    The script's global variables live on from one call to the next, until a call fails in a way that costs the isolate:
    then the next call begins in a new one. Calls are made one after the other.
    """

    def __init__(self, pool: Lender, program: Program, limits: Limits) -> None:
        self._pool = pool
        self._program = program
        self._limits = limits
        self._worker: WorkerProcess | None = None
        self._number = 0
        self._turn = asyncio.Lock()
        self._open = False

    async def __aenter__(self) -> Self:
        await self._pool.enter_session()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker, self._worker = self._worker, None
        self._open = False
        self._pool.leave_session(worker)

    async def call(self, payload: Payload, *, function: str = "process", answer: Format = Format.JSON) -> Outcome:
        """Call a function of the script.

        Raises:
            ValueError: ``function`` is no plain name.
        """
        check_function(function)
        if not self._open:
            return self._pool.refused(
                self._program, Failure(kind=FailureClass.UNAVAILABLE, message="The session is not open")
            )
        async with self._turn:
            if self._worker is None or not self._worker.healthy:
                lost, self._worker = self._worker, None
                found = await self._pool.lend(self._program, self._limits, lost)
                if isinstance(found, Failure):
                    return self._pool.refused(self._program, found)
                self._worker = found
                self._number = found.number()
            request = (self._program, payload, self._limits)
            wanted = Wanted(function=function, answer=answer, session=self._number)
            return await self._pool.call(self._worker, request, wanted)
