"""A pool of sandbox workers: the one way by which the rest of the house runs scripts."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from quilate.sandbox import jail
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.levels import strong_enough
from quilate.sandbox.model import (
    Engine,
    Failure,
    FailureClass,
    Format,
    Level,
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
from quilate.sandbox.worker_process import Call, WorkerPlan, WorkerProcess

__all__ = ["PoolSettings", "PoolStatistics", "SandboxPool", "SandboxSession"]

BATCH: Final = 16
"""Calls that are on the way to one worker at a time in ``execute_many``."""
_NEVER_BEGUN: Final = Failure(kind=FailureClass.CRASHED, message="The sandbox worker ended before the execution began")
_BOOT_ATTEMPTS: Final = 2


class SandboxPool:
    """Workers, the spare ones, and who waits for one. An async context manager; belongs to one event loop.

    Attributes:
        report: What the workers proved when the pool started.
    """

    def __init__(self, settings: PoolSettings | None = None) -> None:
        self.settings = settings or PoolSettings()
        self.report = LevelReport(level=Level.PROCESS)
        self._plan = WorkerPlan(heap_bytes=self.settings.heap_bytes, ceiling_bytes=self._ceiling)
        self._idle: deque[WorkerProcess] = deque()
        self._alive: set[WorkerProcess] = set()
        self._slots = asyncio.Semaphore(self.settings.workers)
        self._sessions = asyncio.Semaphore(self.settings.sessions)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = self._executions = self._restarts = self._kills = 0
        self._started = self._closed = False

    @property
    def _ceiling(self) -> int:
        return max(self.settings.heap_bytes, self.settings.heap_ceiling_bytes)

    @property
    def statistics(self) -> PoolStatistics:
        """How it is doing."""
        return PoolStatistics(
            workers=len(self._alive),
            waiting=self._waiting,
            executions=self._executions,
            restarts=self._restarts,
            kills=self._kills,
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
        command = await asyncio.to_thread(jail.arguments)
        self._plan = replace(self._plan, jail=command)
        if Engine.STRICT in self.settings.engines:
            self._plan = replace(self._plan, code_file=await asyncio.to_thread(_strict_code))
        try:
            await self._prove()
        except BaseException:
            await self.close()
            raise
        for _ in range(self.settings.workers + self.settings.spares - 1):
            self._background(self._start_spare())

    async def _prove(self) -> None:
        """One worker of each engine; the weakest of them is what the pool can say of itself."""
        for engine in sorted(self.settings.engines, key=list(Engine).index):
            worker = await self._first(WorkerKind(engine=engine))
            self._idle.append(worker)
            if not strong_enough(worker.report.level, self.settings.min_level):
                raise _too_weak(worker.report, self.settings.min_level)
            if not self._started or not strong_enough(worker.report.level, self.report.level):
                self.report = worker.report
            self._started = True

    async def _first(self, kind: WorkerKind) -> WorkerProcess:
        """The first worker finds out what works: jailed or not, our own binding or the public one."""
        try:
            return await self._spawn(kind)
        except SandboxUnavailableError:
            if not self._plan.jail:
                raise
        self._plan = replace(self._plan, jail=())
        return await self._spawn(kind)

    async def close(self) -> None:
        """End all workers; none is left when this returns. Calls under way are cancelled."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(worker) for worker in list(self._alive)))
        self._idle.clear()

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
            worker = await self._take(kind_of(program, request[2]))
            return await self.call(worker, request, Wanted(function=function, answer=answer))
        except SandboxUnavailableError as error:
            return self.refused(program, _unavailable(error))
        finally:
            self._slots.release()
            self._give_back(worker)

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
            worker = None
            batch, kind = next_batch(requests, waiting, size)
            try:
                if not batch:
                    return
                worker = await self._take(kind)
                calls = [
                    self._call(worker, requests[i], Wanted(last=i == batch[-1], alone=len(batch) == 1)) for i in batch
                ]
                for index, outcome in zip(batch, await worker.call(calls), strict=True):
                    if outcome is None:
                        waiting.append(index)
                    else:
                        outcomes[index] = outcome
                        self._executions += 1
            except SandboxUnavailableError as error:
                for index in batch:
                    outcomes[index] = self.refused(requests[index][0], _unavailable(error))
            finally:
                self._slots.release()
                self._give_back(worker)

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
        self._give_back(worker)

    async def lend(self, program: Program, limits: Limits, lost: WorkerProcess | None) -> WorkerProcess | Failure:
        """A worker for a session, in place of the one it lost; or why there is none."""
        self._give_back(lost)
        if (refusal := self._refusal(program, limits)) is not None:
            return refusal
        try:
            return await self._take(kind_of(program, limits))
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
        if self._closed or not self._started:
            return Failure(kind=FailureClass.UNAVAILABLE, message="The sandbox is not running")
        return refusal(program, limits, engines=self.settings.engines, heap_bytes=self.settings.heap_bytes)

    def _call(self, worker: WorkerProcess, request: Request, wanted: Wanted) -> Call:
        program, payload, limits = request
        source = program.source.encode()
        limits = scaled(limits, program.engine, len(payload.data), self._ceiling)
        head = header(worker.number(), source, (program, payload, limits), wanted)
        return Call(header=head, source=source, data=payload.data)

    async def _enter(self, semaphore: asyncio.Semaphore) -> None:
        self._waiting += 1
        try:
            await semaphore.acquire()
        finally:
            self._waiting -= 1

    async def _take(self, kind: WorkerKind) -> WorkerProcess:
        for worker in list(self._idle):
            if not worker.healthy:
                self._idle.remove(worker)
                self._give_back(worker)
            elif worker.kind == kind:
                self._idle.remove(worker)
                self._refill()
                return worker
        return await self._spawn(kind)

    async def _spawn(self, kind: WorkerKind) -> WorkerProcess:
        """Start a worker; a second time where the first attempt may have failed by chance.

        Raises:
            SandboxUnavailableError: It does not start, or is shut in less well than the first.
        """
        for attempt in range(_BOOT_ATTEMPTS):
            if self._closed:
                raise SandboxUnavailableError("The sandbox is not running")
            worker = WorkerProcess(kind, self._plan)
            self._alive.add(worker)
            try:
                await worker.start()
            except TimeoutError as error:
                self._alive.discard(worker)
                raise SandboxUnavailableError("A sandbox worker does not start in time") from error
            except SandboxUnavailableError:
                self._alive.discard(worker)
                if attempt + 1 == _BOOT_ATTEMPTS:
                    raise
                self._plan = replace(self._plan, binding="public") if not self._started else self._plan
                continue
            except BaseException:
                self._alive.discard(worker)
                raise
            await self._check(worker)
            return worker
        raise AssertionError

    async def _check(self, worker: WorkerProcess) -> None:
        """A worker that came too late, or is shut in less well than the first, is of no use."""
        if self._closed:
            await self._end(worker)
            raise SandboxUnavailableError("The sandbox is not running")
        if self._started and not strong_enough(worker.report.level, self.settings.min_level):
            await self._end(worker)
            raise _too_weak(worker.report, self.settings.min_level)

    def _give_back(self, worker: WorkerProcess | None) -> None:
        if worker is None:
            return
        if worker.healthy and not self._closed and len(self._idle) < self.settings.workers + self.settings.spares:
            # First in, last out would let the newest rest for ever; a rested worker has its spare isolate ready.
            self._idle.append(worker)
            return
        if not worker.healthy:
            self._kills += worker.was_killed
            self._restarts += 1
        self._background(self._end(worker))
        self._refill()

    def _refill(self) -> None:
        """See to it that a worker of the ordinary kind waits, while nobody has to wait for its start."""
        ready = sum(worker.healthy for worker in self._idle)
        starting = len(self._tasks)
        if self._closed or not self.settings.spares or ready + starting >= self.settings.spares:
            return
        self._background(self._start_spare())

    async def _start_spare(self) -> None:
        engine = Engine.DEFAULT if Engine.DEFAULT in self.settings.engines else min(self.settings.engines)
        try:
            worker = await self._spawn(WorkerKind(engine=engine))
        except SandboxUnavailableError:
            return  # Who needs one next tries again and is told.
        self._give_back(worker)

    async def _end(self, worker: WorkerProcess) -> None:
        await worker.close()
        self._alive.discard(worker)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unavailable(error: SandboxUnavailableError) -> Failure:
    return Failure(kind=FailureClass.UNAVAILABLE, message=error.message)


def _strict_code() -> int:
    from quilate.sandbox.strict.module import compiled_code_file  # noqa: PLC0415 - only for who has this engine

    try:
        return compiled_code_file()
    except OSError as error:
        raise SandboxUnavailableError(str(error), next_step="Install quilate[sandbox]") from error


def _too_weak(report: LevelReport, least: Level) -> SandboxUnavailableError:
    reasons = "; ".join(report.missing) or "no reason is known"
    return SandboxUnavailableError(
        f"Sandbox workers are shut in at the level {report.level}, and {least} is demanded ({reasons})",
        next_step="Run on Linux 5.13 or newer with seccomp allowed, or lower sandbox.min_level knowingly",
    )
