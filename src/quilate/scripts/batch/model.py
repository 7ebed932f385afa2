"""What a batch is given, what it says while it runs, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quilate.sandbox.model import Failure
from quilate.scripts.model import FileFormat

COLUMNAR = frozenset({FileFormat.PARQUET, FileFormat.ARROW, FileFormat.CSV})
"""Formats that are read as record batches."""

WRITABLE = frozenset(FileFormat) - {FileFormat.CSV}
"""Formats of a result."""


class BatchInputError(Exception):
    """The data cannot be read; the message is one sentence and names the place."""


class BatchResultError(Exception):
    """What a part gave does not fit the result; the message is one sentence and names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInput:
    """The data: a file, or bytes that are at hand.

    Attributes:
        path: Of the file; ``None`` where ``data`` is given.
        data: The bytes; ``None`` where ``path`` is given.
        format: How the records lie in it.
    """

    path: Path | None = None
    data: bytes | None = None
    format: FileFormat = FileFormat.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFailure:
    """A chunk or a group that has no result; the others have theirs.

    Attributes:
        part: Its number, from 0.
        key: Of a group: JSON array of the key's values; ``None`` for a chunk.
        first_record: Index in the whole data of its first record.
        failure: Why; ``failure.record`` is an index in the whole data as well.
    """

    part: int
    key: str | None
    first_record: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a batch is.

    Attributes:
        parts: Done, failed ones included.
        failed: Of them.
        records_in: Of the parts done.
        records_out: Written.
    """

    parts: int
    failed: int
    records_in: int
    records_out: int


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What came of a batch.

    Attributes:
        failure: Why there is no output at all; ``None`` where there is one, even if parts failed.
        failed_parts: What is missing in the output.
        parts: Chunks, groups, or 1.
        reused: Of them, results taken from the part store.
        records_in: Read.
        records_out: Written; 1 for a result that is no array.
        output: Where it is, or the bytes where no target was given; ``None`` with a failure.
        output_format: How it is written.
        output_bytes: Its size.
        digest: ``sha256:`` of the output; empty with a failure.
        console: Lines of all parts in their order, cut at the limit.
        console_truncated: Some were lost by the cut.
        wall_milliseconds: From begin to end.
        cpu_milliseconds: Of the sandbox workers, all calls together.
        peak_memory_bytes: Highest resident size of a sandbox worker in a call.
    """

    failure: Failure | None
    failed_parts: tuple[PartFailure, ...] = ()
    parts: int = 0
    reused: int = 0
    records_in: int = 0
    records_out: int = 0
    output: Path | bytes | None = None
    output_format: FileFormat = FileFormat.JSON
    output_bytes: int = 0
    digest: str = ""
    console: tuple[str, ...] = ()
    console_truncated: bool = False
    wall_milliseconds: float = 0.0
    cpu_milliseconds: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What bounds the memory of this side.

    Attributes:
        block_bytes: Read from a text file at a time.
        record_bytes: Longest record of a text file.
        spill_bytes: Held in memory by grouping before it goes to files, and the size of a partition that is loaded.
        partials_bytes: All results together that ``combine`` gets.
        whole_bytes: Largest data in mode ``whole``.
        hopeless: So many failed parts without one success end the batch.
    """

    block_bytes: int = 1 << 20
    record_bytes: int = 16 << 20
    spill_bytes: int = 32 << 20
    partials_bytes: int = 64 << 20
    whole_bytes: int = 256 << 20
    hopeless: int = 20
