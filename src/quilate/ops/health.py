"""Is the service well: database, queue and disk, each with its time, looked at once a second at most."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quilate.kit.database.database import Connection, Database
from quilate.ops.diagnostics import QueueDepth, queue_depths
from quilate.ops.sql import QUERIES

LEAST_FREE_BYTES = 256 << 20
"""Below this much room the database and the artifact store cannot go on for long."""
_LONG_WAIT_SECONDS = 300.0
_PATIENCE_SECONDS = 2.0
_FRESH_SECONDS = 1.0


class Wellness(StrEnum):
    """How one part is; only ``failed`` keeps requests away from this process."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one look found, for people, without names of machines or files."""

    wellness: Wellness
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part of the service; ``milliseconds`` is how long the look took."""

    name: str
    wellness: Wellness
    detail: str
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The whole: as bad as its worst part."""

    parts: tuple[PartHealth, ...]

    @property
    def wellness(self) -> Wellness:
        """How the worst part is."""
        found = {part.wellness for part in self.parts}
        return next((each for each in (Wellness.FAILED, Wellness.WARNING) if each in found), Wellness.OK)

    @property
    def is_ready(self) -> bool:
        """Whether requests can be served."""
        return self.wellness is not Wellness.FAILED


Look = Callable[[], Awaitable[Probe]]


class HealthService:
    """Looks at each part; callers that come together, or within a second, share one look.

    Args:
        looks: What is looked at, by name.
        clock: Seconds, monotonic.
    """

    def __init__(self, looks: Mapping[str, Look], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._looks = dict(looks)
        self._clock = clock
        self._known: Health | None = None
        self._known_at = 0.0
        self._looking = asyncio.Lock()

    async def health(self) -> Health:
        """Return how the service is."""
        async with self._looking:
            if self._known is None or self._clock() - self._known_at >= _FRESH_SECONDS:
                parts = await asyncio.gather(*(_part(name, look) for name, look in self._looks.items()))
                self._known, self._known_at = Health(parts=tuple(parts)), self._clock()
            return self._known


async def _part(name: str, look: Look) -> PartHealth:
    begin = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            found = await look()
    except TimeoutError:
        found = Probe(wellness=Wellness.FAILED, detail=f"no answer within {_PATIENCE_SECONDS:g} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, the part is not well
        # Its class alone: a message may name hosts and users.
        found = Probe(wellness=Wellness.FAILED, detail=type(error).__name__)
    milliseconds = round((time.perf_counter() - begin) * 1000, 2)
    return PartHealth(name=name, wellness=found.wellness, detail=found.detail, milliseconds=milliseconds)


def database_look(database: Database) -> Look:
    """Return the look at the database: a connection is free, and it takes writes."""

    async def look() -> Probe:
        async with database.connection() as connection:
            row = await (await connection.execute(QUERIES["takes_writes"])).fetchone()
        if row is None or not row["writable"]:
            return Probe(wellness=Wellness.FAILED, detail="it takes no writes")
        return Probe(wellness=Wellness.OK)

    return look


def queue_look(database: Database) -> Look:
    """Return the look at the queues: work that waits has somebody who does it."""

    async def look() -> Probe:
        async with database.connection() as connection:
            depths = await queue_depths(connection)
            served = await _served_queues(connection)
        return judge_queues(depths, served)

    return look


def judge_queues(depths: tuple[QueueDepth, ...], served: frozenset[str]) -> Probe:
    """Return how the queues are; a queue that nobody serves does not keep the API from taking runs in."""
    orphaned = sorted(each.queue for each in depths if each.waiting and each.queue not in served)
    if orphaned:
        return Probe(wellness=Wellness.WARNING, detail=f"no worker serves {', '.join(orphaned)}")
    slow = sorted(each.queue for each in depths if each.oldest_seconds > _LONG_WAIT_SECONDS)
    if slow:
        return Probe(wellness=Wellness.WARNING, detail=f"work waits for more than 5 minutes in {', '.join(slow)}")
    return Probe(wellness=Wellness.OK, detail=f"{sum(each.waiting for each in depths)} waiting")


async def _served_queues(connection: Connection) -> frozenset[str]:
    rows = await (await connection.execute(QUERIES["served_queues"])).fetchall()
    return frozenset(row["queue"] for row in rows)


def disk_look(directory: Path, *, least_free_bytes: int = LEAST_FREE_BYTES) -> Look:
    """Return the look at the room that is left where artifacts lie."""

    async def look() -> Probe:
        existing = next((each for each in (directory, *directory.parents) if each.exists()), Path("/"))
        usage = await asyncio.to_thread(shutil.disk_usage, existing)
        free = usage.free >> 20
        if usage.free < least_free_bytes:
            return Probe(wellness=Wellness.FAILED, detail=f"{free} MiB free, {least_free_bytes >> 20} are needed")
        if usage.free < 4 * least_free_bytes:
            return Probe(wellness=Wellness.WARNING, detail=f"{free} MiB free")
        return Probe(wellness=Wellness.OK, detail=f"{free} MiB free")

    return look
