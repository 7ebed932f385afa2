"""Gauges of the whole service, read from the database at each scrape: the same from every API process."""

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from quilate.kit.database.database import Connection, Database
from quilate.kit.metrics import Collect, Reading
from quilate.ops.diagnostics import queue_depths
from quilate.ops.sql import QUERIES

RECENT_SECONDS = 300
"""What is called recent: runs submitted within this time."""

_QUANTILES = ("0.5", "0.95", "0.99")


def database_readings(database: Database) -> Collect:
    """Return the collector of queues, runs, workers and recent results."""

    async def collect() -> Iterable[Reading]:
        async with database.connection() as connection:
            return [*await _queues(connection), *await _runs(connection), *await _recent(connection)]

    return collect


def pool_readings(database: Database) -> Collect:
    """Return the collector of this process's own connections."""
    meanings = {
        "pool_size": "Connections that are open",
        "pool_available": "Connections that are free",
        "requests_waiting": "Callers that wait for a connection",
        "requests_num": "Connections asked for since the start",
        "requests_errors": "Connections asked for in vain since the start",
    }

    async def collect() -> Iterable[Reading]:
        known = database.statistics()
        return [
            Reading(name=f"database_{name}", meaning=meaning, value=float(known.get(name, 0)))
            for name, meaning in meanings.items()
        ]

    return collect


async def _queues(connection: Connection) -> list[Reading]:
    readings = []
    for each in await queue_depths(connection):
        labels = {"queue": each.queue}
        readings += [
            Reading(name="queue_depth", meaning="Checks that wait", value=float(each.waiting), labels=labels),
            Reading(name="queue_running", meaning="Checks that run", value=float(each.running), labels=labels),
            Reading(
                name="queue_oldest_age_seconds",
                meaning="How long the oldest that may run has waited",
                value=max(0.0, each.oldest_seconds),
                labels=labels,
            ),
        ]
    return readings


async def _runs(connection: Connection) -> list[Reading]:
    readings = []
    for row in await _rows(connection, "runs_by_status"):
        labels = {"status": row["status"]}
        readings += [
            Reading(name="runs", meaning="Runs that have not ended", value=row["number"], labels=labels),
            Reading(
                name="runs_oldest_age_seconds",
                meaning="How long the oldest of them has been ready",
                value=max(0.0, row["oldest_seconds"]),
                labels=labels,
            ),
        ]
    for name, meaning in (
        ("workers_alive", "Workers whose lease holds"),
        ("dead_letters_waiting", "Dead letters that nobody replayed"),
    ):
        readings += [Reading(name=name, meaning=meaning, value=row["number"]) for row in await _rows(connection, name)]
    return readings


async def _recent(connection: Connection) -> list[Reading]:
    since = {"since": first_id(time.time() - RECENT_SECONDS)}
    readings = [
        Reading(
            name="recent_verdicts",
            meaning="Runs of the last 5 minutes by verdict",
            value=row["number"],
            labels={"verdict": row["verdict"]},
        )
        for row in await _rows(connection, "recent_verdicts", since)
    ]
    for row in await _rows(connection, "recent_runs", since):
        readings += _quantiles("recent_run_seconds", "From submission to end, last 5 minutes", row["quantiles"], {})
    for row in await _rows(connection, "recent_checks", since):
        labels = {"result": row["result"]}
        readings.append(
            Reading(name="recent_checks", meaning="Attempts, last 5 minutes", value=row["number"], labels=labels)
        )
        readings += _quantiles("recent_check_seconds", "Of one attempt, last 5 minutes", row["quantiles"], labels)
    return readings


def _quantiles(name: str, meaning: str, values: Any, labels: Mapping[str, str]) -> list[Reading]:
    return [
        Reading(name=name, meaning=meaning, value=float(value), labels={**labels, "quantile": quantile})
        for quantile, value in zip(_QUANTILES, values or (), strict=False)
    ]


def first_id(moment: float) -> UUID:
    """Return the least version 7 UUID of a moment in Unix seconds."""
    return UUID(int=(int(moment * 1000) & (1 << 48) - 1) << 80)


async def _rows(connection: Connection, name: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    return await (await connection.execute(QUERIES[name], values)).fetchall()
