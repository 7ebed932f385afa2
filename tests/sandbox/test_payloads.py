"""Where a payload is broken that V8 has refused: line, column and byte of the data as it was sent (A10)."""

import pytest

from quilate.sandbox.model import Format
from quilate.sandbox.payloads import broken_place, without_mark

V8 = "SyntaxError: Unexpected token"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"[NaN]", "line 1, column 2 (byte 1): NaN is no JSON"),
        (b'["NaN \\" NaN", {"a":\n -Infinity}]', "line 2, column 2 (byte 22): -Infinity is no JSON"),
        ('["é", Infinity, ]'.encode(), "line 1, column 7 (byte 7): Infinity is no JSON"),
        (b"[" + b"9" * 5000 + b",]", "line 1, column 5003 (byte 5002): Expecting value"),
        (b"\xef\xbb\xbf[1,]", "line 1, column 7 (byte 6): Expecting value"),
        (b"[1] x", "line 1, column 5 (byte 4): Extra data"),
        (b"", "line 1, column 1 (byte 0): Expecting value"),
    ],
)
def test_a_document_is_broken_at_line_column_and_byte(data: bytes, place: str) -> None:
    assert broken_place(without_mark(data), Format.JSON, V8) == f"The input is broken at {place}"


def test_a_broken_line_is_named_with_its_place_in_the_whole() -> None:
    told = broken_place(b'1\n\n["a", NaN]\n2', Format.NDJSON, V8, 3)
    assert told == "The input is broken at line 3, column 7 (byte 9): NaN is no JSON"


def test_what_only_v8_refuses_has_its_words() -> None:
    assert broken_place(b"[1]", Format.JSON, V8) == "The input is broken: Unexpected token"
    assert broken_place(b"[" * 100_000, Format.JSON, V8) == "The input is nested too deep"
