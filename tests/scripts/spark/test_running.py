"""The same script on a real local Spark and in the local runner (A21): the same result; failures name their place."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.sandbox.model import FailureClass, Level, Limits, Program
from quilate.scripts.batch import BatchInput, FileFormat, Settings, run_batch
from quilate.scripts.model import Mode, Shape
from quilate.scripts.spark import SparkInput, SparkOutcome, SparkSettings, run_on_spark
from quilate.scripts.spark.held import HeldSandbox
from tests.support.bacen import COMBINED_SCRIPT, KEY, SCRIPT, assert_same_groups, expected_groups, generated_records

pytestmark = [
    pytest.mark.slow,
    # Spark says so of pandas 3, of which nothing is used here.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
]
PLACE = pa.struct([("x", pa.int32()), ("y", pa.string())])
SETTINGS = SparkSettings(min_level=Level.PROCESS)
FAILS_AT_33 = Program(
    source="function process(data) { return data.map(r => { if (r.n === 33) throw Error('bad record'); return r }) }"
)
TYPES = Program(
    source="""function process(data) {
  return data.map((r) => ({ ...r, count: data.length, half: r["an id"] / 2, first: data[0]["an id"] }));
}"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A script, how it is run, and where its result goes."""

    program: Program
    shape: Shape
    source: Path
    source_format: FileFormat
    target_format: FileFormat
    target: Path | None = None


def on_spark(spark: Any, case: Case, settings: SparkSettings = SETTINGS) -> SparkOutcome:
    return run_on_spark(
        spark,
        case.program,
        case.shape,
        SparkInput(path=case.source, format=case.source_format),
        case.target,
        target_format=case.target_format,
        settings=settings,
    )


def here(held: HeldSandbox, case: Case) -> bytes:
    source = BatchInput(path=case.source, format=case.source_format)
    work = run_batch(held.pool, case.program, case.shape, source, None, target_format=case.target_format, workers=1)
    outcome = held.run(work)
    assert (outcome.failure, outcome.failed_parts) == (None, ())
    assert isinstance(outcome.output, bytes)
    return outcome.output


def ndjson(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def numbers(path: Path, count: int) -> Path:
    return ndjson(path, [{"n": n, "k": f"g{n % 7}"} for n in range(count)])


def of_all_types(path: Path) -> Path:
    zoned = [datetime(2024, 2, 29, 23, 59, 58, number, tzinfo=UTC) for number in range(60)]
    table = pa.table(
        {
            "an id": pa.array(range(60), pa.int64()),
            "a.key": pa.array([None if n % 5 == 0 else f"é{n % 5}" for n in range(60)]),
            "year": pa.array([2020 + n % 2 for n in range(60)], pa.int16()),
            "price": pa.array([Decimal(n) / 100 for n in range(60)], pa.decimal128(12, 2)),
            "day": pa.array([date(1969, 12, 31)] * 60),
            "zoned": pa.array(zoned, pa.timestamp("us", tz="UTC")),
            "local": pa.array([one.replace(tzinfo=None) for one in zoned], pa.timestamp("us")),
            "ratio": pa.array([float("nan") if n == 3 else n / 3 for n in range(60)]),
            "sure": pa.array([None if n % 7 == 0 else n % 2 == 0 for n in range(60)]),
            "tags": pa.array([["a", None]] * 30 + [None] * 30, pa.list_(pa.string())),
            "place": pa.array([{"x": n, "y": None} for n in range(60)], PLACE),
            "raw": pa.array([b"\x00\xff"] * 60, pa.binary()),
        }
    )  # fmt: skip
    pq.write_table(table, path)
    return path


def test_groups_of_columns_are_those_of_the_local_runner_in_each_type(
    spark: Any, held: HeldSandbox, tmp_path: Path
) -> None:
    shape = Shape(mode=Mode.GROUP, key=("a.key", "year"))
    source = of_all_types(tmp_path / "in [1].parquet")
    case = Case(
        program=TYPES,
        shape=shape,
        source=source,
        source_format=FileFormat.PARQUET,
        target_format=FileFormat.PARQUET,
        target=tmp_path / "out.parquet",
    )
    outcome = on_spark(spark, case)
    assert (outcome.failure, outcome.failed, outcome.parts, outcome.records_in) == (None, 0, 10, 60)
    assert (outcome.records_out, outcome.schema_inferred, outcome.output) == (60, True, case.target)
    assert outcome.cpu_milliseconds > 0
    expected = pq.read_table(pa.BufferReader(here(held, case))).sort_by("an id")
    found = pq.read_table(case.target).sort_by("an id")
    assert repr(found.to_pydict()) == repr(expected.to_pydict())  # NaN is not equal to itself.
    assert {f.name: f.type for f in found.schema if f.name != "place"} == {
        f.name: f.type for f in expected.schema if f.name != "place"
    }
    refused = on_spark(spark, case)
    assert refused.failure is not None
    assert "is there already" in refused.failure.message


def test_chunks_and_combine_give_the_local_runner_s_bytes(spark: Any, held: HeldSandbox, tmp_path: Path) -> None:
    records = generated_records(range(2020, 2025))
    case = Case(
        program=Program(source=COMBINED_SCRIPT),
        shape=Shape(mode=Mode.CHUNK, size=100, combine=True),
        source=ndjson(tmp_path / "in.ndjson", records),
        source_format=FileFormat.NDJSON,
        target_format=FileFormat.JSON,
    )
    outcome = on_spark(spark, case)
    assert (outcome.failure, outcome.parts, outcome.records_in) == (None, 5, len(records))
    assert outcome.output == here(held, case)
    assert isinstance(outcome.output, bytes)
    assert_same_groups(json.loads(outcome.output), expected_groups(records))


def test_a_failed_chunk_is_named_and_the_others_are_written(spark: Any, tmp_path: Path) -> None:
    case = Case(
        program=FAILS_AT_33,
        shape=Shape(mode=Mode.CHUNK, size=10),
        source=numbers(tmp_path / "in.ndjson", 95),
        source_format=FileFormat.NDJSON,
        target_format=FileFormat.NDJSON,
        target=tmp_path / "out",
    )
    outcome = on_spark(spark, case)
    assert (outcome.failure, outcome.parts, outcome.failed, outcome.records_out) == (None, 10, 1, 85)
    (failed,) = outcome.failed_parts
    assert (failed.partition, failed.part, failed.key, failed.first_record) == (0, 3, None, 30)
    assert (failed.failure.kind, failed.failure.record, failed.failure.line) == (FailureClass.RUNTIME, 33, 1)
    files = sorted((tmp_path / "out").glob("part-*"))
    found = [json.loads(line)["n"] for file in files for line in file.read_text().splitlines()]
    assert found == [n for n in range(95) if not 30 <= n < 40]


def test_a_failed_group_is_named_by_its_key_and_its_record_in_the_whole_data(spark: Any, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(pa.table({"n": list(range(60)), "k": [f"g{n % 7}" for n in range(60)]}), folder / "a.parquet")
    pq.write_table(
        pa.table({"n": list(range(60, 95)), "k": [f"g{n % 7}" for n in range(60, 95)]}), folder / "b.parquet"
    )
    noisy = Program(source=FAILS_AT_33.source.replace("{ return", "{ console.log('seen', data.length); return", 1))
    frame = spark.read.parquet(str(folder))
    order = [row.n for row in frame.collect()]
    outcome = run_on_spark(
        spark, noisy, Shape(mode=Mode.GROUP, key=("k",)), SparkInput(frame=frame), None, settings=SETTINGS
    )
    (failed,) = outcome.failed_parts
    first = next(index for index, n in enumerate(order) if n % 7 == 5)
    assert (failed.part, failed.key, failed.first_record) == (None, '["g5"]', first)
    assert (failed.failure.record, failed.failure.kind) == (order.index(33), FailureClass.RUNTIME)
    assert isinstance(outcome.output, bytes)
    rows = json.loads(outcome.output)
    assert sorted(row["n"] for row in rows) == [n for n in range(95) if n % 7 != 5]
    assert len(outcome.console) == 7
    assert set(outcome.console) == {"seen 13", "seen 14"}


def test_a_run_without_hope_ends_with_its_cause(spark: Any, tmp_path: Path) -> None:
    case = Case(
        program=Program(source="function process(data) { throw new TypeError('never') }"),
        shape=Shape(mode=Mode.CHUNK, size=1),
        source=numbers(tmp_path / "in.ndjson", 500),
        source_format=FileFormat.NDJSON,
        target_format=FileFormat.JSON,
        target=tmp_path / "out.json",
    )
    outcome = on_spark(spark, case)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.output, outcome.parts) == (FailureClass.RUNTIME, None, Settings().hopeless)
    assert not (tmp_path / "out.json").exists()


def test_broken_data_is_the_data_s_failure_and_names_the_record(spark: Any, tmp_path: Path) -> None:
    source = numbers(tmp_path / "in.ndjson", 20)
    source.write_text(source.read_text() + '{"n": x}\n')
    for shape in (Shape(mode=Mode.CHUNK, size=100), Shape(mode=Mode.GROUP, key=("k",))):
        case = Case(
            program=FAILS_AT_33,
            shape=shape,
            source=source,
            source_format=FileFormat.NDJSON,
            target_format=FileFormat.JSON,
        )
        outcome = on_spark(spark, case)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureClass.INPUT
        assert "record 20" in outcome.failure.message
    nothing = on_spark(spark, Case(program=FAILS_AT_33, shape=Shape(mode=Mode.CHUNK), source=tmp_path / "none",
                                   source_format=FileFormat.CSV, target_format=FileFormat.JSON))  # fmt: skip
    assert nothing.failure is not None
    assert nothing.failure.kind is FailureClass.INPUT


def test_mode_whole_is_for_what_fits_one_sandbox(spark: Any, held: HeldSandbox, tmp_path: Path) -> None:
    case = Case(
        program=Program(source="function process(data) { return data.map((r) => r.n).reverse() }"),
        shape=Shape(mode=Mode.WHOLE),
        source=numbers(tmp_path / "in.ndjson", 50),
        source_format=FileFormat.NDJSON,
        target_format=FileFormat.JSON,
    )
    outcome = on_spark(spark, case)
    assert (outcome.output, outcome.records_in) == (here(held, case), 50)
    refused = on_spark(spark, case, SparkSettings(min_level=Level.PROCESS, batch=Settings(whole_bytes=100)))
    assert refused.failure is not None
    assert refused.failure.kind is FailureClass.INPUT
    assert "mode whole takes at most 100: use mode chunk or group" in refused.failure.message


@pytest.mark.real_data
@pytest.mark.parametrize("mode", [Mode.CHUNK, Mode.GROUP])
def test_the_real_records_give_the_252_groups(spark: Any, shared_data: Path, tmp_path: Path, mode: Mode) -> None:
    expected = json.loads((shared_data / "bacen_expected_empresarial.json").read_bytes())
    records = shared_data / "bacen_cartoes_trimestral.json"
    if mode is Mode.GROUP:
        shape, program, source = Shape(mode=mode, key=KEY), Program(source=SCRIPT), records
    else:
        shape = Shape(mode=mode, size=500, combine=True)
        program, source = Program(source=COMBINED_SCRIPT), tmp_path / "in.parquet"
        pq.write_table(pa.Table.from_pylist(json.loads(records.read_bytes())), source)
    source_format = FileFormat.JSON if mode is Mode.GROUP else FileFormat.PARQUET
    outcome = run_on_spark(
        spark,
        program,
        shape,
        SparkInput(path=source, format=source_format),
        None,
        target_format=FileFormat.PARQUET,
        limits=Limits(wall_seconds=30.0),
        settings=SETTINGS,
    )
    assert (outcome.failure, outcome.failed, outcome.records_in, outcome.records_out) == (None, 0, 3354, 252)
    assert isinstance(outcome.output, bytes)
    assert_same_groups(pq.read_table(pa.BufferReader(outcome.output)).to_pylist(), expected)
