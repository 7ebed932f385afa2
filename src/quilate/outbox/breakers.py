"""Circuit breakers in the database: what one worker learns of an external system, all workers know."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quilate.domain.errors import QuilateError
from quilate.kit.circuit_breaker import Breaker, BreakerPolicy, BreakerState, Permit, admit, report
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.queries import load_queries

_QUERIES = load_queries("quilate.outbox", "breakers.sql")


class CircuitOpenError(QuilateError):
    """An external system is left alone for now. ``retry_seconds``: when it is worth asking again."""

    def __init__(self, target: str, retry_seconds: float) -> None:
        super().__init__(
            f"{target} failed too often and is left alone for now",
            next_step=f"it is tried again in {max(1, round(retry_seconds))} seconds",
        )
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of a breaker's state."""

    target: str
    before: BreakerState
    after: BreakerState
    failures: int
    retry_at: datetime | None


OnTransition = Callable[[Connection, Transition], Awaitable[None]]
"""Tells of a change within its transaction; ``quilate.ops.breakers.audit_transition`` writes the audit entry."""


class Breakers:
    """One breaker for each target.

    Args:
        database: Where they are.
        on_transition: Called in the transaction of each change of state.
        policy: When they open.
    """

    def __init__(self, database: Database, on_transition: OnTransition, *, policy: BreakerPolicy | None = None) -> None:
        self._database = database
        self._on_transition = on_transition
        self._policy = policy or BreakerPolicy()

    @contextlib.asynccontextmanager
    async def guarded(self, target: str) -> AsyncIterator[None]:
        """Make a call within the block; an error that leaves it is a failure of the target.

        Errors that are not the target's fault have to be caught inside.

        Raises:
            CircuitOpenError: The target is left alone; the block did not run.
        """
        permit = await self.admit(target)
        try:
            yield
        except Exception:
            await self.report(permit, succeeded=False)
            raise
        await self.report(permit, succeeded=True)

    async def admit(self, target: str) -> Permit:
        """Ask for one call. While all is well this reads and writes nothing.

        Raises:
            CircuitOpenError: The target is left alone.
        """
        async with self._database.connection() as connection:
            cursor = await connection.execute(_QUERIES["breaker"], {"target": target})
            row = await cursor.fetchone()
        if row is None:
            return Permit(target=target, generation=0)
        if row["state"] == BreakerState.CLOSED:
            return Permit(target=target, generation=row["generation"])

        async def work(connection: Connection) -> tuple[Permit | None, float]:
            before, now = await self._locked(connection, target)
            after, permit = admit(before, self._policy, now)
            await self._write(connection, before, after)
            return permit, (after.retry_at - now).total_seconds() if after.retry_at else 0.0

        permit, retry_seconds = await self._database.run(work)
        if permit is None:
            raise CircuitOpenError(target, retry_seconds)
        return permit

    async def report(self, permit: Permit, *, succeeded: bool) -> None:
        """Tell how a call went."""

        async def work(connection: Connection) -> None:
            if succeeded and not permit.probe:
                given = {"target": permit.target, "generation": permit.generation}
                await connection.execute(_QUERIES["note_success"], given)
                return
            await connection.execute(_QUERIES["add_breaker"], {"target": permit.target})
            before, now = await self._locked(connection, permit.target)
            await self._write(connection, before, report(before, permit, self._policy, now, succeeded=succeeded))

        await self._database.run(work)

    async def _locked(self, connection: Connection, target: str) -> tuple[Breaker, datetime]:
        cursor = await connection.execute(_QUERIES["locked_breaker"], {"target": target})
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - breakers are never taken away
        return _breaker(row), row["now"]

    async def _write(self, connection: Connection, before: Breaker, after: Breaker) -> None:
        if after == before:
            return
        given = {
            "target": after.target,
            "state": after.state.value,
            "generation": after.generation,
            "failures": after.failures,
            "openings": after.openings,
            "changed_at": after.changed_at,
            "retry_at": after.retry_at,
        }
        await connection.execute(_QUERIES["write_breaker"], given)
        if after.state is not before.state:
            transition = Transition(
                target=after.target,
                before=before.state,
                after=after.state,
                failures=after.failures,
                retry_at=after.retry_at,
            )
            await self._on_transition(connection, transition)


async def list_breakers(
    connection: Connection, *, state: BreakerState | None, after: str, limit: int
) -> Sequence[Breaker]:
    """Return breakers in the order of their targets' code points."""
    given = {"state": state.value if state else None, "after": after, "limit": limit}
    cursor = await connection.execute(_QUERIES["breakers"], given)
    return [_breaker(row) for row in await cursor.fetchall()]


def _breaker(row: Mapping[str, Any]) -> Breaker:
    return Breaker(
        target=row["target"],
        state=BreakerState(row["state"]),
        generation=row["generation"],
        failures=row["failures"],
        openings=row["openings"],
        changed_at=row["changed_at"],
        retry_at=row["retry_at"],
    )
