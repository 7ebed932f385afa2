"""What a run on Spark is given, what travels to the executors, and what comes of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Union

from quilate.sandbox.model import Failure, Format, Level, Limits, Program
from quilate.scripts.batch.model import Settings
from quilate.scripts.model import FileFormat, Shape

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROW_BITS: Final = 33
"""A record is named by its partition and its row in it, as Spark's ``monotonically_increasing_id`` packs them."""


def packed(partition: int, row: int) -> int:
    """The name of a record."""
    return (partition << ROW_BITS) + row


def unpacked(name: int) -> tuple[int, int]:
    """Partition and row of a record."""
    return name >> ROW_BITS, name & ((1 << ROW_BITS) - 1)


class FailedError(Exception):
    """There is no result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkInput:
    """The data: a DataFrame, or what Spark reads.

    Attributes:
        path: A file or a directory here (``Path``), or whatever Spark knows, such as ``s3a://bucket/folder`` (``str``).
        frame: A DataFrame of the session that runs the script, in place of a path.
        format: How the records lie at the path: Parquet, NDJSON, JSON or CSV.
    """

    path: Path | str | None = None
    frame: Union["DataFrame", None] = None
    format: FileFormat = FileFormat.PARQUET


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkSettings:
    """Bounds of what comes to the driver.

    Attributes:
        batch: Of the local runner, for what the driver does itself: ``whole`` and ``combine``.
        min_level: How the sandboxes have to be shut in, on the executors and on the driver.
        failures: Failed parts that are named; all are counted.
        collect_bytes: Longest result that is returned as bytes.
    """

    batch: Settings = field(default_factory=Settings)
    min_level: Level = Level.LOCKED
    failures: int = 1000
    collect_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What travels to the executors: nothing else does, and none of it is secret.

    Attributes:
        token: Of this run; a Python worker keeps its isolate as long as the token is the same.
        version: Of quilate on the driver.
        program: The script.
        shape: How the data is cut.
        limits: Of each call.
        answer: How results of parts leave the sandbox.
        names: Names of the columns as the data has them; empty for texts.
        hopeless: So many failed parts of a Python worker without one success end the run.
        min_level: How the sandbox has to be shut in.
    """

    token: str
    version: str
    program: Program
    shape: Shape
    limits: Limits
    answer: Format
    names: tuple[str, ...]
    hopeless: int
    min_level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkPartFailure:
    """A chunk or a group that has no result; the others have theirs.

    Attributes:
        partition: Of the input, from 0; the one that holds the group's first record.
        part: Number of the chunk in its partition, from 0; ``None`` for a group.
        key: Of a group: JSON array of the key's values; ``None`` for a chunk.
        first_record: Index of its first record, in the whole data as Spark reads it.
        failure: Why; ``failure.record`` is an index in the whole data as well.
    """

    partition: int
    part: int | None
    key: str | None
    first_record: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkOutcome:
    """What came of a run.

    Attributes:
        failure: Why there is no output at all; ``None`` where there is one, even if parts failed.
        failed_parts: What is missing in the output; the first ones, in their order.
        failed: How many parts are missing.
        parts: Chunks, groups, or 1.
        records_in: Read.
        records_out: Written; 1 for a result that is no array.
        output: Where it is, or the bytes where no target was given; ``None`` with a failure.
        output_format: How it is written.
        output_schema: Columns of the result, as ``name: type`` of Arrow; empty for texts.
        schema_inferred: They were found in the results of all parts; nobody had declared them.
        digest: ``sha256:`` of an output that is one file; empty for a directory.
        console: Lines of the parts in their order, cut at the limit.
        console_truncated: Some were lost by the cut.
        wall_milliseconds: From begin to end.
        cpu_milliseconds: Of the sandboxes, all calls together.
        peak_memory_bytes: Highest resident size of a sandbox in a call.
        level: How the weakest of the sandboxes was shut in; ``None`` where none was called.
    """

    failure: Failure | None = None
    failed_parts: tuple[SparkPartFailure, ...] = ()
    failed: int = 0
    parts: int = 0
    records_in: int = 0
    records_out: int = 0
    output: Path | str | bytes | None = None
    output_format: FileFormat = FileFormat.JSON
    output_schema: tuple[str, ...] = ()
    schema_inferred: bool = False
    digest: str = ""
    console: tuple[str, ...] = ()
    console_truncated: bool = False
    wall_milliseconds: float = 0.0
    cpu_milliseconds: float = 0.0
    peak_memory_bytes: int = 0
    level: Level | None = None
