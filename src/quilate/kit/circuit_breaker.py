"""When to leave an external system alone: a circuit breaker as pure functions over its state.

Closed: calls go through, and failures in a row are counted. Open: no call goes through until a pause is over, twice as
long each time. Half-open: one call tries, and its outcome closes or opens the breaker. Whoever makes a call holds a
permit; its outcome counts only while the breaker is in the state that the permit was given in, so that a late answer
neither opens nor closes anything.

Source: M. Nygard, "Release It!", 2nd edition, 2018, chapter 5.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from quilate.kit.backoff import Backoff


class BreakerState(StrEnum):
    """What becomes of calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens and how long it stays so.

    Attributes:
        failures: Failures in a row that open it.
        pause: How long it stays open, by the times that it opened without a success between; used without jitter:
            all workers share one breaker, and one call alone goes through afterwards.
        probe_seconds: How long the one call may take; then it counts as lost, and another one may try.
    """

    failures: int = 5
    pause: Backoff = field(default_factory=lambda: Backoff(first_seconds=30.0, longest_seconds=900.0))
    probe_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state of one breaker.

    Attributes:
        target: What it stands before, for example ``https://tracker.example``; no secrets.
        generation: Rises with each change of state and each trying call.
        failures: Failures in a row while closed.
        openings: How often in a row it opened without a success between.
        changed_at: When the state changed last.
        retry_at: Open: when a call may try. Half-open: when the trying call counts as lost.
    """

    target: str
    state: BreakerState = BreakerState.CLOSED
    generation: int = 0
    failures: int = 0
    openings: int = 0
    changed_at: datetime
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The right to one call; ``probe`` is the trying call of a half-open breaker."""

    target: str
    generation: int
    probe: bool = False


def admit(breaker: Breaker, policy: BreakerPolicy, now: datetime) -> tuple[Breaker, Permit | None]:
    """Ask for a call: the breaker as it is then, and a permit or ``None``."""
    if breaker.state is BreakerState.CLOSED:
        return breaker, Permit(target=breaker.target, generation=breaker.generation)
    if not _may_try(breaker, policy, now):
        return breaker, None
    changed = breaker.changed_at if breaker.state is BreakerState.HALF_OPEN else now
    trying = replace(
        breaker,
        state=BreakerState.HALF_OPEN,
        generation=breaker.generation + 1,
        changed_at=changed,
        retry_at=now + timedelta(seconds=policy.probe_seconds),
    )
    return trying, Permit(target=trying.target, generation=trying.generation, probe=True)


def report(breaker: Breaker, permit: Permit, policy: BreakerPolicy, now: datetime, *, succeeded: bool) -> Breaker:
    """Return the breaker after the outcome of a call."""
    if permit.generation != breaker.generation or permit.target != breaker.target:
        return breaker
    if succeeded:
        return _closed(breaker, now)
    failures = breaker.failures + 1
    if breaker.state is BreakerState.CLOSED and failures < policy.failures:
        return replace(breaker, failures=failures)
    openings = breaker.openings + 1
    return replace(
        breaker,
        state=BreakerState.OPEN,
        generation=breaker.generation + 1,
        failures=failures,
        openings=openings,
        changed_at=now,
        retry_at=now + timedelta(seconds=policy.pause.ceiling(openings)),
    )


def _closed(breaker: Breaker, now: datetime) -> Breaker:
    if breaker.state is BreakerState.CLOSED:
        return replace(breaker, failures=0)
    return replace(
        breaker,
        state=BreakerState.CLOSED,
        generation=breaker.generation + 1,
        failures=0,
        openings=0,
        changed_at=now,
        retry_at=None,
    )


def _may_try(breaker: Breaker, policy: BreakerPolicy, now: datetime) -> bool:
    if breaker.retry_at is None:
        return True
    remaining = (breaker.retry_at - now).total_seconds()
    # A pause longer than any means that the clock was put back: nobody should wait for that.
    return remaining <= 0 or remaining > max(policy.pause.longest_seconds, policy.probe_seconds)
