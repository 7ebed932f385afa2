"""Read JSON arrays of objects and newline-delimited JSON, with numbers as they are spelt."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from quilate.checks.tables.lines import numbered_lines
from quilate.checks.tables.model import Table, ValueKind
from quilate.domain.errors import EvidenceError

MAX_JSON_BYTES = 1 << 30
"""A JSON array is parsed from memory; beyond 1 GiB it should be NDJSON or Parquet."""

_WHITESPACE = " \t\r\n"


class _Number(str):
    """The spelling of a JSON number, so that no digit is lost."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object repeats a key")
    return result


_DECODER = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_Number, object_pairs_hook=_object, strict=True
)


def read_ndjson(path: str, file: Path) -> Table:
    """Return the table of a file with one JSON object a line; blank lines are no records.

    Raises:
        EvidenceError: A line is not UTF-8, no JSON, or no object; names the line.
    """
    columns = _Columns(path)
    with file.open("rb") as stream:
        for number, raw in numbered_lines(path, stream, "has one JSON object a line"):
            text = _decoded(path, raw, number)
            if text.strip():
                columns.add(_parsed(path, text.strip(), number), number)
    return columns.table()


def read_json(path: str, file: Path) -> Table:
    """Return the table of a file with one JSON array of objects.

    Raises:
        EvidenceError: It is too large, not UTF-8, no JSON, or no array of objects; names the line.
    """
    size = file.stat().st_size
    if size > MAX_JSON_BYTES:
        raise EvidenceError(f"{path} has {size} bytes, more than a JSON array may have", next_step="use NDJSON")
    text = _decoded(path, file.read_bytes(), 1).removeprefix("\ufeff")
    columns = _Columns(path)
    for value, line in _elements(path, text):
        columns.add(value, line)
    return columns.table()


def _elements(path: str, text: str) -> Iterator[tuple[Any, int]]:
    position = _skip(text, 0)
    if position == len(text):
        raise EvidenceError(f"{path} is empty", next_step="bind a file with records")
    if text[position] != "[":
        raise EvidenceError(f"{path}:1: not an array of objects", next_step="write one array, or use NDJSON")
    line, counted = 1, 0
    expected = ""
    position = _skip(text, position + 1)
    while text[position : position + 1] != "]" or expected:
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise _broken(path, line, error) from error
        yield value, line
        position = _skip(text, position)
        separator = text[position : position + 1]
        if separator not in {",", "]"} or not separator:
            line += text.count("\n", counted, position)
            raise EvidenceError(
                f"{path}:{line}: the array ends or breaks off here without a comma or bracket",
                next_step="write the file again; it may have been cut",
            )
        expected = "value" if separator == "," else ""
        position = _skip(text, position + 1) if separator == "," else position
    if _skip(text, position + 1) != len(text):
        raise EvidenceError(f"{path}: something follows the array", next_step="write one array, or use NDJSON")


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _WHITESPACE:
        position += 1
    return position


def _decoded(path: str, raw: bytes, first_line: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + raw.count(b"\n", 0, error.start)
        raise EvidenceError(
            f"{path}:{line}: byte {error.start + 1} is not UTF-8", next_step="convert the file to UTF-8"
        ) from error


def _parsed(path: str, text: str, line: int) -> Any:
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise _broken(path, line, error) from error
    if end != len(text):
        raise EvidenceError(f"{path}:{line}: something follows the object", next_step="write one object a line")
    return value


def _broken(path: str, line: int, error: Exception) -> EvidenceError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(": line ")[0]
    return EvidenceError(f"{path}:{line}: not JSON: {reason}", next_step="mend the record; the file may have been cut")


class _Columns:
    """Collects cells by column; a key that a record lacks is a missing value."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._texts: dict[str, list[str | None]] = {}
        self._kinds: dict[str, bytearray] = {}
        self._lines: list[int] = []

    def add(self, value: Any, line: int) -> None:
        if not isinstance(value, dict):
            raise EvidenceError(f"{self._path}:{line}: the record is no object", next_step="write records as objects")
        height = len(self._lines)
        for key, cell in value.items():
            name = _storable(key)
            texts = self._texts.get(name)
            if texts is None:
                texts = self._texts[name] = [None] * height
                self._kinds[name] = bytearray(height)
            text, kind = _cell(cell)
            texts.append(text)
            self._kinds[name].append(kind)
        for name, texts in self._texts.items():
            if len(texts) == height:
                texts.append(None)
                self._kinds[name].append(ValueKind.NULL)
        self._lines.append(line)

    def table(self) -> Table:
        if not self._lines:
            raise EvidenceError(f"{self._path} has no records", next_step="bind a file with records")
        height = len(self._lines)
        return Table(
            path=self._path,
            frame=pl.DataFrame([pl.Series(name, texts, dtype=pl.String) for name, texts in self._texts.items()]),
            records=pl.int_range(1, height + 1, dtype=pl.UInt32, eager=True),
            lines=pl.Series("line", self._lines, dtype=pl.UInt32),
            kinds={name: pl.Series(list(kinds), dtype=pl.UInt8) for name, kinds in self._kinds.items()},
        )


def _cell(value: Any) -> tuple[str | None, ValueKind]:
    if value is None:
        return None, ValueKind.NULL
    if isinstance(value, _Number):
        return str(value), ValueKind.NUMBER
    if isinstance(value, str):
        return _storable(value), ValueKind.STRING
    if isinstance(value, bool):
        return ("true" if value else "false"), ValueKind.BOOLEAN
    return _storable(json.dumps(value, ensure_ascii=False)), ValueKind.NESTED


def _storable(text: str) -> str:
    """Replace half surrogate pairs (JSON may escape them), which no text column can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
