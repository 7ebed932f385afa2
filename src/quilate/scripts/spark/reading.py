"""Data as DataFrames whose rows are what the local runner reads: columns, or the texts of JSON records untouched."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quilate.scripts.batch.model import BatchInputError, Settings
from quilate.scripts.model import FileFormat
from quilate.scripts.spark.executor import RECORD, TEXT, key_function, record_function
from quilate.scripts.spark.model import SparkInput

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PATTERN: Final = re.compile(r"([\[\]{}*?\\,])")
KEYED: Final = "key string, value binary, record bigint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What parts are made of.

    Attributes:
        frame: Columns, or one binary column ``value`` with a record's text in each row.
        names: Of the columns; empty for texts.
    """

    frame: "DataFrame"
    names: tuple[str, ...]


def location(path: Path | str) -> str:
    """A path as Spark writes to it: a ``Path`` is a file here, whatever Spark's default file system is."""
    return path if isinstance(path, str) else f"file://{path.resolve()}"


def _pattern(path: Path | str) -> str:
    """A path as Spark reads it: what stands in the name of a file here is no pattern."""
    if isinstance(path, str):
        return path
    escaped = _PATTERN.sub(r"\\\1", str(path.resolve()))
    return f"file://{escaped}"


def open_input(session: "SparkSession", source: SparkInput, types: dict[str, Any], settings: Settings) -> Source:
    """Make the DataFrame; nothing is read yet but what Spark needs to know the columns.

    Raises:
        BatchInputError: There is no data, or a JSON array that is too large for one task.
    """
    if source.frame is not None:
        return Source(frame=source.frame, names=tuple(source.frame.columns))
    if source.path is None:
        raise BatchInputError("There is neither a path nor a DataFrame")
    if isinstance(source.path, Path) and not source.path.exists():
        raise BatchInputError("The file cannot be read: No such file or directory")
    path = _pattern(source.path)
    if source.format is FileFormat.PARQUET:
        frame = session.read.parquet(path)
    elif source.format is FileFormat.CSV:
        frame = _read_csv(session, path, types)
    elif source.format is FileFormat.NDJSON:
        return Source(frame=_read_lines(session, path), names=())
    elif source.format is FileFormat.JSON:
        return Source(frame=_read_arrays(session, path, settings), names=())
    else:
        raise BatchInputError(f"Spark does not read {source.format}: use Parquet")
    return Source(frame=frame, names=tuple(frame.columns))


def _read_lines(session: "SparkSession", path: str) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - only where Spark is used; named as everywhere

    lines = session.read.text(path, lineSep="\n")
    return lines.where(F.col("value").rlike(r"\S")).select(F.col("value").cast("binary").alias(TEXT))


def file_bytes(session: "SparkSession", path: str) -> int:
    """Size of all files at a path."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - as above

    row = session.read.format("binaryFile").load(path).agg(F.sum("length")).first()
    return int(row[0] or 0) if row else 0


def _read_arrays(session: "SparkSession", path: str, settings: Settings) -> "DataFrame":
    size = file_bytes(session, path)
    if size > settings.whole_bytes:
        raise BatchInputError(
            f"The JSON has {size} bytes and a task reads an array of at most {settings.whole_bytes}: "
            "use NDJSON or Parquet, which Spark can divide"
        )
    files = session.read.format("binaryFile").load(path).select("content")
    return files.mapInArrow(record_function(settings), f"{TEXT} binary")


def _read_csv(session: "SparkSession", path: str, types: dict[str, Any]) -> "DataFrame":
    """Types as the local runner's: declared ones, else inferred; an empty text is a text, a timestamp has no zone."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - as above
    from pyspark.sql.pandas.types import from_arrow_type  # noqa: PLC0415 - as above
    from pyspark.sql.types import StructField, StructType  # noqa: PLC0415 - as above

    frame = session.read.csv(path, header=True, inferSchema=True, enforceSchema=False)
    if types:
        found = {field.name: field.dataType for field in frame.schema}
        kinds = {name: from_arrow_type(types[name]) if name in types else kind for name, kind in found.items()}
        schema = StructType([StructField(name, kind) for name, kind in kinds.items()])
        frame = session.read.csv(path, header=True, schema=schema, enforceSchema=False, mode="FAILFAST")
    columns = []
    for field in frame.schema:
        escaped = field.name.replace("`", "``")
        column = F.col(f"`{escaped}`")
        if field.dataType.typeName() == "string":
            column = F.coalesce(column, F.lit(""))
        elif field.dataType.typeName() == "timestamp" and field.name not in types:
            column = column.cast("timestamp_ntz")
        columns.append(column.alias(field.name))
    return frame.select(*columns)


def keyed(source: Source, keys: tuple[str, ...]) -> tuple["DataFrame", list[str]]:
    """Rows with the names of their records, and the columns to group them by.

    Raises:
        BatchInputError: A key is no column, or there is none.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - as above

    if not keys:
        raise BatchInputError("Mode group needs the names of the fields that make a group")
    record = F.monotonically_increasing_id().alias(RECORD)
    if not source.names:
        return source.frame.select(TEXT, record).mapInArrow(key_function(keys), KEYED), ["key"]
    for key in keys:
        if key not in source.names:
            raise BatchInputError(f"The data has no column {key}, which groups are made by")
    # Names of our own: a name with a point in it means something else to Spark.
    ours = [f"c{index}" for index in range(len(source.names))]
    frame = source.frame.toDF(*ours).select("*", record)
    return frame, [ours[source.names.index(key)] for key in keys]
