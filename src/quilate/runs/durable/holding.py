"""The plans and decisions that a worker has claimed: what it knows that it holds, and what becomes of one that fails.

A claim outlives whatever went wrong with it for as long as its worker lives: nobody else may touch it. So a step that
failed is given back at once, and ``presence`` gives back what is held here and known to nobody.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from uuid import UUID

import structlog

from quilate.kit.database.arrays import number_array, text_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR, is_passing
from quilate.runs.durable.lanes import JobKey
from quilate.runs.durable.rows import ClaimedStep
from quilate.runs.durable.sql import CLAIMS

_LOG = structlog.get_logger("quilate.worker")
_PAUSE_SECONDS = 1.0
"""A step that failed is begun again after this long; one that the database interrupted at once."""

StepKey = tuple[UUID, int]
"""Run and fencing token of a claimed step."""


async def release_steps(
    connection: Connection, worker: UUID, steps: Sequence[StepKey], *, losses: int = 0, pause_seconds: float = 0.0
) -> None:
    """Give steps back under a new fencing token; those that are not held under theirs any more are left alone.

    Args:
        connection: Anything that writes.
        worker: Who holds them.
        steps: Runs with the fencing tokens of the claims.
        losses: How many lost workers this counts as, see ``losses``.
        pause_seconds: How long nobody takes them.
    """
    await connection.execute(
        CLAIMS["release_these_steps"],
        {
            "runs": [run_id for run_id, _ in steps],
            "attempts": [attempt for _, attempt in steps],
            "worker": worker,
            "losses": losses,
            "pause": pause_seconds,
        },
    )


async def release_checks(
    connection: Connection, worker: UUID, checks: Collection[JobKey], *, losses: int = 0, pause_seconds: float = 0.0
) -> int:
    """Give checks back as ``release_steps`` does steps; return the most losses that one of them has now."""
    cursor = await connection.execute(
        CLAIMS["release_these_checks"],
        {
            "runs": uuid_array(run for run, _, _ in checks),
            "checks": text_array(check for _, check, _ in checks),
            "attempts": number_array(number for _, _, number in checks),
            "worker": worker,
            "losses": losses,
            "pause": pause_seconds,
        },
    )
    return max([row["losses"] for row in await cursor.fetchall()], default=0)


class HeldSteps:
    """The steps that one worker holds and goes on with."""

    def __init__(self, database: Database, worker: UUID) -> None:
        self._database = database
        self._worker = worker
        self._held: dict[UUID, int] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._held)

    @property
    def known(self) -> set[StepKey]:
        """What the worker goes on with."""
        return set(self._held.items())

    def take(self, steps: Iterable[StepKey]) -> None:
        """Know of steps that were claimed."""
        self._held |= dict(steps)

    def forget(self, steps: Iterable[StepKey]) -> None:
        """Know no more of steps that were written or given back; later claims of the same runs stay."""
        for run_id, attempt in steps:
            if self._held.get(run_id) == attempt:
                del self._held[run_id]

    async def carry_out(self, work: Callable[[list[ClaimedStep]], Awaitable[None]], claims: list[ClaimedStep]) -> None:
        """Do claimed steps together; where that fails, each alone, so that one does not take the others along."""
        try:
            await work(claims)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else can go on while they are held
            if len(claims) == 1 or is_passing(error):
                await self.give_back([(claim.run_id, claim.attempt) for claim in claims], error)
                return
            for claim in claims:
                await self.carry_out(work, [claim])

    async def give_back(self, steps: Sequence[StepKey], error: Exception) -> None:
        """Give back steps that failed.

        What passes by itself costs nothing. Anything else counts as a lost worker, so that a run whose steps fail
        every time ends and becomes known.
        """
        passing = is_passing(error)
        _LOG.error("step failed", runs=[str(run_id) for run_id, _ in steps], passing=passing, error=repr(error))
        losses, pause = (0, 0.0) if passing else (1, _PAUSE_SECONDS)

        async def work(connection: Connection) -> None:
            await release_steps(connection, self._worker, steps, losses=losses, pause_seconds=pause)

        try:
            await self._database.run(work)
        except DATABASE_ERROR as fault:
            # The beats find them as known to nobody.
            _LOG.warning("steps could not be given back", error=str(fault))
        finally:
            self.forget(steps)
