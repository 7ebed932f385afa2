"""Results of calls, read with suspicion: what is behind the wall may have sent anything."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from quilate.sandbox.model import Format
from quilate.scripts.batch.groups import ROWS
from quilate.scripts.batch.merging import FIRST
from quilate.scripts.batch.model import BatchResultError

JSON: Final = "json"
"""Column of texts in a table of results that are JSON."""


class _Grouped(msgspec.Struct):
    value: msgspec.Raw


_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_GROUPED: Final = msgspec.json.Decoder(list[_Grouped])


def _broken(why: str) -> BatchResultError:
    return BatchResultError(f"The sandbox's answer is broken: {why}")


def _too_deep() -> BatchResultError:
    return BatchResultError("The result nests too deep to be read")


def read_value(output: bytes) -> bytes:
    """One JSON value on one line."""
    try:
        value = bytes(_RAW.decode(output)).strip()
        # JSON.stringify writes no line breaks; where there are some, somebody else wrote them.
        return msgspec.json.format(value, indent=-1) if b"\n" in value or b"\r" in value else value
    except msgspec.DecodeError as error:
        raise _broken(str(error)) from error
    except RecursionError:
        raise _too_deep() from None


def read_values(output: bytes) -> list[bytes]:
    """Items of an array; any other value is one item."""
    value = read_value(output)
    if not value.startswith(b"["):
        return [value]
    return [bytes(one) for one in _RAW_LIST.decode(value)]


def read_table(output: bytes) -> Any:
    """Rows of an Arrow IPC stream."""
    try:
        with pa.ipc.open_stream(output) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise _broken(str(error).partition("\n")[0][:300]) from error
    return table


def read_result(output: bytes, answer: Format, *, single: bool) -> Any:
    """Result of one part: a table, or JSON values.

    Args:
        output: The answer.
        answer: Its format.
        single: The value stays one value, for ``combine``.

    Raises:
        BatchResultError: The answer is broken.
    """
    if answer is Format.ARROW:
        return read_table(output)
    return [read_value(output)] if single else read_values(output)


def read_group_results(output: bytes, answer: Format, groups: int, *, single: bool) -> list[Any]:
    """Results of the groups of one call, each as ``read_result`` gives it.

    Raises:
        BatchResultError: The answer is broken, or has another number of groups.
    """
    results = _group_tables(output) if answer is Format.ARROW else _group_values(output, single=single)
    if len(results) != groups:
        why = f"{len(results)} results for {groups} groups"
        raise _broken(why)
    return results


def _group_values(output: bytes, *, single: bool) -> list[Any]:
    try:
        values = [bytes(one.value) for one in _GROUPED.decode(read_value(output))]
    except msgspec.DecodeError as error:
        raise _broken(str(error)) from error
    except RecursionError:
        raise _too_deep() from None
    return [[value] for value in values] if single else [read_values(value) for value in values]


def _group_tables(output: bytes) -> list[Any]:
    table = read_table(output)
    if table.num_rows == 0 or table.schema.names != [ROWS]:
        return []
    lists = table.column(ROWS).combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    empty = pa.table({})
    if not pa.types.is_list(lists.type) or not pa.types.is_struct(lists.type.value_type):
        return [empty] * table.num_rows
    rows = pa.Table.from_struct_array(lists.values)
    offsets = lists.offsets.to_pylist()
    return [rows.slice(begin, end - begin) for begin, end in pairwise(offsets)]


def with_first(result: Any, first: int) -> Any:
    """A result as a table that ``Runs`` puts in order."""
    table = result if isinstance(result, pa.Table) else pa.table({JSON: pa.array(result, pa.large_binary())})
    column = pa.repeat(pa.scalar(first, pa.int64()), table.num_rows)
    return table.append_column(FIRST, column) if table.num_columns else pa.table({FIRST: column})


def from_merged(table: Any, answer: Format) -> Any:
    """What ``Runs`` gives, as a sink takes it."""
    return table if answer is Format.ARROW else table.column(JSON).to_pylist()


def stored(result: Any) -> bytes:
    """A group's result as the part store keeps it."""
    if not isinstance(result, pa.Table):
        return json_lines(result)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, result.schema) as writer:
        writer.write_table(result)
    return bytes(sink.getvalue())


def json_lines(values: Sequence[bytes]) -> bytes:
    """Values, each on a line."""
    return b"\n".join(values)


def from_store(content: bytes, answer: Format) -> Any:
    """What ``stored`` wrote."""
    if answer is Format.ARROW:
        return read_table(content)
    return content.split(b"\n") if content else []
