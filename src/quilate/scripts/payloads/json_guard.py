"""JSON as scripts get it: where it is broken, what JavaScript would change in silence, how deep it is.

Of an object's members of one name the last one counts, as in JavaScript, so that what was checked is what the script
sees. NaN, Infinity, numbers beyond a double's range and lone surrogates are refused; a byte order mark at the beginning
is skipped.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeVar

import msgspec

from quilate.sandbox.payloads import without_mark
from quilate.scripts.payloads.marks import Marks, Place
from quilate.scripts.payloads.model import PayloadLimits, Violation
from quilate.scripts.versions.schema_words import escaped

LARGEST_INTEGER = 2**53 - 1
"""JavaScript's ``Number.MAX_SAFE_INTEGER``."""

_DIGITS = b"0" * 16
_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_PLACE = re.compile(r"\(byte ([0-9]+)\)")
_LONG = "is an integer beyond 2^53, which JavaScript cannot hold; read it as a string in the schema"

Key = TypeVar("Key", str, int)


class BrokenJsonError(Exception):
    """A text that is no JSON.

    Attributes:
        reason: Why, without anything of the text.
        byte: Where in it, from 0.
    """

    def __init__(self, reason: str, byte: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.byte = byte

    def violation(
        self, data: bytes, *, line: int | None = None, begin: int = 0, record: int | None = None
    ) -> Violation:
        """Return it with its place; of one line ``line`` says which, ``begin`` at which byte of the text it begins."""
        before = data[: self.byte]
        return Violation(
            path="" if record is None else f"/{record}",
            rule="json",
            message=f"is no JSON: {self.reason}",
            record=record,
            line=before.count(b"\n") + 1 if line is None else line,
            column=self.byte - (before.rfind(b"\n") + 1) + 1,
            byte=begin + self.byte,
        )


class LineTooLongError(BrokenJsonError):
    """A line of NDJSON is longer than allowed.

    Attributes:
        line: Which one, from 1.
    """

    def __init__(self, limit: int, line: int, begin: int) -> None:
        super().__init__(f"a line is longer than {limit} bytes", begin)
        self.line = line

    def violation(
        self, data: bytes = b"", *, line: int | None = None, begin: int = 0, record: int | None = None
    ) -> Violation:
        """Return it with the place where the line begins."""
        del data
        number = self.line if line is None else line
        return Violation(
            path="", rule="json", message=self.reason, line=number, column=1, byte=begin + self.byte, record=record
        )


def decode_document(data: bytes, depth: int) -> Any:
    """Return the value of a whole JSON text, which may begin with a byte order mark; raises as ``decode``."""
    return decode(without_mark(data), depth)


def decode(data: bytes, depth: int) -> Any:
    """Return the value of a JSON text.

    Raises:
        BrokenJsonError: It is none, or nested deeper than ``depth``.
    """
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise _too_deep(depth) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise _broken(data, str(error)) from None
    # Most texts have fewer brackets than levels are allowed.
    if data.count(b"[") + data.count(b"{") > depth and _is_deeper(value, depth):
        raise _too_deep(depth)
    return value


def _too_deep(depth: int) -> BrokenJsonError:
    return BrokenJsonError(f"its values are nested deeper than {depth} levels", 0)


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            inner
            for each in level
            for inner in (each.values() if type(each) is dict else each)
            if type(inner) is dict or type(inner) is list
        ]
    return bool(level)


def _broken(data: bytes, message: str) -> BrokenJsonError:
    """Return reason and place; the fast reader does not know every place, the standard library's does."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return BrokenJsonError("it is not UTF-8", error.start)
    if text.startswith("\ufeff"):
        return BrokenJsonError("a byte order mark stands elsewhere than at the beginning", 0)
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return BrokenJsonError(error.msg[:1].lower() + error.msg[1:], len(text[: error.pos].encode()))
    except (ValueError, RecursionError):
        pass
    found = _PLACE.search(message)
    reason = "a number is out of range" if "range" in message else "a text or number in it cannot be read"
    return BrokenJsonError(reason, int(found[1]) if found else 0)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def may_hold_long_integers(data: bytes) -> bool:
    """Tell whether sixteen digits stand together somewhere; most texts hold none, and nothing has to be looked for."""
    return _DIGITS in data.translate(_TO_ZEROS)


def long_violation(path: str, record: int | None = None) -> Violation:
    """Return the violation of an integer that JavaScript cannot hold."""
    return Violation(path=path, rule="integer", message=_LONG, record=record)


def long_integers(value: Any, marks: Marks, place: Place, path: str) -> tuple[Any, list[Violation]]:
    """Return a value with integers beyond 2^53 as texts where the schema reads texts, and those that stand elsewhere.

    Args:
        value: Parsed JSON.
        marks: Of the schema.
        place: Of the value.
        path: JSON pointer of the value.
    """
    found: list[Violation] = []
    return _long_integers(value, marks, place, path, found), found


def _long_integers(value: Any, marks: Marks, place: Place, path: str, found: list[Violation]) -> Any:
    if type(value) is int and abs(value) > LARGEST_INTEGER:
        if place.text:
            return str(value)
        found.append(long_violation(path))
    elif type(value) is dict:
        for key in _not_texts(value.items()):
            way = f"{path}/{escaped(key)}"
            value[key] = _long_integers(value[key], marks, marks.child(place, key), way, found)
    elif type(value) is list:
        for index in _not_texts(enumerate(value)):
            way = f"{path}/{index}"
            value[index] = _long_integers(value[index], marks, marks.item(place, index), way, found)
    return value


def _not_texts(items: Iterable[tuple[Key, Any]]) -> list[Key]:
    """Return where something lies that is no text: nearly all of most documents is text."""
    return [key for key, inner in items if type(inner) is not str]


def lines_of(stream: IO[bytes], limits: PayloadLimits) -> Iterator[tuple[int, int, bytes]]:
    """Give the lines of an NDJSON stream that are not blank, each with its number from 1 and the byte where it begins.

    Of the first one blanks stand for a byte order mark, as in a document.

    Raises:
        LineTooLongError: A line is longer than allowed.
    """
    number = begin = 0
    while line := stream.readline(limits.line_bytes + 1):
        number += 1
        if len(line) > limits.line_bytes:
            raise LineTooLongError(limits.line_bytes, number, begin)
        length = len(line)
        if number == 1:
            line = without_mark(line)
        if line.strip():
            yield number, begin, line
        begin += length
