"""Cursors come back as they went, and nothing else is taken for one (C06)."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from quilate.kit.web.paging import cut_page, decode_cursor, encode_cursor, next_link
from quilate.kit.web.problems import Problem

ID = UUID("0190163d-8694-739b-aea5-966c26f8ad91")
MOMENT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def test_a_cursor_comes_back_as_it_went() -> None:
    cursor = encode_cursor(MOMENT, ID, 3)

    assert decode_cursor(cursor, tuple[datetime, UUID, int]) == (MOMENT, ID, 3)
    assert decode_cursor("", tuple[int]) is None
    assert cursor.isascii()
    assert "=" not in cursor


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!!",
        "é",
        encode_cursor("text", ID),
        encode_cursor(MOMENT),
        encode_cursor(MOMENT, ID, 1),
        encode_cursor(MOMENT, ID) + "=",
        "W10",
        base64.urlsafe_b64encode(b'["2026-11-21T08:30:00Z" , "0190163d-8694-739b-aea5-966c26f8ad91"]').decode(),
        "A" * 2000,
    ],
)
def test_what_no_list_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        decode_cursor(cursor, tuple[datetime, UUID])

    assert refused.value.status == 422
    assert refused.value.type == "invalid-cursor"


def test_a_cursor_with_nul_is_refused() -> None:
    with pytest.raises(Problem):
        decode_cursor(encode_cursor("a\0b"), tuple[str])


@given(st.text(max_size=60))
def test_no_text_is_an_unexpected_error(cursor: str) -> None:
    try:
        decode_cursor(cursor, tuple[str, int])
    except Problem as problem:
        assert problem.status == 422  # noqa: PT017 - either is right


def test_a_page_is_cut_where_more_rows_came() -> None:
    page = cut_page([1, 2, 3], 2, lambda row: (row,))

    assert page.items == [1, 2]
    assert decode_cursor(page.cursor, tuple[int]) == (2,)
    assert not cut_page([1, 2], 2, lambda row: (row,)).cursor


def test_the_link_keeps_the_question_and_changes_the_place() -> None:
    request = Request(
        {
            "type": "http", "method": "GET", "path": "/things/a>b", "headers": [], "server": ("h", 80),
            "scheme": "http", "query_string": b"status=a%26b&cursor=old&limit=2", "root_path": "",
        }
    )  # fmt: skip

    assert next_link(request, "NEW") == {"Link": '</things/a%3Eb?status=a%26b&limit=2&cursor=NEW>; rel="next"'}
    assert next_link(request, "") == {}
