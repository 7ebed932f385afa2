"""Look into one file that somebody registers: the program of a child process with limits of time and memory.

``python -m quilate.datasets.inspection FILE NAME KIND LIMITS``: prints one JSON document: ``{"format": …, "rows": …,
"columns": [[name, type], …]}``, or ``{"refused": message, "next_step": text}``. A hostile file may end this process,
not the one that asked.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

from quilate.datasets.errors import CatalogueError, UnreadableTableError
from quilate.datasets.formats import COMPANIONS, TABLES, suffix_of
from quilate.datasets.model import EntryKind
from quilate.datasets.model_formats import require_safe_model

_LONGEST_NAME = 256
_SAMPLE_ROWS = 1000
_HEADROOM = 1 << 30
"""What a Polars process maps before it reads anything, generously."""


def inspect(path: Path, name: str, kind: EntryKind, most_columns: int) -> dict[str, Any]:
    """Return what a file is.

    Raises:
        CatalogueError: It is of a format that is not taken, or not what its name says.
    """
    if kind is EntryKind.MODEL:
        return {"format": require_safe_model(path, name)}
    suffix = suffix_of(name)
    if suffix in COMPANIONS:
        return {"format": COMPANIONS[suffix]}
    if suffix not in TABLES:
        raise CatalogueError(
            f"a dataset's files are {', '.join(sorted(TABLES))}, and texts beside them",
            next_step="convert the file, to Parquet for example",
        )
    form = TABLES[suffix]
    rows, columns = _read_table(path, form)
    if len(columns) > most_columns:
        raise UnreadableTableError(f"the table has more than {most_columns} columns", next_step="split it")
    for column, _ in columns:
        if len(column) > _LONGEST_NAME or "\0" in column:
            raise UnreadableTableError(
                f"a column's name is longer than {_LONGEST_NAME} characters or holds a NUL", next_step="rename it"
            )
    return {"format": form, "rows": rows, "columns": columns}


def _read_table(path: Path, form: str) -> tuple[int, list[tuple[str, str]]]:
    """Return rows and columns; every value is read once, so that a damaged file is found now."""
    import polars as pl  # noqa: PLC0415 - only this process needs it

    if path.stat().st_size == 0:
        raise UnreadableTableError("the file is empty", next_step="upload the whole file")
    try:
        if form in {"csv", "tsv"}:
            return _read_delimited(path, "\t" if form == "tsv" else ",")
        if form == "parquet":
            return _counted(pl.scan_parquet(path, glob=False))
        if form == "ndjson":
            return _counted(pl.scan_ndjson(path, infer_schema_length=None))
        return _counted(pl.read_json(path, infer_schema_length=None).lazy())
    except (pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
        raise UnreadableTableError(
            f"the file cannot be read as {form}", next_step="see that it is whole and of the format its name says"
        ) from error


def _read_delimited(path: Path, separator: str) -> tuple[int, list[tuple[str, str]]]:
    import polars as pl  # noqa: PLC0415 - only this process needs it

    try:
        # Typed by the first rows; where a later value contradicts them, by all.
        return _counted(pl.scan_csv(path, separator=separator, infer_schema_length=_SAMPLE_ROWS, glob=False))
    except pl.exceptions.ComputeError:
        return _counted(pl.scan_csv(path, separator=separator, infer_schema_length=None, glob=False))


def _counted(table: Any) -> tuple[int, list[tuple[str, str]]]:
    import polars as pl  # noqa: PLC0415 - only this process needs it

    schema = table.collect_schema()
    if not schema:
        raise UnreadableTableError("the file has no columns", next_step="upload a table")
    names = schema.names()
    counts = table.select(
        pl.len().alias("rows"), *(pl.col(name).null_count().alias(f"n{number}") for number, name in enumerate(names))
    )
    rows = counts.collect(engine="streaming").item(0, "rows")
    return int(rows), [(name, str(type_)) for name, type_ in schema.items()]


def main(arguments: list[str]) -> int:
    """Inspect as the arguments say; the exit status is zero whenever a document was printed."""
    file, name, kind, limits_text = arguments
    limits = json.loads(limits_text)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits["seconds"]) + 1,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (limits["bytes"] + _HEADROOM,) * 2)
    try:
        document = inspect(Path(file), name, EntryKind(kind), limits["columns"])
    except CatalogueError as error:
        document = {"refused": error.message, "next_step": error.next_step}
    except MemoryError:
        document = {"refused": "the file needs more memory than allowed", "next_step": "split it"}
    sys.stdout.write(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
