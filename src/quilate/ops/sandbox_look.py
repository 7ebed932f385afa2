"""How the sandboxes of hosted scripts are shut in, as their workers have proven it by attempts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from quilate.kit.database.database import Database
from quilate.ops.health import Look, Probe, Wellness
from quilate.scripts.executions.sql import QUERIES

_NONE = "no script worker runs"
_NONE_YET = f"{_NONE}: scripts wait for one; where none is wanted set QUILATE_SCRIPT_WORKERS=0"


def sandbox_look(database: Database, *, wanted: bool) -> Look:
    """Return the look at the script workers; that none works keeps no other request away.

    Args:
        database: Where workers say that they live.
        wanted: Whether the service's settings ask for script workers: without one it is then not well.
    """

    async def look() -> Probe:
        async with database.connection() as connection:
            rows = await (await connection.execute(QUERIES["live_workers"])).fetchall()
        working = [row for row in rows if not row["refusal"]]
        if working:
            return Probe(wellness=Wellness.OK, detail=_proven(working))
        refusals = sorted({row["refusal"] for row in rows})
        if refusals:
            return Probe(wellness=Wellness.WARNING, detail=f"SandboxUnavailable: {refusals[0]}")
        return (
            Probe(wellness=Wellness.WARNING, detail=_NONE_YET) if wanted else Probe(wellness=Wellness.OK, detail=_NONE)
        )

    return look


def _proven(workers: Sequence[Mapping[str, Any]]) -> str:
    levels = sorted({row["level"] for row in workers})
    attempts = [each for row in workers for each in msgspec.json.decode(row["attempts"])]
    refused = _names(attempts, refused=True) or "nothing"
    allowed = _names(attempts, refused=False)
    number = sum(row["sandboxes"] for row in workers)
    detail = f"level {', '.join(levels)}; sandboxes: {number}; refused by attempt: {refused}"
    return f"{detail}; not refused: {allowed}" if allowed else detail


def _names(attempts: Sequence[Mapping[str, Any]], *, refused: bool) -> str:
    return ", ".join(sorted({each["name"] for each in attempts if each["refused"] is refused}))
