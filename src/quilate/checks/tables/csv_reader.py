"""Read CSV: exact records, exact physical lines, no guessing of types.

Python's own reader gives the physical line of every record, also where quoted fields span lines; records go into
Polars in blocks, so that only one block of Python strings lives at a time.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import polars as pl

from quilate.checks.tables.lines import MAX_LINE_BYTES, numbered_lines
from quilate.checks.tables.model import RaggedRow, Table
from quilate.domain.errors import EvidenceError

if TYPE_CHECKING:
    import _csv

BLOCK_RECORDS = 50_000

ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "cp1252")
"""Encodings in which a line feed is one byte, so that lines can be counted before decoding."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_csv(path: str, file: Path, *, delimiter: str, encoding: str, null_values: tuple[str, ...]) -> Table:
    """Return the table of a CSV file with a header.

    Args:
        path: The name to use in messages.
        file: The file itself.
        delimiter: One character.
        encoding: One of ``ENCODINGS``; a byte order mark is skipped in both UTF-8 variants.
        null_values: Spellings of a missing value, compared whole.

    Raises:
        EvidenceError: The file is empty, cannot be decoded, has a broken quote or a repeated column name.
    """
    if encoding not in ENCODINGS:
        raise EvidenceError(f"encoding {encoding!r} is not read", next_step=f"use one of {', '.join(ENCODINGS)}")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise EvidenceError(f"{delimiter!r} cannot be a delimiter", next_step="give one character, for example ';'")
    previous_limit = csv.field_size_limit(MAX_LINE_BYTES)
    try:
        with file.open("rb") as stream:
            lines = _decoded_lines(path, stream, encoding)
            return _Blocks(path, csv.reader(lines, delimiter=delimiter, strict=True), null_values).table()
    finally:
        csv.field_size_limit(previous_limit)


def _decoded_lines(path: str, stream: BinaryIO, encoding: str) -> Iterator[str]:
    if stream.read(3) != _BYTE_ORDER_MARK or not encoding.startswith("utf-8"):
        stream.seek(0)
    for number, raw in numbered_lines(path, stream, "is text with one record a line"):
        try:
            yield raw.decode(encoding.removesuffix("-sig"))
        except UnicodeDecodeError as error:
            raise EvidenceError(
                f"{path}:{number}: byte {error.start + 1} of the line is not {encoding}",
                next_step="set `encoding` in the binding or convert the file to UTF-8",
            ) from error


class _Blocks:
    """Collects records in blocks of text columns."""

    def __init__(self, path: str, reader: "_csv.Reader", null_values: tuple[str, ...]) -> None:
        self._path = path
        self._reader = reader
        self._null_values = list(null_values)
        self._frames: list[pl.DataFrame] = []
        self._records: list[int] = []
        self._lines: list[int] = []
        self._ragged: list[RaggedRow] = []
        self._blank = 0

    def table(self) -> Table:
        header = self._header()
        rows: list[list[str]] = []
        for record, (line, row) in enumerate(self._data_rows(), 1):
            if len(row) != len(header):
                self._ragged.append(RaggedRow(record=record, line=line, fields=len(row)))
                continue
            rows.append(row)
            self._records.append(record)
            self._lines.append(line)
            if len(rows) == BLOCK_RECORDS:
                self._frames.append(self._frame(header, rows))
                rows = []
        self._frames.append(self._frame(header, rows))
        return Table(
            path=self._path,
            frame=pl.concat(self._frames, rechunk=True),
            records=pl.Series("record", self._records, dtype=pl.UInt32),
            lines=pl.Series("line", self._lines, dtype=pl.UInt32),
            ragged=tuple(self._ragged),
            blank_lines=self._blank,
        )

    def _header(self) -> list[str]:
        for _, row in self._data_rows():
            repeated = sorted({name for name in row if row.count(name) > 1})
            if repeated:
                raise EvidenceError(
                    f"{self._path}: the header names {repeated[0]!r} more than once",
                    next_step="give every column a name of its own",
                )
            return row
        raise EvidenceError(f"{self._path} is empty", next_step="bind a file with a header and records")

    def _data_rows(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            start = self._reader.line_num + 1
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise EvidenceError(
                    f"{self._path}:{start}: the record that starts here is no CSV: {_plain(error)}",
                    next_step='close the quote, or write a quote inside a quoted field as ""',
                ) from error
            if row:
                yield start, row
            else:
                self._blank += 1

    def _frame(self, header: list[str], rows: list[list[str]]) -> pl.DataFrame:
        columns = zip(*rows, strict=True) if rows else ((),) * len(header)
        frame = pl.DataFrame(
            [pl.Series(name, values, dtype=pl.String) for name, values in zip(header, columns, strict=True)]
        )
        is_missing = pl.all().is_in(pl.Series(self._null_values, dtype=pl.String).implode())
        return frame.select(pl.when(~is_missing).then(pl.all()).name.keep())


def _plain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quote is never closed"
    if "field limit" in text or "field larger" in text:
        return f"a field is longer than {MAX_LINE_BYTES >> 20} MiB, a quote may never be closed"
    if "new-line character" in text:
        return "it has a carriage return outside quotes"
    return text
