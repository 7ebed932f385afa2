"""Record batches of CSV, whose values say nothing about their types.

Two things that the Arrow library does in silence are refused here: a column that is no UTF-8 becomes bytes, and digits
that no 64-bit integer holds become the nearest double.
"""

from collections.abc import Iterator
from io import BytesIO, RawIOBase
from typing import IO, Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]

from quilate.scripts.batch.model import BatchInputError

_GREATEST_SAFE: Final = 2**53 - 1
_WHOLE_NUMBER: Final = r"^[+-]?[0-9]{16,}$"


class LongIntegerError(BatchInputError):
    """A column of numbers holds an integer beyond 2^53.

    Attributes:
        record: Its index in the whole data.
        name: Of its column.
    """

    def __init__(self, digits: str, record: int, name: str) -> None:
        super().__init__(
            f"The integer {digits} (record {record}, column {name}) is beyond 2^53 and would be changed:"
            " read the column as a string in the input schema"
        )
        self.record = record
        self.name = name


def csv_batches(stream: IO[bytes], types: dict[str, Any], block_bytes: int) -> Iterator[Any]:
    """Give the record batches of a CSV file with a line of names.

    Args:
        stream: The file; it need not be able to seek.
        types: Arrow types of columns, by name; those of the others are what the first block looks like.
        block_bytes: Read at a time.

    Raises:
        BatchInputError: It is no UTF-8, or holds an integer beyond 2^53.
        pyarrow.ArrowException: It is broken.
    """
    begin = _read(stream, block_bytes)
    try:
        decimals = _decimals(begin, types, block_bytes)
        asked = types | dict.fromkeys(decimals, pa.string())
        first_record = 0
        for batch in _opened(_Rejoined(begin, stream), asked, block_bytes):
            yield _with_numbers(batch, decimals, first_record)
            first_record += batch.num_rows
    except UnicodeDecodeError as error:
        raise _no_utf8("a name of a column") from error


def _opened(stream: Any, types: dict[str, Any], block_bytes: int, broken_row: Any = None) -> Any:
    # Where line breaks stand within quotation marks, a block may not be cut at each of them.
    parsing = pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=broken_row)
    return pa_csv.open_csv(
        stream,
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=block_bytes),
        parse_options=parsing,
        convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )


def _decimals(begin: bytes, types: dict[str, Any], block_bytes: int) -> list[str]:
    """Return the columns that the first block shows to be doubles."""
    whole = begin if len(begin) < block_bytes else _whole_rows(begin)
    # What is broken is told when the whole file is read.
    schema = _opened(BytesIO(whole), types, len(whole) + 1, lambda _: "skip").schema
    for field in schema:
        if pa.types.is_binary(field.type):
            raise _no_utf8(f"the column {field.name}")
    if len(set(schema.names)) < len(schema.names):
        return []  # Two columns of one name are refused by who reads the batches.
    return [field.name for field in schema if pa.types.is_float64(field.type) and field.name not in types]


def _no_utf8(what: str) -> BatchInputError:
    return BatchInputError(f"The csv data cannot be read: {what} is no UTF-8, save the file in that encoding")


def _whole_rows(block: bytes) -> bytes:
    """Return a block up to the end of its last whole row: a line break between quotation marks ends none."""
    end = block.rfind(b"\n")
    while end > 0 and block.count(b'"', 0, end) % 2:
        end = block.rfind(b"\n", 0, end)
    return block[: end + 1] if end > 0 else block


def _with_numbers(batch: Any, decimals: list[str], first_record: int) -> Any:
    """Return a batch whose columns of decimals are doubles."""
    for name in decimals:
        index = batch.schema.get_field_index(name)
        texts = pc.utf8_trim_whitespace(batch.column(index))
        nulls = pc.is_in(texts, value_set=pa.array(pa_csv.ConvertOptions().null_values, pa.string()))
        texts = pc.if_else(nulls, None, texts)
        try:
            numbers = texts.cast(pa.float64())
        except pa.ArrowInvalid as error:
            message = f"In CSV column {name}: {error}"
            raise pa.ArrowInvalid(message) from error
        _require_exact(texts, numbers, first_record, name)
        batch = batch.set_column(index, name, numbers)
    return batch


def _require_exact(texts: Any, numbers: Any, first_record: int, name: str) -> None:
    if (pc.max(pc.abs(numbers)).as_py() or 0) <= _GREATEST_SAFE:
        return
    long = pc.and_(pc.greater(pc.abs(numbers), _GREATEST_SAFE), pc.match_substring_regex(texts, _WHOLE_NUMBER))
    row = pc.index(long, value=True).as_py()
    if row >= 0:
        raise LongIntegerError(texts[row].as_py(), first_record + row, name)


def _read(stream: IO[bytes], size: int) -> bytes:
    """Return that many bytes, or all that there are."""
    pieces, missing = [], size
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


class _Rejoined(RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, begin: bytes, rest: IO[bytes]) -> None:
        self._begin = BytesIO(begin)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        data = self._begin.read(len(target)) or self._rest.read(len(target))
        target[: len(data)] = data
        return len(data)
