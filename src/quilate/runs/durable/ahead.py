"""Runs that a worker carries on by itself before anything of them is written.

A stage of trivial checks takes less time than the transaction that would record its begin. So where a new run's next
checks are all trivial, the worker starts them at once, goes on from stage to stage and decides, and everything is
written as one step, in one transaction with its audit entries and events. Until then the run is its claimed plan: when
the worker dies, the lease returns it and another begins anew. That does no harm, as only checks without effects run
ahead, and none of a run that has to wait for others of its concurrency key. A run that takes longer than
``LONGEST_SECONDS`` is written as far as it has come and goes on like any other.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import msgspec

from quilate.blueprints.model import PlannedCheck
from quilate.checks.api import Isolation
from quilate.domain.ids import CheckId
from quilate.runs.durable.deciding import DecidedRun
from quilate.runs.durable.holding import StepKey
from quilate.runs.durable.items import Carried, Planned, begun_run, step_of
from quilate.runs.durable.lanes import JobKey
from quilate.runs.durable.live import LiveRun, Transition, step
from quilate.runs.state import Attempt

LONGEST_SECONDS: Final = 0.25
"""What happens to a run is in the database after so long, and people see it."""


@dataclass(slots=True, kw_only=True)
class _RunAhead:
    """A run that is under way; ``completed`` holds what has ended since its last step."""

    planned: Planned
    transition: Transition
    timer: asyncio.TimerHandle
    completed: dict[CheckId, tuple[int, Attempt]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadParts:
    """What the worker lends.

    Attributes:
        start: Starts an attempt of a check here.
        decide: Decides a run whose checks have ended.
        write: Takes a plan with what has come of it.
        failed: Is told which claim cannot be gone on with, and why.
    """

    start: Callable[[LiveRun, PlannedCheck, int], None]
    decide: Callable[[LiveRun], DecidedRun]
    write: Callable[[Planned], None]
    failed: Callable[[StepKey, Exception], None]


class RunsAhead:
    """The runs that one worker carries on."""

    def __init__(self, parts: AheadParts, queues: frozenset[str]) -> None:
        self._parts = parts
        self._queues = queues
        self._runs: dict[UUID, _RunAhead] = {}

    def begin(self, planned: Planned) -> None:
        """Begin a planned run, or have it written where its first checks are not for here."""
        if planned.concurrency_key:
            self._parts.write(planned)
            return
        transition = step(begun_run(planned, version=planned.claim.version), {})
        timer = asyncio.get_running_loop().call_later(LONGEST_SECONDS, self._late, planned.claim.run_id)
        ahead = _RunAhead(planned=planned, transition=transition, timer=timer)
        self._runs[planned.claim.run_id] = ahead
        self._go_on(ahead)

    def ended(self, key: JobKey, attempt: Attempt) -> bool:
        """Take the end of an attempt, if it is of one of these runs."""
        run_id, check_id, number = key
        ahead = self._runs.get(run_id)
        if ahead is None:
            return False
        ahead.completed[check_id] = (number, attempt)
        if len(ahead.completed) == len(ahead.transition.started):
            self._try(ahead, self._advance)
        return True

    def _late(self, run_id: UUID) -> None:
        ahead = self._runs.get(run_id)
        if ahead is not None:
            self._try(ahead, self._write_as_it_is)

    def _try(self, ahead: _RunAhead, work: Callable[[_RunAhead], None]) -> None:
        try:
            work(ahead)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else can go on while it is held
            self._forget(ahead)
            self._parts.failed(step_of(ahead.planned), error)

    def _advance(self, ahead: _RunAhead) -> None:
        self._step(ahead)
        self._go_on(ahead)

    def _write_as_it_is(self, ahead: _RunAhead) -> None:
        """Write a run as far as it has come; what is running of it goes on."""
        self._step(ahead)
        self._write(ahead)

    def _step(self, ahead: _RunAhead) -> None:
        completed, ahead.completed = ahead.completed, {}
        under_way = ahead.transition.started - completed.keys()
        after = step(ahead.transition.run, completed, after=ahead.transition)
        ahead.transition = msgspec.structs.replace(after, started=under_way)

    def _go_on(self, ahead: _RunAhead) -> None:
        """Start the next checks, or write what there is."""
        transition = ahead.transition
        if transition.finished and transition.run.decides_at_once:
            self._write(ahead, self._parts.decide(replace(transition.run, snapshot=transition.snapshot)))
            return
        ready = transition.ready
        if not ready or not all(self._trivial(each.check) and not each.pause_seconds for each in ready):
            self._write(ahead)
            return
        started = frozenset(each.check.id for each in ready)
        ahead.transition = msgspec.structs.replace(transition, started=started)
        for each in ready:
            self._parts.start(transition.run, each.check, each.number)

    def _trivial(self, check: PlannedCheck) -> bool:
        return check.isolation is Isolation.THREAD and not check.effects and check.queue.value in self._queues

    def _write(self, ahead: _RunAhead, decided: DecidedRun | None = None) -> None:
        self._forget(ahead)
        carried = Carried(transition=ahead.transition, decided=decided)
        self._parts.write(replace(ahead.planned, carried=carried))

    def _forget(self, ahead: _RunAhead) -> None:
        ahead.timer.cancel()
        self._runs.pop(ahead.planned.claim.run_id, None)
