"""A script worker's signs of life, and what it does when somebody else has taken its work over."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from uuid import UUID

import msgspec
import structlog

from quilate.kit.database.arrays import number_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.kit.waiting import happened
from quilate.sandbox.model import LevelReport
from quilate.scripts.executions.running import JobKey, Runner
from quilate.scripts.executions.sql import QUERIES

_LOG = structlog.get_logger("quilate.scripts")


class LeaseLostError(Exception):
    """The lease ran out: everything that this worker had claimed belongs to others."""


async def register(  # noqa: PLR0913 - what is known of a worker
    connection: Connection,
    worker: UUID,
    *,
    engines: Sequence[str],
    sandboxes: int,
    lease_seconds: float,
    report: LevelReport | None = None,
    refusal: str | None = None,
) -> None:
    """Write down that a worker is there: with what its sandboxes proved, or with why it refuses to work."""
    attempts = [asdict(each) for each in report.attempts] if report is not None else []
    await connection.execute(
        QUERIES["register_worker"],
        {
            "worker": worker,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "engines": list(engines),
            "sandboxes": sandboxes,
            "level": report.level.value if report is not None else None,
            "attempts": msgspec.json.encode(attempts).decode(),
            "missing": list(report.missing) if report is not None else [],
            "refusal": refusal,
            "lease": lease_seconds,
        },
    )


class Presence:
    """Keeps one lease alive and holds what runs here against what the database says is held.

    Args:
        database: Where leases are.
        worker: Whose lease it is.
        lease_seconds: How long claims outlive the last sign of life.
        beat_seconds: How often one is given.
        runner: What runs here.
        pending: Attempts whose ends are still to be written, and claims on their way to the runner.
        returned: Called when work was given back.
    """

    def __init__(  # noqa: PLR0913 - what a lease is about
        self,
        database: Database,
        worker: UUID,
        *,
        lease_seconds: float,
        beat_seconds: float,
        runner: Runner,
        pending: Callable[[], frozenset[JobKey]],
        returned: Callable[[], None],
    ) -> None:
        self._database = database
        self._worker = worker
        self._lease = lease_seconds
        self._beat = beat_seconds
        self._runner = runner
        self._pending = pending
        self._returned = returned
        self._lease_end = 0.0
        self._looked = asyncio.Event()
        self._strangers: frozenset[JobKey] = frozenset()

    @property
    def lasts(self) -> bool:
        """Whether the lease has not run out by this machine's own clock, which no step of the time of day moves."""
        return time.monotonic() < self._lease_end

    async def register(self, engines: Sequence[str], sandboxes: int, report: LevelReport) -> None:
        """Take up the lease."""
        begin = time.monotonic()

        async def work(connection: Connection) -> None:
            await register(
                connection,
                self._worker,
                engines=engines,
                sandboxes=sandboxes,
                lease_seconds=self._lease,
                report=report,
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
                _LOG.warning("held executions could not be read", error=str(error))

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

        The second happens when a connection breaks in a COMMIT that had counted; a claim that is still on its way here
        looks the same for a moment, so only what is unknown twice in a row is given back.
        """
        before = self._runner.jobs
        async with self._database.connection() as connection:
            cursor = await connection.execute(QUERIES["claimed"], {"worker": self._worker})
            held = frozenset((row["execution_id"], row["fence"]) for row in await cursor.fetchall())
        gone = before - held
        if gone:
            self._runner.cancel(gone)
            self._returned()
        strangers = held - before - self._runner.jobs - self._pending()
        lost = sorted(strangers & self._strangers)
        self._strangers = strangers - frozenset(lost)
        if lost:
            await self._give_back(lost)

    async def _give_back(self, lost: Sequence[JobKey]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["release_these"],
                {
                    "ids": uuid_array(execution for execution, _ in lost),
                    "fences": number_array(fence for _, fence in lost),
                    "worker": self._worker,
                },
            )
        self._returned()
