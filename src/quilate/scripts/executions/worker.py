"""A script worker: claims what waits, runs it, writes what came of it in groups, keeps its one lease alive.

Each loop waits for its own kind of news. When the lease could not be renewed in time, the worker stops everything that
it runs before the lease runs out: what others have taken over must not be written twice, and is not, by its fence.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import structlog

from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.database.notices import Notice, notices
from quilate.kit.ids import uuid7
from quilate.kit.waiting import end_tasks, happened
from quilate.sandbox.model import Engine, LevelReport
from quilate.scripts.executions.end_notices import end_notice
from quilate.scripts.executions.finishing import Crashes, write_ends
from quilate.scripts.executions.model import Ended, Quota, Written
from quilate.scripts.executions.outcomes import Keeping
from quilate.scripts.executions.presence import Presence
from quilate.scripts.executions.recovery import recover
from quilate.scripts.executions.rows import claim_from
from quilate.scripts.executions.running import Batches, JobKey, Pool, Runner, Versions
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.executions.wakeups import (
    CANCELLED,
    WORK,
    WORK_CHANNEL,
    Notifier,
)
from quilate.scripts.payloads.contents import PayloadStore

_LOG = structlog.get_logger("quilate.scripts")
_LARGEST_BATCH = 256
_LOOK_SECONDS = 0.25
_RECOVERY_SECONDS = 0.5


class ReportingPool(Pool, Protocol):
    """A pool that has proven how its sandboxes are shut in."""

    @property
    def report(self) -> LevelReport:
        """What it has proven."""
        ...


class KnownVersions(Versions, Crashes, Protocol):
    """Knows versions and counts their crashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionWorkerOptions:
    """How a script worker works.

    Attributes:
        sandboxes: Sandbox processes that it has.
        engines: What they run.
        capacity: Executions that it holds at once.
        lease_seconds: How long its claims outlive its last sign of life.
        beat_seconds: How often it gives one.
        quota: What a project may use where nobody has set anything else.
    """

    sandboxes: int = 2
    engines: frozenset[Engine] = frozenset({Engine.DEFAULT})
    capacity: int = 64
    lease_seconds: float = 15.0
    beat_seconds: float = 5.0
    quota: Quota = field(default_factory=Quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionWorkerParts:
    """What a script worker works with.

    Attributes:
        database: Results are written here.
        claims: The same database, by a connection whose commits need not be durable: a claim that a crash of the
            server forgets is made again, and what came of it does not count, for its row is held by nobody.
        pool: The sandboxes, started.
        versions: Knows versions and counts their crashes.
        store: Knows contents.
        keeping: Keeps outputs.
        batches: Runs what is more than one call.
        observe: Hears of each batch of ends that was written.
    """

    database: Database
    claims: Database
    pool: ReportingPool
    versions: KnownVersions
    store: PayloadStore
    keeping: Keeping
    batches: Batches
    observe: Callable[[Sequence[Ended], Written], None] | None = None


class ExecutionWorker:
    """One script worker process's share of the work."""

    def __init__(self, parts: ExecutionWorkerParts, options: ExecutionWorkerOptions) -> None:
        self._parts = parts
        self._options = options
        self._id = uuid7()
        self._ends: list[Ended] = []
        self._writing: Sequence[Ended] = ()
        self._dirty = asyncio.Event()
        self._look = asyncio.Event()
        self._work = Notifier(parts.database, WORK_CHANNEL)
        self._runner = Runner(
            parts.pool,
            versions=parts.versions,
            store=parts.store,
            keeping=parts.keeping,
            batches=parts.batches,
            ended=self._ended,
        )
        self._presence = Presence(
            parts.database,
            self._id,
            lease_seconds=options.lease_seconds,
            beat_seconds=options.beat_seconds,
            runner=self._runner,
            pending=self._pending,
            returned=self._look.set,
        )

    @property
    def id(self) -> UUID:
        """The worker's name in the database."""
        return self._id

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then write what has ended, give back what is claimed and leave.

        Raises:
            LeaseLostError: Nothing was heard of the database for a whole lease; everything here was ended.
        """
        engines = sorted(each.value for each in self._options.engines)
        await self._presence.register(engines, self._options.sandboxes, self._parts.pool.report)
        loops = [
            asyncio.create_task(loop)
            for loop in (
                self._claims(),
                self._writes(),
                self._presence.beats(),
                self._notices(),
                self._recoveries(),
            )
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({stopping, *loops}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            await self._runner.close()
            await end_tasks((stopping, *loops))
            with contextlib.suppress(DATABASE_ERROR, OSError):
                await self._leave()
            await self._work.close()

    async def _leave(self) -> None:
        """Write what has ended and give back the rest."""
        if not self._presence.lasts:
            return
        ends = [*self._writing, *self._ends]
        if ends:
            await self._write(ends, patience_seconds=2.0)

        async def work(connection: Connection) -> bool:
            cursor = await connection.execute(QUERIES["release"], {"worker": self._id})
            given_back = bool(await cursor.fetchall())
            await connection.execute(QUERIES["remove_worker"], {"worker": self._id})
            return given_back

        if await self._parts.database.run(work, patience_seconds=2.0):
            self._work.tell(WORK)

    # Claims

    @property
    def _room(self) -> int:
        return self._options.capacity - len(self._runner.jobs)

    async def _claims(self) -> None:
        while True:
            self._look.clear()
            room = self._room
            # Claiming a few each time somebody is done costs more than waiting for a few more.
            if room < max(self._options.capacity // 4, 1) or await self._claim(room) < room:
                await happened(self._look, _LOOK_SECONDS)

    async def _claim(self, room: int) -> int:
        """Take executions and begin them; return how many."""
        arguments = {"worker": self._id, "limit": room, "concurrency": self._options.quota.concurrency}
        try:
            async with self._parts.claims.connection() as connection:
                cursor = await connection.execute(QUERIES["claim"], arguments)
                claims = [claim_from(row) for row in await cursor.fetchall()]
        except (DATABASE_ERROR, OSError) as error:
            # What was claimed all the same is found by the beats and given back.
            _LOG.warning("executions could not be claimed", error=type(error).__name__)
            return 0
        if claims:
            self._runner.start(claims)
        return len(claims)

    def _pending(self) -> frozenset[JobKey]:
        """Return the attempts whose ends are still to be written."""
        return frozenset((each.claim.id, each.claim.fence) for each in (*self._ends, *self._writing))

    # Ends

    def _ended(self, ended: Ended) -> None:
        self._ends.append(ended)
        self._dirty.set()

    async def _writes(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            while self._ends:
                # One turn of the loop lets ends that come at this moment come along.
                await asyncio.sleep(0)
                self._writing, self._ends = self._ends[:_LARGEST_BATCH], self._ends[_LARGEST_BATCH:]
                # Without the database nothing can be written: the beats end this worker before its lease runs out.
                written = await self._write(self._writing, patience_seconds=self._options.lease_seconds)
                self._writing = ()
                if written.more:
                    self._look.set()

    async def _write(self, ends: Sequence[Ended], *, patience_seconds: float) -> Written:
        async def work(connection: Connection) -> Written:
            return await write_ends(
                connection,
                ends,
                worker=self._id,
                crashes=self._parts.versions,
                defaults=self._options.quota,
            )

        def announce(written: Written) -> Notice | None:
            return end_notice(ends, written.awaited)

        written = await self._parts.database.run_pipelined(work, patience_seconds=patience_seconds, announce=announce)
        if written.quarantined:
            _LOG.warning("versions were quarantined", versions=[str(each) for each in written.quarantined])
        if self._parts.observe is not None:
            self._parts.observe(ends, written)
        return written

    # News

    async def _notices(self) -> None:
        async for notice in notices(self._parts.database.url, WORK_CHANNEL):
            if CANCELLED in notice:
                self._presence.look()
            if not notice or WORK in notice:
                self._look.set()

    async def _recoveries(self) -> None:
        while True:
            try:
                if await self._parts.database.run(recover, patience_seconds=self._options.lease_seconds):
                    self._work.tell(WORK)
                    self._look.set()
            except (DATABASE_ERROR, OSError) as error:
                _LOG.warning("recovery of executions could not look", error=str(error))
            await asyncio.sleep(_RECOVERY_SECONDS)
