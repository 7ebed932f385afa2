"""Columns (Parquet, Arrow, CSV) for schemas: records to be checked, columns to be rewritten; batch by batch."""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any

from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.errors import broken, refused
from quilate.scripts.payloads.json_guard import LARGEST_INTEGER, long_violation
from quilate.scripts.payloads.marks import Marks, Place
from quilate.scripts.payloads.tokens import Tokeniser
from quilate.scripts.versions.schema_words import escaped

# The Arrow library has no types of its own, and is loaded only where columns are looked at.
Batch = Any
Column = Any

_ROWS = 10_000
_EXACT_BITS = 32
_BLOCK_BYTES = 1 << 20


def _library(name: str = "pyarrow") -> Any:
    return import_module(name)


@contextmanager
def _readable(format_: FileFormat) -> Iterator[None]:
    """Raise what the reader says of a file that is none; its words may hold values."""
    pa = _library()
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        texts = ", and its texts UTF-8" if format_ is FileFormat.CSV else ""
        raise refused(f"the content cannot be read as {format_.value}", f"see that the file is whole{texts}") from error


def batches_of(stream: IO[bytes], format_: FileFormat, texts: Collection[str] = ()) -> Iterator[Batch]:
    """Give a file's batches, read as ``quilate.scripts.batch`` reads them; Parquet needs a stream that can seek.

    Args:
        stream: The file.
        format_: What it is.
        texts: Columns of a CSV file that are texts whatever their values look like, so that ``007`` stays so.

    Raises:
        Problem: 422, it is no such file.
    """
    with _readable(format_):
        match format_:
            case FileFormat.PARQUET:
                pq = _library("pyarrow.parquet")
                yield from pq.ParquetFile(stream, pre_buffer=False).iter_batches(batch_size=_ROWS, use_threads=False)
            case FileFormat.ARROW:
                ipc = _library("pyarrow.ipc")
                for batch in ipc.open_stream(stream):
                    yield from (batch.slice(start, _ROWS) for start in range(0, batch.num_rows, _ROWS))
            case _:
                yield from _csv_batches(stream, texts)


def _csv_batches(stream: IO[bytes], texts: Collection[str]) -> Iterator[Batch]:
    from quilate.scripts.batch import csv_reading  # noqa: PLC0415 - it loads the Arrow library
    from quilate.scripts.batch.model import BatchInputError  # noqa: PLC0415 - as above

    try:
        yield from csv_reading.csv_batches(stream, dict.fromkeys(texts, _library().string()), _BLOCK_BYTES)
    except csv_reading.LongIntegerError as error:
        raise broken([long_violation(f"/{error.record}/{escaped(error.name)}", error.record)]) from error
    except BatchInputError as error:
        raise refused("the content is no UTF-8", "save it in that encoding") from error


class ColumnRewriting:
    """What is changed in columns before they are checked, and after.

    Args:
        marks: Of the schema; records are the items of its array.
        place: Of a record.
    """

    def __init__(self, marks: Marks, place: Place) -> None:
        self._marks = marks
        self._place = place

    def texts(self) -> set[str]:
        """Return the columns that the schema names and reads as texts."""
        named = {name for schema in self._place.schemas for name in schema.get("properties", {})}
        return {name for name in named if self._marks.child(self._place, name).text}

    def as_read(self, batch: Batch) -> Batch:
        """Return a batch whose long integers are texts where the schema reads texts."""
        pa = _library()

        def read(column: Column, place: Place) -> Column:
            return column.cast(pa.string()) if place.text and pa.types.is_integer(column.type) else column

        return self._changed(batch, read)

    def with_tokens(self, batch: Batch, tokeniser: Tokeniser) -> Batch:
        """Return a batch with tokens.

        Raises:
            Problem: 422, a field within a nested column is to be tokenised.
        """
        pa = _library()

        def tokenised(column: Column, place: Place) -> Column:
            if place.tokens is None:
                if pa.types.is_nested(column.type) and self._tokens_within(place):
                    raise refused(
                        "a field of a nested column is to be tokenised, which is done for JSON and NDJSON only",
                        "flatten the column, mark all of it, or send NDJSON",
                    )
                return column
            name = place.tokens
            values = _texts(column)
            tokens = [None if value is None else tokeniser.token(value, name) for value in values]
            return pa.array(tokens, pa.string())

        return self._changed(batch, tokenised)

    def _tokens_within(self, place: Place) -> bool:
        if not place.marked:
            return False
        waiting, seen = [place], set[int]()
        while waiting:
            each = waiting.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            if each.tokens is not None:
                return True
            names = {name for schema in each.schemas for name in schema.get("properties", {})}
            waiting.extend(self._marks.child(each, name) for name in names)
            waiting.append(self._marks.item(each, 0))
        return False

    def _changed(self, batch: Batch, change: Callable[[Column, Place], Column]) -> Batch:
        pa = _library()
        places = [self._marks.child(self._place, name) for name in batch.schema.names]
        columns = [change(column, place) for column, place in zip(batch.columns, places, strict=True)]
        fields = [
            pa.field(field.name, column.type, field.nullable)
            for field, column in zip(batch.schema, columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _texts(column: Column) -> list[Any]:
    """Return a column's values as a script would get them, so that they join with those of JSON."""
    batch = _library().RecordBatch.from_arrays([column], names=["value"])
    return [record["value"] for record in records_of(batch).values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Rows as the script gets them.

    Attributes:
        values: Objects of JSON values; NaN and the infinities, which JSON has not, are null.
        long: Row and column of integers beyond 2^53, which are null in ``values``.
    """

    values: list[dict[str, Any]]
    long: tuple[tuple[int, str], ...] = ()


def _without_long(column: Any) -> tuple[Any, list[int]]:
    """Return a column without its integers beyond 2^53, and the rows that held one."""
    pa, pc = _library(), _library("pyarrow.compute")
    if not pa.types.is_integer(column.type) or column.type.bit_width <= _EXACT_BITS or not _is_long(pc, column):
        return column, []
    rows = [row for row, value in enumerate(column.to_pylist()) if abs(value or 0) > LARGEST_INTEGER]
    gone = set(rows)
    return pc.if_else(pa.array([row in gone for row in range(len(column))]), None, column), rows


def records_of(batch: Batch) -> Records:
    """Return a batch as records, its values mapped as ``docs/large-data.md`` says.

    Raises:
        Problem: 422, a nested column holds integers beyond 2^53, or a column is of a type that JavaScript has not.
    """
    from quilate.scripts.batch.mapping import WireMapper  # noqa: PLC0415 - it loads the Arrow library
    from quilate.scripts.batch.model import BatchInputError  # noqa: PLC0415 - as above

    pa = _library()
    long: list[tuple[int, str]] = []
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        held, rows = _without_long(column)
        long += [(row, name) for row in rows]
        columns.append(held)
    try:
        mapped = WireMapper().batch(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
    except BatchInputError as error:
        # Its own words name the value.
        raise refused(
            "a nested column holds integers beyond 2^53, or a column is of a type that JavaScript has not",
            "store it as text",
        ) from error
    return Records(values=[_finite(record) for record in mapped.to_pylist()], long=tuple(sorted(long)))


def _is_long(pc: Any, column: Column) -> bool:
    bounds = pc.min_max(column)
    least, greatest = bounds["min"].as_py(), bounds["max"].as_py()
    return least is not None and (least < -LARGEST_INTEGER or greatest > LARGEST_INTEGER)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(inner) for name, inner in value.items()}
        case list():
            return [_finite(inner) for inner in value]
        case _:
            return value


class _Sink:
    """What a writer has written since it was last asked."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._written += view
        self._size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        written, self._written = bytes(self._written), bytearray()
        return written


def written(batches: Iterator[Batch], format_: FileFormat) -> Iterator[bytes]:
    """Give a file of batches, piece by piece, in the format that they came in."""
    pa = _library()
    sink = _Sink()
    writer: Any = None
    for batch in batches:
        if writer is None:
            writer = _writer(pa.PythonFile(sink, mode="w"), batch.schema, format_)
        writer.write_batch(batch)
        yield sink.taken()
    if writer is not None:
        writer.close()
        yield sink.taken()


def _writer(target: Any, schema: Any, format_: FileFormat) -> Any:
    match format_:
        case FileFormat.PARQUET:
            pq = _library("pyarrow.parquet")
            return pq.ParquetWriter(target, schema)
        case FileFormat.ARROW:
            ipc = _library("pyarrow.ipc")
            return ipc.new_stream(target, schema)
        case _:
            csv = _library("pyarrow.csv")
            return csv.CSVWriter(target, schema)
