"""A worker: claims what is ready, runs it, writes what came of it in groups, keeps its one lease alive.

Each loop waits for its own kind of news; what ended gathers in ``_items`` and is written with the next transaction.
When the lease could not be renewed in time, the worker stops everything that it runs before the lease runs out: what
others have taken over must not be done twice.
"""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from quilate.domain.verdict import Completion
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.database.notices import notices
from quilate.kit.ids import uuid7
from quilate.kit.waiting import end_tasks, happened
from quilate.runs.durable.ahead import AheadParts, RunsAhead
from quilate.runs.durable.attempts import AttemptRunner
from quilate.runs.durable.deciding import decided_run, traced_decision
from quilate.runs.durable.figures import WorkerFigures
from quilate.runs.durable.holding import HeldSteps
from quilate.runs.durable.items import Completed, Decided, Item, Planned, Unplannable, step_of
from quilate.runs.durable.keeping import keep_documents
from quilate.runs.durable.lanes import Job, JobKey
from quilate.runs.durable.leaving import leave, with_effects
from quilate.runs.durable.live import LiveRun
from quilate.runs.durable.live_runs import LiveRuns
from quilate.runs.durable.losses import lost_attempt, lost_run, tell_lost
from quilate.runs.durable.model import Step
from quilate.runs.durable.planning import Planner
from quilate.runs.durable.preparation import Preparer
from quilate.runs.durable.presence import Presence
from quilate.runs.durable.rows import ClaimedCheck, ClaimedStep, claimed_check, claimed_step
from quilate.runs.durable.sql import CLAIMS
from quilate.runs.durable.steps import Chooser, Written, write_steps
from quilate.runs.durable.unreadable import give_back_unreadable
from quilate.runs.durable.wakeups import CANCELLED, CHANNEL, CONTROL, Wakeups
from quilate.runs.state import Attempt
from quilate.seals.keys import SigningKey
from quilate.seals.statement import Environment

_LOG = structlog.get_logger("quilate.worker")
_LARGEST_BATCH = 256
_LOOK_SECONDS = 1.0
_NO_ROOM_SECONDS = 5.0
"""A decision that the artifact store had no room for is tried again after this long."""
_MOST_LOSSES = 3
"""So many workers may die under a step before it ends as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        queues: Queues of checks that it takes.
        capacity: Checks in processes of their own at once.
        runs: Runs that it plans or decides at once.
        concurrent_runs: Runs of one project at once where the project says nothing else.
        lease_seconds: How long its claims outlive its last sign of life.
        beat_seconds: How often it gives one.
        plugins: Modules to load, here and in the processes of the checks, before anything runs.
        environment: What its seals say about where they were made.
        secret_variables: Variables that checks may be given, see ``quilate.checks.variables``; ``None`` for any.
    """

    queues: frozenset[str] = frozenset({"code", "data", "ml", "security"})
    capacity: int = max(4, 2 * (os.cpu_count() or 2))
    runs: int = 128
    concurrent_runs: int = 200
    lease_seconds: float = 15.0
    beat_seconds: float = 5.0
    plugins: tuple[str, ...] = ()
    environment: Environment = Environment.SERVICE
    secret_variables: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What a worker works with."""

    database: Database
    preparer: Preparer
    planner: Planner
    artifacts: ArtifactStore
    runner: AttemptRunner
    wakeups: Wakeups
    key: SigningKey
    figures: WorkerFigures


class Worker:
    """One worker process's share of the work."""

    def __init__(self, parts: WorkerParts, options: WorkerOptions) -> None:
        self._parts = parts
        self._options = options
        self._id = uuid7()
        self._live = LiveRuns(parts.database, parts.preparer, parts.artifacts)
        self._items: list[Item] = []
        self._writing: Sequence[Item] = ()
        self._held = HeldSteps(parts.database, self._id)
        self._starting: set[JobKey] = set()
        self._ahead = RunsAhead(
            AheadParts(
                start=parts.runner.start,
                decide=lambda run: traced_decision(run, parts.key, options.environment),
                write=self._add,
                failed=lambda step, error: self._spawn(self._held.give_back([step], error)),
            ),
            options.queues,
        )
        self._dirty = asyncio.Event()
        self._look = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._presence = Presence(
            parts.database,
            parts.runner,
            worker=self._id,
            queues=options.queues,
            lease_seconds=options.lease_seconds,
            beat_seconds=options.beat_seconds,
            pending=self._pending,
            steps=self._held,
            returned=self._look.set,
        )
        parts.runner.ended = self._ended

    @property
    def id(self) -> UUID:
        """The worker's name in the database."""
        return self._id

    @property
    def busy(self) -> bool:
        """Whether checks are running here."""
        return bool(self._parts.runner.jobs)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then finish writing, give back what is claimed and leave.

        Raises:
            LeaseLostError: Nothing was heard of the database for a whole lease; everything here was ended.
        """
        await self._presence.register()
        self._parts.runner.prepare()
        loops = [
            asyncio.create_task(loop)
            for loop in (
                self._claims(),
                self._writes(),
                self._presence.beats(),
                self._notices(),
                self._parts.runner.logs.run(),
            )
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({stopping, *loops}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            begun = self._parts.runner.begun_effects()
            self._parts.runner.close()
            await end_tasks((stopping, *loops, *self._background))
            with contextlib.suppress(DATABASE_ERROR, OSError):
                await self._leave(begun)

    async def _leave(self, begun: Sequence[JobKey]) -> None:
        """Write what has ended, also what could not be written before, and give back the rest."""
        items = [*self._writing, *self._items]
        ended, _ = await keep_documents(items, self._parts.artifacts)
        effects = {*begun, *with_effects(self._pending(), self._live.known)}

        async def work(connection: Connection) -> None:
            await leave(connection, self._id, self._live.known, ended=ended, begun=effects)

        if self._presence.lasts:
            await self._parts.database.run(work, patience_seconds=2.0)

    # Claims

    async def _claims(self) -> None:
        while True:
            self._look.clear()
            found = await self._claim_runs() if len(self._held) < self._options.runs else 0
            found += await self._claim_checks() if self._parts.runner.free > 0 else 0
            if not found:
                await happened(self._look, _LOOK_SECONDS)

    async def _claim_runs(self) -> int:
        room = self._options.runs - len(self._held)
        arguments = {"worker": self._id, "limit": room, "most": self._options.concurrent_runs}

        async def work(connection: Connection) -> list[ClaimedStep]:
            cursor = await connection.execute(CLAIMS["claim_steps"], arguments)
            rows = await cursor.fetchall()
            if len(rows) < room:
                cursor = await connection.execute(CLAIMS["claim_runs"], {**arguments, "limit": room - len(rows)})
                rows += await cursor.fetchall()
            return [claimed_step(row) for row in rows]

        claims = await self._parts.database.run_pipelined(work)
        self._held.take((claim.run_id, claim.attempt) for claim in claims)
        lost = [claim for claim in claims if claim.losses >= _MOST_LOSSES]
        self._add(*(Unplannable(claim=claim, failure=lost_run(claim.losses), lost=True) for claim in lost))
        good = [claim for claim in claims if claim.losses < _MOST_LOSSES]
        to_plan = [claim for claim in good if claim.step is Step.PLAN]
        to_decide = [claim for claim in good if claim.step is Step.DECIDE]
        if to_plan:
            self._spawn(self._held.carry_out(self._plan, to_plan))
        if to_decide:
            self._spawn(self._held.carry_out(self._decide_claimed, to_decide))
        return len(claims)

    async def _claim_checks(self) -> int:
        arguments = {"worker": self._id, "queues": sorted(self._options.queues), "limit": self._parts.runner.free}

        async def work(connection: Connection) -> list[ClaimedCheck]:
            cursor = await connection.execute(CLAIMS["claim_checks"], arguments)
            return [claimed_check(row) for row in await cursor.fetchall()]

        claims = await self._parts.database.run_pipelined(work)
        if claims:
            self._parts.runner.reserve(len(claims))
            self._spawn(self._start_claimed(claims))
        return len(claims)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Checks that it had claimed are found by the beats as known to nobody here, and given back.
            _LOG.error("step failed", error=repr(task.exception()))

    async def _plan(self, claims: list[ClaimedStep]) -> None:
        rules = await self._parts.planner.rules_for(claims)

        async def plan(alone: list[ClaimedStep]) -> None:
            for claim in alone:
                item = await self._parts.planner.plan(claim, rules)
                if isinstance(item, Planned):
                    self._ahead.begin(item)
                else:
                    self._add(item)

        await asyncio.gather(*(self._held.carry_out(plan, [claim]) for claim in claims))

    async def _decide_claimed(self, claims: list[ClaimedStep]) -> None:
        runs = await self._live.loaded([claim.run_id for claim in claims], fresh=True)
        for claim in claims:
            if claim.run_id in runs:
                await self._decide(runs[claim.run_id], claim.attempt)
            else:
                # It ended meanwhile: nothing of it is held any more.
                self._held.forget([(claim.run_id, claim.attempt)])

    async def _start_claimed(self, claims: list[ClaimedCheck]) -> None:
        keys = {(claim.run_id, claim.check_id, claim.attempt) for claim in claims}
        self._starting |= keys
        try:
            await self._start_loaded(claims)
        finally:
            self._starting -= keys

    async def _start_loaded(self, claims: list[ClaimedCheck]) -> None:
        try:
            runs, failed = await self._live.loaded_apart({claim.run_id for claim in claims})
        finally:
            self._parts.runner.reserve(-len(claims))
        await self._give_back_unreadable(failed, [(claim.run_id, claim.check_id, claim.attempt) for claim in claims])
        for claim in claims:
            run = runs.get(claim.run_id)
            if run is None:
                continue
            check = run.checks[claim.check_id]
            lost = lost_attempt(check, claim.losses, most=_MOST_LOSSES)
            if lost is None:
                self._parts.runner.start(run, check, claim.attempt)
            else:
                self._add(Completed(run_id=run.id, check_id=check.id, number=claim.attempt, attempt=lost))
                await tell_lost(self._parts.database, run, check, claim.losses)

    async def _give_back_unreadable(self, failed: Mapping[UUID, Exception], checks: Sequence[JobKey]) -> None:
        for run_id, error in failed.items():
            held = [key for key in checks if key[0] == run_id]
            await give_back_unreadable(self._parts.database, self._id, held, error, most=_MOST_LOSSES)

    def _pending(self) -> set[JobKey]:
        """Return the attempts that are about to be started, and those whose ends are still to be written."""
        waiting = (*self._items, *self._writing)
        ended = {(item.run_id, item.check_id, item.number) for item in waiting if isinstance(item, Completed)}
        return ended | self._starting

    # What ended

    def _ended(self, job: Job, attempt: Attempt) -> None:
        """Take the end of an attempt; one that was cancelled here has lost its row already."""
        run_id, check_id, number = job.key
        if attempt.completion is Completion.CANCELLED or self._ahead.ended(job.key, attempt):
            return
        self._add(Completed(run_id=run_id, check_id=check_id, number=number, attempt=attempt))
        self._look.set()

    def _add(self, *items: Item) -> None:
        if items:
            self._items.extend(items)
            self._dirty.set()

    async def _writes(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            while self._items:
                batch, self._items = self._items[:_LARGEST_BATCH], self._items[_LARGEST_BATCH:]
                self._writing = batch
                await self._write(batch)
                self._writing = ()

    async def _write(self, batch: Sequence[Item]) -> None:
        batch, late = await keep_documents(batch, self._parts.artifacts)
        if late:
            self._spawn(self._later(late))

        async def work(connection: Connection) -> Written:
            chooser = Chooser(self._options.queues, self._parts.runner.free)
            return await write_steps(connection, batch, self._live.known, self._id, chooser)

        # Without the database nothing can be written: the beats end this worker before its lease runs out.
        written = await self._parts.database.run_pipelined(work, patience_seconds=self._options.lease_seconds)
        self._parts.figures.written(batch, written)
        self._held.forget(step_of(item) for item in batch if not isinstance(item, Completed))
        self._live.add([item for item in batch if isinstance(item, Planned)], written.new)
        await self._apply(written)

    async def _apply(self, written: Written) -> None:
        for transition, mine in written.transitions:
            transition.apply()
            for ready in transition.waiting:
                if ready.check.id in mine:
                    self._parts.runner.start(transition.run, ready.check, ready.number)
        for run, attempt in written.deciding:
            self._held.take([(run.id, attempt)])
            if run.decides_at_once:
                await self._decide(run, attempt)
            else:
                self._spawn(self._decide(run, attempt))
        self._live.drop(run_id for run_id, _, _ in written.ended)
        if written.reload:
            await self._reload(written.reload)
        self._tell(written)

    def _tell(self, written: Written) -> None:
        for queue in written.queues:
            self._parts.wakeups.work_is_there(queue)
        if written.cancelled:
            self._parts.wakeups.work_is_there(CANCELLED)
        if written.ended:
            self._look.set()

    async def _reload(self, items: Sequence[Completed]) -> None:
        """Read runs again that others have advanced; one that has no state any more was ended without these items."""
        runs, failed = await self._live.loaded_apart({item.run_id for item in items}, fresh=True)
        self._add(*(item for item in items if item.run_id in runs))
        await self._give_back_unreadable(failed, [(item.run_id, item.check_id, item.number) for item in items])
        self._live.forget_old({run for run, _, _ in self._parts.runner.jobs})

    async def _decide(self, run: LiveRun, attempt: int) -> None:
        try:
            decided = await decided_run(run, self._parts.key, self._options.environment)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else can decide while it is held
            await self._held.give_back([(run.id, attempt)], error)
            return
        self._add(Decided(run_id=run.id, project_id=run.project_id, attempt=attempt, decided=decided))

    async def _later(self, items: Sequence[Item]) -> None:
        await asyncio.sleep(_NO_ROOM_SECONDS)
        self._add(*items)

    async def _notices(self) -> None:
        mine = {CONTROL, *self._options.queues}
        async for queue in notices(self._parts.database.url, CHANNEL):
            if queue == CANCELLED:
                self._presence.look()
            elif not queue or queue in mine:
                self._look.set()
