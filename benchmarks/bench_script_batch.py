"""A script over Parquet in chunks of 10,000, Parquet out: records a second on two workers, jitless and locked.

Beside it, in the same run: what two node processes do with the same records as JSON (parse, the same ``process``,
stringify; node compiles, ours interprets), and what Spark's own expressions do on the same file. All results are
compared: number of rows, and sums over each column.

``SCRIPT_BATCH_ROWS`` sets the rows (10 million), ``SCRIPT_BATCH_SPARK=0`` leaves Spark out, ``SCRIPT_BATCH_WORKERS``
sets the workers.
"""

import asyncio
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from measure import report
from processor_time import busy_seconds
from quilate.sandbox.model import Level, Limits, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.scripts.batch import BatchInput, BatchOutcome, FileFormat, run_batch
from quilate.scripts.model import Mode, Shape

ROWS = int(os.environ.get("SCRIPT_BATCH_ROWS", "10000000"))
WORKERS = int(os.environ.get("SCRIPT_BATCH_WORKERS", "2"))
NODE_ROWS = min(ROWS, 1_000_000)
CHUNK = 10_000
GROUP_OF_ROWS = 500_000
TARGET_RECORDS_A_SECOND = 2_000_000
TARGET_WORKER_BYTES = 200 << 20
LARGE = 500_000
BRANDS = ("VISA", "MasterCard", "Elo", "American Express", "Hipercard", "Bandeira própria")
SCRIPT = """function process(data) {
  return data.map((r) => ({
    id: r.id, brand: r.brand, ticket: r.count > 0 ? r.value / r.count : 0, large: r.value > 500000,
  }));
}"""
NODE = (
    SCRIPT
    + """
const fs = require("fs");
const lines = fs.readFileSync(process.argv[2], "utf8").split("\\n");
const begin = process.hrtime.bigint();
let rows = 0, ids = 0, tickets = 0, large = 0, bytes = 0;
for (const line of lines) {
  if (!line) continue;
  const text = JSON.stringify(run(JSON.parse(line)));
  bytes += text.length;
}
const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
for (const line of lines) {
  if (!line) continue;
  for (const r of run(JSON.parse(line))) { rows++; ids += r.id; tickets += r.ticket; large += r.large; }
}
console.log(JSON.stringify({ seconds, rows, ids, tickets, large, bytes }));
"""
)


def rows_of(begin: int, end: int) -> Any:
    """Rows ``begin`` to ``end``, by their numbers alone."""
    ids = pa.array(range(begin, end), pa.int64())
    brands = pa.array(BRANDS).take(pc.cast(pc.subtract(ids, pc.multiply(pc.divide(ids, 6), 6)), pa.int32()))
    count = pc.subtract(ids, pc.multiply(pc.divide(ids, 1000), 1000))
    quarter = pa.array([f"20{year}{part}" for year in range(11, 25) for part in range(1, 5)])
    quarters = quarter.take(pc.cast(pc.subtract(ids, pc.multiply(pc.divide(ids, 56), 56)), pa.int32()))
    value = pc.multiply(pc.cast(count, pa.float64()), 1000.25)
    return pa.table({"id": ids, "quarter": quarters, "brand": brands, "count": count, "value": value})


def write_input(path: Path) -> None:
    """Write the rows, a row group at a time."""
    with pq.ParquetWriter(path, rows_of(0, 1).schema) as writer:
        for begin in range(0, ROWS, GROUP_OF_ROWS):
            writer.write_table(rows_of(begin, min(ROWS, begin + GROUP_OF_ROWS)))


def sums_of(path: Path) -> dict[str, float]:
    """Number of rows and a sum over each column."""
    table = pq.read_table(path)
    return {
        "rows": table.num_rows,
        "ids": pc.sum(table["id"]).as_py(),
        "tickets": pc.sum(table["ticket"]).as_py(),
        "large": pc.sum(pc.cast(table["large"], pa.int64())).as_py(),
        "brands": pc.sum(pc.utf8_length(table["brand"])).as_py(),
    }


async def run_ours(source: Path, target: Path) -> tuple[BatchOutcome, Level, float, float]:
    """The batch, with the pool ready before; processor seconds of this process alone, and of the whole machine."""
    async with SandboxPool(PoolSettings(workers=WORKERS)) as pool:
        begin, busy = time.process_time(), busy_seconds()
        outcome = await run_batch(
            pool,
            Program(source=SCRIPT),
            Shape(mode=Mode.CHUNK, size=CHUNK),
            BatchInput(path=source, format=FileFormat.PARQUET),
            target,
            target_format=FileFormat.PARQUET,
            limits=Limits(),
            workers=WORKERS,
        )
        return outcome, pool.report.level, time.process_time() - begin, busy_seconds() - busy


def write_json_chunks(source: Path, folder: Path) -> list[Path]:
    """The first rows as JSON, a chunk on each line, in a file for each node process."""
    paths = [folder / f"chunks{number}.json" for number in range(WORKERS)]
    streams = [path.open("w") for path in paths]
    batches = pq.ParquetFile(source).iter_batches(CHUNK)
    for number in range(NODE_ROWS // CHUNK):
        streams[number % WORKERS].write(json.dumps(next(batches).to_pylist(), separators=(",", ":")) + "\n")
    for stream in streams:
        stream.close()
    return paths


def run_node(source: Path, folder: Path) -> dict[str, float] | None:
    """All processes at a time; the slowest one counts."""
    node = shutil.which("node")
    if node is None:
        return None
    script = folder / "limit.js"
    script.write_text(NODE.replace("function process(", "function run("))
    argv = [[node, str(script), str(path)] for path in write_json_chunks(source, folder)]
    running = [subprocess.Popen(one, stdout=subprocess.PIPE) for one in argv]
    answers = [json.loads(one.communicate()[0]) for one in running]
    return {
        "records_a_second": sum(one["rows"] for one in answers) / max(one["seconds"] for one in answers),
        **{name: sum(one[name] for one in answers) for name in ("rows", "ids", "tickets", "large")},
    }


def run_spark(source: Path, target: Path) -> float | None:
    """Seconds of Spark's own expressions on the same file, after a first round on few rows that is not counted."""
    if os.environ.get("SCRIPT_BATCH_SPARK") == "0" or shutil.which("java") is None:
        return None
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - optional
    except ImportError:
        return None
    session = (
        SparkSession.builder.master(f"local[{WORKERS}]")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    try:
        frame = session.read.parquet(str(source)).selectExpr(
            "id", "brand", "if(count > 0, value / count, 0) as ticket", "value > 500000 as large"
        )
        frame.limit(100_000).write.parquet(str(target / "first"))
        begin = time.perf_counter()
        frame.write.parquet(str(target / "all"))
        return time.perf_counter() - begin
    finally:
        session.stop()


def same(first: dict[str, float], second: dict[str, float]) -> bool:
    """The sums that both have are equal, but for the order of additions."""
    return all(abs(first[name] - second[name]) <= 1e-9 * abs(first[name]) for name in first.keys() & second.keys())


def expected_sums(rows: int) -> dict[str, float]:
    """What the script has to give for the first rows, computed here."""
    tickets, large = (rows - (rows + 999) // 1000) * 1000.25, sum(n * 1000.25 > LARGE for n in range(1000))
    return {
        "rows": rows,
        "ids": rows * (rows - 1) / 2,
        "tickets": tickets,
        "large": rows // 1000 * large + sum(n * 1000.25 > LARGE for n in range(rows % 1000)),
    }


def main() -> None:
    """Run all of them and print the line."""
    with tempfile.TemporaryDirectory(prefix="quilate-bench-") as name:
        folder = Path(name)
        source, target, spark = folder / "in.parquet", folder / "out.parquet", folder / "spark"
        write_input(source)
        node = run_node(source, folder)
        outcome, level, own_cpu, busy = asyncio.run(run_ours(source, target))
        own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        if outcome.failure is not None or outcome.failed_parts:
            raise SystemExit(f"failed: {outcome.failure} {outcome.failed_parts[:3]}")
        seconds = outcome.wall_milliseconds / 1000
        ours = sums_of(target)
        spark_seconds = run_spark(source, spark)
        equal = same(ours, expected_sums(ROWS))
        equal = equal and (node is None or same(node, expected_sums(int(node["rows"]))))
        equal = equal and (spark_seconds is None or same(ours, sums_of(spark / "all")))
        speed = ROWS / seconds
        report(
            "script_batch",
            rows=ROWS,
            workers=WORKERS,
            level=str(level),
            records_a_second=speed,
            target=TARGET_RECORDS_A_SECOND,
            seconds=seconds,
            worker_cpu_seconds=outcome.cpu_milliseconds / 1000,
            own_cpu_seconds=own_cpu,
            others_cores=max(0.0, busy - own_cpu - outcome.cpu_milliseconds / 1000) / seconds,
            idle_cores=max(0.0, (os.cpu_count() or 1) - busy / seconds),
            records_a_processor_second=ROWS / (outcome.cpu_milliseconds / 1000 + own_cpu),
            worker_peak_bytes=outcome.peak_memory_bytes,
            worker_peak_target=TARGET_WORKER_BYTES,
            own_peak_bytes=own_peak,
            node_records_a_second=node["records_a_second"] if node else None,
            ratio_to_node=speed / node["records_a_second"] if node else None,
            spark_records_a_second=ROWS / spark_seconds if spark_seconds else None,
            ratio_to_spark=speed / (ROWS / spark_seconds) if spark_seconds else None,
            results_equal=equal,
            reached=speed >= TARGET_RECORDS_A_SECOND and outcome.peak_memory_bytes <= TARGET_WORKER_BYTES and equal,
        )


if __name__ == "__main__":
    main()
