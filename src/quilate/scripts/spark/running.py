"""Runs a script version on Spark: ``mapInArrow`` for chunks, ``applyInArrow`` for groups, ``combine`` on the driver."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union
from uuid import uuid4

from quilate import __version__
from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Outcome, Payload, Program
from quilate.scripts.batch.model import WRITABLE, BatchInputError, BatchResultError
from quilate.scripts.batch.output_types import declared_schema
from quilate.scripts.batch.parts import json_array
from quilate.scripts.model import FileFormat, Mode, Shape
from quilate.scripts.spark.envelopes import DDL
from quilate.scripts.spark.executor import chunk_function, group_function
from quilate.scripts.spark.failures import failure_of
from quilate.scripts.spark.held import HeldSandbox
from quilate.scripts.spark.model import FailedError, Order, SparkInput, SparkOutcome, SparkSettings
from quilate.scripts.spark.reading import keyed, open_input
from quilate.scripts.spark.reports import Report, read_report
from quilate.scripts.spark.sessions import opened
from quilate.scripts.spark.whole import run_whole
from quilate.scripts.spark.writing import (
    DISTRIBUTED,
    Target,
    check_target,
    described,
    too_long,
    write_directory,
    write_file,
    write_value,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def run_on_spark(  # noqa: PLR0913 - each is a separate choice of the caller, all but the first ones by name
    spark: Union["SparkSession", str],
    program: Program,
    shape: Shape,
    source: SparkInput,
    target: Path | str | None,
    *,
    target_format: FileFormat = FileFormat.JSON,
    limits: Limits | None = None,
    input_schema: bytes | None = None,
    output_schema: bytes | None = None,
    settings: SparkSettings | None = None,
) -> SparkOutcome:
    """Run ``process`` over all the data and write one result; blocks until it is there.

    Args:
        spark: A session, or the URL of a master or of Spark Connect. URLs come from administrators only.
        program: The script.
        shape: How the data is cut. Chunks do not reach over the bounds of Spark's partitions.
        source: The data.
        target: For Parquet and NDJSON of chunks and groups a directory that is not there yet; else a file here;
            ``None`` for bytes in the outcome.
        target_format: How the result is written.
        limits: Of each call.
        input_schema: JSON Schema of the records; gives CSV columns their types.
        output_schema: JSON Schema of the result's records; without it the columns are those that the results of all
            parts have, and the outcome says so.
        settings: Bounds of what comes to the driver.

    Returns:
        The outcome; failures of the script, the data and the cluster are in it.

    Raises:
        ConfigurationError: There is no session at the URL.
        SandboxUnavailableError: The driver, which calls ``combine`` and mode ``whole``, has no sandbox.
    """
    begin = time.perf_counter()
    with opened(spark) as session:
        try:
            run = _Run(session, program, shape, limits or Limits(), settings or SparkSettings())
            where = Target(path=target, format=target_format, declared=declared_schema(output_schema))
            outcome = run.outcome(source, where, (input_schema, output_schema))
        except BatchInputError as error:
            outcome = SparkOutcome(failure=Failure(kind=FailureClass.INPUT, message=str(error)))
        except BatchResultError as error:
            outcome = SparkOutcome(failure=Failure(kind=FailureClass.RESULT, message=str(error)))
    return replace(outcome, output_format=target_format, wall_milliseconds=(time.perf_counter() - begin) * 1000)


class _Run:
    def __init__(
        self, session: "SparkSession", program: Program, shape: Shape, limits: Limits, settings: SparkSettings
    ) -> None:
        self._session = session
        self._program = program
        self._shape = shape
        self._limits = limits
        self._settings = settings

    def outcome(self, source: SparkInput, target: Target, schemas: tuple[bytes | None, bytes | None]) -> SparkOutcome:
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # noqa: PLC0415 - the extra `spark`
        from pyspark.errors import PySparkException  # noqa: PLC0415 - as above

        if target.format not in WRITABLE:
            raise BatchResultError(f"Results are not written as {target.format}")
        whole = self._shape.mode is Mode.WHOLE
        single = whole or self._shape.combine or target.path is None
        check_target(target, directory=target.format in DISTRIBUTED and not single)
        try:
            if whole:
                return run_whole(
                    self._session,
                    self._program,
                    self._shape,
                    source,
                    target,
                    limits=self._limits,
                    schemas=schemas,
                    settings=self._settings,
                )
            columns = declared_schema(schemas[0])
            types = {} if columns is None else {field.name: field.type for field in columns}
            return self._parts(source, types, target)
        except (PySparkException, Py4JError) as error:
            return SparkOutcome(failure=failure_of(error))

    def _parts(self, source: SparkInput, types: dict[str, Any], target: Target) -> SparkOutcome:
        envelopes, read = self._envelopes(source, types, target)
        envelopes = envelopes.persist()
        try:
            report = read_report(envelopes, read, self._shape, self._limits, self._settings)
            outcome = _summary(report)
            failure = report.fatal or _all_failed(report)
            if failure is not None:
                return replace(outcome, failure=failure)
            try:
                if self._shape.combine:
                    return self._combine(envelopes, report, outcome, target)
                return self._finish(envelopes, report, outcome, target)
            except FailedError as error:
                return replace(outcome, failure=error.failure)
            except BatchResultError as error:
                return replace(outcome, failure=Failure(kind=FailureClass.RESULT, message=str(error)))
        finally:
            envelopes.unpersist()

    def _envelopes(self, source: SparkInput, types: dict[str, Any], target: Target) -> tuple["DataFrame", "DataFrame"]:
        """Rows for all parts, not computed yet, and the rows that the parts are made of."""
        shape, settings = self._shape, self._settings
        data = open_input(self._session, source, types, settings.batch)
        order = Order(
            token=uuid4().hex,
            version=__version__,
            program=self._program,
            shape=shape,
            limits=self._limits,
            answer=Format.JSON if shape.combine else target.answer,
            names=data.names,
            hopeless=settings.batch.hopeless,
            min_level=settings.min_level,
        )
        if shape.mode is Mode.CHUNK:
            return data.frame.mapInArrow(chunk_function(order), DDL), data.frame
        frame, keys = keyed(data, shape.key)
        return frame.groupBy(*keys).applyInArrow(group_function(order), DDL), frame

    def _finish(self, envelopes: "DataFrame", report: Report, outcome: SparkOutcome, target: Target) -> SparkOutcome:
        columns = report.schema() if target.columnar and target.declared is None else target.declared
        if target.path is not None and target.format in DISTRIBUTED:
            written = write_directory(envelopes, target.path, target, columns)
        elif target.path is None and report.result_bytes > self._settings.collect_bytes:
            raise too_long(self._settings.collect_bytes)
        else:
            written = write_file(envelopes, target)
        return replace(
            outcome,
            output=written.output,
            digest=written.digest,
            records_out=report.results,
            output_schema=written.schema or (described(columns) if target.columnar else ()),
            schema_inferred=target.columnar and target.declared is None,
        )

    def _combine(self, envelopes: "DataFrame", report: Report, outcome: SparkOutcome, target: Target) -> SparkOutcome:
        called = self._combined(envelopes, report, target.answer)
        outcome = replace(
            outcome,
            console=(*outcome.console, *called.console),
            console_truncated=outcome.console_truncated or called.console_truncated,
            cpu_milliseconds=outcome.cpu_milliseconds + called.cpu_milliseconds,
            peak_memory_bytes=max(outcome.peak_memory_bytes, called.peak_memory_bytes),
        )
        if called.failure is not None or called.output is None:
            return replace(outcome, failure=called.failure)
        written, count = write_value(called.output, target)
        return replace(
            outcome,
            output=written.output,
            digest=written.digest,
            records_out=count,
            output_schema=described(target.declared) if target.columnar else (),
            schema_inferred=target.columnar and target.declared is None,
        )

    def _combined(self, envelopes: "DataFrame", report: Report, answer: Format) -> Outcome:
        if report.failed:
            message = f"combine was not called: {report.failed} of {report.parts} parts have no result"
            raise FailedError(Failure(kind=report.failures[0].failure.kind, message=message))
        most = self._settings.batch.partials_bytes
        if report.result_bytes > most:
            message = f"The results for combine are longer than {most} bytes together: let process return less"
            raise FailedError(Failure(kind=FailureClass.MEMORY, message=f"{message}, such as sums"))
        rows = envelopes.select("first", "result").orderBy("first").collect()
        payload = Payload(data=json_array([bytes(row.result) for row in rows]))
        with HeldSandbox(self._program.engine, self._limits, self._settings.min_level) as held:
            work = held.pool.execute(self._program, payload, limits=self._limits, function="combine", answer=answer)
            return held.run(work)


def _summary(report: Report) -> SparkOutcome:
    return SparkOutcome(
        failed_parts=report.failures,
        failed=report.failed,
        parts=report.parts,
        records_in=report.records_in,
        console=report.console,
        console_truncated=report.console_truncated,
        cpu_milliseconds=report.cpu_milliseconds,
        peak_memory_bytes=report.peak_memory_bytes,
        level=report.level,
    )


def _all_failed(report: Report) -> Failure | None:
    """The first failure of a run of which no part succeeded."""
    return report.failures[0].failure if report.failed and report.failed == report.parts else None
