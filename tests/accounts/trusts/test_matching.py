"""Globs stay within their bounds (C09)."""

import pytest

from quilate.accounts.trusts.matching import _pattern, claim_text


@pytest.mark.parametrize(
    ("glob", "text", "holds"),
    [
        ("refs/heads/release/*", "refs/heads/release/1.2", True),
        ("refs/heads/release/*", "refs/heads/release/1/2", False),
        ("refs/heads/release/**", "refs/heads/release/1/2", True),
        ("refs/heads/release/*", "refs/heads/release", False),
        ("refs/heads/v*.x", "refs/heads/v1.x", True),
        ("refs/heads/v*.x", "refs/heads/v1yx", False),
        ("refs/heads/*", "xrefs/heads/main", False),
        ("refs/heads/*", "refs/heads/main\nx", True),
        ("refs/heads/[a-z]", "refs/heads/a", False),
        ("REFS/heads/*", "refs/heads/a", False),
    ],
)
def test_a_star_stays_between_slashes_and_nothing_else_is_special(glob: str, text: str, *, holds: bool) -> None:
    assert (_pattern(glob).fullmatch(text) is not None) is holds


def test_claims_are_compared_as_texts_and_nothing_else_is() -> None:
    assert [claim_text(value) for value in ("x", 28, True, None, ["x"], {"a": 1}, "x" * 2000)] == [
        "x",
        "28",
        "true",
        None,
        None,
        None,
        None,
    ]
