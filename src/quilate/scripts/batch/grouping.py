"""Records brought together by key with bounded memory: partitions by a hash of the key, on disk where they are large.

Rows lie in Arrow tables with their index in the whole data as a further column. Text records are rows of two columns,
their key and their text, so that both kinds go the same way.
"""

import struct
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from quilate.scripts.batch.mapping import WireMapper
from quilate.scripts.batch.model import BatchInputError, Settings

INDEX: Final = "\0record"
"""Name of the column with the index; no file has a column of this name that anybody would read."""
_PARTITIONS: Final = 64
_DEEPEST: Final = 4


def key_text(values: Sequence[Any]) -> str:
    """A key as a JSON array; 1 and 1.0 are the same number."""
    same = [int(one) if isinstance(one, float) and one.is_integer() else one for one in values]
    return msgspec.json.encode(same, order="deterministic").decode()


def keyed_record(keys: Sequence[str]) -> tuple[Any, Callable[[Any], Sequence[Any]]]:
    """Return the type as which a record's text is decoded, and what takes the values of its key out of it."""
    names = [f"k{index}" for index in range(len(keys))]
    fields = [(name, Any, None) for name in names]
    try:
        record = msgspec.defstruct("Record", fields, rename=dict(zip(names, keys, strict=True)))
    except ValueError:
        # A field of JSON may be called what none of msgspec's may: with a quotation mark, say, or as another one is.
        return dict[str, Any], lambda found: [found.get(key) for key in keys]
    return record, msgspec.structs.astuple


def ordinals(table: Any, keys: Sequence[str]) -> Any:
    """Number each row's group, from 0 in the order in which they first appear.

    Raises:
        BatchInputError: A key is no column.
    """
    combined = None
    for key in keys:
        if table.schema.get_field_index(key) < 0:
            message = f"The data has no column {key}, which groups are made by"
            raise BatchInputError(message)
        encoded = _encoded(table.column(key))
        indexes = encoded.indices.cast(pa.int64())
        if combined is not None:
            joined = pc.add(pc.multiply(combined, max(len(encoded.dictionary), 1)), indexes)
            indexes = _encoded(joined).indices.cast(pa.int64())
        combined = indexes
    return combined


def _encoded(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.dictionary_encode(null_encoding="encode")


def first_rows(numbers: Any) -> list[int]:
    """Row of each group's first record, in the order of the groups."""
    rows = array("q")
    for row, number in enumerate(numbers.to_pylist()):
        if number == len(rows):
            rows.append(row)
    return rows.tolist()


def key_texts(table: Any, keys: Sequence[str], rows: Sequence[int]) -> list[str]:
    """Keys of some rows, with the values that the script sees."""
    columns = [table.column(key).take(pa.array(rows, pa.int64())).combine_chunks() for key in keys]
    arrays = [pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one for one in columns]
    names = [str(index) for index in range(len(keys))]
    mapped = WireMapper().batch(pa.RecordBatch.from_arrays(arrays, names=names))
    return [key_text(values) for values in zip(*(column.to_pylist() for column in mapped.columns), strict=True)]


class Partitions:
    """Takes rows in and gives them back with all rows of a key in one table.

    Args:
        keys: Columns of the key.
        settings: How much memory is used.
        directory: For what does not fit; empty, and nobody else's.
        depth: How often the rows were divided before.
    """

    def __init__(self, keys: Sequence[str], settings: Settings, directory: Path, depth: int = 0) -> None:
        self._keys = keys
        self._settings = settings
        self._directory = directory
        self._depth = depth
        self._kept: list[Any] = []
        self._kept_bytes = 0
        self._writers: dict[int, Any] = {}

    @property
    def spilled(self) -> bool:
        """Some rows lie on disk."""
        return bool(self._writers)

    def add(self, table: Any) -> None:
        """Take rows; they have an ``INDEX`` column."""
        self._kept.append(table)
        self._kept_bytes += table.nbytes
        if self._kept_bytes > self._settings.spill_bytes:
            self._spill()

    def tables(self) -> Iterator[Any]:
        """Give all rows back; a key is in one table only, and rows are in their order."""
        if not self._writers:
            if self._kept:
                yield pa.concat_tables(self._kept, promote_options="permissive")
            return
        self._spill()
        for writer in self._writers.values():
            writer.close()
        for number in sorted(self._writers):
            yield from self._partition(self._path(number))

    def _partition(self, path: Path) -> Iterator[Any]:
        if path.stat().st_size <= self._settings.spill_bytes or self._depth >= _DEEPEST:
            with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
                table = reader.read_all()
            path.unlink()
            yield table
            return
        below = path.with_suffix(".parts")
        below.mkdir()
        further = Partitions(self._keys, self._settings, below, self._depth + 1)
        with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                further.add(pa.Table.from_batches([batch]))
        path.unlink()
        yield from further.tables()

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}.arrow"

    def _spill(self) -> None:
        if not self._kept:
            return
        table = pa.concat_tables(self._kept, promote_options="permissive")
        self._kept, self._kept_bytes = [], 0
        numbers = ordinals(table, self._keys)
        texts = key_texts(table, self._keys, first_rows(numbers))
        salt = struct.pack("<I", self._depth)
        partition_of_group = pa.array([zlib.crc32(text.encode() + salt) % _PARTITIONS for text in texts], pa.int32())
        partitions = partition_of_group.take(numbers)
        ordered = table.take(pc.sort_indices(partitions))
        counts = {one["values"]: one["counts"] for one in partitions.value_counts().to_pylist()}
        numbers_in_order = sorted(counts)
        bounds = accumulate((counts[number] for number in numbers_in_order), initial=0)
        for number, (begin, end) in zip(numbers_in_order, pairwise(bounds), strict=True):
            self._writer(number, ordered.schema).write_table(ordered.slice(begin, end - begin))

    def _writer(self, number: int, schema: Any) -> Any:
        writer = self._writers.get(number)
        if writer is None:
            writer = self._writers[number] = pa.ipc.new_stream(pa.OSFile(str(self._path(number)), "wb"), schema)
        return writer
