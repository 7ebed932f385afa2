"""Which of the firings that are due run, and which are missed. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from quilate.runs.schedules.model import MissedPolicy
from quilate.runs.schedules.recurrence import Recurrence

GRACE = timedelta(seconds=60)
"""A firing that is no later than this is on time, whatever kept the schedulers."""

MOST_COUNTED = 1_000
"""Missed firings are counted up to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFirings:
    """What to do now.

    Attributes:
        run: Firings to submit, oldest first.
        skipped: The newest of the missed ones, where none is submitted.
        missed: How many are not submitted.
    """

    run: tuple[datetime, ...] = ()
    skipped: datetime | None = None
    missed: int = 0


def due_firings(
    recurrence: Recurrence, policy: MissedPolicy, most: int, *, first: datetime, now: datetime
) -> DueFirings:
    """Return what becomes of the firings from ``first`` to ``now``.

    Args:
        recurrence: When the schedule fires.
        policy: What becomes of missed ones.
        most: Firings that ``run_all`` submits at most.
        first: The next firing as it was planned.
        now: The database's time.
    """
    if policy is MissedPolicy.SKIP:
        run = recurrence.newest(max(first, now - GRACE), now, most)
    else:
        run = recurrence.newest(first, now, most if policy is MissedPolicy.RUN_ALL else 1)
    missed = recurrence.count(first, now, MOST_COUNTED) - len(run)
    if run or missed <= 0:
        return DueFirings(run=run, missed=max(missed, 0))
    return DueFirings(skipped=recurrence.newest(first, now, 1)[-1], missed=missed)
