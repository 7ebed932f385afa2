"""How the sandboxes of hosted scripts are shut in, as their workers have proven it by attempts."""

import msgspec

from quilate.kit.database.database import Database
from quilate.ops.health import Look, Probe, Wellness
from quilate.scripts.executions.sql import QUERIES


def sandbox_look(database: Database) -> Look:
    """Return the look at the script workers; one that refuses to work keeps no other request away."""

    async def look() -> Probe:
        async with database.connection() as connection:
            rows = await (await connection.execute(QUERIES["live_workers"])).fetchall()
        refusals = sorted({row["refusal"] for row in rows if row["refusal"]})
        working = [row for row in rows if not row["refusal"]]
        if not working:
            told = f"SandboxUnavailable: {refusals[0]}" if refusals else "no script worker runs"
            return Probe(wellness=Wellness.WARNING if refusals else Wellness.OK, detail=told)
        levels = sorted({row["level"] for row in working})
        attempts = [each for row in working for each in msgspec.json.decode(row["attempts"])]
        refused = sorted({each["name"] for each in attempts if each["refused"]})
        allowed = sorted({each["name"] for each in attempts if not each["refused"]})
        number = sum(row["sandboxes"] for row in working)
        detail = (
            f"level {', '.join(levels)}; sandboxes: {number}; refused by attempt: {', '.join(refused) or 'nothing'}"
        )
        return Probe(wellness=Wellness.OK, detail=f"{detail}; not refused: {', '.join(allowed)}" if allowed else detail)

    return look
