"""Each Arrow type has one value in JavaScript (A21): the table of docs/large-data.md."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from quilate.scripts.batch.mapping import WireMapper
from quilate.scripts.batch.model import BatchInputError

UTC = dt.UTC
MOMENT = dt.datetime(2024, 2, 29, 3, 4, 5, 678000, tzinfo=dt.UTC).replace(tzinfo=None)


def mapped(array: Any) -> list[Any]:
    batch = WireMapper().batch(pa.RecordBatch.from_arrays([array], names=["a"]))
    batch.validate(full=True)
    found: list[Any] = batch.column(0).to_pylist()
    return found


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, -(2**53) + 1], pa.int64(), [1, None, -(2**53) + 1]),
        ([1, None, 2**53 - 1], pa.uint64(), [1, None, 2**53 - 1]),
        ([1.5, None], pa.float16(), [1.5, None]),
        ([Decimal("1.50"), None, Decimal("-0.01")], pa.decimal128(10, 2), ["1.50", None, "-0.01"]),
        ([Decimal(0), None, Decimal("-1e-8")], pa.decimal128(18, 8), ["0.00000000", None, "-0.00000001"]),
        ([[Decimal("1e-7")], None], pa.list_(pa.decimal128(18, 8)), [["0.00000010"], None]),
        ([Decimal("12345678901234567890.1")], pa.decimal256(40, 1), ["12345678901234567890.1"]),
        ([dt.date(2024, 2, 29), None], pa.date32(), ["2024-02-29", None]),
        ([dt.date(1969, 12, 31)], pa.date64(), ["1969-12-31"]),
        ([MOMENT, None], pa.timestamp("ms"), ["2024-02-29T03:04:05.678", None]),
        ([MOMENT.replace(microsecond=0)], pa.timestamp("s"), ["2024-02-29T03:04:05"]),
        ([MOMENT.replace(tzinfo=UTC)], pa.timestamp("ms", "UTC"), ["2024-02-29T03:04:05.678Z"]),
        ([MOMENT.replace(tzinfo=UTC)], pa.timestamp("us", "America/Sao_Paulo"), ["2024-02-29T03:04:05.678000Z"]),
        ([dt.time(1, 2, 3), None], pa.time32("s"), ["01:02:03", None]),
        ([dt.timedelta(seconds=1.5), None], pa.duration("us"), [1500.0, None]),
        ([b"\x00\xff", b"", None], pa.binary(), ["AP8=", "", None]),
        ([b"ab"], pa.binary(2), ["YWI="]),
        (["a", None], pa.string_view(), ["a", None]),
        ([[1, 2], None], pa.list_(pa.int64(), 2), [[1, 2], None]),
        ([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64()), [[{"key": "k", "value": 1}], None, []]),
        (
            [[{"d": dt.date(2024, 1, 1)}, None], None, []],
            pa.list_(pa.struct([("d", pa.date32())])),
            [[{"d": "2024-01-01"}, None], None, []],
        ),
        ([{"n": 1, "t": MOMENT}, None], pa.struct([("n", pa.int64()), ("t", pa.timestamp("s"))]),
         [{"n": 1, "t": "2024-02-29T03:04:05"}, None]),
    ],
)  # fmt: skip
def test_each_type_has_one_value(values: list[Any], kind: Any, expected: list[Any]) -> None:
    array = pa.array(values).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
    assert mapped(array) == expected
    assert mapped(pa.concat_arrays([array, array]).slice(len(array))) == expected


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("us", "UTC"), pa.time64("ns"), pa.date64()])
def test_moments_that_no_calendar_has_are_refused(kind: Any) -> None:
    with pytest.raises(BatchInputError, match="column a holds a"):
        mapped(pa.array([0, 2**62], kind))


@pytest.mark.parametrize("values", [["u", None, "u"], [5, None, 5], [dt.date(2024, 1, 1)] * 3])
def test_dictionaries_are_what_they_stand_for(values: list[Any]) -> None:
    found = mapped(pa.array(values).dictionary_encode())
    assert found == [str(value) if isinstance(value, dt.date) else value for value in values]


def test_texts_of_few_values_become_a_table_and_stay_what_they_are() -> None:
    few, many = pa.array([f"v{i % 5}" for i in range(4000)]), pa.array([f"v{i}" for i in range(4000)])
    batch = WireMapper().batch(pa.RecordBatch.from_arrays([few, many], names=["few", "many"]))
    assert pa.types.is_dictionary(batch.schema.field("few").type)
    assert pa.types.is_string(batch.schema.field("many").type)
    assert batch.column(0).to_pylist() == few.to_pylist()


def test_batches_of_one_input_do_not_change_back_and_forth() -> None:
    mapper = WireMapper()
    kinds = [str(mapper.batch(pa.record_batch({"a": [value]})).schema.field("a").type) for value in (1, 2**40, 1)]
    assert kinds == ["int32", "double", "double"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([1, None, 2**60]), r"The integer 1152921504606846976 \(record 102, column a\) is beyond 2\^53"),
        (pa.array([[1], [2**60]]), r"The integer 1152921504606846976 \(column a\[\]\) is beyond 2\^53"),
        (pa.array([{"x": 2**63}], pa.struct([("x", pa.uint64())])), r"\(record 100, column a\.x\) is beyond"),
        (pa.array([pa.MonthDayNano([1, 2, 3])]), "has the type month_day_nano_interval, which has no value"),
    ],
)
def test_what_has_no_value_is_named(array: Any, message: str) -> None:
    batch = pa.RecordBatch.from_arrays([array], names=["a"])
    with pytest.raises(BatchInputError, match=message):
        WireMapper().batch(batch, first_record=100)
