"""Cron expressions across changes of the clocks: no firing lost, none twice (C03)."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.domain.errors import ConfigurationError
from quilate.runs.schedules.missed import GRACE, MOST_COUNTED, DueFirings, due_firings
from quilate.runs.schedules.model import MissedPolicy
from quilate.runs.schedules.recurrence import Recurrence

_SPRING = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
"""Berlin goes from 02:00 to 03:00."""

_AUTUMN = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
"""Berlin goes from 03:00 back to 02:00."""


def _next(cron: str, zone: str, after: datetime, count: int) -> list[str]:
    return [f"{each:%d %H:%M}" for each in islice(Recurrence(cron, zone).following(after), count)]


def test_a_time_that_does_not_exist_fires_at_the_first_minute_that_does() -> None:
    assert _next("30 2 * * *", "Europe/Berlin", _SPRING - timedelta(hours=20), 2) == ["29 01:00", "30 00:30"]
    # Four times within the gap are one moment.
    assert _next("0,15,30,45 2 * * *", "Europe/Berlin", _SPRING - timedelta(hours=20), 2) == ["29 01:00", "30 00:00"]


def test_a_time_that_comes_twice_fires_once() -> None:
    assert _next("30 2 * * *", "Europe/Berlin", _AUTUMN - timedelta(hours=2), 2) == ["25 00:30", "26 01:30"]
    # Asked within the second 02:30, the first one is over.
    assert _next("30 2 * * *", "Europe/Berlin", _AUTUMN + timedelta(minutes=15), 1) == ["26 01:30"]


def test_what_repeats_through_the_hours_goes_on_evenly() -> None:
    for change in (_SPRING, _AUTUMN):
        moments = list(islice(Recurrence("*/20 * * * *", "Europe/Berlin").following(change - timedelta(hours=3)), 20))
        assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(minutes=20)}


def test_a_day_without_midnight_fires_when_it_begins() -> None:
    assert _next("0 0 * * *", "America/Sao_Paulo", datetime(2018, 11, 3, 12, tzinfo=UTC), 2) == ["04 03:00", "05 02:00"]


@given(
    cron=st.sampled_from(["30 2 * * *", "*/7 * * * *", "0,30 1-3 * * *", "15 * * * SUN", "0 2 29 * *", "59 23 L * *"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]),
    start=st.datetimes(min_value=datetime(2017, 1, 1), max_value=datetime(2030, 1, 1)),  # noqa: DTZ001 - made UTC below
)
def test_moments_rise_whatever_moment_they_are_asked_from(cron: str, zone: str, start: datetime) -> None:
    recurrence = Recurrence(cron, zone)
    moments = list(islice(recurrence.following(start.replace(tzinfo=UTC)), 12))
    assert moments[0] > start.replace(tzinfo=UTC)
    assert all(earlier < later for earlier, later in pairwise(moments))
    # Asking again after any of them gives the rest: what a scheduler that was restarted does.
    for place in range(len(moments) - 1):
        assert recurrence.after(moments[place]) == moments[place + 1]


@given(
    hours=st.integers(min_value=1, max_value=20_000),
    most=st.integers(min_value=1, max_value=30),
    cron=st.sampled_from(["*/30 * * * *", "30 2 * * *", "0 0 1 * *", "* * 1 1 *"]),
)
def test_the_newest_are_the_end_of_all(hours: int, most: int, cron: str) -> None:
    recurrence = Recurrence(cron, "Europe/Berlin")
    first = datetime(2024, 2, 1, tzinfo=UTC)
    until = first + timedelta(hours=hours)
    everything = []
    for moment in recurrence.following(first - timedelta(seconds=1)):
        if moment > until:
            break
        everything.append(moment)
    assert list(recurrence.newest(first, until, most)) == everything[-most:]
    assert recurrence.count(first, until, 100) == min(len(everything), 100)


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("61 * * * *", "UTC", "cannot be read"),
        ("* * * * * *", "UTC", "5 fields"),
        ("@daily", "UTC", "5 fields"),
        ("", "UTC", "5 fields"),
        ("*/0 * * * *", "UTC", "cannot be read"),
        ("0 0 30 2 *", "UTC", "cannot be read"),
        ("* * * * *" + ",1" * 200, "UTC", "5 fields"),
        ("0 0 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("0 0 * * *", "../../etc/passwd", "there is no time zone"),
        ("0 0 * * *", "", "there is no time zone"),
        ("0 0 * * *", "localtime", "there is no time zone"),
        ("*/99999999999999999999 * * * * *", "UTC", "5 fields"),
    ],
)
def test_what_makes_no_sense_is_refused(cron: str, zone: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Recurrence(cron, zone)
    assert words in caught.value.message


_HOURLY = Recurrence("0 * * * *", "UTC")
_NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def _due(policy: MissedPolicy, first: datetime, now: datetime, most: int = 3) -> DueFirings:
    return due_firings(_HOURLY, policy, most, first=first, now=now)


@pytest.mark.parametrize("policy", list(MissedPolicy))
def test_a_firing_on_time_is_no_missed_one(policy: MissedPolicy) -> None:
    assert _due(policy, _NOON, _NOON + GRACE) == DueFirings(run=(_NOON,))


def test_skip_runs_nothing_of_what_was_missed() -> None:
    first = _NOON - timedelta(hours=5)
    assert _due(MissedPolicy.SKIP, first, _NOON + timedelta(minutes=30)) == DueFirings(skipped=_NOON, missed=6)
    assert _due(MissedPolicy.SKIP, first, _NOON) == DueFirings(run=(_NOON,), missed=5)


def test_run_once_runs_one_for_all() -> None:
    first = _NOON - timedelta(hours=5)
    assert _due(MissedPolicy.RUN_ONCE, first, _NOON + timedelta(minutes=30)) == DueFirings(run=(_NOON,), missed=5)


def test_run_all_is_bounded_to_the_newest() -> None:
    first = _NOON - timedelta(hours=5)
    run = (_NOON - timedelta(hours=2), _NOON - timedelta(hours=1), _NOON)
    assert _due(MissedPolicy.RUN_ALL, first, _NOON + timedelta(minutes=30)) == DueFirings(run=run, missed=3)
    ages = _due(MissedPolicy.RUN_ALL, _NOON - timedelta(days=4000), _NOON)
    assert ages == DueFirings(run=run, missed=MOST_COUNTED - 3)


def test_nothing_is_due_where_no_firing_lies_between() -> None:
    between = _NOON + timedelta(minutes=10)
    assert _due(MissedPolicy.RUN_ALL, between, between + timedelta(minutes=5)) == DueFirings()
