"""Record batches of Parquet, Arrow and CSV files, some rows at a time.

Buffered reads instead of memory maps: what a map touches counts as this process's memory.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from quilate.scripts.batch.csv_reading import csv_batches
from quilate.scripts.batch.model import BatchInput, BatchInputError, Settings
from quilate.scripts.batch.text_reading import open_source
from quilate.scripts.model import FileFormat

_FILE_MAGIC: Final = b"ARROW1"
_ROWS_AT_ONCE: Final = 65_536
_SMALL_TABLE_BYTES: Final = 16 << 10


def read_batches(
    source: BatchInput, rows: int, settings: Settings, types: dict[str, Any] | None = None
) -> Iterator[Any]:
    """Give record batches of exactly ``rows`` rows; the last one may be shorter.

    Args:
        source: Of one of the columnar formats.
        rows: Of each batch.
        settings: Sizes of blocks.
        types: Arrow types of columns, by name; only for CSV, whose values say nothing about their types.

    Raises:
        BatchInputError: The file is broken.
    """
    try:
        with open_source(source) as stream:
            yield from exactly(_batches(stream, source.format, rows, settings, types or {}), rows)
    except (pa.ArrowException, OSError) as error:
        message = f"The {source.format} data cannot be read: {_first_line(error)}"
        raise BatchInputError(message) from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:500].rstrip(".")


def _batches(
    stream: BinaryIO, file_format: FileFormat, rows: int, settings: Settings, types: dict[str, Any]
) -> Iterator[Any]:
    if file_format is FileFormat.PARQUET:
        several = rows * max(1, _ROWS_AT_ONCE // rows)
        options = {"buffer_size": settings.block_bytes, "pre_buffer": False}
        tables = _text_tables(pq.ParquetFile(stream, **options))
        file = pq.ParquetFile(stream, read_dictionary=tables, **options)
        yield from file.iter_batches(batch_size=min(several, 4 * _ROWS_AT_ONCE), use_threads=False)
    elif file_format is FileFormat.ARROW:
        magic = stream.read(len(_FILE_MAGIC))
        stream.seek(0)
        yield from _arrow_file(stream) if magic == _FILE_MAGIC else pa.ipc.open_stream(stream)
    else:
        yield from csv_batches(stream, types, settings.block_bytes)


def _text_tables(file: Any) -> list[str]:
    """Columns of texts whose tables are small: they need not be written out and gathered again."""
    if file.metadata.num_row_groups == 0:
        return []
    group, names = file.metadata.row_group(0), []
    for index in range(group.num_columns):
        column = group.column(index)
        start = column.dictionary_page_offset
        small = start is not None and 0 < column.data_page_offset - start <= _SMALL_TABLE_BYTES
        if small and column.physical_type == "BYTE_ARRAY" and "." not in column.path_in_schema:
            names.append(column.path_in_schema)
    return names


def _arrow_file(stream: BinaryIO) -> Iterator[Any]:
    reader = pa.ipc.open_file(stream)
    for index in range(reader.num_record_batches):
        yield reader.get_batch(index)


def exactly(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Cut record batches of any size into ones of ``rows`` rows; the last one may be shorter."""
    kept: list[Any] = []
    count = 0
    for batch in batches:
        rest = batch
        while count + rest.num_rows >= rows:
            needed = rows - count
            yield _joined([*kept, rest.slice(0, needed)])
            kept, count, rest = [], 0, rest.slice(needed)
        if rest.num_rows:
            kept.append(rest)
            count += rest.num_rows
    if count:
        yield _joined(kept)


def _joined(batches: list[Any]) -> Any:
    kept = [batch for batch in batches if batch.num_rows]
    return kept[0] if len(kept) == 1 else pa.concat_batches(kept)
