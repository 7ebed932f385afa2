"""Identifiers are version 7 UUIDs, ordered by their moment (C07)."""

import time
from uuid import RFC_4122

import pytest

from quilate.kit.ids import uuid7, uuid7_hex, uuid7s


def test_an_id_holds_its_moment() -> None:
    made = uuid7(1_700_000_000_123)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == 1_700_000_000_123


def test_ids_of_later_moments_are_greater() -> None:
    assert uuid7(1_700_000_000_123) < uuid7(1_700_000_000_124)


@pytest.mark.parametrize("number", [0, 1, 1000])
def test_ids_made_together_differ_and_ascend(number: int) -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7s(number)
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == number
    assert made == sorted(made)
    assert all((each.version, each.variant) == (7, RFC_4122) for each in made)
    assert all(before <= each.int >> 80 <= after for each in made)


def test_the_digits_of_an_id_are_those_of_a_version_7() -> None:
    digits = uuid7_hex()
    assert len(digits) == 32
    assert digits[12] == "7"
    assert int(digits, 16) >> 80 == pytest.approx(time.time_ns() // 1_000_000, abs=60_000)
