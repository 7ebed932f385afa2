"""Batches end as promised (A21): failed parts named, the rest kept, re-runs, cancellation, bounded memory, order."""

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.sandbox.model import FailureClass, Limits, Program
from quilate.sandbox.pool import SandboxPool
from quilate.scripts.batch import BatchInput, FileFormat, PartStore, Progress, Settings, run_batch
from quilate.scripts.model import Mode, Shape

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHUNKS = Shape(mode=Mode.CHUNK, size=10)
GROUPS = Shape(mode=Mode.GROUP, key=("k",))
DOUBLE = Program(source="function process(data) { return data.map(r => ({ n: r.n * 2 })) }")
FAILS_AT_33 = Program(
    source="function process(data) { return data.map(r => {"
    " if (r.n === 33) throw new Error('bad record'); return r }) }"
)


def ndjson(count: int) -> BatchInput:
    lines = (json.dumps({"n": n, "k": f"g{n % 7}"}) for n in range(count))
    return BatchInput(data="\n".join(lines).encode(), format=FileFormat.NDJSON)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def measured(rows: int, folder: Path) -> dict[str, Any]:
    """What a batch of so many rows takes, in a fresh process: what other tests left behind does not count."""
    script = Path(__file__).parents[2] / "support" / "batch_process.py"
    argv = [sys.executable, str(script), str(rows), str(folder)]
    done = subprocess.run(argv, check=True, capture_output=True, timeout=240)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def rows_of(output: Path | bytes | None) -> list[Any]:
    assert isinstance(output, bytes)
    return list(json.loads(output))


@pytest.mark.parametrize("target_format", [FileFormat.JSON, FileFormat.PARQUET])
async def test_a_failed_chunk_is_named_and_the_others_are_kept(
    pool: SandboxPool, tmp_path: Path, target_format: FileFormat
) -> None:
    target = tmp_path / "out"
    outcome = await run_batch(pool, FAILS_AT_33, CHUNKS, ndjson(95), target, target_format=target_format)
    assert (outcome.failure, outcome.parts, outcome.records_in, outcome.records_out) == (None, 10, 95, 85)
    (failed,) = outcome.failed_parts
    assert (failed.part, failed.key, failed.first_record) == (3, None, 30)
    assert (failed.failure.kind, failed.failure.record, failed.failure.line) == (FailureClass.RUNTIME, 33, 1)
    assert "bad record" in failed.failure.message
    found = json.loads(target.read_bytes()) if target_format is FileFormat.JSON else pq.read_table(target).to_pylist()
    assert [row["n"] for row in found] == [n for n in range(95) if not 30 <= n < 40]


async def test_a_failed_group_is_named_by_key_and_record(pool: SandboxPool) -> None:
    outcome = await run_batch(pool, FAILS_AT_33, GROUPS, ndjson(95), None)
    (failed,) = outcome.failed_parts
    assert (failed.part, failed.key, failed.first_record, failed.failure.record) == (5, '["g5"]', 5, 33)
    order = [n for group in (0, 1, 2, 3, 4, 6) for n in range(group, 95, 7)]
    assert [row["n"] for row in rows_of(outcome.output)] == order


@pytest.mark.parametrize("shape", [CHUNKS, GROUPS])
@pytest.mark.parametrize("target_format", [FileFormat.NDJSON, FileFormat.ARROW])
async def test_only_what_failed_is_run_again(
    pool: SandboxPool, tmp_path: Path, shape: Shape, target_format: FileFormat
) -> None:
    program = Program(source="function process(data) { return data.map(r => ({ n: r.n })) }")
    whole = await run_batch(pool, program, shape, ndjson(95), tmp_path / "whole", target_format=target_format)
    with PartStore(tmp_path / "store") as store:
        first = await run_batch(
            pool, program, shape, ndjson(95), tmp_path / "out", target_format=target_format, previous=store
        )
        assert (first.reused, first.digest) == (0, whole.digest)
    damaged = tmp_path / "store" / "parts.bin"
    damaged.write_bytes(damaged.read_bytes()[:-3])  # As of a process that was killed while it wrote the last part.
    calls: list[Progress] = []
    with PartStore(tmp_path / "store") as store:
        second = await run_batch(
            pool, program, shape, ndjson(95), tmp_path / "out", target_format=target_format, previous=store,
            progress=calls.append,
        )  # fmt: skip
    assert (second.reused, second.digest) == (second.parts - 1, whole.digest)
    assert calls[-1] == Progress(parts=second.parts, failed=0, records_in=95, records_out=95)
    with PartStore(tmp_path / "store") as store:
        other = await run_batch(pool, DOUBLE, shape, ndjson(95), None, previous=store)
    assert other.reused == 0


async def test_a_batch_of_which_every_part_fails_ends_early_with_the_cause(pool: SandboxPool, tmp_path: Path) -> None:
    seen: list[Progress] = []
    program = Program(source="function process(data) { throw new TypeError('never') }")
    outcome = await run_batch(pool, program, CHUNKS, ndjson(5000), tmp_path / "out", progress=seen.append)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.output, outcome.digest) == (FailureClass.RUNTIME, None, "")
    assert len(seen) == Settings().hopeless
    assert not names_in(tmp_path)


@pytest.mark.parametrize(
    "case",
    [
        (b'[{"n":1},\n{"n":2},\n{"n":x}]', FileFormat.JSON, "line 3, column 6 (byte 24)"),
        (b'{"n":1}\n{"n":x}\n', FileFormat.NDJSON, "line 2, column 6 (byte 13)"),
        (b"PAR1 but no more", FileFormat.PARQUET, "The parquet data cannot be read"),
        (b"nothing", FileFormat.ARROW, "The arrow data cannot be read"),
        (b'a,b\n1,2\n"3', FileFormat.CSV, "The csv data cannot be read"),
        (b'[{"n":1},' + b"[" * 5000 + b"]" * 5001, FileFormat.JSON, "nests too deep"),
        (b'{"n":1}\n' + b"[" * 5000 + b"]" * 5000, FileFormat.NDJSON, "nests too deep"),
    ],
)
@pytest.mark.parametrize("shape", [CHUNKS, Shape(mode=Mode.GROUP, key=("n",))])
async def test_broken_data_is_the_data_s_failure_and_names_the_place(
    pool: SandboxPool, tmp_path: Path, shape: Shape, case: tuple[bytes, FileFormat, str]
) -> None:
    data, file_format, message = case
    outcome = await run_batch(pool, DOUBLE, shape, BatchInput(data=data, format=file_format), tmp_path / "out")
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.INPUT
    assert message in outcome.failure.message
    assert not names_in(tmp_path)


async def test_unsafe_integers_are_named_by_their_record_in_the_whole_data(pool: SandboxPool) -> None:
    lines = [json.dumps({"n": n if n != 57 else 2**60}) for n in range(90)]
    source = BatchInput(data="\n".join(lines).encode(), format=FileFormat.NDJSON)
    outcome = await run_batch(pool, DOUBLE, CHUNKS, source, None)
    (failed,) = outcome.failed_parts
    assert failed.failure.kind is FailureClass.INPUT
    assert "$[57].n" in failed.failure.message


async def test_columns_that_differ_between_chunks_are_a_failure_with_the_field(
    pool: SandboxPool, tmp_path: Path
) -> None:
    program = Program(source="function process(data) { return data.map(r => ({ a: r.n < 50 ? r.n : 'text' })) }")
    outcome = await run_batch(pool, program, CHUNKS, ndjson(95), tmp_path / "out", target_format=FileFormat.PARQUET)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.RESULT
    assert "The field a has text where other parts have whole numbers" in outcome.failure.message
    assert not names_in(tmp_path)


async def test_combine_gets_all_results_in_order(pool: SandboxPool) -> None:
    program = Program(
        source="function process(data) { return { first: data[0].n, sum: data.reduce((s, r) => s + r.n, 0) } }"
        "function combine(parts) {"
        " return { order: parts.map(p => p.first), sum: parts.reduce((s, p) => s + p.sum, 0) } }"
    )
    shape = Shape(mode=Mode.CHUNK, size=10, combine=True)
    outcome = await run_batch(pool, program, shape, ndjson(95), None)
    assert isinstance(outcome.output, bytes)
    assert json.loads(outcome.output) == {"order": list(range(0, 95, 10)), "sum": sum(range(95))}
    columns = await run_batch(pool, program, shape, ndjson(95), None, target_format=FileFormat.PARQUET)
    (row,) = pq.read_table(pa.BufferReader(columns.output)).to_pylist()
    assert row == {"order": list(range(0, 95, 10)), "sum": sum(range(95))}


async def test_combine_is_not_called_where_a_part_is_missing(pool: SandboxPool) -> None:
    program = Program(source=FAILS_AT_33.source + "; function combine(parts) { return parts.length }")
    outcome = await run_batch(pool, program, Shape(mode=Mode.CHUNK, size=10, combine=True), ndjson(95), None)
    assert outcome.failure is not None
    assert outcome.failure.message == "combine was not called: 1 of 10 parts have no result"
    assert [failed.part for failed in outcome.failed_parts] == [3]


async def test_results_for_combine_have_a_bound(pool: SandboxPool) -> None:
    program = Program(source="function process(d) { return 'x'.repeat(1000) } function combine(p) { return 1 }")
    shape, settings = Shape(mode=Mode.CHUNK, size=10, combine=True), Settings(partials_bytes=5000)
    outcome = await run_batch(pool, program, shape, ndjson(95), None, settings=settings)
    assert outcome.failure is not None
    assert (outcome.failure.kind, "5000 bytes" in outcome.failure.message) == (FailureClass.MEMORY, True)


async def test_results_that_are_no_arrays_are_listed(pool: SandboxPool) -> None:
    program = Program(source="function process(data) { return data.length }")
    assert rows_of((await run_batch(pool, program, CHUNKS, ndjson(95), None)).output) == [10] * 9 + [5]
    assert rows_of((await run_batch(pool, program, GROUPS, ndjson(95), None)).output) == [14] * 4 + [13] * 3


@pytest.mark.parametrize("shape", [CHUNKS, GROUPS])
async def test_a_result_that_nests_too_deep_is_the_script_s_failure(pool: SandboxPool, shape: Shape) -> None:
    program = Program(source="function process(d) { let x = []; for (let i = 0; i < 5000; i++) x = [x]; return x }")
    outcome = await run_batch(pool, program, shape, ndjson(20), None)
    assert outcome.failure is not None
    assert (outcome.failure.kind, "nests too deep" in outcome.failure.message) == (FailureClass.RESULT, True)


async def test_a_worker_that_is_ended_costs_its_part_only(pool: SandboxPool) -> None:
    program = Program(source="function process(data) { while (data[0].n === 30) {} return data.map(r => r.n) }")
    outcome = await run_batch(pool, program, CHUNKS, ndjson(95), None, limits=Limits(wall_seconds=0.5, cpu_seconds=0.5))
    assert [(failed.part, failed.failure.kind) for failed in outcome.failed_parts] in (
        [(3, FailureClass.TIMEOUT)],
        [(3, FailureClass.CPU)],
    )
    assert rows_of(outcome.output) == [n for n in range(95) if not 30 <= n < 40]


async def test_a_cancelled_batch_leaves_nothing(pool: SandboxPool, tmp_path: Path) -> None:
    begun = asyncio.Event()
    program = Program(source="function process(data) { while (data[0].n >= 30) {} return data }")
    limits = Limits(wall_seconds=60, cpu_seconds=60)
    task = asyncio.create_task(
        run_batch(pool, program, CHUNKS, ndjson(95), tmp_path / "out", limits=limits, progress=lambda _: begun.set())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not names_in(tmp_path)
    assert (await run_batch(pool, DOUBLE, CHUNKS, ndjson(95), None)).failure is None


async def test_console_of_all_parts_in_order_and_within_the_limit(pool: SandboxPool) -> None:
    program = Program(source="function process(data) { console.log('from', data[0].n); return data }")
    outcome = await run_batch(pool, program, CHUNKS, ndjson(95), None)
    assert (outcome.console, outcome.console_truncated) == (tuple(f"from {n}" for n in range(0, 95, 10)), False)
    short = await run_batch(pool, program, CHUNKS, ndjson(95), None, limits=Limits(console_bytes=30))
    assert (short.console, short.console_truncated) == (("from 0", "from 10", "from 20"), True)


async def test_digest_and_size_are_those_of_the_file(pool: SandboxPool, tmp_path: Path) -> None:
    target = tmp_path / "out"
    outcome = await run_batch(pool, DOUBLE, CHUNKS, ndjson(95), target)
    content = target.read_bytes()
    assert outcome.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert outcome.output_bytes == len(content)
    assert outcome.cpu_milliseconds > 0
    assert outcome.peak_memory_bytes > 0


def rows_in(path: Path, file_format: FileFormat) -> list[dict[str, Any]]:
    if file_format is FileFormat.PARQUET:
        return list(pq.read_table(path).to_pylist())
    return list(json.loads(path.read_bytes()))


@pytest.mark.parametrize("key", [('say "k"',), ("back\\slash",), ("line\nend",), ("ação",), ("k", "k"), ("", "k")])
async def test_groups_are_made_by_fields_of_any_name(pool: SandboxPool, key: tuple[str, ...]) -> None:
    records = [{**dict.fromkeys(key, n % 3), "n": n} for n in range(7)] + [{"n": 7}]
    data = BatchInput(data=json.dumps(records).encode(), format=FileFormat.JSON)
    program = Program(source="function process(data) { return data.map((r) => r.n) }")
    outcome = await run_batch(pool, program, Shape(mode=Mode.GROUP, key=key), data, None)
    assert outcome.failure is None
    assert rows_of(outcome.output) == [0, 3, 6, 1, 4, 2, 5, 7]


@pytest.mark.parametrize("target_format", [FileFormat.JSON, FileFormat.PARQUET])
@pytest.mark.parametrize("file_format", [FileFormat.NDJSON, FileFormat.PARQUET])
async def test_groups_beyond_memory_are_whole_and_in_order(
    pool: SandboxPool, tmp_path: Path, file_format: FileFormat, target_format: FileFormat
) -> None:
    count, groups = 20_000, 997
    records = [{"n": n, "k": n * 31 % groups if n % 5 else None, "text": "x" * 50} for n in range(count)]
    path = tmp_path / "in"
    if file_format is FileFormat.NDJSON:
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    program = Program(
        source="function process(rows) { const k = rows[0].k;"
        "if (rows.some(r => r.k !== k)) throw new Error('mixed');"
        " return [{ k, count: rows.length, first: rows[0].n }] }"
    )
    small = Settings(spill_bytes=64 << 10)
    results = [
        await run_batch(
            pool, program, GROUPS, BatchInput(path=path, format=file_format), tmp_path / f"out{number}",
            target_format=target_format, settings=settings,
        )
        for number, settings in enumerate((small, Settings()))
    ]  # fmt: skip
    assert [(one.failure, one.failed_parts, one.records_in) for one in results] == [(None, (), count)] * 2
    found = [rows_in(tmp_path / f"out{number}", target_format) for number in range(2)]
    assert found[0] == found[1]
    firsts = [row["first"] for row in found[0]]
    assert firsts == sorted(firsts)
    assert sum(row["count"] for row in found[0]) == count
    assert len({row["k"] for row in found[0]}) == len(found[0]) == results[0].parts


async def test_missing_key_columns_are_named(pool: SandboxPool, tmp_path: Path) -> None:
    path = tmp_path / "in"
    pq.write_table(pa.table({"a": [1]}), path)
    source = BatchInput(path=path, format=FileFormat.PARQUET)
    outcome = await run_batch(pool, DOUBLE, GROUPS, source, None)
    assert outcome.failure is not None
    assert outcome.failure.message == "The data has no column k, which groups are made by"


async def test_mode_whole_has_a_bound_that_is_named(pool: SandboxPool) -> None:
    outcome = await run_batch(pool, DOUBLE, Shape(), ndjson(95), None, settings=Settings(whole_bytes=100))
    assert outcome.failure is not None
    assert "mode whole takes at most 100: use mode chunk or group, or Spark" in outcome.failure.message


async def test_memory_of_both_sides_does_not_grow_with_the_data(tmp_path: Path) -> None:
    few = await asyncio.to_thread(measured, 200_000, tmp_path)
    many = await asyncio.to_thread(measured, 1_600_000, tmp_path)
    assert (few["records_out"], many["records_out"], many["failed"]) == (200_000, 1_600_000, [])
    assert many["own_peak"] - few["own_peak"] < 80 << 20
    assert many["worker_peak"] < 200 << 20
