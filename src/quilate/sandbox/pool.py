"""A pool of sandbox workers: the one way by which the rest of the house runs scripts."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import (
    Failure,
    FailureClass,
    Format,
    LevelReport,
    Limits,
    Outcome,
    Payload,
    Program,
)
from quilate.sandbox.pool_settings import PoolSettings, PoolStatistics
from quilate.sandbox.requests import (
    Request,
    Wanted,
    WorkerKind,
    check_function,
    header,
    kind_of,
    next_batch,
    refusal,
    scaled,
)
from quilate.sandbox.session import SandboxSession
from quilate.sandbox.stock import WorkerStock
from quilate.sandbox.worker_process import Call, WorkerProcess

__all__ = ["PoolSettings", "PoolStatistics", "SandboxPool", "SandboxSession"]

BATCH: Final = 16
"""Calls that are on the way to one worker at a time in ``execute_many``."""
_NEVER_BEGUN: Final = Failure(kind=FailureClass.CRASHED, message="The sandbox worker ended before the execution began")


class SandboxPool:
    """Workers, the spare ones, and who waits for one. An async context manager; belongs to one event loop."""

    def __init__(self, settings: PoolSettings | None = None) -> None:
        self.settings = settings or PoolSettings()
        self._stock = WorkerStock(self.settings)
        self._slots = asyncio.Semaphore(self.settings.workers)
        self._sessions = asyncio.Semaphore(self.settings.sessions)
        self._waiting = self._executions = 0

    @property
    def report(self) -> LevelReport:
        """What the workers proved when the pool started."""
        return self._stock.report

    @property
    def statistics(self) -> PoolStatistics:
        """How it is doing."""
        return PoolStatistics(
            workers=len(self._stock.alive),
            waiting=self._waiting,
            executions=self._executions,
            restarts=self._stock.restarts,
            kills=self._stock.kills,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the workers and see how they are shut in.

        Raises:
            SandboxUnavailableError: Weaker than ``min_level``, or an engine does not work here.
        """
        await self._stock.start()

    async def close(self) -> None:
        """End all workers; none is left when this returns. Calls under way are answered as cancelled."""
        await self._stock.close()

    async def execute(
        self,
        program: Program,
        payload: Payload,
        *,
        limits: Limits | None = None,
        function: str = "process",
        answer: Format = Format.JSON,
    ) -> Outcome:
        """Run one call in an isolate that nobody used before, or in a warm one where the program allows it.

        A cancellation ends the execution, with its worker.

        Args:
            program: The script.
            payload: Its data.
            limits: Of this call.
            function: The global function that is called.
            answer: How the result is written.

        Returns:
            The outcome; a failure is in it and never raised.

        Raises:
            ValueError: ``function`` is no plain name.
        """
        check_function(function)
        request = (program, payload, limits or Limits())
        if (refusal := self._refusal(program, request[2])) is not None:
            return self.refused(program, refusal)
        await self._enter(self._slots)
        worker = None
        try:
            worker = await self._stock.take(kind_of(program, request[2]))
            return await self.call(worker, request, Wanted(function=function, answer=answer))
        except SandboxUnavailableError as error:
            return self.refused(program, _unavailable(error))
        finally:
            self._slots.release()
            self._stock.give_back(worker)

    async def execute_many(self, requests: Sequence[Request]) -> list[Outcome]:
        """As ``execute`` for each, in the same order; several are on their way to a worker at a time."""
        outcomes: list[Outcome | None] = [None] * len(requests)
        waiting: deque[int] = deque()
        for index, (program, _, limits) in enumerate(requests):
            if (refusal := self._refusal(program, limits)) is not None:
                outcomes[index] = self.refused(program, refusal)
            else:
                waiting.append(index)
        size = max(1, min(BATCH, -(-len(waiting) // (2 * self.settings.workers))))
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.settings.workers, len(waiting))):
                group.create_task(self._work_off(requests, waiting, outcomes, size))
        return [outcome or self.refused(requests[i][0], _NEVER_BEGUN) for i, outcome in enumerate(outcomes)]

    async def _work_off(
        self, requests: Sequence[Request], waiting: deque[int], outcomes: list[Outcome | None], size: int
    ) -> None:
        while waiting:
            await self._enter(self._slots)
            try:
                batch, kind = next_batch(requests, waiting, size)
                for index, outcome in zip(batch, await self._run_batch(requests, batch, kind), strict=True):
                    if outcome is None:
                        waiting.append(index)
                    outcomes[index] = outcome
            finally:
                self._slots.release()

    async def _run_batch(self, requests: Sequence[Request], batch: list[int], kind: WorkerKind) -> list[Outcome | None]:
        """One worker's calls; ``None`` for what it did not come to."""
        if not batch:
            return []
        worker = None
        try:
            worker = await self._stock.take(kind)
            alone, last = len(batch) == 1, batch[-1]
            calls = [self._call(worker, requests[i], Wanted(last=i == last, alone=alone)) for i in batch]
            outcomes = await worker.call(calls)
        except SandboxUnavailableError as error:
            return [self.refused(requests[index][0], _unavailable(error)) for index in batch]
        finally:
            self._stock.give_back(worker)
        self._executions += sum(outcome is not None for outcome in outcomes)
        return outcomes

    def session(self, program: Program, *, limits: Limits | None = None) -> SandboxSession:
        """One isolate for several calls, in a worker of its own until the session closes."""
        return SandboxSession(self, program, limits or Limits())

    # What sessions use too.

    async def enter_session(self) -> None:
        """Wait until there may be one more session."""
        await self._enter(self._sessions)

    def leave_session(self, worker: WorkerProcess | None) -> None:
        """A session is over; its worker, if it has one, is for others."""
        self._sessions.release()
        self._stock.give_back(worker)

    async def lend(self, program: Program, limits: Limits, lost: WorkerProcess | None) -> WorkerProcess | Failure:
        """A worker for a session, in place of the one it lost; or why there is none."""
        self._stock.give_back(lost)
        if (refusal := self._refusal(program, limits)) is not None:
            return refusal
        try:
            return await self._stock.take(kind_of(program, limits), for_session=True)
        except SandboxUnavailableError as error:
            return _unavailable(error)

    async def call(self, worker: WorkerProcess, request: Request, wanted: Wanted) -> Outcome:
        """One call of a worker that is ours."""
        (outcome,) = await worker.call([self._call(worker, request, wanted)])
        self._executions += 1
        return outcome or self.refused(request[0], _NEVER_BEGUN)

    def refused(self, program: Program, failure: Failure) -> Outcome:
        """The outcome of what never ran."""
        return Outcome(output=None, failure=failure, engine=program.engine, level=self.report.level)

    def _refusal(self, program: Program, limits: Limits) -> Failure | None:
        if not self._stock.running:
            return Failure(kind=FailureClass.UNAVAILABLE, message="The sandbox is not running")
        return refusal(program, limits, engines=self.settings.engines, heap_bytes=self.settings.heap_bytes)

    def _call(self, worker: WorkerProcess, request: Request, wanted: Wanted) -> Call:
        program, payload, limits = request
        source = program.source.encode()
        limits = scaled(limits, program.engine, len(payload.data), self.settings.heap_ceiling_bytes)
        head = header(worker.number(), source, (program, payload, limits), wanted)
        return Call(header=head, source=source, data=payload.data)

    async def _enter(self, semaphore: asyncio.Semaphore) -> None:
        self._waiting += 1
        try:
            await semaphore.acquire()
        finally:
            self._waiting -= 1


def _unavailable(error: SandboxUnavailableError) -> Failure:
    return Failure(kind=FailureClass.UNAVAILABLE, message=error.message)
