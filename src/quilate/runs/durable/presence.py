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
from quilate.runs.durable.lanes import JobKey
from quilate.runs.durable.sql import QUERIES

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
        returned: Callable[[], None],
    ) -> None:
        self._database = database
        self._runner = runner
        self._worker = worker
        self._queues = queues
        self._lease = lease_seconds
        self._beat = beat_seconds
        self._pending = pending
        self._returned = returned
        self._lease_end = 0.0
        self._looked = asyncio.Event()
        self._strangers: set[JobKey] = set()

    @property
    def lasts(self) -> bool:
        """Whether the lease has not run out by this machine's own clock, which no step of the time of day moves."""
        return time.monotonic() < self._lease_end

    async def register(self) -> None:
        """Take up the lease."""
        begin = time.monotonic()

        async def work(connection: Connection) -> None:
            await connection.execute(
                QUERIES["register_worker"],
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
            if await happened(self._looked, due - time.monotonic()):
                self._looked.clear()
            else:
                due = time.monotonic() + self._beat
                if not await self._renew():
                    continue
            try:
                await self._reconcile()
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
                cursor = await connection.execute(QUERIES["renew_lease"], arguments)
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

    async def _reconcile(self) -> None:
        """End what this worker runs and no longer holds, and give back what it holds and does not know of.

        The second happens when a connection breaks in a COMMIT that had counted; a claim that is still on its way to
        a lane looks the same for a moment, so only what is unknown twice in a row is given back.
        """
        before = self._runner.jobs
        async with self._database.connection() as connection:
            cursor = await connection.execute(QUERIES["claimed_checks"], {"worker": self._worker})
            held = {(row["run_id"], row["check_id"], row["attempt"]) for row in await cursor.fetchall()}
        gone = before - held
        if gone:
            self._runner.cancel(gone)
        strangers = held - before - self._runner.jobs - self._pending()
        lost = strangers & self._strangers
        self._strangers = strangers - lost
        if lost:
            listed = sorted(lost)
            async with self._database.connection() as connection:
                await connection.execute(
                    QUERIES["release_these_checks"],
                    {
                        "runs": [run for run, _, _ in listed],
                        "checks": [check for _, check, _ in listed],
                        "attempts": [number for _, _, number in listed],
                        "worker": self._worker,
                    },
                )
            self._returned()
