"""What can be said about a payload without reading it as JSON; runs inside the worker."""

import json
import re
from typing import Final, NoReturn

from quilate.sandbox.model import Format

LONG_DIGITS: Final = b"0" * 16
"""2**53 has 16 digits: shorter integers are exact."""
_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_INTEGER = re.compile(rb"(?:^|[\[:,\s])-?[0-9]{16,}(?:$|[,\]}\s])")
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]++|\\.)*+"|(-?Infinity|NaN)')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def without_mark(data: bytes) -> bytes:
    """The text with blanks for a byte order mark, so that places in it stay what they are."""
    return b"   " + data[3:] if data.startswith(_BYTE_ORDER_MARK) else data


def text_error(data: bytes) -> str | None:
    """Where bytes are no UTF-8 (V8 would replace them in silence)."""
    if data.isascii():
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"The input is not UTF-8: byte {error.start} (line {line})"
    return None


def may_hold_unsafe_integer(data: bytes) -> bool:
    """Whether an integer of 16 or more digits seems to stand outside of a string; three steps, the cheapest first."""
    if LONG_DIGITS not in data.translate(_TO_ZEROS):
        return False
    return _LONG_INTEGER.search(data) is not None


class _ConstantError(ValueError):
    """NaN or an infinity, which Python's reader would take."""


def _no_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _no_number(_: str) -> int:
    """Nothing: numbers are not looked at, and Python refuses the longest ones that V8 reads."""
    return 0


def _broken_at(text: str) -> tuple[int, str] | None:
    """Where a text is no JSON, counted in characters, and why; nothing where Python's reader takes it.

    Raises:
        RecursionError: It is nested too deep to be read.
    """
    try:
        json.loads(text, parse_constant=_no_constant, parse_int=_no_number)
    except json.JSONDecodeError as error:
        return error.pos, error.msg
    except _ConstantError as error:
        # Everything before the first constant has been read, so that strings are whole and can be passed over.
        place = next(found for found in _STRING_OR_CONSTANT.finditer(text) if found[1])
        return place.start(), f"{error} is no JSON"
    return None


def broken_place(data: bytes, form: Format, v8_message: str, line: int = 0) -> str:
    """A sentence that says where JSON is broken, for text that V8 has refused.

    Args:
        data: The whole payload.
        form: JSON or NDJSON.
        v8_message: What V8 said; used where Python's reader accepts what V8 refused.
        line: For NDJSON, the line that V8 refused, from 1.
    """
    begin = 0
    if form is Format.NDJSON and line:
        for _ in range(line - 1):
            begin = data.index(b"\n", begin) + 1
        end = data.find(b"\n", begin)
        data = data[begin : end if end >= 0 else len(data)]
    text = data.decode(errors="replace")
    try:
        broken = _broken_at(text)
    except RecursionError:
        return f"The input is nested too deep{f' at line {line}' if line else ''}"
    if broken is None:
        reason = v8_message.removeprefix("SyntaxError: ")
        return f"The input is broken{f' at line {line} (byte {begin})' if line else ''}: {reason}"
    position, reason = broken
    before = text[:position]
    number = line if form is Format.NDJSON and line else before.count("\n") + 1
    column = position - before.rfind("\n")
    return f"The input is broken at line {number}, column {column} (byte {begin + len(before.encode())}): {reason}"
