"""Named statements of one package of this slice; transactions are the caller's."""

from collections.abc import Mapping
from typing import Any

from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries

Row = Mapping[str, Any]


class Statements:
    """The statements of a package's ``queries.sql``."""

    def __init__(self, package: str) -> None:
        self._queries = load_queries(package)

    async def execute(self, connection: Connection, name: str, /, **values: Any) -> int:
        """Do a statement; return how many rows it touched."""
        cursor = await connection.execute(self._queries[name], values)
        return cursor.rowcount

    async def one(self, connection: Connection, name: str, /, **values: Any) -> Row | None:
        """Return the only row of a statement, if there is one."""
        cursor = await connection.execute(self._queries[name], values)
        return await cursor.fetchone()

    async def many(self, connection: Connection, name: str, /, **values: Any) -> list[Row]:
        """Return all rows of a statement."""
        cursor = await connection.execute(self._queries[name], values)
        return list(await cursor.fetchall())
