"""Paths and manifests of versions: one digest for the same files, no path that leads out (C08)."""

import pytest

from quilate.datasets.errors import CatalogueError
from quilate.datasets.manifest import manifest_of, require_distinct, require_path
from quilate.datasets.model import VersionFile
from quilate.domain.ids import Digest


def file(path: str, digest: str = "sha256:" + "0" * 64) -> VersionFile:
    return VersionFile(path=path, digest=Digest(digest), size_bytes=1, rows=5)


def test_the_order_and_the_rows_do_not_change_the_digest() -> None:
    assert manifest_of([file("a"), file("b/c")]) == manifest_of([file("b/c"), file("a")])
    assert manifest_of([file("a")]) != manifest_of([file("b")])
    assert manifest_of([file("a")]) != manifest_of([file("a", "sha256:" + "1" * 64)])


@pytest.mark.parametrize("path", ["train.csv", "2026/01/a b.parquet", "año.csv", "x" * 200 + ".csv"])
def test_paths_of_files_are_taken(path: str) -> None:
    assert require_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        ".hidden",
        "a/.git/x",
        "a\\b",
        "a\0",
        "a\nb",
        "x" * 300,
        "d/" * 300,
        "\ud800",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(CatalogueError):
        require_path(path)


@pytest.mark.parametrize("paths", [["a", "a"], ["A", "a"], ["a", "a/b"], ["x/y/z", "X/y"]])
def test_paths_that_cannot_lie_beside_each_other_are_refused(paths: list[str]) -> None:
    with pytest.raises(CatalogueError):
        require_distinct(paths)
    require_distinct(["a", "b/c", "b/d"])
