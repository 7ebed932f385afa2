"""What the envelopes of a run say together: counts, cost, console, failures, and the columns of the result."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import msgspec

from quilate.sandbox.levels import strong_enough
from quilate.sandbox.model import Failure, FailureClass, Level, Limits
from quilate.scripts.batch.output_types import unified
from quilate.scripts.model import Mode, Shape
from quilate.scripts.spark.envelopes import read_failure, read_fields
from quilate.scripts.spark.model import SparkPartFailure, SparkSettings, unpacked

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

_PLACE: Final = re.compile(r"\$\[(\d+)\]")
_CONSOLE_PARTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all parts say.

    Attributes:
        parts: Chunks or groups.
        failed: Of them.
        fatal: Why the run was given up.
        records_in: Read.
        results: Records of the results.
        result_bytes: Of the results, as they travelled.
        cpu_milliseconds: Of the sandboxes.
        peak_memory_bytes: The highest.
        level: The weakest.
        fields: Arrow schemas of the results, each once.
        failures: The first ones.
        console: Lines.
        console_truncated: Some were lost.
    """

    parts: int
    failed: int
    fatal: Failure | None
    records_in: int
    results: int
    result_bytes: int
    cpu_milliseconds: float
    peak_memory_bytes: int
    level: Level | None
    fields: tuple[str, ...]
    failures: tuple[SparkPartFailure, ...]
    console: tuple[str, ...]
    console_truncated: bool

    def schema(self) -> Any:
        """Columns that hold the results of all parts; ``None`` where there are no records.

        Raises:
            BatchResultError: A column has types that no type holds.
        """
        return reduce(unified, map(read_fields, self.fields)) if self.fields else None


def read_report(
    envelopes: "DataFrame", read: "DataFrame", shape: Shape, limits: Limits, settings: SparkSettings
) -> Report:
    """Ask the envelopes, which have to be kept by Spark.

    Args:
        envelopes: Of all parts.
        read: The rows that the parts were made of, for the places of records.
        shape: How they were cut.
        limits: Bound the console.
        settings: Bound the failures.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - only where Spark is used; named as everywhere

    counted = envelopes.agg(
        F.count("*").alias("parts"),
        F.count("failure").alias("failed"),
        F.sum("records").alias("records"),
        F.sum("results").alias("results"),
        F.sum(F.length("result")).alias("bytes"),
        F.sum("cpu").alias("cpu"),
        F.max("peak").alias("peak"),
        F.max(F.col("truncated").cast("int")).alias("truncated"),
        F.count("console").alias("said"),
        F.collect_set("level").alias("levels"),
        F.collect_set("fields").alias("fields"),
    ).first()
    assert counted is not None  # noqa: S101 - an aggregate has one row
    rows = _rows(envelopes.where("failure is not null").drop("result", "console"), settings.failures, counted.failed)
    said = _rows(envelopes.where("console is not null").select("first", "console"), _CONSOLE_PARTS, counted.said)
    console, cut = _console(said, limits)
    failures = _failures(rows, read, shape) if rows else ()
    fatal = [row for row in rows if row.fatal] or _rows(envelopes.where("fatal").drop("result"), 1, counted.failed)
    levels = [Level(name) for name in counted.levels]
    return Report(
        parts=counted.parts,
        failed=counted.failed,
        fatal=_cause(fatal, rows, failures),
        records_in=counted.records or 0,
        results=counted.results or 0,
        result_bytes=counted.bytes or 0,
        cpu_milliseconds=counted.cpu or 0.0,
        peak_memory_bytes=counted.peak or 0,
        level=min(levels, key=_strength) if levels else None,
        fields=tuple(counted.fields),
        failures=failures,
        console=console,
        console_truncated=cut or bool(counted.truncated) or counted.said > len(said),
    )


def _strength(level: Level) -> int:
    return sum(strong_enough(level, other) for other in Level)


def _rows(frame: "DataFrame", most: int, count: int) -> "list[Row]":
    return frame.orderBy("first").limit(most).collect() if count else []


def _cause(fatal: "Sequence[Row]", rows: "Sequence[Row]", failures: Sequence[SparkPartFailure]) -> Failure | None:
    """The first failure that says why the run was given up; parts that were left alone after it do not."""
    if not fatal:
        return None
    placed = {row.first: failure.failure for row, failure in zip(rows, failures, strict=True)}
    found = [placed.get(row.first) or read_failure(row.failure) for row in fatal]
    telling = [failure for failure in found if failure.kind is not FailureClass.CANCELLED]
    return (telling or [one.failure for one in failures] or found)[0]


def _console(rows: "Sequence[Row]", limits: Limits) -> tuple[tuple[str, ...], bool]:
    kept: list[str] = []
    size = 0
    for row in rows:
        for line in msgspec.json.decode(row.console, type=list[str]):
            size += len(line.encode("utf-8", "replace")) + 1
            if size > limits.console_bytes:
                return tuple(kept), True
            kept.append(line)
    return tuple(kept), False


def _failures(rows: "Sequence[Row]", read: "DataFrame", shape: Shape) -> tuple[SparkPartFailure, ...]:
    begins = _begins(read)

    def index(name: int) -> int:
        partition, row = unpacked(name)
        return begins.get(partition, 0) + row

    found = []
    for row in rows:
        failure = read_failure(row.failure)
        if failure.record is not None:
            failure = replace(failure, record=index(failure.record))
        if failure.kind is FailureClass.INPUT:
            message = _PLACE.sub(lambda place: f"$[{index(int(place[1]))}]", failure.message, count=1)
            failure = replace(failure, message=message)
        part = row.part if shape.mode is Mode.CHUNK else None
        found.append(
            SparkPartFailure(
                partition=row.partition, part=part, key=row.key, first_record=index(row.first), failure=failure
            )
        )
    return tuple(found)


def _begins(read: "DataFrame") -> dict[int, int]:
    """Index of each partition's first record. Costs a pass over the data, so it is asked only for failures."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - as above

    rows = read.groupBy(F.spark_partition_id().alias("partition")).count().collect()
    counts = {row["partition"]: row["count"] for row in rows}
    numbers = range(max(counts, default=-1) + 1)
    sums = accumulate((counts.get(number, 0) for number in numbers), initial=0)
    return dict(zip(numbers, sums, strict=False))
