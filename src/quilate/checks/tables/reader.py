"""Read a data file of any supported format."""

from pathlib import Path

import polars as pl

from quilate.checks.tables.csv_reader import read_csv
from quilate.checks.tables.json_reader import read_json, read_ndjson
from quilate.checks.tables.model import Table, ValueKind
from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError

FORMATS = (".csv", ".tsv", ".parquet", ".json", ".ndjson", ".jsonl")


def read_table(
    workspace: Workspace,
    path: str,
    *,
    delimiter: str = "",
    encoding: str = "utf-8",
    null_values: tuple[str, ...] = ("",),
) -> Table:
    """Return the table in a workspace file; the format follows from the name.

    Args:
        workspace: The judged tree.
        path: Workspace path.
        delimiter: For CSV; empty stands for a comma in ``.csv`` and a tabulator in ``.tsv``.
        encoding: For CSV.
        null_values: Spellings of a missing value in CSV.

    Raises:
        EvidenceError: The file is missing, of another format, empty, or broken.
    """
    file = workspace.resolve(path)
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise EvidenceError(f"{path}: format {suffix or 'unknown'} is not read", next_step=f"use {', '.join(FORMATS)}")
    if not file.is_file():
        raise EvidenceError(f"{path} is not a file", next_step="mend the binding in quilate.yaml")
    if file.stat().st_size == 0:
        raise EvidenceError(f"{path} is empty", next_step="bind a file with records")
    if suffix == ".parquet":
        return _read_parquet(path, file)
    if suffix == ".json":
        return read_json(path, file)
    if suffix in {".ndjson", ".jsonl"}:
        return read_ndjson(path, file)
    chosen = delimiter or ("\t" if suffix == ".tsv" else ",")
    return read_csv(path, file, delimiter=chosen, encoding=encoding, null_values=null_values)


def _read_parquet(path: str, file: Path) -> Table:
    try:
        frame = pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise EvidenceError(
            f"{path} is no whole Parquet file: {reason}", next_step="write the file again; it may have been cut"
        ) from error
    kinds = {column.name: _kinds(column) for column in frame}
    return Table(
        path=path,
        frame=pl.DataFrame([_text(column) for column in frame]),
        records=pl.int_range(1, frame.height + 1, dtype=pl.UInt32, eager=True),
        lines=None,
        kinds=kinds,
    )


def _kinds(column: pl.Series) -> pl.Series:
    kind = _kind(column.dtype)
    frame = pl.select(pl.when(column.is_null()).then(int(ValueKind.NULL)).otherwise(int(kind)).cast(pl.UInt8))
    return frame.to_series()


def _kind(dtype: pl.DataType) -> ValueKind:
    if dtype.is_numeric():
        return ValueKind.NUMBER
    if dtype == pl.Boolean:
        return ValueKind.BOOLEAN
    if dtype == pl.Date:
        return ValueKind.DATE
    if dtype == pl.Datetime:
        return ValueKind.TIMESTAMP
    return ValueKind.NESTED if dtype.is_nested() else ValueKind.STRING


def _text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if dtype.time_zone else ""))
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype.is_nested():
        frame = column.to_frame()
        text = pl.when(~pl.lit(column.is_null())).then(pl.struct(pl.all()).struct.json_encode())
        return frame.select(text.alias(column.name)).to_series()
    return column.cast(pl.String)
