"""What becomes of work whose worker died too often, or whose effect nobody can be sure of."""

from typing import Any

import msgspec

from quilate.blueprints.model import PlannedCheck
from quilate.domain.verdict import Completion
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.runs.durable.live import LiveRun
from quilate.runs.durable.sql import QUERIES
from quilate.runs.state import Attempt


def lost_attempt(check: PlannedCheck, losses: int, *, most: int) -> Attempt | None:
    """Return how a check ends whose worker died too often, or ``None`` where it may be tried again.

    A check with effects is never begun a second time by itself: nobody knows whether the first one took effect.
    """
    if check.effects and losses:
        return Attempt(
            completion=Completion.ERROR,
            reason="worker lost: it is not known whether this check took effect",
            next_step="look at what it acts upon, then run again",
        )
    if losses >= most:
        return Attempt(
            completion=Completion.ERROR,
            reason=f"worker lost: {losses} workers died while they ran this check",
            next_step="look at the workers' logs and memory, then replay it from the dead letters",
        )
    return None


def lost_run(losses: int) -> dict[str, Any]:
    """Return why a run ends whose own steps killed their workers, or failed by a fault of our own."""
    return {
        "error": f"worker lost: {losses} workers died or failed while they planned or decided this run",
        "next_step": "look at the workers' logs and memory, then replay it from the dead letters",
    }


async def tell_lost(database: Database, run: LiveRun, check: PlannedCheck, losses: int) -> None:
    """Keep a dead letter for a check that ended as lost, so that an operator sees it and may replay it."""

    async def work(connection: Connection) -> None:
        await connection.execute(
            QUERIES["insert_dead_letters"],
            {
                "ids": [uuid7()],
                "projects": [run.project_id],
                "runs": [run.id],
                "checks": [str(check.id)],
                "reasons": ["worker lost"],
                "details": [msgspec.json.encode({"losses": losses, "type": str(check.type)}).decode()],
            },
        )

    await database.run(work)
