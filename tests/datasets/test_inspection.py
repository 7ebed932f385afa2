"""Rows and columns of a table, counted in a child process that a hostile file may end (C03, C08)."""

import json
import os
import zlib
from pathlib import Path

import polars as pl
import pytest

from quilate.datasets.errors import CatalogueError
from quilate.datasets.inspect_child import inspect_file
from quilate.datasets.model import CatalogueLimits, EntryKind, StoredFile, VersionFile
from quilate.evidence.artifacts import DirectoryArtifactStore

TABLE = pl.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"], "day": ["2026-01-01"] * 3})


@pytest.fixture
def store(tmp_path: Path) -> DirectoryArtifactStore:
    return DirectoryArtifactStore(tmp_path / "artifacts")


def inspected(
    store: DirectoryArtifactStore,
    name: str,
    content: bytes,
    *,
    kind: EntryKind = EntryKind.DATASET,
    limits: CatalogueLimits | None = None,
) -> VersionFile:
    file = StoredFile(path=name, digest=store.put_bytes(content), size_bytes=len(content))
    return inspect_file(store, file, kind, limits or CatalogueLimits())


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "json", "ndjson", "jsonl", "CSV"])
def test_every_kind_of_table_is_read(store: DirectoryArtifactStore, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "table"
    match suffix.lower():
        case "csv":
            TABLE.write_csv(path)
        case "tsv":
            TABLE.write_csv(path, separator="\t")
        case "parquet":
            TABLE.write_parquet(path)
        case "json":
            TABLE.write_json(path)
        case _:
            TABLE.write_ndjson(path)
    found = inspected(store, f"table.{suffix}", path.read_bytes())
    assert found.rows == 3
    assert [(column.name, column.type) for column in found.columns] == [
        ("id", "Int64"),
        ("name", "String"),
        ("day", "String"),
    ]


def test_a_type_holds_for_every_row(store: DirectoryArtifactStore) -> None:
    found = inspected(store, "late.csv", b"n\n" + b"1\n" * 5000 + b"x\n")
    assert (found.rows, found.columns[0].type) == (5001, "String")


def test_a_table_of_headers_alone_has_no_rows(store: DirectoryArtifactStore) -> None:
    found = inspected(store, "a.csv", b"x,y\n")
    assert (found.rows, len(found.columns)) == (0, 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"a,b\n1,2\n1,2,3\n"),
        ("a.parquet", b"PAR1" + os.urandom(100) + b"PAR1"),
        ("a.parquet", b"a,b\n1,2\n"),
        ("a.ndjson", b'{"a":1}\n{"a":'),
        ("a.json", b"[1, 2"),
        ("a.json", b"{" * 100_000),
        ("a.csv.gz", b"\x1f\x8b"),
        ("a.exe", b"MZ"),
        ("noname", b"a"),
        ("wide.csv", b",".join(b"c%d" % n for n in range(60)) + b"\n"),
        ("long.csv", b"c" * 300 + b"\n1\n"),
    ],
)
def test_what_is_no_table_is_refused(store: DirectoryArtifactStore, name: str, content: bytes) -> None:
    with pytest.raises(CatalogueError):
        inspected(store, name, content, limits=CatalogueLimits(columns=50))


def test_a_cut_parquet_is_refused(store: DirectoryArtifactStore, tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "table")
    content = (tmp_path / "table").read_bytes()
    for cut in (content[:-1], content[: len(content) // 2], content[:4] + bytes(40) + content[44:]):
        with pytest.raises(CatalogueError):
            inspected(store, "a.parquet", cut)


def test_a_file_that_takes_too_long_ends_alone(store: DirectoryArtifactStore) -> None:
    content = b"n\n" + b"1\n" * 100_000
    with pytest.raises(CatalogueError, match="limits of time and memory"):
        inspected(store, "a.csv", content, limits=CatalogueLimits(inspection_seconds=0.05))


def test_a_file_that_takes_too_much_memory_ends_alone(store: DirectoryArtifactStore) -> None:
    content = b"[" + b",".join(b'{"a":"' + b"x" * 1000 + b'"}' for _ in range(60_000)) + b"]"
    with pytest.raises(CatalogueError, match="limits of time and memory"):
        inspected(store, "a.json", content, limits=CatalogueLimits(inspection_bytes=64 << 20))


def test_texts_may_lie_beside_tables(store: DirectoryArtifactStore) -> None:
    found = inspected(store, "README.md", b"# Sales")
    assert (found.format, found.rows, found.columns) == ("text", None, ())


def test_a_message_about_a_hostile_model_says_what_to_do(store: DirectoryArtifactStore) -> None:
    with pytest.raises(CatalogueError, match=r"'model.onnx': .*pickle") as raised:
        inspected(store, "model.onnx", zlib.compress(b"\x80\x04N."), kind=EntryKind.MODEL)
    assert "skops" in raised.value.next_step
    assert json.dumps(raised.value.message)
