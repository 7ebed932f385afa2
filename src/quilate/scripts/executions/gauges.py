"""What a scrape reads of executions: how many wait and run, and what of their outputs is to be sent on."""

from collections.abc import Awaitable, Callable, Iterable

from quilate.kit.database.database import Database
from quilate.kit.metrics import Reading
from quilate.scripts.executions.sql import QUERIES
from quilate.scripts.exports import store


def execution_readings(database: Database) -> Callable[[], Awaitable[Iterable[Reading]]]:
    """Return what is read at each scrape."""

    async def read() -> Iterable[Reading]:
        async with database.connection() as connection:
            row = await (await connection.execute(QUERIES["depths"])).fetchone()
            exports, oldest_export = await store.depth(connection)
        assert row is not None  # noqa: S101 - a SELECT of aggregates gives one row
        return [
            Reading(name="script_executions_waiting", meaning="Executions that wait", value=row["waiting"]),
            Reading(name="script_executions_running", meaning="Executions that run", value=row["running"]),
            Reading(name="script_oldest_seconds", meaning="Age of the oldest that waits", value=row["oldest_seconds"]),
            Reading(name="script_exports_pending", meaning="Outputs to be sent on", value=exports),
            Reading(name="script_exports_oldest_seconds", meaning="Age of the oldest of them", value=oldest_export),
        ]

    return read
