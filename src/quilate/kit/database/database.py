"""Connections to one PostgreSQL database, each piece of work in one transaction."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from quilate.kit.database.addresses import connection_arguments
from quilate.kit.database.notices import Notice, notify

Connection = psycopg.AsyncConnection[DictRow]
"""What stores take; rows are dictionaries unless a cursor asks for another form."""

Result = TypeVar("Result")

RETRIED_ERRORS = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.TooManyConnections,
    psycopg.OperationalError,
)
"""What passes by itself: a lost race, or a server that went away and comes back (restart, failover)."""

_LOG = structlog.get_logger("quilate.database")
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


class Database:
    """A pool of connections; use ``open`` to get one."""

    def __init__(self, pool: AsyncConnectionPool[Connection], url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, name: str = "quilate", min_size: int = 1, max_size: int = 8, patience_seconds: float = 30.0
    ) -> "AsyncIterator[Database]":
        """Open a pool for the time of the ``async with`` block.

        Args:
            url: ``postgresql://`` address.
            name: What the server's own views call this process.
            min_size: Connections kept open.
            max_size: Connections at most.
            patience_seconds: How long a caller waits for a free connection.

        Raises:
            psycopg_pool.PoolTimeout: No connection came about within the patience.
        """
        database = cls.prepared(url, name=name, min_size=min_size, max_size=max_size, patience_seconds=patience_seconds)
        async with database.opened(patience_seconds=patience_seconds):
            yield database

    @classmethod
    def prepared(
        cls, url: str, *, name: str = "quilate", min_size: int = 1, max_size: int = 8, patience_seconds: float = 30.0
    ) -> "Database":
        """Return a pool that ``opened`` opens, for parts that are put together before there is an event loop."""
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            "",
            kwargs={
                **connection_arguments(url),
                "row_factory": dict_row,
                "autocommit": True,
                "application_name": name,
            },
            min_size=min_size,
            max_size=max_size,
            timeout=patience_seconds,
            open=False,
        )
        return cls(pool, url)

    @asynccontextmanager
    async def opened(self, *, patience_seconds: float = 30.0) -> AsyncIterator[None]:
        """Keep the pool open for the time of the ``async with`` block; once.

        Raises:
            psycopg_pool.PoolTimeout: No connection came about within the patience.
        """
        try:
            await self._pool.open(wait=True, timeout=patience_seconds)
            yield
        finally:
            await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Give a connection on which each statement commits by itself."""
        async with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection within one transaction, committed at the end of the block; see ``run``."""
        async with self._pool.connection() as connection, connection.transaction():
            yield connection

    async def run(self, work: Callable[[Connection], Awaitable[Result]], *, patience_seconds: float = 30.0) -> Result:
        """Do ``work`` in one transaction, again where a passing fault of the database ended it.

        Where somebody else was faster to take a name, ``work`` is done once more and finds it taken.

        When a connection breaks in its COMMIT nobody knows whether it counted. So ``work`` must be safe to repeat:
        inserts with ``ON CONFLICT``, updates that name the state that they expect.

        Args:
            work: What to do.
            patience_seconds: How long faults are waited out.

        Raises:
            psycopg.Error: The last error, once the patience is used up, or one that does not pass by itself.
        """

        async def attempt() -> Result:
            async with self.transaction() as connection:
                return await work(connection)

        return await self._repeated(attempt, patience_seconds)

    async def run_pipelined(
        self,
        work: Callable[[Connection], Awaitable[Result]],
        *,
        patience_seconds: float = 30.0,
        announce: Callable[[Result], Notice | None] | None = None,
    ) -> Result:
        """Do the same without waiting for the server, except where ``work`` fetches a result.

        Args:
            work: What to do; a fault of a statement whose result it does not fetch is raised later.
            patience_seconds: How long faults are waited out.
            announce: What is told once it is committed, given what ``work`` returned; may be lost.

        Raises:
            psycopg.Error: As for ``run``.
        """

        async def attempt() -> Result:
            # psycopg's own transaction waits for the server before its COMMIT, and again after it.
            async with self._pool.connection() as connection:
                commit = connection.cursor()
                try:
                    async with connection.pipeline():
                        await connection.execute("BEGIN", prepare=False)
                        result = await work(connection)
                        notice = announce(result) if announce is not None else None
                        await commit.execute("COMMIT", prepare=False)
                        if notice is not None:
                            # Else the server keeps its answer to COMMIT until the notice is told.
                            connection.pgconn.send_flush_request()
                            await notify(connection, notice)
                except psycopg.errors.PipelineAborted as error:
                    # To the driver this is a fault that may pass, but ``work`` went on after a statement had failed.
                    raise psycopg.InternalError("a statement of the transaction failed before its end") from error
                except psycopg.Error as error:
                    # What was committed counts, whatever became of the notice.
                    if commit.statusmessage != "COMMIT":
                        raise
                    _LOG.warning("a notice was lost", error=type(error).__name__)
                if commit.statusmessage != "COMMIT":
                    raise psycopg.InternalError(f"the server answered {commit.statusmessage} to COMMIT")
                return result

        return await self._repeated(attempt, patience_seconds)

    async def _repeated(self, attempt: Callable[[], Awaitable[Result]], patience_seconds: float) -> Result:
        end = time.monotonic() + patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        lost = False
        while True:
            try:
                return await attempt()
            except psycopg.errors.UniqueViolation:
                # Both looked whether something was free, and both saw that it was; now the other's is there to be seen.
                if lost:
                    raise
                lost = True
                continue
            except RETRIED_ERRORS:
                if time.monotonic() + pause >= end:
                    raise
                # Where one connection broke, the others may have: those that did are thrown away.
                await self._pool.check()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def statistics(self) -> dict[str, Any]:
        """Return the pool's own counters."""
        return dict(self._pool.get_stats())
