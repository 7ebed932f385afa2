"""How the sandboxes of hosted scripts are shut in, as their workers have proven it by attempts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from quilate.kit.database.database import Database
from quilate.ops.health import Look, Probe, Wellness
from quilate.scripts.executions.sql import QUERIES


def sandbox_look(database: Database) -> Look:
    """Return the look at the script workers; one that refuses to work keeps no other request away."""

    async def look() -> Probe:
        async with database.connection() as connection:
            rows = await (await connection.execute(QUERIES["live_workers"])).fetchall()
        working = [row for row in rows if not row["refusal"]]
        if working:
            return Probe(wellness=Wellness.OK, detail=_proven(working))
        refusals = sorted({row["refusal"] for row in rows})
        if refusals:
            return Probe(wellness=Wellness.WARNING, detail=f"SandboxUnavailable: {refusals[0]}")
        return Probe(wellness=Wellness.OK, detail="no script worker runs")

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
