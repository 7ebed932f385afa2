"""A pool of sandbox workers: the one way by which the rest of the house runs scripts."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from quilate.sandbox import jail, protocol
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
from quilate.sandbox.worker_process import Call, WorkerKind, WorkerPlan, WorkerProcess

HEAP_FOR_EACH_BYTE: Final = 12
"""The heap grows by so much for each byte of JSON text: what small records take as objects, with the text itself."""
BATCH: Final = 16
"""Calls that are on the way to one worker at a time in ``execute_many``."""
_FUNCTION = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")
_BOOT_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool is built.

    Attributes:
        workers: Executions at a time.
        engines: Those that executions may ask for.
        min_level: Below it the pool does not start.
        heap_bytes: Largest heap that limits may ask for.
        spares: Workers that wait, ready, for one that has to be ended.
        heap_ceiling_bytes: Up to which a heap grows with the payload that it has to hold.
        sessions: Kept isolates at a time, each with a worker of its own beside ``workers``.
    """

    workers: int = 2
    engines: frozenset[Engine] = frozenset({Engine.DEFAULT})
    min_level: Level = Level.LOCKED
    heap_bytes: int = 64 << 20
    spares: int = 1
    heap_ceiling_bytes: int = 768 << 20
    sessions: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """For metrics.

    Attributes:
        workers: Processes alive.
        waiting: Calls that wait for a worker.
        executions: Calls answered since the start.
        restarts: Workers started in place of ended ones.
        kills: Workers that the parent had to end.
    """

    workers: int
    waiting: int
    executions: int
    restarts: int
    kills: int


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
            for engine in sorted(self.settings.engines, key=list(Engine).index):
                worker = await self._first(WorkerKind(engine=engine))
                self._idle.append(worker)
                if not strong_enough(worker.report.level, self.settings.min_level):
                    raise _too_weak(worker.report, self.settings.min_level)
                if not self._started or not strong_enough(worker.report.level, self.report.level):
                    self.report = worker.report
                self._started = True
        except BaseException:
            await self.close()
            raise
        self._refill()

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
            SandboxUnavailableError: No worker can be started any more.
        """
        wanted = limits or Limits()
        if (refused := self.refusal(program, wanted, function)) is not None:
            return self._refused(program, refused)
        kind = WorkerKind(engine=program.engine, stack_kibibytes=wanted.stack_kibibytes)
        await self._enter(self._slots)
        worker = None
        try:
            worker = await self._take(kind)
            call = self.call(worker, program, payload, wanted, function=function, answer=answer)
            (outcome,) = await worker.call([call])
        finally:
            self._slots.release()
            if worker is not None:
                self._give_back(worker)
        self._executions += 1
        return outcome or self._refused(program, _ended())

    async def execute_many(self, requests: Sequence[tuple[Program, Payload, Limits]]) -> list[Outcome]:
        """As ``execute`` for each, in the same order; several are on their way to a worker at a time.

        Raises:
            SandboxUnavailableError: No worker can be started any more.
        """
        outcomes: list[Outcome | None] = [None] * len(requests)
        open_requests: deque[int] = deque()
        for index, (program, _, limits) in enumerate(requests):
            if (refused := self.refusal(program, limits, "process")) is not None:
                outcomes[index] = self._refused(program, refused)
            else:
                open_requests.append(index)
        size = max(1, min(BATCH, -(-len(open_requests) // (2 * self.settings.workers))))
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.settings.workers, len(open_requests))):
                group.create_task(self._work_off(requests, open_requests, outcomes, size))
        return [outcome or self._refused(requests[i][0], _ended()) for i, outcome in enumerate(outcomes)]

    async def _work_off(
        self,
        requests: Sequence[tuple[Program, Payload, Limits]],
        open_requests: deque[int],
        outcomes: list[Outcome | None],
        size: int,
    ) -> None:
        while open_requests:
            await self._enter(self._slots)
            worker = None
            try:
                batch, kind = _batch(requests, open_requests, size)
                if not batch:
                    return
                worker = await self._take(kind)
                calls = [
                    self.call(worker, *requests[index], last=index == batch[-1], alone=len(batch) == 1)
                    for index in batch
                ]
                for index, outcome in zip(batch, await worker.call(calls), strict=True):
                    if outcome is None:
                        open_requests.append(index)
                    else:
                        outcomes[index] = outcome
                        self._executions += 1
            finally:
                self._slots.release()
                if worker is not None:
                    self._give_back(worker)

    def session(
        self, program: Program, *, limits: Limits | None = None
    ) -> "AbstractAsyncContextManager[SandboxSession]":
        """One isolate for several calls, in a worker of its own until the session closes."""
        return SandboxSession(self, program, limits or Limits())

    # What sessions use too.

    def refusal(self, program: Program, limits: Limits, function: str) -> Failure | None:
        """Why a call is not even begun.

        Raises:
            ValueError: ``function`` is no plain name.
        """
        if not _FUNCTION.fullmatch(function):
            raise ValueError(f"{function!r} is no name of a function")
        if self._closed or not self._started:
            return Failure(kind=FailureClass.UNAVAILABLE, message="The sandbox is not running")
        if program.engine not in self.settings.engines:
            return Failure(
                kind=FailureClass.REJECTED, message=f"The engine {program.engine} is not enabled here", rule="engine"
            )
        if len(program.source) > limits.source_bytes or len(program.source.encode()) > limits.source_bytes:
            message = f"The script is longer than {limits.source_bytes} bytes"
            return Failure(kind=FailureClass.REJECTED, message=message, rule="source_bytes")
        if limits.heap_bytes > self.settings.heap_bytes:
            message = (
                f"A heap of {limits.heap_bytes} bytes is more than this sandbox gives ({self.settings.heap_bytes})"
            )
            return Failure(kind=FailureClass.REJECTED, message=message, rule="heap_bytes")
        return None

    def call(
        self,
        worker: WorkerProcess,
        program: Program,
        payload: Payload,
        limits: Limits,
        *,
        function: str = "process",
        answer: Format = Format.JSON,
        session: int = 0,
        last: bool = True,
        alone: bool = True,
    ) -> Call:
        """A call as it goes on the wire."""
        source = program.source.encode()
        scaled = limits.heap_bytes + HEAP_FOR_EACH_BYTE * len(payload.data)
        heap = (
            max(limits.heap_bytes, min(scaled, self._ceiling))
            if program.engine is not Engine.STRICT
            else limits.heap_bytes
        )
        header = protocol.CallHeader(
            number=worker.number(),
            source_bytes=len(source),
            payload_bytes=len(payload.data),
            shared=alone and len(source) + len(payload.data) > protocol.SHARED_ABOVE,
            format=payload.format,
            answer=answer,
            function=function,
            engine=program.engine,
            limits=replace(limits, heap_bytes=heap) if heap != limits.heap_bytes else limits,
            seed=program.seed,
            now_milliseconds=program.now_milliseconds,
            reuse=program.reuse,
            session=session,
            shared_answer=last,
        )
        return Call(header=header, source=source, data=payload.data)

    async def lend(self, kind: WorkerKind) -> WorkerProcess:
        """A worker for a session; ``give_back`` it."""
        await self._enter(self._sessions)
        try:
            return await self._take(kind)
        except BaseException:
            self._sessions.release()
            raise

    def give_back(self, worker: WorkerProcess) -> None:
        """A session is over."""
        self._sessions.release()
        self._give_back(worker)

    def exchange(self, worker: WorkerProcess) -> "asyncio.Future[WorkerProcess]":
        """Another worker of the same kind for a session whose own has ended."""
        self._give_back(worker)
        return asyncio.ensure_future(self._take(worker.kind))

    def answered(self, outcome: Outcome | None, program: Program) -> Outcome:
        """Count an answer to a session."""
        self._executions += 1
        return outcome or self._refused(program, _ended())

    def _refused(self, program: Program, failure: Failure) -> Outcome:
        return Outcome(output=None, failure=failure, engine=program.engine, level=self.report.level)

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
            if self._started and not strong_enough(worker.report.level, self.settings.min_level):
                await self._end(worker)
                raise _too_weak(worker.report, self.settings.min_level)
            return worker
        raise AssertionError

    def _give_back(self, worker: WorkerProcess) -> None:
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

    def _background(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class SandboxSession:
    """One isolate that is kept from call to call; an async context manager, made by ``SandboxPool.session``.

    The script's global variables live on from one call to the next, until a call fails in a way that costs the isolate:
    then the next call begins in a new one.
    """

    def __init__(self, pool: SandboxPool, program: Program, limits: Limits) -> None:
        self._pool = pool
        self._program = program
        self._limits = limits
        self._worker: WorkerProcess | None = None
        self._number = 0

    async def __aenter__(self) -> Self:
        kind = WorkerKind(engine=self._program.engine, stack_kibibytes=self._limits.stack_kibibytes)
        if self._pool.refusal(self._program, self._limits, "process") is None:
            self._worker = await self._pool.lend(kind)
            self._number = self._worker.number()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.give_back(worker)

    async def call(self, payload: Payload, *, function: str = "process", answer: Format = Format.JSON) -> Outcome:
        """Call a function of the script.

        Raises:
            ValueError: ``function`` is no plain name.
            SandboxUnavailableError: No worker can be started any more.
        """
        refused = self._pool.refusal(self._program, self._limits, function)
        if refused is not None or self._worker is None:
            failure = refused or Failure(kind=FailureClass.UNAVAILABLE, message="The session is not open")
            return Outcome(output=None, failure=failure, engine=self._program.engine, level=self._pool.report.level)
        if not self._worker.healthy:
            self._worker = await self._pool.exchange(self._worker)
            self._number = self._worker.number()
        call = self._pool.call(
            self._worker, self._program, payload, self._limits,
            function=function, answer=answer, session=self._number,
        )  # fmt: skip
        (outcome,) = await self._worker.call([call])
        return self._pool.answered(outcome, self._program)


def _ended() -> Failure:
    return Failure(kind=FailureClass.CRASHED, message="The sandbox worker ended before the execution began")


def _batch(
    requests: Sequence[tuple[Program, Payload, Limits]], waiting: deque[int], size: int
) -> tuple[list[int], WorkerKind]:
    """The next calls that may be on their way to one worker together; long payloads go alone."""
    batch: list[int] = []
    kind = WorkerKind()
    while waiting and len(batch) < size:
        program, payload, limits = requests[waiting[0]]
        this = WorkerKind(engine=program.engine, stack_kibibytes=limits.stack_kibibytes)
        long = len(program.source) + len(payload.data) > protocol.SHARED_ABOVE // 2
        if batch and (this != kind or long):
            break
        kind = this
        batch.append(waiting.popleft())
        if long:
            break
    return batch, kind


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
