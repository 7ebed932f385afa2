"""Rows in which results of parts travel: the result as the sandbox wrote it, and all that is said about the part.

Spark wants the columns of a result before the first part is run. The envelope's columns are always the same, so the
result's own are found in all parts, as the local runner does, and cost, console and failures come by the same way,
which serves classic Spark and Spark Connect alike.
"""

import base64
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from quilate.sandbox.model import Failure, Format, Outcome
from quilate.scripts.batch.answers import json_lines, read_result
from quilate.scripts.batch.output_types import inferred

SCHEMA: Final = pa.schema(
    [
        ("partition", pa.int32()),
        ("part", pa.int64()),
        ("key", pa.string()),
        ("first", pa.int64()),
        ("records", pa.int64()),
        ("results", pa.int64()),
        ("result", pa.binary()),
        ("fields", pa.string()),
        ("failure", pa.string()),
        ("fatal", pa.bool_()),
        ("console", pa.string()),
        ("truncated", pa.bool_()),
        ("cpu", pa.float64()),
        ("peak", pa.int64()),
        ("level", pa.string()),
    ]
)
DDL: Final = (
    "partition int, part bigint, key string, first bigint, records bigint, results bigint, result binary, "
    "fields string, failure string, fatal boolean, console string, truncated boolean, cpu double, peak bigint, "
    "level string"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which part a row speaks of.

    Attributes:
        partition: Of the input.
        part: Number of the chunk in its partition; 0 for a group.
        key: Of a group.
        first: Name of its first record.
        records: How many it has.
    """

    partition: int
    part: int
    key: str | None
    first: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A result that was read with suspicion.

    Attributes:
        data: JSON values, each on a line, or an Arrow IPC stream.
        results: How many records it has.
        fields: Its Arrow schema in base64; ``None`` for JSON and where there are no records.
    """

    data: bytes
    results: int
    fields: str | None


def read_contents(output: bytes, answer: Format, *, single: bool) -> Contents:
    """Read a part's answer.

    Raises:
        BatchResultError: It is broken.
    """
    found = read_result(output, answer, single=single)
    if answer is Format.JSON:
        return Contents(data=json_lines(found), results=len(found), fields=None)
    fields = None
    if found.num_rows:
        fields = base64.b64encode(inferred(found).schema.serialize().to_pybytes()).decode()
    return Contents(data=output, results=found.num_rows, fields=fields)


def read_fields(text: str) -> Any:
    """The Arrow schema of a row's ``fields``."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def envelope(
    place: Place,
    outcome: Outcome | None,
    contents: Contents | None,
    failure: Failure | None,
    *,
    fatal: bool = False,
) -> Any:
    """One row, as a ``pyarrow.RecordBatch``."""
    said = outcome or Outcome(output=None)
    row = {
        "partition": place.partition,
        "part": place.part,
        "key": place.key,
        "first": place.first,
        "records": place.records,
        "results": contents.results if contents else 0,
        "result": contents.data if contents else None,
        "fields": contents.fields if contents else None,
        "failure": msgspec.json.encode(failure).decode() if failure else None,
        "fatal": fatal,
        "console": msgspec.json.encode(said.console).decode() if said.console else None,
        "truncated": said.console_truncated,
        "cpu": said.cpu_milliseconds,
        "peak": said.peak_memory_bytes,
        "level": said.level.value if outcome else None,
    }
    return pa.RecordBatch.from_pylist([row], schema=SCHEMA)


def read_failure(text: str) -> Failure:
    """What ``envelope`` wrote about a failure."""
    return msgspec.json.decode(text, type=Failure)
