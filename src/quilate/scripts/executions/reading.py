"""Executions read with what has become of their outputs."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from quilate.kit.database.database import Connection, Database
from quilate.scripts.executions import errors
from quilate.scripts.executions.model import Execution, Part
from quilate.scripts.executions.rows import execution_from
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.exports import store


async def execution_of(database: Database, project_id: UUID, execution_id: UUID) -> Execution:
    """Return an execution, its output with it where that lies in the database.

    Raises:
        Problem: 404, the project has none of this id.
    """
    async with database.connection() as connection:
        cursor = await connection.execute(QUERIES["executions_by_id"], {"ids": [execution_id]})
        row = await cursor.fetchone()
        if row is None or row["project_id"] != project_id:
            raise errors.unknown_execution(execution_id)
        return (await with_exports(connection, [execution_from(row)]))[0]


def require_contents(execution: Execution, part: Part) -> None:
    """Refuse to look for contents that an erasure has taken.

    Raises:
        Problem: 410, they are gone for good.
    """
    if execution.erasure is not None:
        raise errors.erased(execution.id, part.value, execution.erasure)


async def with_exports(connection: Connection, executions: Sequence[Execution]) -> list[Execution]:
    """Return executions with their exports; nothing is read where none was asked for."""
    asking = [each.id for each in executions if each.options.target is not None]
    if not asking:
        return list(executions)
    found = await store.of_executions(connection, asking)
    return [replace(each, export=found.get(each.id)) for each in executions]
