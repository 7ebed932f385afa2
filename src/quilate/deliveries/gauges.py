"""Gauges of deliveries, read from the database at each scrape: the same from every API process."""

from collections.abc import Iterable

from quilate.deliveries.store import many
from quilate.kit.database.database import Database
from quilate.kit.metrics import Collect, Reading

RECENT_SECONDS = 300
"""What is called recent: deliveries that ended within this time."""


def delivery_readings(database: Database) -> Collect:
    """Return the collector of what waits, what ended lately and what is dead."""

    async def collect() -> Iterable[Reading]:
        async with database.connection() as connection:
            waiting = await many(connection, "queue_figures")
            ended = await many(connection, "recent_figures", seconds=RECENT_SECONDS)
            events = await many(connection, "waiting_events")
        readings = []
        for row in waiting:
            labels = {"connector": row["type"]}
            readings += [
                Reading(name="deliveries_open", meaning="Deliveries that wait", value=row["open"], labels=labels),
                Reading(
                    name="deliveries_failing",
                    meaning="Those of them that failed before",
                    value=row["failing"],
                    labels=labels,
                ),
                Reading(
                    name="deliveries_oldest_age_seconds",
                    meaning="How long the oldest of them has waited",
                    value=max(0.0, row["oldest"]),
                    labels=labels,
                ),
            ]
        readings += [
            Reading(
                name="recent_deliveries",
                meaning="Deliveries that ended in the last 5 minutes",
                value=row["number"],
                labels={"connector": row["type"], "outcome": row["state"]},
            )
            for row in ended
        ]
        readings += [
            Reading(name="outgoing_events_waiting", meaning="Events that nothing was made of", value=row["number"])
            for row in events
        ]
        return readings

    return collect
