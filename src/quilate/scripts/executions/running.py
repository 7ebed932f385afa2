"""Running what a worker has claimed: small executions of quick scripts together, every other one alone."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import structlog

from quilate.domain.errors import QuilateError
from quilate.kit.waiting import end_tasks
from quilate.kit.web.problems import Problem
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import FailureClass, Limits, Outcome, Payload, Program
from quilate.scripts.executions.model import Claim, Ended, Result
from quilate.scripts.executions.outcomes import Keeping, failed, is_one_call, payload_of
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.contents import PayloadStore

_LOG = structlog.get_logger("quilate.scripts")
_QUICK_MILLISECONDS = 25.0
"""A version whose calls took no longer than this lately is quick: waiting for others of its group costs little."""
_MOST_TOGETHER = 16
_LARGEST_TOGETHER = 64 << 10
"""Bytes of an input that may share a message with others."""
_MOST_PACES = 10_000
_WEIGHT = 0.3

JobKey = tuple[UUID, int]


class Pool(Protocol):
    """Runs scripts: ``quilate.sandbox.pool.SandboxPool``."""

    async def execute(self, program: Program, payload: Payload, *, limits: Limits | None = None) -> Outcome:
        """Run one call in an isolate of its own; a failure is part of the outcome."""
        ...

    async def execute_many(self, requests: Sequence[tuple[Program, Payload, Limits]]) -> list[Outcome]:
        """Run several, each in an isolate of its own."""
        ...


class Versions(Protocol):
    """Knows versions: ``quilate.scripts.versions.service.VersionService``."""

    async def body(self, version_id: UUID) -> ScriptVersion | None:
        """Return a version, of which only what never changes is read; ``None`` where there is none."""
        ...


class Batches(Protocol):
    """Runs what is more than one call: ``quilate.scripts.executions.batches.BatchRunner``."""

    async def run(self, claim: Claim, version: ScriptVersion, started_at: datetime) -> Result:
        """Return what came of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed execution with its version and data."""

    claim: Claim
    version: ScriptVersion
    data: bytes = b""

    @property
    def key(self) -> JobKey:
        """What tells this attempt from any other."""
        return self.claim.id, self.claim.fence


class Runner:
    """Runs claimed executions in this process's sandboxes.

    Args:
        pool: The sandboxes.
        versions: Knows versions.
        store: Knows contents.
        keeping: Keeps outputs.
        batches: Runs what is more than one call.
        ended: Hears of each end.
    """

    def __init__(  # noqa: PLR0913 - what running stands on
        self,
        pool: Pool,
        *,
        versions: Versions,
        store: PayloadStore,
        keeping: Keeping,
        batches: Batches,
        ended: Callable[[Ended], None],
    ) -> None:
        self._pool = pool
        self._versions = versions
        self._store = store
        self._keeping = keeping
        self._batches = batches
        self._ended = ended
        self._running: dict[JobKey, asyncio.Task[None]] = {}
        self._groups: dict[asyncio.Task[None], Sequence[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._paces: dict[UUID, float] = {}

    @property
    def jobs(self) -> frozenset[JobKey]:
        """What runs here."""
        return frozenset(self._running)

    def start(self, claims: Sequence[Claim]) -> None:
        """Begin attempts; ``ended`` hears of each, unless it is cancelled."""
        task = self._spawn(self._begin(claims))
        self._running |= {(each.id, each.fence): task for each in claims}

    def cancel(self, keys: Iterable[JobKey]) -> None:
        """End attempts without a result; others that run together with one of them are begun again."""
        gone = set(keys)
        for task in {self._running.pop(key) for key in gone if key in self._running}:
            group = self._groups.get(task)
            if group is None and any(other is task for other in self._running.values()):
                continue  # Not yet begun: it is left out when it comes to that.
            task.cancel()
            for job in group or ():
                if job.key not in gone:
                    self._running[job.key] = self._spawn(self._run_alone(job))

    async def close(self) -> None:
        """End everything without results."""
        self._running.clear()
        await end_tasks(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._groups.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("executions could not be run", error=repr(task.exception()))
            # What it held is found by the next beat as running nowhere, and given back.
            self._running = {key: other for key, other in self._running.items() if other is not task}

    async def _begin(self, claims: Sequence[Claim]) -> None:
        known = await self._known(claims)
        jobs = [job for job in [await self._prepared(claim, known[claim.version_id]) for claim in claims] if job]
        together = [job for job in jobs if self._is_quick(job)]
        if len(together) < 2:  # noqa: PLR2004 - one alone shares nothing
            together = []
        shared = {job.key for job in together}
        for job in jobs:
            if job.key not in shared:
                self._running[job.key] = self._spawn(self._run_alone(job))
        for place in range(0, len(together), _MOST_TOGETHER):
            group = together[place : place + _MOST_TOGETHER]
            task = self._spawn(self._run_together(group))
            self._groups[task] = group
            self._running |= {job.key: task for job in group}

    async def _known(self, claims: Sequence[Claim]) -> Mapping[UUID, ScriptVersion | None]:
        """Return the claims' versions."""
        return {each: await self._versions.body(each) for each in {claim.version_id for claim in claims}}

    async def _prepared(self, claim: Claim, version: ScriptVersion | None) -> Job | None:
        """Return what is to be run; an attempt that cannot even begin ends here."""
        started_at = datetime.now(UTC)
        if (claim.id, claim.fence) not in self._running:
            return None
        if claim.attempt > claim.options.attempts:
            lost = f"worker lost: {claim.losses} workers died while they ran this execution"
            why = lost if claim.losses else f"it was begun {claim.options.attempts} times and never ended"
            # Not the crash of a sandbox: workers may have died of anything.
            self._end(claim, failed(FailureClass.UNAVAILABLE, why, started_at))
            return None
        if version is None or claim.quarantined:
            why = "the version is quarantined: it has crashed workers" if claim.quarantined else "the version is gone"
            self._end(claim, failed(FailureClass.REJECTED, why, started_at))
            return None
        data = b""
        if is_one_call(claim, version):
            try:
                data = await self._store.read(claim.input, claim.project_id)
            except (Problem, QuilateError) as error:
                self._end(claim, failed(FailureClass.INPUT, f"the input cannot be read: {error}", started_at))
                return None
        return Job(claim=claim, version=version, data=data) if (claim.id, claim.fence) in self._running else None

    def _is_quick(self, job: Job) -> bool:
        return (
            is_one_call(job.claim, job.version)
            and job.claim.input.size <= _LARGEST_TOGETHER
            and self._paces.get(job.version.id, math.inf) <= _QUICK_MILLISECONDS
        )

    async def _run_together(self, jobs: Sequence[Job]) -> None:
        started_at = datetime.now(UTC)
        requests = [(job.version.program, payload_of(job.claim, job.data), job.version.limits) for job in jobs]
        outcomes: Sequence[Outcome] = ()
        try:
            outcomes = await self._pool.execute_many(requests)
        except* SandboxUnavailableError as group:
            self._unavailable(jobs, group.exceptions[0], started_at)
        for job, outcome in zip(jobs, outcomes, strict=False):
            await self._take(job, outcome, started_at)

    async def _run_alone(self, job: Job) -> None:
        claim, version, started_at = job.claim, job.version, datetime.now(UTC)
        if not is_one_call(claim, version):
            self._end(claim, await self._batch(job, started_at))
            return
        try:
            outcome = await self._pool.execute(version.program, payload_of(claim, job.data), limits=version.limits)
        except SandboxUnavailableError as error:
            self._unavailable([job], error, started_at)
            return
        await self._take(job, outcome, started_at)

    async def _batch(self, job: Job, started_at: datetime) -> Result:
        try:
            return await self._batches.run(job.claim, job.version, started_at)
        except Exception as error:  # noqa: BLE001 - whatever it is: the attempt counts, and is not made for ever
            _LOG.error("a batch ended by a fault", execution=str(job.claim.id), exc_info=True)
            fault = f"a fault of the service: {type(error).__name__}"
            return failed(FailureClass.UNAVAILABLE, fault, started_at)

    async def _take(self, job: Job, outcome: Outcome, started_at: datetime) -> None:
        self._learn(job.version.id, outcome.wall_milliseconds)
        try:
            result = await self._keeping.result(job.claim, job.version, outcome, started_at)
        except (Problem, QuilateError) as error:
            # The artifact store is full, or a key is gone: another attempt may find it mended.
            result = failed(FailureClass.UNAVAILABLE, f"the result cannot be kept: {error}", started_at)
        except Exception as error:  # noqa: BLE001 - whatever it is: those that ran together with it keep their results
            _LOG.error("a result could not be kept", execution=str(job.claim.id), exc_info=True)
            fault = f"a fault of the service: {type(error).__name__}"
            result = failed(FailureClass.UNAVAILABLE, fault, started_at)
        self._end(job.claim, result)

    def _unavailable(self, jobs: Sequence[Job], error: BaseException, started_at: datetime) -> None:
        for job in jobs:
            self._end(job.claim, failed(FailureClass.UNAVAILABLE, str(error), started_at))

    def _end(self, claim: Claim, result: Result) -> None:
        """Tell of an end; an attempt that was cancelled meanwhile has lost its row already."""
        if self._running.pop((claim.id, claim.fence), None) is not None:
            self._ended(Ended(claim=claim, result=result))

    def _learn(self, version_id: UUID, milliseconds: float) -> None:
        if len(self._paces) >= _MOST_PACES:
            self._paces.clear()
        before = self._paces.get(version_id, milliseconds)
        self._paces[version_id] = milliseconds * _WEIGHT + before * (1 - _WEIGHT)
