"""Mode ``whole`` on Spark: the data comes to the driver, if it is small enough, and the local runner does the rest."""

from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from quilate.sandbox.model import Limits, Program
from quilate.scripts.batch.model import BatchInput, BatchInputError, Settings
from quilate.scripts.batch.output_types import declared_schema
from quilate.scripts.batch.running import run_batch
from quilate.scripts.model import FileFormat, Shape
from quilate.scripts.spark.executor import size_function
from quilate.scripts.spark.held import HeldSandbox
from quilate.scripts.spark.model import SparkInput, SparkOutcome, SparkPartFailure, SparkSettings
from quilate.scripts.spark.reading import Source, open_input
from quilate.scripts.spark.writing import Target

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run_whole(  # noqa: PLR0913 - what the caller was given, in parts
    session: "SparkSession",
    program: Program,
    shape: Shape,
    source: SparkInput,
    target: Target,
    *,
    limits: Limits,
    schemas: tuple[bytes | None, bytes | None],
    settings: SparkSettings,
) -> SparkOutcome:
    """Run ``process`` once over everything.

    Raises:
        BatchInputError: The data is larger than ``settings.batch.whole_bytes``.
    """
    columns = declared_schema(schemas[0])
    types = {} if columns is None else {field.name: field.type for field in columns}
    data = _collected(open_input(session, source, types, settings.batch), settings.batch)
    with HeldSandbox(program.engine, limits, settings.min_level) as held:
        work = run_batch(
            held.pool,
            program,
            shape,
            data,
            target.file,
            target_format=target.format,
            limits=limits,
            workers=1,
            output_schema=schemas[1],
            settings=settings.batch,
        )
        ended, level = held.run(work), held.pool.report.level
    failed = tuple(
        SparkPartFailure(partition=0, part=0, key=None, first_record=one.first_record, failure=one.failure)
        for one in ended.failed_parts
    )
    return SparkOutcome(
        failure=ended.failure,
        failed_parts=failed,
        failed=len(failed),
        parts=ended.parts,
        records_in=ended.records_in,
        records_out=ended.records_out,
        output=ended.output,
        digest=ended.digest,
        schema_inferred=target.columnar and target.declared is None,
        console=ended.console,
        console_truncated=ended.console_truncated,
        cpu_milliseconds=ended.cpu_milliseconds,
        peak_memory_bytes=ended.peak_memory_bytes,
        level=level,
    )


def _collected(source: Source, settings: Settings) -> BatchInput:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - only where Spark is used; named as everywhere

    sizes = source.frame.mapInArrow(size_function(), "bytes bigint, rows bigint").agg(F.sum("bytes")).first()
    size = int(sizes[0] or 0) if sizes else 0
    if size > settings.whole_bytes:
        raise BatchInputError(
            f"The data has {size} bytes, mode whole takes at most {settings.whole_bytes}: use mode chunk or group"
        )
    table = source.frame.toArrow()
    if not source.names:
        return BatchInput(data=b"\n".join(table.column(0).to_pylist()), format=FileFormat.NDJSON)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return BatchInput(data=sink.getvalue().to_pybytes(), format=FileFormat.ARROW)
