"""Types of a result's columns: declared, or inferred and widened without loss (``docs/large-data.md``).

Behind the wall numbers are doubles. Here a column whose numbers are all whole becomes 64-bit integers, until a part
comes that has others: then it is doubles again, for all parts. A text where numbers were is a conflict.
"""

import re
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from quilate.scripts.batch.model import BatchResultError

_NAMED: Final = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "null": pa.null(),
}
_FORMATTED: Final = {"date": pa.date32(), "date-time": pa.timestamp("us", tz="UTC")}
_DECIMAL: Final = re.compile(r"decimal128\((\d{1,2}), ?(\d{1,2})\)")
_TIMESTAMP: Final = re.compile(r"timestamp\[(s|ms|us|ns)(?:, ?UTC)?\]")
_WORDS: Final = {"string": "text", "double": "numbers", "int64": "whole numbers", "bool": "booleans"}


def declared_schema(document: bytes | None) -> Any:
    """Arrow schema from a JSON Schema of the records, or of the array of them; ``None`` where it names no fields.

    ``format: date`` and ``date-time`` become dates and timestamps, ``x-arrow`` names any further type:
    ``decimal128(18, 2)``, ``timestamp[ms, UTC]``, ``int32``, ``float32``.
    """
    if document is None:
        return None
    parsed = msgspec.json.decode(document)
    record = parsed.get("items", parsed) if isinstance(parsed, dict) else None
    properties = record.get("properties") if isinstance(record, dict) else None
    if not isinstance(properties, dict) or not properties:
        return None
    return pa.schema([(name, _declared_type(described)) for name, described in properties.items()])


def _declared_type(described: Any) -> Any:
    if not isinstance(described, dict):
        return pa.string()
    if isinstance(named := described.get("x-arrow"), str):
        return _named_type(named)
    kind = described.get("type", "string")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind == "array":
        return pa.list_(_declared_type(described.get("items")))
    if kind == "object":
        return pa.struct([(name, _declared_type(one)) for name, one in described.get("properties", {}).items()])
    if kind == "string" and described.get("format") in _FORMATTED:
        return _FORMATTED[described["format"]]
    return _NAMED.get(kind, pa.string())


def _named_type(name: str) -> Any:
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    if found := _TIMESTAMP.fullmatch(name):
        return pa.timestamp(found[1], tz="UTC" if "UTC" in name else None)
    try:
        return pa.type_for_alias(name)
    except ValueError as error:
        message = f"The output schema names the Arrow type {name}, which there is not"
        raise BatchResultError(message) from error


def inferred(table: Any) -> Any:
    """Turn columns of whole numbers into integers, at each depth, and tables of texts into texts."""
    columns = [_inferred_array(column.combine_chunks()) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.schema.names)


def _inferred_array(array: Any) -> Any:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode()
    if pa.types.is_float64(kind):
        return _whole(array)
    if pa.types.is_list(kind):
        items = _inferred_array(array.values)
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, items, mask=mask)
    if pa.types.is_struct(kind) and kind.num_fields:
        children = [_inferred_array(child) for child in array.flatten()]
        names = [kind.field(index).name for index in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, names=names, mask=array.is_null())
    return array


def _whole(array: Any) -> Any:
    # The first values decide for most columns; the cast is safe, so it refuses what would be changed.
    try:
        array.slice(0, 64).cast(pa.int64())
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


def unified(before: Any, now: Any) -> Any:
    """The schema that holds the columns of both.

    Raises:
        BatchResultError: A column has types that no type holds.
    """
    fields = {field.name: field.type for field in before}
    for field in now:
        known = fields.get(field.name)
        fields[field.name] = field.type if known is None else _wider(known, field.type, field.name)
    return pa.schema(list(fields.items()))


def _wider(before: Any, now: Any, path: str) -> Any:
    if before.equals(now) or pa.types.is_null(now):
        return before
    if pa.types.is_null(before):
        return now
    if {before, now} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_list(before) and pa.types.is_list(now):
        return pa.list_(_wider(before.value_type, now.value_type, f"{path}[]"))
    if pa.types.is_struct(before) and pa.types.is_struct(now):
        return pa.struct(list(_wider_fields(before, now, path).items()))
    message = (
        f"The field {path} has {_described(now)} where other parts have {_described(before)}: a column has one type"
    )
    raise BatchResultError(message)


def _wider_fields(before: Any, now: Any, path: str) -> dict[str, Any]:
    fields = {before.field(index).name: before.field(index).type for index in range(before.num_fields)}
    for index in range(now.num_fields):
        name, kind = now.field(index).name, now.field(index).type
        fields[name] = _wider(fields[name], kind, f"{path}.{name}") if name in fields else kind
    return fields


def _described(kind: Any) -> str:
    return _WORDS.get(str(kind), "lists" if pa.types.is_list(kind) else "objects")


def fitted(table: Any, schema: Any, *, closed: bool = False) -> Any:
    """Cast a table's columns to a schema; columns that it has not are null.

    Args:
        table: Of one part.
        schema: Of the result.
        closed: A column that the schema has not is an error.

    Raises:
        BatchResultError: A value does not fit its type.
    """
    if closed and (others := [name for name in table.schema.names if name not in schema.names]):
        message = f"The field {others[0]} is not in the output schema"
        raise BatchResultError(message)
    columns = []
    for field in schema:
        index = table.schema.get_field_index(field.name)
        if index < 0:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        columns.append(_cast(table.column(index), field.type, field.name))
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: Any, kind: Any, path: str) -> Any:
    if column.type.equals(kind):
        return column
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        try:
            return _rebuilt(column, kind)
        except (pa.ArrowException, TypeError, ValueError):
            first = str(error).partition("\n")[0][:300]
            message = f"The field {path} does not fit the type {kind}: {first}"
            raise BatchResultError(message) from error


def _rebuilt(column: Any, kind: Any) -> Any:
    """Structs with further fields, which no cast adds."""
    if not pa.types.is_nested(kind):
        raise TypeError
    return pa.chunked_array([pa.array(column.to_pylist(), kind)])
