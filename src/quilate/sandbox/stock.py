"""The workers of a pool: those that wait, those that are lent, those that start and end."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

from quilate.sandbox import jail
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.levels import strong_enough
from quilate.sandbox.model import Engine, Level, LevelReport, Limits
from quilate.sandbox.pool_settings import PoolSettings
from quilate.sandbox.requests import WorkerKind
from quilate.sandbox.worker_process import WorkerPlan, WorkerProcess

_BOOT_ATTEMPTS: Final = 2


class WorkerStock:
    """Keeps ``workers + spares`` workers alive beside those of sessions, so that nobody waits for a start.

    Attributes:
        report: What the workers proved at the start: the weakest of the engines.
        alive: Processes that are there, starting and ending ones included.
        kills: Workers that were ended in the middle of a call.
        restarts: Workers that had to be replaced.
        closed: No worker is given any more.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        ceiling = max(settings.heap_bytes, settings.heap_ceiling_bytes)
        # Workers are made for the usual limits; what may be asked for beyond them is given call by call, or memory
        # outside the heap would have that room too, whoever is called.
        usual = min(settings.heap_bytes, Limits().heap_bytes)
        self._plan = WorkerPlan(heap_bytes=usual, ceiling_bytes=ceiling)
        self._usual = [WorkerKind(engine=engine) for engine in Engine if engine in settings.engines]
        self._target = max(settings.workers + settings.spares, len(self._usual))
        self._idle: deque[WorkerProcess] = deque()
        self._leaving: set[WorkerProcess] = set()
        self._lent: set[WorkerProcess] = set()
        self._booting: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._proven = False
        self.alive: set[WorkerProcess] = set()
        self.report = LevelReport(level=Level.PROCESS)
        self.kills = self.restarts = 0
        self.closed = False

    @property
    def running(self) -> bool:
        """It was started and not closed."""
        return self._proven and not self.closed

    async def start(self) -> None:
        """Start one worker of each engine, see how it is shut in, and start the others behind our back.

        Raises:
            SandboxUnavailableError: Weaker than ``min_level``, or an engine does not work here.
        """
        self._plan = replace(self._plan, jail=await asyncio.to_thread(jail.arguments))
        if Engine.STRICT in self._settings.engines:
            self._plan = replace(self._plan, code_file=await asyncio.to_thread(_strict_code))
        try:
            for kind in self._usual:
                worker = await self._first(kind)
                self._idle.append(worker)
                if self._idle[0] is worker or not strong_enough(worker.report.level, self.report.level):
                    self.report = worker.report
        except BaseException:
            await self.close()
            raise
        self._proven = True
        self._refill(self._usual[0])

    async def _first(self, kind: WorkerKind) -> WorkerProcess:
        """The first workers find out what works: jailed or not, our own binding or the public one."""
        try:
            return await self._spawn(kind)
        except SandboxUnavailableError:
            if not self._plan.jail:
                raise
        self._plan = replace(self._plan, jail=(), binding="thin")
        return await self._spawn(kind)

    async def close(self) -> None:
        """End all workers; none is left when this returns. Calls under way are answered as cancelled."""
        self.closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(worker) for worker in list(self.alive)))
        self._idle.clear()

    async def take(self, kind: WorkerKind, *, for_session: bool = False) -> WorkerProcess:
        """A worker of this kind, ready to be called; to be given back.

        Raises:
            SandboxUnavailableError: None can be started.
        """
        worker = self._ready(kind) or await self._spawn_in_place_of_another(kind)
        if for_session:
            self._lent.add(worker)
            self._refill(kind)
        return worker

    def _ready(self, kind: WorkerKind) -> WorkerProcess | None:
        for worker in list(self._idle):
            if not worker.healthy:
                self._idle.remove(worker)
                self.give_back(worker)
            elif worker.kind == kind:
                self._idle.remove(worker)
                return worker
        return None

    async def _spawn_in_place_of_another(self, kind: WorkerKind) -> WorkerProcess:
        others = [worker for worker in self._idle if worker.kind != kind]
        if others and self._general() + self._starting >= self._target:
            self._idle.remove(others[0])
            self._retire(others[0])
        self._starting += 1
        try:
            return await self._spawn(kind)
        finally:
            self._starting -= 1

    async def _spawn(self, kind: WorkerKind) -> WorkerProcess:
        """Start a worker; a second time where the first attempt may have failed by chance."""
        for attempt in range(_BOOT_ATTEMPTS):
            if self.closed:
                break
            try:
                worker = await self._boot(kind)
            except SandboxUnavailableError:
                if attempt + 1 == _BOOT_ATTEMPTS:
                    raise
                if not self._proven:
                    self._plan = replace(self._plan, binding="public")
                continue
            if strong_enough(worker.report.level, self._settings.min_level):
                return worker
            await self._end(worker)
            raise _too_weak(worker.report, self._settings.min_level)
        raise SandboxUnavailableError("The sandbox is not running")

    async def _boot(self, kind: WorkerKind) -> WorkerProcess:
        worker = WorkerProcess(kind, self._plan)
        self.alive.add(worker)
        self._booting.add(worker)
        try:
            await worker.start()
        except TimeoutError as error:
            self.alive.discard(worker)
            raise SandboxUnavailableError("A sandbox worker does not start in time") from error
        except BaseException:
            self.alive.discard(worker)
            raise
        finally:
            self._booting.discard(worker)
        return worker

    def give_back(self, worker: WorkerProcess | None) -> None:
        """Somebody is done with a worker; it waits for the next, or ends where it is hurt or too many."""
        if worker is None:
            return
        self._lent.discard(worker)
        if worker.healthy and not self.closed and self._general() <= self._target:
            # First in, first out: a worker that has rested has its spare isolate ready.
            self._idle.append(worker)
            return
        if not worker.healthy and not self.closed:
            self.kills += worker.was_killed
            self.restarts += 1
        self._retire(worker)
        self._refill(worker.kind)

    def _general(self) -> int:
        """Workers that are up, not a session's and not on their way out."""
        return len(self.alive) - len(self._booting) - len(self._lent) - len(self._leaving)

    def _retire(self, worker: WorkerProcess) -> None:
        self._leaving.add(worker)
        self._background(self._end(worker))

    def _refill(self, kind: WorkerKind) -> None:
        """Start what is missing, of this kind if it is a usual one."""
        usual = kind if kind in self._usual else self._usual[0]
        if self.closed:
            return
        for _ in range(self._target - self._general() - self._starting):
            self._starting += 1
            self._background(self._start(usual))

    async def _start(self, kind: WorkerKind) -> None:
        try:
            worker = await self._spawn(kind)
        except SandboxUnavailableError:
            return  # Who needs one next tries again and is told.
        finally:
            self._starting -= 1
        self.give_back(worker)

    async def _end(self, worker: WorkerProcess) -> None:
        await worker.close()
        self.alive.discard(worker)
        self._leaving.discard(worker)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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
