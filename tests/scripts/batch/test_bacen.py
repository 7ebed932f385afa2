"""The Bacen case in each mode, from and to each format (A21, acceptance): generated and the 3,354 real records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.sandbox.model import Program
from quilate.sandbox.pool import SandboxPool
from quilate.scripts.batch import BatchInput, FileFormat, run_batch
from quilate.scripts.model import Mode, Shape
from tests.support.bacen import (
    COMBINED_SCRIPT,
    FIRST_SCRIPT,
    KEY,
    SCRIPT,
    assert_same_groups,
    expected_groups,
    generated_records,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Records = Sequence[Mapping[str, Any]]
QUARTER_IS_TEXT = json.dumps({"properties": {"trimestre": {"type": "string"}}}).encode()
MODES = {
    "whole": (Shape(mode=Mode.WHOLE), SCRIPT),
    "group": (Shape(mode=Mode.GROUP, key=KEY), SCRIPT),
    "chunk and combine": (Shape(mode=Mode.CHUNK, size=500, combine=True), COMBINED_SCRIPT),
    "group and combine": (Shape(mode=Mode.GROUP, key=("nomeBandeira",), combine=True), COMBINED_SCRIPT),
    "whole and combine": (Shape(mode=Mode.WHOLE, combine=True), COMBINED_SCRIPT),
}


def stored(records: Records, file_format: FileFormat, folder: Path) -> BatchInput:
    path = folder / f"records.{file_format}"
    table = pa.Table.from_pylist(list(records))
    if file_format is FileFormat.JSON:
        path.write_text(json.dumps(records, indent=1, ensure_ascii=False))
    elif file_format is FileFormat.NDJSON:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif file_format is FileFormat.PARQUET:
        pq.write_table(table, path, row_group_size=1000)
    elif file_format is FileFormat.CSV:
        pa_csv.write_csv(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=700)
    return BatchInput(path=path, format=file_format)


def loaded(path: Path, file_format: FileFormat) -> list[dict[str, Any]]:
    if file_format is FileFormat.PARQUET:
        rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    elif file_format is FileFormat.ARROW:
        rows = pa.ipc.open_file(str(path)).read_all().to_pylist()
    elif file_format is FileFormat.NDJSON:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        rows = json.loads(path.read_bytes())
    return rows


async def run_case(
    pool: SandboxPool, mode: str, source: BatchInput, target: Path, to: FileFormat
) -> tuple[int, Records]:
    shape, script = MODES[mode]
    outcome = await run_batch(
        pool, Program(source=script), shape, source, target, target_format=to, input_schema=QUARTER_IS_TEXT
    )
    assert outcome.failure is None, outcome.failure
    assert (outcome.failed_parts, outcome.output) == ((), target)
    found = loaded(target, to)
    assert outcome.records_out == len(found)
    return outcome.records_in, found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file_format", FileFormat)
async def test_generated_records_give_their_groups(
    pool: SandboxPool, tmp_path: Path, mode: str, file_format: FileFormat
) -> None:
    records = generated_records()
    to = FileFormat.JSON if file_format is FileFormat.CSV else file_format
    source = stored(records, file_format, tmp_path)
    count, found = await run_case(pool, mode, source, tmp_path / "out", to)
    assert count == len(records)
    assert_same_groups(found, expected_groups(records))


@pytest.mark.parametrize("to", [FileFormat.JSON, FileFormat.NDJSON, FileFormat.PARQUET, FileFormat.ARROW])
async def test_each_format_becomes_each_other_with_the_same_types(
    pool: SandboxPool, tmp_path: Path, to: FileFormat
) -> None:
    records = generated_records(range(2020, 2022))
    for number, file_format in enumerate((FileFormat.NDJSON, FileFormat.PARQUET)):
        source = stored(records, file_format, tmp_path)
        _, found = await run_case(pool, "whole", source, tmp_path / f"out{number}", to)
        assert found == expected_groups(records)
        assert [type(value) for value in found[1].values()] == [str, str, int, int, int, float]


async def test_groups_come_in_the_order_of_their_first_records(pool: SandboxPool, tmp_path: Path) -> None:
    records = generated_records()
    for file_format in (FileFormat.NDJSON, FileFormat.PARQUET):
        source = stored(records, file_format, tmp_path)
        _, found = await run_case(pool, "group", source, tmp_path / "out", file_format)
        assert found == expected_groups(records)


async def test_the_first_printed_script_gives_nothing(pool: SandboxPool) -> None:
    source = BatchInput(data=json.dumps(generated_records()).encode())
    outcome = await run_batch(pool, Program(source=FIRST_SCRIPT), Shape(), source, None)
    assert (outcome.failure, outcome.output) == (None, b"[]\n")


@pytest.mark.real_data
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file_format", FileFormat)
async def test_the_real_records_give_the_252_groups(
    pool: SandboxPool, shared_data: Path, tmp_path: Path, mode: str, file_format: FileFormat
) -> None:
    expected = json.loads((shared_data / "bacen_expected_empresarial.json").read_bytes())
    records = json.loads((shared_data / "bacen_cartoes_trimestral.json").read_bytes())
    assert (len(records), len(expected)) == (3354, 252)
    source = stored(records, file_format, tmp_path)
    if file_format is FileFormat.JSON:
        source = BatchInput(path=shared_data / "bacen_cartoes_trimestral.json", format=file_format)
    elif file_format is FileFormat.CSV:
        source = BatchInput(path=shared_data / "bacen_cartoes_trimestral.csv", format=file_format)
    to = FileFormat.PARQUET if file_format is FileFormat.CSV else file_format
    count, found = await run_case(pool, mode, source, tmp_path / "out", to)
    assert count == 3354
    assert_same_groups(found, expected)


@pytest.mark.real_data
async def test_the_six_records_of_the_source_documents_give_the_printed_groups(
    pool: SandboxPool, shared_data: Path
) -> None:
    source = BatchInput(path=shared_data / "bacen_seed_six_records.json")
    outcome = await run_batch(pool, Program(source=SCRIPT), Shape(), source, None)
    assert isinstance(outcome.output, bytes)
    names = ("trimestre", "nomeBandeira", "qtdCartoesAtivos", "qtdCartoesEmitidos", "qtdTransacoesNacionais")
    rows = [(*(row[name] for name in names), row["valorTransacoesNacionais"]) for row in json.loads(outcome.output)]
    assert rows == [
        ("20232", "VISA", 2216709, 3800384, 58984902, pytest.approx(16846611557.78, rel=1e-6)),
        ("20233", "VISA", 1800000, 3100000, 45000000, 13000000000),
        ("20234", "Mastercard", 2200000, 3700000, 55000000, 15000000000),
    ]
