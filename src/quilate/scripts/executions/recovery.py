"""Giving back the executions of workers that died. Any process may do it, any number at once."""

from uuid import UUID

import structlog

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection
from quilate.scripts.executions.sql import QUERIES

_LOG = structlog.get_logger("quilate.scripts")


async def recover(connection: Connection) -> int:
    """Give back what dead workers held, within the caller's transaction; return how many executions that were.

    A worker is dead when its lease has run out by the database's clock. Its own late writes find that the fence has
    moved on. An execution under which too many workers died ends with the next claim.
    """
    cursor = await connection.execute(QUERIES["dead_workers"])
    dead: list[UUID] = [row["id"] for row in await cursor.fetchall()]
    cursor = await connection.execute(QUERIES["orphans"])
    dead += [row["worker"] for row in await cursor.fetchall() if row["worker"] not in dead]
    if not dead:
        return 0
    cursor = await connection.execute(QUERIES["return_executions"], {"workers": dead})
    rows = await cursor.fetchall()
    await append_entries(
        connection,
        [
            AuditEntry(
                action="script.execution.returned",
                actor="system:quilate",
                subject=f"execution:{row['execution_id']}",
                project_id=row["project_id"],
                details={"version": str(row["version_id"]), "losses": row["losses"]},
            )
            for row in rows
        ],
    )
    _LOG.warning("executions of dead script workers were given back", workers=len(dead), executions=len(rows))
    return len(rows)
