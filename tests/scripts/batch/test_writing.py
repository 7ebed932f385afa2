"""Results are written with one schema, widened without loss or refused (A21)."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.scripts.batch.model import BatchResultError
from quilate.scripts.batch.output_types import declared_schema
from quilate.scripts.batch.writing import ColumnSink, open_sink
from quilate.scripts.model import FileFormat

COLUMNAR = [FileFormat.PARQUET, FileFormat.ARROW]


def read(path: Path) -> Any:
    with path.open("rb") as stream:
        if stream.read(4) == b"PAR1":
            return pq.ParquetFile(path).read()
        stream.seek(0)
        return pa.ipc.open_file(stream).read_all()


def written(path: Path, file_format: FileFormat, parts: list[list[dict[str, Any]]], schema: Any = None) -> Any:
    sink = ColumnSink(path, file_format, schema)
    for part in parts:
        sink.add(pa.Table.from_pylist(part))
    sink.close()
    assert sink.records == sum(map(len, parts))
    return read(path)


@pytest.mark.parametrize("file_format", COLUMNAR)
def test_whole_numbers_become_integers_until_others_come(tmp_path: Path, file_format: FileFormat) -> None:
    first = [{"a": 1.0, "b": 1.0, "t": "x"}] * 200_000
    second = [{"a": 2.0, "b": 0.5, "t": None, "new": {"x": 1.0}}]
    third = [{"a": 3.0, "new": {"x": 0.5, "y": "z"}}]
    table = written(tmp_path / "out", file_format, [first, second, third])
    assert table.num_rows == 200_002
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {"a": "int64", "b": "double", "t": "string", "new": "struct<x: double, y: string>"}
    assert table.slice(199_999).to_pylist() == [
        {"a": 1, "b": 1.0, "t": "x", "new": None},
        {"a": 2, "b": 0.5, "t": None, "new": {"x": 1.0, "y": None}},
        {"a": 3, "b": None, "t": None, "new": {"x": 0.5, "y": "z"}},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("x", 1.0, "The field a has whole numbers where other parts have text: a column has one type"),
        (0.5, "x", "The field a has text where other parts have numbers"),
        ([1.0], 1.0, "The field a has whole numbers where other parts have lists"),
        ({"x": "t"}, {"x": True}, r"The field a\.x has booleans where other parts have text"),
    ],
)
def test_types_that_do_not_meet_are_a_conflict(tmp_path: Path, first: Any, second: Any, message: str) -> None:
    sink = ColumnSink(tmp_path / "out", FileFormat.PARQUET)
    sink.add(pa.Table.from_pylist([{"a": first}]))
    with pytest.raises(BatchResultError, match=message):
        sink.add(pa.Table.from_pylist([{"a": second}]))
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_declared_schema_decides(tmp_path: Path) -> None:
    schema = declared_schema(
        json.dumps(
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "count": {"type": "integer"},
                        "mean": {"type": ["number", "null"]},
                        "day": {"type": "string", "format": "date"},
                        "at": {"type": "string", "format": "date-time"},
                        "money": {"type": "string", "x-arrow": "decimal128(18, 2)"},
                        "tags": {"type": "array", "items": {"type": "string"}},
                        "never": {"type": "boolean"},
                    },
                },
            }
        ).encode()
    )
    record = {
        "count": 3.0,
        "mean": 1.0,
        "day": "2024-02-29",
        "at": "2024-02-29T03:04:05.678Z",
        "money": "12.30",
        "tags": ["a"],
    }
    (found,) = written(tmp_path / "out", FileFormat.PARQUET, [[record]], schema).to_pylist()
    assert found == {
        "count": 3,
        "mean": 1.0,
        "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 2, 29, 3, 4, 5, 678000, tzinfo=dt.UTC),
        "money": Decimal("12.30"),
        "tags": ["a"],
        "never": None,
    }


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"count": 1.5}, "The field count does not fit the type int64"),
        ({"count": "x"}, "The field count does not fit the type int64"),
        ({"other": 1.0}, "The field other is not in the output schema"),
    ],
)
def test_what_does_not_fit_the_declared_schema_is_named(tmp_path: Path, record: Any, message: str) -> None:
    schema = declared_schema(b'{"properties": {"count": {"type": "integer"}}}')
    sink = ColumnSink(tmp_path / "out", FileFormat.ARROW, schema)
    with pytest.raises(BatchResultError, match=message):
        sink.add(pa.Table.from_pylist([record]))
    sink.abort()


def test_columns_that_change_for_ever_end_in_words(tmp_path: Path) -> None:
    sink = ColumnSink(tmp_path / "out", FileFormat.ARROW)
    rows = 131_072

    def grow() -> None:
        for number in range(40):
            sink.add(pa.table({f"c{number}": pa.nulls(rows, pa.bool_())}))

    with pytest.raises(BatchResultError, match="declare an output schema"):
        grow()
    sink.abort()


@pytest.mark.parametrize("file_format", COLUMNAR)
def test_no_record_at_all_is_a_file_still(tmp_path: Path, file_format: FileFormat) -> None:
    assert written(tmp_path / "out", file_format, [[]]).num_rows == 0


@pytest.mark.parametrize(
    ("file_format", "expected"),
    [(FileFormat.JSON, b'[\n{"a":1},\n2,\n"x"\n]\n'), (FileFormat.NDJSON, b'{"a":1}\n2\n"x"\n')],
)
def test_texts_have_a_value_on_each_line(tmp_path: Path, file_format: FileFormat, expected: bytes) -> None:
    sink = open_sink(tmp_path / "out", file_format)
    for part in ([b'{"a":1}'], [], [b"2", b'"x"']):
        sink.add(part)
    sink.close()
    assert (tmp_path / "out").read_bytes() == expected
    assert sink.records == 3


def test_results_are_not_written_as_csv(tmp_path: Path) -> None:
    with pytest.raises(BatchResultError, match="not written as csv"):
        open_sink(tmp_path / "out", FileFormat.CSV)
