"""What a worker writes when it leaves: what has ended, what may have taken effect, and what is free for others."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from quilate.kit.database.database import Connection
from quilate.runs.durable.items import Item
from quilate.runs.durable.lanes import JobKey
from quilate.runs.durable.live import LiveRun
from quilate.runs.durable.sql import CLAIMS
from quilate.runs.durable.steps import Chooser, write_steps


async def leave(
    connection: Connection,
    worker: UUID,
    live: dict[UUID, LiveRun],
    *,
    ended: Sequence[Item],
    begun: Collection[JobKey],
) -> None:
    """Write what has ended and give back the rest, within the caller's transaction.

    Args:
        connection: In a transaction.
        worker: Who leaves.
        live: Its runs.
        ended: What is not written yet, or not known to be.
        begun: Attempts that may have taken effect outside. Those whose end is not written here count as lost with
            their worker: nobody may begin them a second time.
    """
    if ended:
        await write_steps(connection, ended, live, worker, Chooser(frozenset(), 0))
    if begun:
        runs, checks, attempts = map(list, zip(*begun, strict=True))
        arguments = {"runs": runs, "checks": checks, "attempts": attempts, "worker": worker}
        await connection.execute(CLAIMS["count_losses"], arguments)
    for query in ("release_checks", "release_steps", "remove_worker"):
        await connection.execute(CLAIMS[query], {"worker": worker})


def with_effects(keys: Collection[JobKey], live: Mapping[UUID, LiveRun]) -> list[JobKey]:
    """Return the attempts whose checks take effect outside."""
    return [key for key in keys if key[0] in live and live[key[0]].checks[key[1]].effects]
