"""Columns become plain objects in V8 and come back (A21): values, nesting, nulls, hostile streams, odd results."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from quilate.sandbox.columns import (
    ColumnBridge,
    ColumnsError,
    OutputTooLargeError,
    ResultError,
)
from quilate.sandbox.model import Engine
from quilate.sandbox.v8_engine import v8_flags
from quilate.sandbox.v8_library import Handle, Isolate, Library

_LIBRARIES: list[Library] = []


@pytest.fixture
def isolate() -> Iterator[Isolate]:
    if not _LIBRARIES:
        _LIBRARIES.append(Library(v8_flags(Engine.DEFAULT, 512)))
    made = Isolate(_LIBRARIES[0], 256 << 20)
    yield made
    made.close()


def stream_of(*batches: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def apply(isolate: Isolate, function: str, argument: Handle) -> Any:
    called, arguments = isolate.evaluate(function.encode()), isolate.evaluate(b"[0]")
    assert isinstance(called, Handle)
    assert isinstance(arguments, Handle)
    isolate.set_item(arguments, 0, argument)
    return isolate.call(called, arguments)


def seen(isolate: Isolate, data: bytes) -> Any:
    """What a script sees, as JSON says it."""
    rows = ColumnBridge(isolate).rows(data)
    return json.loads(apply(isolate, "(rows => JSON.stringify(rows))", rows))


def table_of(isolate: Isolate, expression: str, bridge: ColumnBridge | None = None) -> Any:
    result = isolate.evaluate(f"({expression})".encode())
    assert isinstance(result, Handle)
    table = pa.ipc.open_stream((bridge or ColumnBridge(isolate)).stream(result)).read_all()
    table.validate(full=True)
    return table


def test_each_kind_of_column_becomes_its_value(isolate: Isolate) -> None:
    batch = pa.record_batch(
        {
            "integer": pa.array([1, None, -(2**53) + 1], pa.int64()),
            "unsigned": pa.array([1, 2, 2**53 - 1], pa.uint64()),
            "small": pa.array([-128, None, 127], pa.int8()),
            "single": pa.array([1.5, None, -0.25], pa.float32()),
            "double": [0.1, None, 1e300],
            "text": ["x", "é\0漢😀", None],
            "long": pa.array(["a", None, ""], pa.large_string()),
            "table": pa.array(["u", None, "u"]).dictionary_encode(),
            "numbers": pa.array([5, None, 5]).dictionary_encode(),
            "flag": [True, None, False],
            "nothing": pa.nulls(3),
            "list": [[1.5, None], [], None],
            "structure": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}],
            "deep": [[{"a": [1]}, {"a": None}], [], [{"a": [2, 3]}]],
            "__proto__": [1, 2, 3],
            'quote"\n\u2028': [1, 2, 3],
        }
    )
    assert seen(isolate, stream_of(batch)) == batch.to_pylist()


def test_rows_are_plain_objects_with_own_properties(isolate: Isolate) -> None:
    rows = ColumnBridge(isolate).rows(stream_of(pa.record_batch({"__proto__": ["p"], "a": [1]})))
    told = apply(
        isolate,
        "(rows => [Array.isArray(rows), Object.getPrototypeOf(rows[0]) === Object.prototype,"
        " Object.keys(rows[0]).join(), typeof rows[0].a].join(' '))",
        rows,
    )
    assert told == b"true true __proto__,a number"


def test_not_a_number_and_infinity_stay_what_they_are_in_both_directions(isolate: Isolate) -> None:
    bridge = ColumnBridge(isolate)
    rows = bridge.rows(stream_of(pa.record_batch({"a": [float("nan"), float("inf"), float("-inf")]})))
    assert apply(isolate, "(rows => rows.map(r => String(r.a)).join())", rows) == b"NaN,Infinity,-Infinity"
    table = pa.ipc.open_stream(bridge.stream(rows)).read_all()
    assert [str(value) for value in table.column("a").to_pylist()] == ["nan", "inf", "-inf"]


def test_several_batches_and_slices_are_one_array(isolate: Isolate) -> None:
    batch = pa.record_batch({"a": list(range(100)), "t": [f"t{i}" for i in range(100)], "l": [[i] for i in range(100)]})
    data = stream_of(batch.slice(3, 9), batch.slice(0, 0), batch.slice(90))
    assert seen(isolate, data) == [*batch.to_pylist()[3:12], *batch.to_pylist()[90:]]


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 10_000])
def test_any_number_of_rows_goes_there_and_back(isolate: Isolate, rows: int) -> None:
    batch = pa.record_batch(
        {
            "n": pa.array([None if i % 7 == 3 else i * 0.5 for i in range(rows)], pa.float64()),
            "few": pa.array([None if i % 5 == 1 else f"k{i % 3}" for i in range(rows)], pa.string()),
            "many": pa.array([f"é{i}" for i in range(rows)], pa.string()),
            "flag": pa.array([i % 3 == 0 for i in range(rows)], pa.bool_()),
        }
    )
    bridge = ColumnBridge(isolate)
    for _ in range(3):  # The second time there are functions that were written for these rows.
        table = pa.ipc.open_stream(bridge.stream(bridge.rows(stream_of(batch)))).read_all()
        table.validate(full=True)
        assert table.to_pylist() == batch.to_pylist()


def test_integers_beyond_what_numbers_hold_are_named(isolate: Isolate) -> None:
    bridge = ColumnBridge(isolate)
    with pytest.raises(ColumnsError, match=r"\[2\]\.big is 9007199254740993, beyond 2\^53"):
        bridge.rows(stream_of(pa.record_batch({"big": pa.array([1, None, 2**53 + 1])})))


@pytest.mark.parametrize("kind", [pa.date32(), pa.decimal128(5, 2), pa.timestamp("ms"), pa.binary()])
def test_types_without_a_value_are_named(isolate: Isolate, kind: Any) -> None:
    with pytest.raises(ColumnsError, match="the column 'odd' has the Arrow type"):
        ColumnBridge(isolate).rows(stream_of(pa.record_batch({"odd": pa.nulls(1, kind)})))


def test_two_columns_of_one_name_are_refused(isolate: Isolate) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(ColumnsError, match="two columns are called 'a'"):
        ColumnBridge(isolate).rows(stream_of(batch))


def test_broken_streams_are_refused_wherever_they_are_cut_or_changed(isolate: Isolate) -> None:
    batch = pa.record_batch({"a": [1, None, 3], "t": ["x", "yy", None], "l": [[1], [], [2, 3]], "d": ["u", "v", "u"]})
    batch = batch.set_column(3, "d", batch.column(3).dictionary_encode())
    data = stream_of(batch)
    bridge = ColumnBridge(isolate)
    for end in range(8, len(data) - 8, 8):
        try:
            bridge.rows(data[:end])
        except ColumnsError:
            continue
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 0xFF
        try:
            bridge.rows(bytes(changed))
        except ColumnsError:
            continue
    assert seen(isolate, data) == batch.to_pylist()


def test_compressed_streams_are_refused_in_words(isolate: Isolate) -> None:
    sink = io.BytesIO()
    batch = pa.record_batch({"a": [1] * 1000})
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    with pytest.raises(ColumnsError, match="compressed"):
        ColumnBridge(isolate).rows(sink.getvalue())


def test_results_are_what_json_would_make_of_them_but_for_numbers_that_json_has_not(isolate: Isolate) -> None:
    table = table_of(
        isolate,
        "[{n: 1, s: 'a\\0b', d: new Date(0), l: [1, undefined], o: {x: 1}, u: undefined, f: () => 1},"
        " {n: null, s: null, b: true, o: {x: 2, y: 'z'}, extra: NaN}]",
    )
    assert str(table.to_pylist()) == str(
        [
            {
                "n": 1.0, "s": "a\0b", "d": "1970-01-01T00:00:00.000Z", "l": [1.0, None], "o": {"x": 1.0, "y": None},
                "u": None, "f": None, "b": None, "extra": None,
            },
            {
                "n": None, "s": None, "d": None, "l": None, "o": {"x": 2.0, "y": "z"},
                "u": None, "f": None, "b": True, "extra": float("nan"),
            },
        ]
    )  # fmt: skip


def test_one_object_is_one_record(isolate: Isolate) -> None:
    assert table_of(isolate, "{sum: 3}").to_pylist() == [{"sum": 3.0}]


def test_rows_that_stop_being_alike_lose_nothing(isolate: Isolate) -> None:
    bridge = ColumnBridge(isolate)
    for _ in range(3):
        rows = "Array.from({length: 100}, (_, i) => i < 90 ? {a: i, b: 't'} : {b: 'u', c: i})"
        table = table_of(isolate, rows, bridge)
        expected = [{"a": float(i), "b": "t", "c": None} for i in range(90)]
        expected += [{"a": None, "b": "u", "c": float(i)} for i in range(90, 100)]
        assert table.to_pylist() == expected


@pytest.mark.parametrize(
    ("expression", "message", "record"),
    [
        ("[{a: 1}, {a: 't'}]", 'the field "a" is a number in record 0 and a text in record 1', 1),
        ("[{a: 1}, 5]", "the result's record 1 is a number: columns need objects", 1),
        ("[[1]]", "the result's record 0 is an array", 0),
        ("[{a: 1}, null]", "the result's record 1 is null", 1),
        ("[{a: 10n}]", 'the field "a" is a BigInt', 0),
        ("[new Date()]", "the result's record 0 is no plain object", 0),
        ("(() => { const a = [{}]; a[0].a = a[0]; return a })()", "nested deeper than 64 levels, or in a circle", 0),
    ],
)
def test_results_that_fit_no_columns_are_named(isolate: Isolate, expression: str, message: str, record: int) -> None:
    result = isolate.evaluate(f"({expression})".encode())
    assert isinstance(result, Handle)
    with pytest.raises(ResultError, match=message) as raised:
        ColumnBridge(isolate).stream(result)
    assert raised.value.record == record


def test_a_type_that_changes_after_the_function_was_written_is_a_conflict_still(isolate: Isolate) -> None:
    bridge = ColumnBridge(isolate)
    rows = "Array.from({length: 100}, (_, i) => ({a: i < LAST ? i : 'x'}))"
    assert table_of(isolate, rows.replace("LAST", "100"), bridge).num_rows == 100
    result = isolate.evaluate(rows.replace("LAST", "99").encode())
    assert isinstance(result, Handle)
    with pytest.raises(ResultError, match="a number in record 0 and a text in record 99"):
        bridge.stream(result)


def test_the_limit_of_the_output_holds(isolate: Isolate) -> None:
    numbers = isolate.evaluate(b"Array.from({length: 1000}, (_, i) => ({a: i}))")
    texts = isolate.evaluate(b"Array.from({length: 1000}, (_, i) => ({a: 'x'.repeat(5000) + i}))")
    assert isinstance(numbers, Handle)
    assert isinstance(texts, Handle)
    bridge = ColumnBridge(isolate)
    for result in (numbers, texts):
        with pytest.raises(OutputTooLargeError):
            bridge.stream(result, most=2000)
    assert len(bridge.stream(numbers, most=20_000)) < 20_000


def test_a_script_that_changes_built_ins_changes_nothing_here(isolate: Isolate) -> None:
    bridge = ColumnBridge(isolate)
    isolate.evaluate(
        b"Array.prototype.slice = String.prototype.split = () => 'stolen'; JSON.parse = JSON.stringify = () => 1;"
        b"Map.prototype.get = Map.prototype.set = () => 2; Object.keys = () => ['x'];"
        b"globalThis.Float64Array = globalThis.ArrayBuffer = function () { throw 1 }; 0"
    )
    batch = pa.record_batch({"a": [1.0] * 600, "t": ["x"] * 600, "l": [[1.0]] * 600})
    for _ in range(2):
        table = pa.ipc.open_stream(bridge.stream(bridge.rows(stream_of(batch)))).read_all()
        assert table.to_pylist() == batch.to_pylist()
