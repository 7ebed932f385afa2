"""Writes a Parquet file of so many rows and sends it through chunks, in a process whose memory is looked at."""

import asyncio
import json
import resource
import sys
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from quilate.sandbox.model import Level, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.scripts.batch import BatchInput, FileFormat, run_batch
from quilate.scripts.model import Mode, Shape

SCRIPT = "function process(data) { return data.map(r => ({ id: r.id, name: r.name, double: r.value * 2 })) }"
ROWS_AT_ONCE = 100_000


def write_rows(path: Path, rows: int) -> None:
    """Write the data, a row group at a time."""
    schema = pa.schema([("id", pa.int64()), ("name", pa.string()), ("value", pa.float64())])
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, ROWS_AT_ONCE):
            numbers = range(begin, min(rows, begin + ROWS_AT_ONCE))
            columns = [list(numbers), [f"customer number {n}" for n in numbers], [n / 4 for n in numbers]]
            writer.write_table(pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema))


async def main(rows: int, folder: Path) -> None:
    """Run, and say what it took."""
    source = folder / f"{rows}.parquet"
    write_rows(source, rows)
    async with SandboxPool(PoolSettings(min_level=Level.PROCESS)) as pool:
        outcome = await run_batch(
            pool,
            Program(source=SCRIPT),
            Shape(mode=Mode.CHUNK, size=10_000),
            BatchInput(path=source, format=FileFormat.PARQUET),
            folder / f"{rows}.out",
            target_format=FileFormat.PARQUET,
        )
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    failed = [f"{one.part}: {one.failure.message}" for one in outcome.failed_parts]
    said = {
        "failed": failed,
        "records_out": outcome.records_out,
        "own_peak": own_peak,
        "worker_peak": outcome.peak_memory_bytes,
    }
    print(json.dumps(said))  # noqa: T201 - read by the test


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
