"""What ``quilate doctor`` and the health routes want to know of a running service."""

from dataclasses import dataclass

from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries

_QUERIES = load_queries("quilate.ops", "diagnostics.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How one queue of checks stands.

    Attributes:
        queue: Its name.
        waiting: Checks that wait for a worker.
        running: Checks that workers have.
        oldest_seconds: How long the oldest of those that may run has waited; negative where it waits for a later try.
    """

    queue: str
    waiting: int
    running: int
    oldest_seconds: float


async def queue_depths(connection: Connection) -> tuple[QueueDepth, ...]:
    """Return the queues in which something is; none where the schema has no queue yet."""
    row = await (await connection.execute(_QUERIES["queue_table_exists"])).fetchone()
    if row is None or not row["found"]:
        return ()
    rows = await (await connection.execute(_QUERIES["queue_depths"])).fetchall()
    return tuple(QueueDepth(**each) for each in rows)
