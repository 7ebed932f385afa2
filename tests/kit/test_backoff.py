"""Pauses between attempts: bounded, growing, spread (C07)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.kit.backoff import Backoff


@given(failures=st.integers(min_value=1, max_value=10**9), seed=st.integers())
def test_a_pause_lies_between_nothing_and_its_ceiling(failures: int, seed: int) -> None:
    backoff = Backoff(first_seconds=0.5, longest_seconds=60)
    assert 0 <= backoff.pause(failures, random.Random(seed)) <= backoff.ceiling(failures) <= 60  # noqa: S311 - a seed


@given(failures=st.integers(min_value=0, max_value=2000))
def test_ceilings_never_shrink(failures: int) -> None:
    backoff = Backoff(first_seconds=0.1, longest_seconds=1e9, factor=3)
    assert backoff.ceiling(failures) <= backoff.ceiling(failures + 1)


def test_ceilings_double_up_to_the_longest() -> None:
    backoff = Backoff(first_seconds=1, longest_seconds=10)
    assert [backoff.ceiling(failures) for failures in range(7)] == [0, 1, 2, 4, 8, 10, 10]


def test_the_whole_width_is_used_and_a_seed_repeats_it() -> None:
    backoff = Backoff(first_seconds=1, longest_seconds=64)
    pauses = [backoff.pause(7, source) for source in [random.Random(1)] for _ in range(1000)]  # noqa: S311 - a seed
    assert min(pauses) < 5
    assert max(pauses) > 59
    assert pauses[:3] == [backoff.pause(7, source) for source in [random.Random(1)] for _ in range(3)]  # noqa: S311


def test_pauses_that_make_no_sense_are_refused() -> None:
    for wrong in ({"first_seconds": 0.0}, {"first_seconds": 9.0, "longest_seconds": 1.0}, {"factor": 0.5}):
        with pytest.raises(ValueError, match="a pause is above zero"):
            Backoff(**wrong)
