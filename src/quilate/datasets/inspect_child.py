"""Have one file looked into by a child process."""

import sys
import tempfile
from pathlib import Path

import msgspec

from quilate.datasets.errors import CatalogueError
from quilate.datasets.model import CatalogueLimits, Column, EntryKind, StoredFile, VersionFile
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.process.model import ProcessLimits, ProcessOutcome
from quilate.kit.process.run import run_process


class _Outcome(msgspec.Struct):
    format: str = ""
    rows: int | None = None
    columns: list[tuple[str, str]] = []
    refused: str = ""
    next_step: str = ""


def inspect_file(artifacts: ArtifactStore, file: StoredFile, kind: EntryKind, limits: CatalogueLimits) -> VersionFile:
    """Return a file with its format, and with rows and columns where it is a table.

    Raises:
        CatalogueError: It is of a format that is not taken, not what its name says, or takes too much to read.
    """
    with tempfile.TemporaryDirectory(prefix="quilate-inspection-") as directory:
        copy = Path(directory) / "file"
        artifacts.copy_to(file.digest, copy)
        outcome = _ask(copy, file.path, kind, limits)
    if outcome.refused:
        raise CatalogueError(f"{file.path!r}: {outcome.refused}", next_step=outcome.next_step)
    return VersionFile(
        path=file.path,
        digest=file.digest,
        size_bytes=file.size_bytes,
        format=outcome.format,
        rows=outcome.rows,
        columns=tuple(Column(name=name, type=type_) for name, type_ in outcome.columns),
    )


def _ask(copy: Path, name: str, kind: EntryKind, limits: CatalogueLimits) -> _Outcome:
    given = {"seconds": limits.inspection_seconds, "bytes": limits.inspection_bytes, "columns": limits.columns}
    result = run_process(
        (
            *(sys.executable, "-I", "-m", "quilate.datasets.inspection"),
            *(str(copy), name, kind.value, msgspec.json.encode(given).decode()),
        ),
        directory=copy.parent,
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "POLARS_MAX_THREADS": "2", "HOME": str(copy.parent)},
        limits=ProcessLimits(
            wall_seconds=limits.inspection_seconds, memory_bytes=limits.inspection_bytes, output_bytes=8 << 20
        ),
    )
    if result.outcome is not ProcessOutcome.EXITED or result.returncode != 0 or result.stdout_truncated:
        raise CatalogueError(
            f"{name!r} cannot be read within the limits of time and memory",
            next_step="see that it is whole, or split it into smaller files",
        )
    return msgspec.json.decode(result.stdout, type=_Outcome)
