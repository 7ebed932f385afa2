"""A script on a local Spark, in chunks and by group, beside Spark's own expressions on the same file.

Both read the same Parquet file and write Parquet; the results are compared by their sums. A first round on few rows
starts the Python workers and their sandboxes and is not counted.

``SCRIPT_SPARK_ROWS`` sets the rows (1 million), ``SCRIPT_SPARK_CORES`` the cores (2).
"""

import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from measure import report
from quilate.sandbox.model import Limits, Program
from quilate.scripts.model import FileFormat, Mode, Shape
from quilate.scripts.spark import SparkInput, run_on_spark

ROWS = int(os.environ.get("SCRIPT_SPARK_ROWS", "1000000"))
CORES = int(os.environ.get("SCRIPT_SPARK_CORES", "2"))
GROUPS = 336
GROUP_OF_ROWS = 125_000
FEW = 20_000
CHUNKS = Shape(mode=Mode.CHUNK, size=10_000)
BY_KEY = Shape(mode=Mode.GROUP, key=("key",))
EACH = """function process(data) {
  return data.map((r) => ({ id: r.id, ticket: r.count > 0 ? r.value / r.count : 0, large: r.value > 500000 }));
}"""
SUMS = """function process(data) {
  let count = 0, value = 0;
  for (const r of data) { count += r.count; value += r.value; }
  return [{ key: data[0].key, count, value }];
}"""


def write_input(path: Path, rows: int) -> Path:
    """Write rows that follow from their numbers alone."""
    with pq.ParquetWriter(path, rows_of(0, 1).schema) as writer:
        for begin in range(0, rows, GROUP_OF_ROWS):
            writer.write_table(rows_of(begin, min(rows, begin + GROUP_OF_ROWS)))
    return path


def rows_of(begin: int, end: int) -> Any:
    """Rows ``begin`` to ``end``."""
    ids = pa.array(range(begin, end), pa.int64())
    count = pc.subtract(ids, pc.multiply(pc.divide(ids, 1000), 1000))
    keys = pc.subtract(ids, pc.multiply(pc.divide(ids, GROUPS), GROUPS))
    value = pc.multiply(pc.cast(count, pa.float64()), 1000.25)
    return pa.table({"id": ids, "key": pc.cast(keys, pa.string()), "count": count, "value": value})


def sums_of(path: Path) -> dict[str, float]:
    """Number of rows, and a sum over each column of numbers."""
    table = pq.read_table(path)
    columns = {name: table[name] for name in table.schema.names if name != "key"}
    return {"rows": table.num_rows} | {
        name: float(pc.sum(pc.cast(column, pa.float64())).as_py()) for name, column in columns.items()
    }


def same(first: dict[str, float], second: dict[str, float]) -> bool:
    """Equal but for the order of additions."""
    return first.keys() == second.keys() and all(
        abs(first[name] - second[name]) <= 1e-9 * abs(first[name]) for name in first
    )


def scripted(session: Any, script: str, shape: Shape, source: Path, target: Path) -> dict[str, float]:
    """Run a script; seconds of processor time in its sandboxes and their memory."""
    outcome = run_on_spark(
        session,
        Program(source=script),
        shape,
        SparkInput(path=source, format=FileFormat.PARQUET),
        target,
        target_format=FileFormat.PARQUET,
        limits=Limits(),
    )
    if outcome.failure is not None or outcome.failed:
        raise SystemExit(f"failed: {outcome.failure} {outcome.failed_parts[:3]}")
    return {"cpu_seconds": outcome.cpu_milliseconds / 1000, "peak_bytes": outcome.peak_memory_bytes}


def native(session: Any, shape: Shape, source: Path, target: Path) -> None:
    """The same in Spark's own expressions."""
    frame = session.read.parquet(str(source))
    if shape is CHUNKS:
        frame = frame.selectExpr("id", "if(count > 0, value / count, 0D) as ticket", "value > 500000 as large")
    else:
        frame = frame.groupBy("key").agg({"count": "sum", "value": "sum"})
        frame = frame.selectExpr("key", "`sum(count)` as count", "`sum(value)` as value")
    frame.write.parquet(str(target))


def seconds_of(call: Callable[[], Any]) -> tuple[float, Any]:
    """How long a call took, and what it gave."""
    begin = time.perf_counter()
    given = call()
    return time.perf_counter() - begin, given


def measured(session: Any, folder: Path, script: str, shape: Shape) -> dict[str, Any]:
    """Both ways over the same rows."""
    name = shape.mode.value
    few = write_input(folder / f"few-{name}.parquet", FEW)
    scripted(session, script, shape, few, folder / f"few-script-{name}")
    native(session, shape, few, folder / f"few-native-{name}")
    source = folder / "in.parquet"
    ours, theirs = folder / f"script-{name}", folder / f"native-{name}"
    seconds, cost = seconds_of(lambda: scripted(session, script, shape, source, ours))
    native_seconds, _ = seconds_of(lambda: native(session, shape, source, theirs))
    return {
        f"{name}_records_a_second": ROWS / seconds,
        f"{name}_native_records_a_second": ROWS / native_seconds,
        f"{name}_ratio_to_native": native_seconds / seconds,
        f"{name}_sandbox_cpu_seconds": cost["cpu_seconds"],
        f"{name}_sandbox_peak_bytes": cost["peak_bytes"],
        f"{name}_results_equal": same(sums_of(ours), sums_of(theirs)),
    }


def main() -> None:
    """Measure both modes and print the line."""
    if shutil.which("java") is None:
        raise SystemExit("there is no java on the path: Spark needs Java 17")
    warnings.simplefilter("ignore", FutureWarning)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession  # noqa: PLC0415 - after the environment is set

    with tempfile.TemporaryDirectory(prefix="quilate-bench-") as name:
        folder = Path(name)
        write_input(folder / "in.parquet", ROWS)
        session = (
            SparkSession.builder.master(f"local[{CORES}]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .config("spark.local.dir", name)
            .config("spark.sql.shuffle.partitions", str(CORES))
            .getOrCreate()
        )
        try:
            figures = measured(session, folder, EACH, CHUNKS) | measured(session, folder, SUMS, BY_KEY)
        finally:
            session.stop()
        report("script_spark", rows=ROWS, cores=CORES, groups=GROUPS, **figures)


if __name__ == "__main__":
    main()
