"""One statement each: rows of users, links, sessions, tokens, projects and members. Transactions are the caller's."""

from collections.abc import Mapping
from typing import Any

from quilate.accounts.sql import QUERIES
from quilate.kit.database.database import Connection

Row = Mapping[str, Any]


async def execute(connection: Connection, name: str, /, **values: Any) -> int:
    """Do a named statement; return how many rows it touched."""
    cursor = await connection.execute(QUERIES[name], values)
    return cursor.rowcount


async def one(connection: Connection, name: str, /, **values: Any) -> Row | None:
    """Return the only row of a named statement, if there is one."""
    cursor = await connection.execute(QUERIES[name], values)
    return await cursor.fetchone()


async def many(connection: Connection, name: str, /, **values: Any) -> list[Row]:
    """Return all rows of a named statement."""
    cursor = await connection.execute(QUERIES[name], values)
    return list(await cursor.fetchall())
