"""What a scrape reads of executions: how many wait, run, and have been given up."""

from collections.abc import Awaitable, Callable, Iterable

from quilate.kit.database.database import Database
from quilate.kit.metrics import Reading
from quilate.scripts.executions.sql import QUERIES


def execution_readings(database: Database) -> Callable[[], Awaitable[Iterable[Reading]]]:
    """Return what is read at each scrape."""

    async def read() -> Iterable[Reading]:
        async with database.connection() as connection:
            row = await (await connection.execute(QUERIES["depths"])).fetchone()
        assert row is not None  # noqa: S101 - a SELECT of aggregates gives one row
        return [
            Reading(name="script_executions_waiting", meaning="Executions that wait", value=row["waiting"]),
            Reading(name="script_executions_running", meaning="Executions that run", value=row["running"]),
            Reading(name="script_oldest_seconds", meaning="Age of the oldest that waits", value=row["oldest_seconds"]),
        ]

    return read
