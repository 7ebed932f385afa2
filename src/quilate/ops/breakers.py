"""Circuit breakers for those who run the installation."""

from collections.abc import Sequence

from quilate.accounts.model import SYSTEM
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.circuit_breaker import Breaker, BreakerState
from quilate.kit.database.database import Connection, Database
from quilate.outbox.breakers import Transition, list_breakers


async def audit_transition(connection: Connection, transition: Transition) -> None:
    """Write the audit entry of a breaker's change within the change's transaction."""
    retry_at = transition.retry_at.isoformat(timespec="milliseconds") if transition.retry_at else None
    entry = AuditEntry(
        action=f"circuit-breaker.{transition.after.value.replace('_', '-')}",
        actor=str(SYSTEM),
        subject=f"circuit-breaker:{transition.target}",
        details={"before": transition.before.value, "failures": transition.failures, "retry_at": retry_at},
    )
    await append_entries(connection, [entry])


class BreakerService:
    """Shows the breakers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, *, state: BreakerState | None, after: str, limit: int) -> Sequence[Breaker]:
        """Return up to ``limit`` breakers whose targets come after ``after``."""
        async with self._database.connection() as connection:
            return await list_breakers(connection, state=state, after=after, limit=limit)
