"""Open the database that an audit command works on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from quilate.app.service.service_database import refuse_other_schema
from quilate.kit.database.database import Database


@asynccontextmanager
async def opened_database(url: str) -> AsyncIterator[Database]:
    """Give a small pool on a database whose schema is this program's.

    Raises:
        ConfigurationError: It cannot be reached, or has another schema.
    """
    await refuse_other_schema(url)
    async with Database.open(url, name="quilate audit", max_size=2) as database:
        yield database
