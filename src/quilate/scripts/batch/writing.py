"""Results written part by part: JSON, NDJSON, Parquet, Arrow. The target appears when it is complete."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from quilate.scripts.batch.model import BatchResultError
from quilate.scripts.batch.output_types import fitted, inferred, unified
from quilate.scripts.model import FileFormat

_MOST_REWRITES: Final = 32
_ROWS_OF_A_GROUP: Final = 131_072
_ROWS_AT_ONCE: Final = 65_536


class Sink(Protocol):
    """What results go into, in their order."""

    records: int

    def add(self, values: Any) -> None:
        """Append records.

        Raises:
            BatchResultError: They do not fit what is there.
        """

    def close(self) -> None:
        """Finish the file."""

    def abort(self) -> None:
        """Take it away."""


class TextSink:
    """JSON values, as one array with a value on each line, or one on each line and nothing else."""

    def __init__(self, path: Path, *, array: bool) -> None:
        self.records = 0
        self._path = path
        self._array = array
        self._stream = path.open("wb")
        if array:
            self._stream.write(b"[")

    def add(self, values: Sequence[bytes]) -> None:
        """Append values that are JSON, none of which has a line break outside of a text."""
        if not values:
            return
        if self._array:
            self._stream.write((b",\n" if self.records else b"\n") + b",\n".join(values))
        else:
            self._stream.write(b"\n".join(values) + b"\n")
        self.records += len(values)

    def close(self) -> None:
        """Finish the file."""
        if self._array:
            self._stream.write(b"\n]\n" if self.records else b"]\n")
        self._stream.close()

    def abort(self) -> None:
        """Take it away."""
        self._stream.close()
        self._path.unlink(missing_ok=True)


class ColumnSink:
    """Record batches, with one schema in the end.

    Args:
        path: Of the file.
        file_format: Parquet or Arrow.
        schema: Declared; ``None`` to infer it, and to write the file anew where a part needs a wider one.
    """

    def __init__(self, path: Path, file_format: FileFormat, schema: Any = None) -> None:
        self.records = 0
        self._path = path
        self._format = file_format
        self._declared = schema is not None
        self._schema = schema
        self._writer: Any = None
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        self._rewrites = 0

    def add(self, values: Any) -> None:
        """Append a ``pyarrow.Table``."""
        if values.num_rows == 0:
            return
        if values.num_columns == 0:
            message = "The result's records have no fields, so there are no columns"
            raise BatchResultError(message)
        if self._declared:
            table = fitted(values, self._schema, closed=True)
        else:
            table = inferred(values)
            self._widen(table.schema)
            table = fitted(table, self._schema)
        self.records += table.num_rows
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= _ROWS_OF_A_GROUP:
            self._write()

    def _widen(self, schema: Any) -> None:
        if self._schema is None:
            self._schema = schema
            return
        if self._schema.equals(schema):
            return
        wider = unified(self._schema, schema)
        if wider.equals(self._schema):
            return
        self._waiting = [fitted(table, wider) for table in self._waiting]
        if self._writer is not None:
            self._rewrite(wider)
        self._schema = wider

    def _rewrite(self, wider: Any) -> None:
        self._rewrites += 1
        if self._rewrites > _MOST_REWRITES:
            message = f"The columns changed {_MOST_REWRITES} times from part to part: declare an output schema"
            raise BatchResultError(message)
        self._writer.close()
        narrow = self._path.with_name(self._path.name + ".narrow")
        self._path.replace(narrow)
        try:
            self._schema = wider
            self._writer = self._open()
            for batch in _read_back(narrow, self._format):
                self._writer.write_table(fitted(pa.Table.from_batches([batch]), wider))
        finally:
            narrow.unlink()

    def _write(self) -> None:
        if self._writer is None:
            self._writer = self._open()
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks(), _ROWS_OF_A_GROUP)
        self._waiting, self._waiting_rows = [], 0

    def _open(self) -> Any:
        if self._format is FileFormat.PARQUET:
            # Tables of different values are worth their time for texts; numbers rarely repeat.
            texts = [field.name for field in self._schema if pa.types.is_string(field.type)]
            return pq.ParquetWriter(str(self._path), self._schema, compression="snappy", use_dictionary=texts or False)
        return pa.ipc.new_file(str(self._path), self._schema)

    def close(self) -> None:
        """Finish the file; without a record it has the declared columns, or none."""
        if self._schema is None:
            self._schema = pa.schema([])
        try:
            self._write()
            self._writer.close()
        except pa.ArrowException as error:
            message = f"The result cannot be written as {self._format}: {str(error)[:300]}"
            raise BatchResultError(message) from error

    def abort(self) -> None:
        """Take it away."""
        if self._writer is not None:
            with contextlib.suppress(pa.ArrowException):
                self._writer.close()
        self._path.unlink(missing_ok=True)


def _read_back(path: Path, file_format: FileFormat) -> Iterator[Any]:
    with path.open("rb") as stream:
        if file_format is FileFormat.PARQUET:
            yield from pq.ParquetFile(stream, pre_buffer=False).iter_batches(_ROWS_AT_ONCE, use_threads=False)
            return
        reader = pa.ipc.open_file(stream)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def open_sink(path: Path, file_format: FileFormat, schema: Any = None) -> Sink:
    """Open what results go into.

    Raises:
        BatchResultError: The format is only for reading.
    """
    if file_format is FileFormat.JSON:
        return TextSink(path, array=True)
    if file_format is FileFormat.NDJSON:
        return TextSink(path, array=False)
    if file_format in {FileFormat.PARQUET, FileFormat.ARROW}:
        return ColumnSink(path, file_format, schema)
    message = f"Results are not written as {file_format}"
    raise BatchResultError(message)
