"""What Arrow values are in JavaScript: the table of ``docs/large-data.md``, applied before they go behind the wall.

Everything that JavaScript has no value for becomes a text here, in the Arrow library's own loops; what remains are the
types that ``quilate.sandbox.columns_reading`` knows.
"""

import base64
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from quilate.scripts.batch.model import BatchInputError

GREATEST_SAFE: Final = 2**53 - 1
_MILLISECONDS: Final = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_PROBE_ROWS: Final = 512
_WORTH_A_TABLE: Final = 4
_MOST_OF_A_BYTE: Final = 127

_AS_IT_IS = (
    pa.types.is_boolean,
    pa.types.is_int8,
    pa.types.is_int16,
    pa.types.is_int32,
    pa.types.is_uint8,
    pa.types.is_uint16,
    pa.types.is_uint32,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_null,
)


class WireMapper:
    """Maps the batches of one input; remembers what it found, so that batches look alike."""

    def __init__(self) -> None:
        self._wide: set[str] = set()
        self._tables: dict[str, bool] = {}

    def batch(self, batch: Any, first_record: int = 0) -> Any:
        """Map a record batch.

        Args:
            batch: A ``pyarrow.RecordBatch``.
            first_record: Index in the whole data of its first row, for messages.

        Raises:
            BatchInputError: An integer beyond 2^53, or a type without a mapping.
        """
        names = batch.schema.names
        columns = [self._column(column, name, first_record) for name, column in zip(names, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(columns, names=names)

    def stream(self, batch: Any, first_record: int = 0) -> bytes:
        """Map a record batch and write it as an Arrow IPC stream."""
        return write_stream(self.batch(batch, first_record))

    def _column(self, array: Any, path: str, first: int) -> Any:
        kind = array.type
        if any(check(kind) for check in _AS_IT_IS):
            return array
        if pa.types.is_integer(kind):
            return self._integers(array, path, first)
        if pa.types.is_dictionary(kind):
            return self._dictionary(array, path, first)
        if pa.types.is_nested(kind):
            return self._nested(array, path, first)
        if isinstance(kind, pa.BaseExtensionType):
            return self._column(array.storage, path, first)
        return self._text(_simple(array, path), path)

    def _integers(self, array: Any, path: str, first: int) -> Any:
        # A double of its own costs V8 sixteen bytes each; small integers cost nothing beside their reference.
        if path not in self._wide:
            try:
                return array.cast(pa.int32())
            except pa.ArrowInvalid:
                self._wide.add(path)
        bounds = pc.min_max(array)
        least, greatest = bounds["min"].as_py(), bounds["max"].as_py()
        if least is not None and (least < -GREATEST_SAFE or greatest > GREATEST_SAFE):
            raise _unsafe(array, path, first)
        return array.cast(pa.float64())

    def _text(self, array: Any, path: str) -> Any:
        """Texts of few different values go as a table: V8 then makes each of them once."""
        if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            return array
        worth = self._tables.get(path)
        if worth is None and len(array) >= _PROBE_ROWS:
            different = pc.count_distinct(array.slice(0, 4 * _PROBE_ROWS)).as_py()
            worth = self._tables[path] = different * _WORTH_A_TABLE <= min(len(array), 4 * _PROBE_ROWS)
        return _narrow(array.dictionary_encode()) if worth else array

    def _dictionary(self, array: Any, path: str, first: int) -> Any:
        if pa.types.is_string(array.type.value_type) and len(array.dictionary) <= len(array):
            return _narrow(array)
        return self._column(array.dictionary_decode(), path, first)

    def _nested(self, array: Any, path: str, first: int) -> Any:
        kind = array.type
        if pa.types.is_struct(kind):
            children = [
                self._column(child, f"{path}.{kind.field(index).name}", first)
                for index, child in enumerate(array.flatten())
            ]
            names = [kind.field(index).name for index in range(kind.num_fields)]
            if not children:
                return array
            return pa.StructArray.from_arrays(children, names=names, mask=pc.is_null(array))
        if pa.types.is_fixed_size_list(kind):
            return self._nested(array.cast(pa.list_(kind.value_type)), path, first)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
            return self._list(array, path, first)
        message = f"The column {path} has the type {kind}, which has no value in JavaScript"
        raise BatchInputError(message)

    def _list(self, array: Any, path: str, first: int) -> Any:
        """Rebuilt over the values it uses; ``list_flatten`` leaves out what lies under nulls."""
        lengths = pc.fill_null(pc.list_value_length(_plain_list(array)), 0)
        values = pc.list_flatten(_plain_list(array))
        ends = pc.cumulative_sum(lengths.cast(pa.int64()))
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        mapped = self._column(values, f"{path}[]", first)
        mask = pc.is_null(array) if array.null_count else None
        return pa.LargeListArray.from_arrays(offsets, mapped, mask=mask)


def _narrow(array: Any) -> Any:
    """Indexes of a byte where that is enough: less to carry through the wall."""
    if len(array.dictionary) > _MOST_OF_A_BYTE:
        return array
    return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int8()), array.dictionary)


def write_stream(batch: Any) -> bytes:
    """Write one record batch as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _plain_list(array: Any) -> Any:
    if not pa.types.is_map(array.type):
        return array
    entry = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    return array.cast(pa.list_(entry))


def _unsafe(array: Any, path: str, first: int) -> BatchInputError:
    values = enumerate(array.to_pylist())
    index, value = next((index, one) for index, one in values if one is not None and abs(one) > GREATEST_SAFE)
    place = f"record {first + index}, column {path}" if "[]" not in path else f"column {path}"
    return BatchInputError(
        f"The integer {value} ({place}) is beyond 2^53 and would be changed: store the column as text"
    )


def _simple(array: Any, path: str) -> Any:
    """Values that become texts, and the two kinds that become doubles."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array
    if pa.types.is_float16(kind):
        return array.cast(pa.float32())
    if pa.types.is_timestamp(kind):
        return _timestamps(array, path)
    if pa.types.is_duration(kind):
        return pc.multiply(array.cast(pa.int64()).cast(pa.float64(), safe=False), _MILLISECONDS[kind.unit])
    if pa.types.is_decimal(kind) or pa.types.is_date(kind) or pa.types.is_time(kind) or kind == pa.string_view():
        return _written(array, path)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        texts = [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]
        return pa.array(texts, pa.string())
    message = f"The column {path} has the type {kind}, which has no value in JavaScript"
    raise BatchInputError(message)


def _written(array: Any, path: str) -> Any:
    if pa.types.is_decimal(array.type):
        return _decimals(array)
    return array.cast(pa.string()) if array.type == pa.string_view() else _moments(array, path)


def _decimals(array: Any) -> Any:
    """All digits; Arrow writes very small ones, and each zero with more than six places, with an exponent."""
    texts = array.cast(pa.string())
    short = pc.match_substring(texts, "E")
    if not pc.any(short).as_py():
        return texts
    whole = [format(value, "f") for value in array.filter(short).to_pylist()]
    return pc.replace_with_mask(texts, short, pa.array(whole, pa.string()))


def _moments(array: Any, path: str) -> Any:
    texts = array.cast(pa.string())
    if pc.any(pc.starts_with(texts, "<")).as_py():  # Arrow's words for what is none: <value out of range: 1>.
        message = f"The column {path} holds a {array.type} that no calendar or clock has: mend it, or store it as text"
        raise BatchInputError(message)
    return texts


def _timestamps(array: Any, path: str) -> Any:
    """ISO 8601; with a zone in UTC and with ``Z``, without one without."""
    zoned = array.type.tz is not None
    texts = _moments(array.cast(pa.timestamp(array.type.unit)), path)
    texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    return pc.binary_join_element_wise(texts, "Z", "") if zoned else texts
