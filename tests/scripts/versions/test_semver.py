"""Version numbers by Semantic Versioning (A09)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.domain.errors import ConfigurationError
from quilate.scripts.versions.semver import Semver, following

_ORDERED = (
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.10",
    "1.2.0",
    "10.0.0",
)
"""The standard's own example of precedence (item 11), with neighbours."""


def test_precedence_is_the_standards() -> None:
    shuffled = [Semver.parse(text) for text in reversed(_ORDERED)]
    assert [str(each) for each in sorted(shuffled, key=lambda each: each.precedence)] == list(_ORDERED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "01.2.3",
        "1.02.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3+",
        "v1.2.3",
        "1.2.3 ",
        "1.2.3\n",
        "1.2.٣",
        "1.2.3-a..b",
        "9999999999.0.0",
        "1.0.0-" + "a" * 100,
    ],
)
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Semver.parse(text)


@pytest.mark.parametrize(
    "text", ["1.0.0-0A.is.legal", "1.0.0+build.001", "1.0.0-rc.1+sha-5114f85", "0.0.0", "1.1.2--1"]
)
def test_legal_forms_are_kept_as_they_are(text: str) -> None:
    assert str(Semver.parse(text)) == text


def test_what_follows_is_the_patch_after_the_highest() -> None:
    assert str(following([])) == "1.0.0"
    assert str(following(map(Semver.parse, ("1.2.3", "1.10.0", "1.9.9")))) == "1.10.1"
    assert str(following([Semver.parse("2.0.0-rc.1")])) == "2.0.0"


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        ("1.4.2", "2.0.0", True),
        ("1.4.2", "1.5.0", False),
        ("0.3.1", "0.4.0", True),
        ("0.3.1", "0.3.2", False),
        ("0.3.1", "1.0.0", True),
        ("1.0.0", "1.0.1", False),
    ],
)
def test_a_break_is_announced_by_the_major_number_and_below_one_by_the_minor(
    before: str, after: str, *, may: bool
) -> None:
    assert Semver.parse(after).may_break(Semver.parse(before)) is may


@given(st.tuples(*[st.integers(0, 999_999_999)] * 3))
def test_the_next_breaking_number_is_higher_and_says_so(numbers: tuple[int, int, int]) -> None:
    given_number = Semver(major=numbers[0], minor=numbers[1], patch=numbers[2])
    following_number = given_number.following_breaking()
    assert following_number.may_break(given_number)
    assert following_number.precedence > given_number.precedence
    assert given_number.following_patch().precedence > given_number.precedence
