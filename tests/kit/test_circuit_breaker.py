"""The circuit breaker as a state machine (C07)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quilate.kit.backoff import Backoff
from quilate.kit.circuit_breaker import Breaker, BreakerPolicy, BreakerState, Permit, admit, report

_START = datetime(2026, 11, 21, tzinfo=UTC)
_POLICY = BreakerPolicy(failures=3, pause=Backoff(first_seconds=10, longest_seconds=100), probe_seconds=5)


def _new() -> Breaker:
    return Breaker(target="https://tracker.example", changed_at=_START)


def _failed(breaker: Breaker, now: datetime, times: int) -> Breaker:
    for _ in range(times):
        breaker, permit = admit(breaker, _POLICY, now)
        assert permit is not None
        breaker = report(breaker, permit, _POLICY, now, succeeded=False)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = _failed(_new(), _START, 2)
    breaker, permit = admit(breaker, _POLICY, _START)
    assert permit is not None
    breaker = report(breaker, permit, _POLICY, _START, succeeded=True)
    assert breaker.failures == 0
    assert _failed(breaker, _START, 2).state is BreakerState.CLOSED
    assert _failed(breaker, _START, 3).state is BreakerState.OPEN


def test_after_the_pause_one_call_tries_and_closes_it() -> None:
    breaker = _failed(_new(), _START, 3)
    assert admit(breaker, _POLICY, _START + timedelta(seconds=9))[1] is None
    breaker, probe = admit(breaker, _POLICY, _START + timedelta(seconds=10))
    assert probe is not None
    assert probe.probe
    assert admit(breaker, _POLICY, _START + timedelta(seconds=10))[1] is None
    breaker = report(breaker, probe, _POLICY, _START + timedelta(seconds=11), succeeded=True)
    assert (breaker.state, breaker.openings, breaker.retry_at) == (BreakerState.CLOSED, 0, None)


def test_each_opening_lasts_twice_as_long_up_to_the_longest() -> None:
    breaker, now = _failed(_new(), _START, 3), _START
    pauses = []
    for _ in range(6):
        assert breaker.retry_at is not None
        pauses.append((breaker.retry_at - now).total_seconds())
        now = breaker.retry_at
        breaker, probe = admit(breaker, _POLICY, now)
        assert probe is not None
        breaker = report(breaker, probe, _POLICY, now, succeeded=False)
    assert pauses == [10, 20, 40, 80, 100, 100]


def test_a_trying_call_that_is_lost_makes_room_for_another_and_counts_no_more() -> None:
    breaker = _failed(_new(), _START, 3)
    breaker, lost = admit(breaker, _POLICY, _START + timedelta(seconds=10))
    breaker, second = admit(breaker, _POLICY, _START + timedelta(seconds=15))
    assert lost is not None
    assert second is not None
    assert report(breaker, lost, _POLICY, _START, succeeded=True) == breaker
    assert report(breaker, second, _POLICY, _START, succeeded=True).state is BreakerState.CLOSED


def test_late_answers_of_calls_from_before_change_nothing() -> None:
    closed = _new()
    _, early = admit(closed, _POLICY, _START)
    assert early is not None
    opened = _failed(closed, _START, 3)
    assert report(opened, early, _POLICY, _START, succeeded=True) == opened
    assert report(opened, early, _POLICY, _START, succeeded=False) == opened


def test_a_clock_that_was_put_back_keeps_nobody_waiting() -> None:
    breaker = _failed(_new(), _START, 3)
    assert admit(breaker, _POLICY, _START - timedelta(days=1))[1] is not None


@given(failures=st.integers(min_value=1, max_value=20))
def test_it_opens_at_exactly_the_number_of_failures(failures: int) -> None:
    policy = replace(_POLICY, failures=failures)
    breaker = _new()
    for count in range(1, failures + 1):
        assert breaker.state is BreakerState.CLOSED
        breaker, permit = admit(breaker, policy, _START)
        assert permit is not None
        breaker = report(breaker, permit, policy, _START, succeeded=False)
        assert breaker.failures == count
    assert breaker.state is BreakerState.OPEN


class Workers(RuleBasedStateMachine):
    """Any number of workers that call, fail, succeed, hang and answer late."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = _new()
        self.now = _START
        self.permits: list[Permit] = []
        self.probe_until: datetime | None = None

    @rule(seconds=st.integers(min_value=0, max_value=120))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def somebody_asks(self) -> None:
        before = self.breaker
        self.breaker, permit = admit(before, _POLICY, self.now)
        if permit is None:
            assert before.retry_at is not None
            assert before.retry_at > self.now
            assert self.breaker == before
            return
        if permit.probe:
            # One trying call at a time: the one before has answered, or its time is over.
            assert self.probe_until is None or self.probe_until <= self.now
            self.probe_until = self.now + timedelta(seconds=_POLICY.probe_seconds)
        self.permits.append(permit)

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), succeeded=st.booleans())
    def somebody_answers(self, data: st.DataObject, succeeded: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        permit = self.permits.pop(data.draw(st.integers(min_value=0, max_value=len(self.permits) - 1)))
        before = self.breaker
        self.breaker = report(before, permit, _POLICY, self.now, succeeded=succeeded)
        if permit.generation != before.generation:
            assert self.breaker == before
        elif permit.probe:
            self.probe_until = None
            assert self.breaker.state is (BreakerState.CLOSED if succeeded else BreakerState.OPEN)

    @invariant()
    def it_makes_sense(self) -> None:
        breaker = self.breaker
        assert (breaker.state is BreakerState.CLOSED) == (breaker.retry_at is None)
        if breaker.state is BreakerState.CLOSED:
            assert breaker.failures < _POLICY.failures
            assert breaker.openings == 0
        else:
            assert breaker.openings > 0

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        later = self.now + timedelta(seconds=max(_POLICY.pause.longest_seconds, _POLICY.probe_seconds))
        assert admit(self.breaker, _POLICY, later)[1] is not None


TestWorkers = Workers.TestCase
