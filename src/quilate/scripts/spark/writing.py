"""Results from their envelopes to where they belong: a directory of the executors, or one file of the driver."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]

from quilate.sandbox.model import Failure, FailureClass, Format
from quilate.scripts.batch.answers import from_store, read_result
from quilate.scripts.batch.model import BatchResultError
from quilate.scripts.batch.writing import open_sink
from quilate.scripts.model import FileFormat
from quilate.scripts.spark.executor import TEXT, line_function, table_function
from quilate.scripts.spark.model import FailedError
from quilate.scripts.spark.reading import location

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

DISTRIBUTED = frozenset({FileFormat.PARQUET, FileFormat.NDJSON})
"""Formats of directories; the others are one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a result goes.

    Attributes:
        path: A directory or a file; ``None`` for bytes.
        format: How it is written.
        declared: Arrow schema of its columns; ``None`` where nobody declared it.
    """

    path: Path | str | None
    format: FileFormat
    declared: Any

    @property
    def columnar(self) -> bool:
        """It has columns."""
        return self.format in {FileFormat.PARQUET, FileFormat.ARROW}

    @property
    def answer(self) -> Format:
        """How the result leaves the sandbox."""
        return Format.ARROW if self.columnar else Format.JSON

    @property
    def file(self) -> Path | None:
        """Where the driver writes."""
        return None if self.path is None else Path(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The result as it lies there.

    Attributes:
        output: Where, or the bytes.
        digest: Of a single file.
        schema: Its columns.
    """

    output: Path | str | bytes
    digest: str = ""
    schema: tuple[str, ...] = ()


def check_target(target: Target, *, directory: bool) -> None:
    """Refuse a target that cannot be written, before anything is run.

    Raises:
        BatchResultError: It is there already, or lies where only executors can write.
    """
    if isinstance(target.path, str) and not directory:
        raise BatchResultError("This result is one file, which the driver writes: name a file here as its target")
    if directory and isinstance(target.path, Path) and target.path.exists():
        raise BatchResultError("The target is there already, and Spark does not replace directories: name another one")


def write_directory(envelopes: "DataFrame", path: Path | str, target: Target, columns: Any) -> Written:
    """Let the executors write Parquet or NDJSON.

    Args:
        envelopes: Of all parts.
        path: The directory, which is made.
        target: How it is written.
        columns: Arrow schema of the result; ``None`` where there is none.

    Raises:
        BatchResultError: There are no columns.
    """
    results = envelopes.where("result is not null").select("result")
    if target.format is FileFormat.NDJSON:
        results.mapInArrow(line_function(), f"{TEXT} string").write.text(location(path))
        return Written(output=path)
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema  # noqa: PLC0415 - only with Spark

    if columns is None or not len(columns):
        raise BatchResultError("The result has no records, so there are no columns: declare an output schema")
    # A column that is null everywhere has no type that Spark could write; text is as good as any.
    known = pa.schema([pa.field(one.name, _without_null(one.type)) for one in columns])
    spark = from_arrow_schema(known, prefer_timestamp_ntz=True)
    wanted = to_arrow_schema(spark, timezone="UTC")
    function = table_function(wanted.serialize().to_pybytes(), closed=target.declared is not None)
    results.mapInArrow(function, spark).write.parquet(location(path))
    return Written(output=path, schema=described(wanted))


def _without_null(kind: Any) -> Any:
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_null(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, _without_null(one.type)) for one in kind])
    return kind


def described(schema: Any) -> tuple[str, ...]:
    """Columns as ``name: type``."""
    return () if schema is None else tuple(f"{field.name}: {field.type}" for field in schema)


def write_file(envelopes: "DataFrame", target: Target) -> Written:
    """Write one file here, part by part in their order."""

    def fill(path: Path) -> None:
        sink = open_sink(path, target.format, target.declared)
        try:
            rows = envelopes.where("result is not null").select("first", "result").orderBy("first").drop("first")
            for row in rows.toLocalIterator():
                sink.add(from_store(bytes(row.result), target.answer))
            sink.close()
        except BaseException:
            sink.abort()
            raise

    return finished(target.file, fill)


def write_value(output: bytes, target: Target) -> tuple[Written, int]:
    """Write what ``combine`` gave; give the number of its records as well."""
    values = read_result(output, target.answer, single=False)

    def fill(path: Path) -> None:
        if target.format is FileFormat.JSON:
            path.write_bytes(read_result(output, target.answer, single=True)[0] + b"\n")
            return
        sink = open_sink(path, target.format, target.declared)
        try:
            sink.add(values)
            sink.close()
        except BaseException:
            sink.abort()
            raise

    count = values.num_rows if target.columnar else len(values)
    return finished(target.file, fill), count


def finished(target: Path | None, fill: Callable[[Path], None]) -> Written:
    """Fill a file under another name and put it where it belongs; bytes where there is no target."""
    if target is None:
        with tempfile.TemporaryDirectory(prefix="quilate-spark-") as folder:
            path = Path(folder) / "result"
            fill(path)
            content = path.read_bytes()
        return Written(output=content, digest=f"sha256:{hashlib.sha256(content).hexdigest()}")
    partial = target.with_name(f".{target.name}.partial")
    try:
        fill(partial)
        with partial.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Written(output=target, digest=f"sha256:{digest}")


def too_long(most: int) -> FailedError:
    """For results that are not returned as bytes."""
    message = f"The result is longer than {most} bytes, which are returned without a target: name one"
    return FailedError(Failure(kind=FailureClass.OUTPUT, message=message))
