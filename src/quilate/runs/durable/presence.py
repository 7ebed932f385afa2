"""A worker's signs of life, and what it does when somebody else has taken its work over."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from uuid import UUID

import structlog

from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.waiting import happened
from quilate.runs.durable.attempts import AttemptRunner
from quilate.runs.durable.holding import HeldSteps, StepKey, release_checks, release_steps
from quilate.runs.durable.lanes import JobKey
from quilate.runs.durable.sql import CLAIMS

_LOG = structlog.get_logger("quilate.worker")


class LeaseLostError(Exception):
    """The lease ran out: everything that this worker had claimed belongs to others."""


class Presence:
    """Keeps one lease alive and holds what runs here against what the database says is held."""

    def __init__(  # noqa: PLR0913 - what a lease is about
        self,
        database: Database,
        runner: AttemptRunner,
        *,
        worker: UUID,
        queues: frozenset[str],
        lease_seconds: float,
        beat_seconds: float,
        pending: Callable[[], set[JobKey]],
        steps: HeldSteps,
        returned: Callable[[], None],
    ) -> None:
        self._database = database
        self._runner = runner
        self._worker = worker
        self._queues = queues
        self._lease = lease_seconds
        self._beat = beat_seconds
        self._pending = pending
        self._steps = steps
        self._returned = returned
        self._lease_end = 0.0
        self._looked = asyncio.Event()
        self._strangers: set[JobKey] = set()
        self._strange_steps: set[StepKey] = set()

    @property
    def lasts(self) -> bool:
        """Whether the lease has not run out by this machine's own clock, which no step of the time of day moves."""
        return time.monotonic() < self._lease_end

    async def register(self) -> None:
        """Take up the lease."""
        begin = time.monotonic()

        async def work(connection: Connection) -> None:
            await connection.execute(
                CLAIMS["register_worker"],
                {
                    "worker": self._worker,
                    "host": socket.gethostname(),
                    "process": os.getpid(),
                    "queues": sorted(self._queues),
                    "lease": self._lease,
                },
            )

        await self._database.run(work)
        self._lease_end = begin + self._lease

    def look(self) -> None:
        """Look now: something was cancelled."""
        self._looked.set()

    async def beats(self) -> None:
        """Renew the lease for ever.

        Raises:
            LeaseLostError: It could not be renewed in time, or was taken away.
        """
        due = time.monotonic() + self._beat
        while True:
            looked = await happened(self._looked, due - time.monotonic())
            if looked:
                self._looked.clear()
            else:
                due = time.monotonic() + self._beat
                if not await self._renew():
                    continue
            try:
                await self._end_what_is_gone()
                if not looked:
                    await self._give_back_strangers()
            except DATABASE_ERROR as error:
                _LOG.warning("held work could not be read", error=str(error))
            self._runner.end_overdue()

    async def _renew(self) -> bool:
        """Renew the lease; ``False``: the database did not answer, and there is still time to ask again."""
        begin = time.monotonic()
        arguments = {"worker": self._worker, "lease": self._lease}
        try:
            left = max(self._lease_end - begin - self._margin, 0.1)
            async with asyncio.timeout(left), self._database.connection() as connection:
                cursor = await connection.execute(CLAIMS["renew_lease"], arguments)
                renewed = await cursor.fetchone() is not None
        except (DATABASE_ERROR, OSError, TimeoutError):
            if time.monotonic() + self._margin < self._lease_end:
                return False
            renewed = False
        if not renewed:
            # Taken over, or about to be: what this worker still does must end before somebody else does it.
            raise LeaseLostError(str(self._worker))
        self._lease_end = begin + self._lease
        return True

    @property
    def _margin(self) -> float:
        """Seconds before the end of the lease by which everything here is to be ended."""
        return min(1.0, self._lease / 5)

    async def _end_what_is_gone(self) -> None:
        """End what this worker runs and does not hold any more."""
        running = self._runner.jobs
        async with self._database.connection() as connection:
            gone = running - await self._held_checks(connection)
        if gone:
            self._runner.cancel(gone)

    async def _give_back_strangers(self) -> None:
        """Give back what this worker holds and does not know of.

        That happens when a connection breaks in a COMMIT that had counted, or what went on with it has failed. A claim
        whose COMMIT was just answered looks the same for a moment, so only what two beats in a row find is given back.
        """
        known_checks, known_steps = self._known_checks(), self._steps.known
        async with self._database.connection() as connection:
            held_checks, held_steps = await self._held_checks(connection), await self._held_steps(connection)
            checks = held_checks - known_checks - self._known_checks()
            steps = held_steps - known_steps - self._steps.known
            lost_checks, lost_steps = checks & self._strangers, steps & self._strange_steps
            self._strangers, self._strange_steps = checks - lost_checks, steps - lost_steps
            if lost_checks:
                await release_checks(connection, self._worker, sorted(lost_checks))
            if lost_steps:
                await release_steps(connection, self._worker, sorted(lost_steps))
        if lost_checks or lost_steps:
            _LOG.warning("what nobody here knew of was given back", checks=len(lost_checks), steps=len(lost_steps))
            self._returned()

    def _known_checks(self) -> set[JobKey]:
        return self._runner.jobs | self._pending()

    async def _held_checks(self, connection: Connection) -> set[JobKey]:
        cursor = await connection.execute(CLAIMS["claimed_checks"], {"worker": self._worker})
        return {(row["run_id"], row["check_id"], row["attempt"]) for row in await cursor.fetchall()}

    async def _held_steps(self, connection: Connection) -> set[StepKey]:
        cursor = await connection.execute(CLAIMS["claimed_steps"], {"worker": self._worker})
        return {(row["id"], row["attempt"]) for row in await cursor.fetchall()}
