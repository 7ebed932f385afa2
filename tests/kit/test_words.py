"""Texts for people count in English (C01)."""

import pytest

from quilate.kit.words import counted


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ("finding",), "0 findings"),
        (1, ("finding",), "1 finding"),
        (2, ("finding",), "2 findings"),
        (1, ("retry", "retries"), "1 retry"),
        (2, ("retry", "retries"), "2 retries"),
    ],
)
def test_a_noun_is_singular_behind_one_alone(number: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(number, *nouns) == text
