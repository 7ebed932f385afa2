"""What runs in Spark's Python workers: parts through the sandbox, results out of their envelopes.

The functions that travel are made here and hold an ``Order``; everything else is imported on the executor, which needs
quilate of the same version.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from quilate import __version__
from quilate.domain.errors import QuilateError
from quilate.sandbox.model import Failure, FailureClass, Format, Payload
from quilate.scripts.batch.answers import read_table
from quilate.scripts.batch.calling import placed
from quilate.scripts.batch.column_reading import exactly
from quilate.scripts.batch.grouping import key_text, key_texts, keyed_record
from quilate.scripts.batch.mapping import WireMapper
from quilate.scripts.batch.model import BatchInput, BatchInputError, BatchResultError, Settings
from quilate.scripts.batch.output_types import fitted, inferred
from quilate.scripts.batch.parts import json_array
from quilate.scripts.batch.text_reading import read_records
from quilate.scripts.model import FileFormat
from quilate.scripts.spark.envelopes import SCHEMA, Place, envelope, read_contents
from quilate.scripts.spark.held import KEPT
from quilate.scripts.spark.model import Order, packed, unpacked

Batches = Iterator[Any]
KEY, TEXT, RECORD = "key", "value", "record"
_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_ROWS_WRITTEN: Final = 10_000


class _Luck:
    """Counts failed parts of this process for the present run."""

    def __init__(self) -> None:
        self.token = ""
        self.failed = 0
        self.succeeded = False

    def fatal(self, order: Order, failure: Failure | None) -> bool:
        """Whether a run of which so many parts failed is given up."""
        if self.token != order.token:
            self.token, self.failed, self.succeeded = order.token, 0, False
        self.succeeded = self.succeeded or failure is None
        self.failed += failure is not None
        if failure is not None and failure.kind is FailureClass.UNAVAILABLE:
            return True
        return not self.succeeded and self.failed >= order.hopeless


_LUCK: Final = _Luck()


def partition_number() -> int:
    """Of the task that this process works on."""
    from pyspark import TaskContext  # noqa: PLC0415 - only where Spark runs it

    context = TaskContext.get()
    return 0 if context is None else context.partitionId()


def _part(order: Order, place: Place, payload: Payload, records: Any) -> tuple[Any, bool]:
    """Run one part; give its envelope and whether the run is given up."""
    contents = None
    try:
        held = KEPT.get(order.program.engine, order.limits, order.min_level)
        outcome = held.call(order.token, order.program, order.limits, payload, order.answer)
    except QuilateError as error:
        return _refused(place, FailureClass.UNAVAILABLE, error.message), True
    failure = outcome.failure
    if failure is None:
        try:
            contents = read_contents(outcome.output or b"", order.answer, single=order.shape.combine)
        except BatchResultError as error:
            failure = Failure(kind=FailureClass.RESULT, message=str(error))
    fatal = _LUCK.fatal(order, failure)
    if failure is not None:
        failure = placed(failure, records)
    return envelope(place, outcome, contents, failure, fatal=fatal), fatal


def _refused(place: Place, kind: FailureClass, message: str) -> Any:
    return envelope(place, None, None, Failure(kind=kind, message=message), fatal=True)


def _other_version(order: Order, place: Place) -> Any | None:
    if order.version == __version__:
        return None
    message = f"The executors have quilate {__version__} and the driver has {order.version}: install the same version"
    return _refused(place, FailureClass.UNAVAILABLE, message)


def chunk_function(order: Order) -> Callable[[Batches], Batches]:
    """For ``mapInArrow``: a partition's rows in chunks; the last one of a partition may be shorter."""

    def over_chunks(batches: Batches) -> Batches:
        yield from _chunks(order, batches)

    return over_chunks


def _chunks(order: Order, batches: Batches) -> Batches:
    partition, begin, size = partition_number(), 0, order.shape.size
    nowhere = Place(partition=partition, part=0, key=None, first=packed(partition, 0), records=0)
    if (refused := _other_version(order, nowhere)) is not None:
        yield refused
        return
    payload_of = _ColumnPayloads(order.names) if order.names else _text_payload
    full = (batch for batch in batches if batch.num_rows)
    for number, batch in enumerate(exactly(full, size)):
        place = Place(
            partition=partition, part=number, key=None, first=packed(partition, begin), records=batch.num_rows
        )
        try:
            payload = payload_of(batch, begin)
        except BatchInputError as error:
            yield _refused(place, FailureClass.INPUT, f"{error} (counted in partition {partition})")
            return
        row, fatal = _part(order, place, payload, range(place.first, place.first + batch.num_rows))
        yield row
        if fatal:
            return
        begin += batch.num_rows


class _ColumnPayloads:
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._mapper = WireMapper()

    def __call__(self, batch: Any, first: int) -> Payload:
        named = batch.rename_columns(list(self._names))
        return Payload(data=self._mapper.stream(named, first), format=Format.ARROW)


def _text_payload(batch: Any, first: int) -> Payload:
    texts = batch.column(0).to_pylist()
    data = json_array(texts)
    try:
        count = len(_RAW_LIST.decode(data))
    except msgspec.DecodeError:
        count = -1
    if count != len(texts):
        raise _broken(texts, first)
    return Payload(data=data)


def _broken(texts: list[bytes], first: int) -> BatchInputError:
    for index, text in enumerate(texts):
        try:
            _RAW.decode(text)
        except msgspec.DecodeError as error:
            return BatchInputError(f"The JSON of record {first + index} is broken: {error}")
    return BatchInputError(f"The JSON from record {first} is broken: a line holds several values")


def group_function(order: Order) -> Callable[[Any], Any]:
    """For ``applyInArrow``: one group, its records in the order of the data."""

    def over_group(table: pa.Table) -> pa.Table:
        return pa.Table.from_batches([_group(order, table)], SCHEMA)

    return over_group


def _group(order: Order, table: Any) -> Any:
    ordered = table.take(pc.sort_indices(table.column(RECORD)))
    records = ordered.column(RECORD).to_pylist()
    place = Place(partition=unpacked(records[0])[0], part=0, key=None, first=records[0], records=ordered.num_rows)
    if (refused := _other_version(order, place)) is not None:
        return refused
    if _LUCK.token == order.token and not _LUCK.succeeded and _LUCK.failed >= order.hopeless:
        message = f"{_LUCK.failed} parts failed before this one and none succeeded"
        return _refused(place, FailureClass.CANCELLED, message)
    key = None
    try:
        key, payload = _group_payload(order, ordered)
    except BatchInputError as error:
        return _refused(place, FailureClass.INPUT, str(error))
    place = Place(partition=place.partition, part=0, key=key, first=records[0], records=ordered.num_rows)
    return _part(order, place, payload, records)[0]


def _group_payload(order: Order, ordered: Any) -> tuple[str, Payload]:
    if not order.names:
        key = ordered.column(KEY)[0].as_py()
        return key, Payload(data=json_array(ordered.column(TEXT).to_pylist()))
    named = ordered.drop_columns([RECORD]).rename_columns(list(order.names))
    key = key_texts(named.slice(0, 1), order.shape.key, [0])[0]
    batch = named.combine_chunks().to_batches()[0]
    return key, Payload(data=WireMapper().stream(batch), format=Format.ARROW)


def record_function(settings: Settings) -> Callable[[Batches], Batches]:
    """For ``mapInArrow`` over whole files: the records of JSON arrays, as texts."""

    def over_files(batches: Batches) -> Batches:
        for batch in batches:
            for content in batch.column(0).to_pylist():
                for texts in read_records(BatchInput(data=content, format=FileFormat.JSON), settings):
                    yield pa.RecordBatch.from_arrays([pa.array(texts, pa.binary())], names=[TEXT])

    return over_files


def key_function(keys: tuple[str, ...]) -> Callable[[Batches], Batches]:
    """For ``mapInArrow`` over texts and the names of their records: the key of each beside it."""

    def over_texts(batches: Batches) -> Batches:
        record, values_of = keyed_record(keys)
        decoder = msgspec.json.Decoder(record)
        for batch in batches:
            texts, records = batch.column(0).to_pylist(), batch.column(1).to_pylist()
            found = [_key_of(decoder, values_of, text, name) for text, name in zip(texts, records, strict=True)]
            columns = [pa.array(found, pa.string()), batch.column(0), batch.column(1)]
            yield pa.RecordBatch.from_arrays(columns, names=[KEY, TEXT, RECORD])

    return over_texts


def _key_of(decoder: Any, values_of: Callable[[Any], Sequence[Any]], text: bytes, name: int) -> str:
    try:
        return key_text(values_of(decoder.decode(text)))
    except msgspec.DecodeError as error:
        partition, row = unpacked(name)
        why = f"record {row} of partition {partition} cannot be grouped: {error}"
        raise BatchInputError(why) from None


def size_function() -> Callable[[Batches], Batches]:
    """For ``mapInArrow``: bytes and rows of each batch."""

    def over_batches(batches: Batches) -> Batches:
        for batch in batches:
            yield pa.RecordBatch.from_pydict({"bytes": [batch.nbytes], "rows": [batch.num_rows]})

    return over_batches


def table_function(schema: bytes, *, closed: bool) -> Callable[[Batches], Batches]:
    """For ``mapInArrow`` over the ``result`` of envelopes: its rows, with the columns of all parts.

    Args:
        schema: Arrow schema of the result, serialised.
        closed: It was declared.
    """

    def over_tables(batches: Batches) -> Batches:
        wanted = pa.ipc.read_schema(pa.py_buffer(schema))
        for content in _contents(batches):
            table = read_table(content)
            if table.num_rows:
                rows = fitted(table if closed else inferred(table), wanted, closed=closed)
                yield from rows.combine_chunks().to_batches(_ROWS_WRITTEN)

    return over_tables


def line_function() -> Callable[[Batches], Batches]:
    """For ``mapInArrow`` over the ``result`` of envelopes: JSON values, one a row."""

    def over_lines(batches: Batches) -> Batches:
        for content in _contents(batches):
            lines = content.split(b"\n") if content else []
            for begin in range(0, len(lines), _ROWS_WRITTEN):
                texts = pa.array(lines[begin : begin + _ROWS_WRITTEN], pa.binary()).cast(pa.string())
                yield pa.RecordBatch.from_arrays([texts], names=[TEXT])

    return over_lines


def _contents(batches: Batches) -> Iterator[bytes]:
    return chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
