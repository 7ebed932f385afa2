"""Commands are read from comments, and nothing else is taken for one (C11)."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.domain.errors import ConfigurationError
from quilate.ops.comments.parsing import Command, Verb, find_line, parse_line

_ID = "01a1fd5e-a0c6-7610-9bd9-e15f5ad4db4e"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/quilate approve 1", "/quilate approve 1"),
        ("Fine by me.\r\n  /quilate approve 1\r\nThanks", "/quilate approve 1"),
        ("> /quilate approve 1", ""),
        ("```\n/quilate approve 1\n```", ""),
        ("    /quilate approve 1", ""),
        ("see /quilate approve 1", ""),
        ("/quilated approve 1", ""),
        ("/quilate approve 1\n/quilate approve 2", "/quilate approve 1"),
        ("", ""),
    ],
)
def test_only_a_line_of_its_own_is_a_command(text: str, line: str) -> None:
    assert find_line(text) == line


def test_a_waiver_is_asked_for_with_all_that_it_needs() -> None:
    command = parse_line('/quilate waive ruff/S324 until=2027-01-31 reason="a checksum" path=src/a/** path=src/b.py')

    assert command == Command(
        verb=Verb.WAIVE,
        rule="ruff/S324",
        until=date(2027, 1, 31),
        reason="a checksum",
        paths=("src/a/**", "src/b.py"),
    )


def test_decisions_name_their_waiver() -> None:
    assert parse_line(f"/quilate approve {_ID}") == Command(verb=Verb.APPROVE, waiver=UUID(_ID))
    assert parse_line(f'/quilate reject {_ID} reason="not here"').reason == "not here"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/quilate", "missing"),
        ("/quilate dance", "no command 'dance'"),
        ("/quilate waive ruff/S324", "needs reason"),
        ('/quilate waive ruff/S324 reason="x"', "until=YYYY-MM-DD"),
        ('/quilate waive ruff/S324 reason="x" until=tomorrow', "until=YYYY-MM-DD"),
        ('/quilate waive ruff/S324 ruff/S1 reason="x" until=2027-01-01', "one thing"),
        ('/quilate waive ruff/S324 reason="x" until=2027-01-01 colour=red', "no 'colour'"),
        ("/quilate approve 17", "id is none"),
        (f"/quilate revoke {_ID}", "needs reason"),
        ('/quilate waive "ruff', "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_expected(line: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected) as caught:
        parse_line(line)

    assert "/quilate waive RULE" in caught.value.next_step


@given(st.text(max_size=200))
def test_any_line_is_read_or_refused(text: str) -> None:
    try:
        parse_line(f"/quilate {text}")
    except ConfigurationError:
        return
