"""Parts of mode ``group``: many small groups in one call, a large one in a call of its own."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from quilate.sandbox.model import Format, Payload, Program
from quilate.scripts.batch.column_reading import read_batches
from quilate.scripts.batch.grouping import INDEX, Partitions, first_rows, key_text, key_texts, keyed_record, ordinals
from quilate.scripts.batch.mapping import WireMapper, write_stream
from quilate.scripts.batch.model import COLUMNAR, BatchInput, BatchInputError, Settings
from quilate.scripts.batch.parts import Group, Part, json_array
from quilate.scripts.batch.text_reading import read_records

ROWS: Final = "rows"
VALUE: Final = "value"
FUNCTION: Final = "__quilateGroups"
_KEY, _TEXT = "key", "text"
_ROWS_READ: Final = 65_536
_ROWS_OF_A_CALL: Final = 5_000
_GROUPS_OF_A_CALL: Final = 500


def grouped_program(program: Program, *, listed: bool) -> Program:
    """The script with a function that calls ``process`` for each of several groups.

    Args:
        program: The script.
        listed: Each result is wanted as an array, for columns.
    """
    value = "Array.isArray(v)?v:[v]" if listed else "v"
    name = ROWS if listed else VALUE
    call = (
        f"function {FUNCTION}(groups){{return groups.map(g=>{{const v=process(g.{ROWS});return {{{name}:{value}}}}})}}"
    )
    return Program(
        source=f"{program.source}\n;{call}",
        engine=program.engine,
        seed=program.seed,
        now_milliseconds=program.now_milliseconds,
        reuse=program.reuse,
    )


class GroupReader:
    """Reads the data, brings it together by key, and gives parts.

    Args:
        source: The data.
        keys: Fields of the key.
        settings: How much memory is used.
        directory: For what does not fit.
        types: Of the columns of a CSV file.
    """

    def __init__(
        self,
        source: BatchInput,
        keys: Sequence[str],
        settings: Settings,
        directory: Path,
        types: dict[str, Any] | None = None,
    ) -> None:
        if not keys:
            message = "Mode group needs the names of the fields that make a group"
            raise BatchInputError(message)
        self._source = source
        self._keys = keys
        self._settings = settings
        self._columns = source.format in COLUMNAR
        self._partitions = Partitions(keys if self._columns else (_KEY,), settings, directory)
        self._types = types

    @property
    def several_runs(self) -> bool:
        """Groups come partition by partition, so their results have to be put in order."""
        return self._partitions.spilled

    def read(self) -> int:
        """Read all the data; return the number of records.

        Raises:
            BatchInputError: It is broken, or has records that are no objects.
        """
        count = 0
        for batch in self._column_batches() if self._columns else self._text_batches():
            index = pa.array(range(count, count + batch.num_rows), pa.int64())
            self._partitions.add(pa.Table.from_batches([batch]).append_column(INDEX, index))
            count += batch.num_rows
        return count

    def _column_batches(self) -> Iterator[Any]:
        return read_batches(self._source, _ROWS_READ, self._settings, self._types)

    def _text_batches(self) -> Iterator[Any]:
        record, values_of = keyed_record(self._keys)
        decoder = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        count = 0
        for texts in read_records(self._source, self._settings):
            try:
                found = decoder.decode(json_array(texts))
            except msgspec.ValidationError as error:
                message = f"Records that are grouped are objects: {error} (counted from record {count})"
                raise BatchInputError(message) from None
            except RecursionError:
                message = f"A record nests too deep to be read (counted from record {count})"
                raise BatchInputError(message) from None
            keys = [key_text(values_of(one)).encode() for one in found]
            columns = [pa.array(keys, pa.large_binary()), pa.array(texts, pa.large_binary())]
            yield pa.RecordBatch.from_arrays(columns, names=[_KEY, _TEXT])
            count += len(texts)

    def parts(self) -> Iterator[Part]:
        """Give the groups, in each partition in the order of their first records."""
        number = 0
        for run, table in enumerate(self._partitions.tables()):
            for part in self._parts_of(table, run, number):
                yield part
                number += len(part.groups)

    def _parts_of(self, table: Any, run: int, number: int) -> Iterator[Part]:
        keys = self._keys if self._columns else (_KEY,)
        groups = ordinals(table, keys)
        firsts = first_rows(groups)
        texts = key_texts(table, keys, firsts) if self._columns else _texts_at(table.column(_KEY), firsts)
        ordered = table.take(pc.sort_indices(groups)).combine_chunks()
        counts = [one["counts"] for one in groups.value_counts().to_pylist()]
        bounds = list(accumulate(counts, initial=0))
        cut = _ColumnCut(ordered, self._keys) if self._columns else _TextCut(ordered)
        for begin, end in _calls(counts):
            yield cut.part(texts[begin:end], bounds[begin : end + 1], run, number + begin)


def _texts_at(column: Any, rows: Sequence[int]) -> list[str]:
    return [value.decode() for value in column.take(pa.array(rows, pa.int64())).to_pylist()]


def _calls(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Divide the groups among calls; a call has at least one."""
    begin, rows = 0, 0
    for index, count in enumerate(counts):
        if index > begin and (rows + count > _ROWS_OF_A_CALL or index - begin >= _GROUPS_OF_A_CALL):
            yield begin, index
            begin, rows = index, 0
        rows += count
    if begin < len(counts):
        yield begin, len(counts)


class _TextCut:
    """Parts from records that are texts."""

    def __init__(self, ordered: Any) -> None:
        self._ordered = ordered

    def part(self, keys: Sequence[str], bounds: Sequence[int], run: int, number: int) -> Part:
        begin, end = bounds[0], bounds[-1]
        rows = self._ordered.slice(begin, end - begin)
        texts, indexes = rows.column(_TEXT).to_pylist(), rows.column(INDEX).to_pylist()
        pieces = [(low - begin, high - begin) for low, high in pairwise(bounds)]
        arrays = [json_array(texts[low:high]) for low, high in pieces]
        groups = tuple(
            Group(key=key, records=indexes[low:high], payload=Payload(data=content))
            for key, (low, high), content in zip(keys, pieces, arrays, strict=True)
        )
        data = json_array([b'{"rows":' + content + b"}" for content in arrays])
        first = min(group.records[0] for group in groups)
        return Part(
            number=number, first_record=first, records=end - begin, payload=Payload(data=data), groups=groups, run=run
        )


class _ColumnCut:
    """Parts from rows of columns: one row for each group, with the list of its records."""

    def __init__(self, ordered: Any, keys: Sequence[str]) -> None:
        self._ordered = ordered
        self._keys = keys
        self._mapper = WireMapper()

    def part(self, keys: Sequence[str], bounds: Sequence[int], run: int, number: int) -> Part:
        begin, end = bounds[0], bounds[-1]
        rows = self._ordered.slice(begin, end - begin)
        indexes = rows.column(INDEX).to_pylist()
        batch = _one_batch(rows.drop_columns([INDEX]))
        mapped = self._mapper.batch(batch, indexes[0])
        pieces = [(low - begin, high - begin) for low, high in pairwise(bounds)]
        groups = tuple(
            Group(
                key=key,
                records=indexes[low:high],
                payload=Payload(data=write_stream(mapped.slice(low, high - low)), format=Format.ARROW),
            )
            for key, (low, high) in zip(keys, pieces, strict=True)
        )
        records = pa.StructArray.from_arrays(mapped.columns, names=mapped.schema.names)
        offsets = pa.array([bound - begin for bound in bounds], pa.int32())
        lists = pa.RecordBatch.from_arrays([pa.ListArray.from_arrays(offsets, records)], names=[ROWS])
        payload = Payload(data=write_stream(lists), format=Format.ARROW)
        first = min(group.records[0] for group in groups)
        return Part(number=number, first_record=first, records=end - begin, payload=payload, groups=groups, run=run)


def _one_batch(table: Any) -> Any:
    batches = table.combine_chunks().to_batches()
    return batches[0]
