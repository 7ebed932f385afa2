"""Exclude patterns of the project file behave as in .gitignore (C11: monorepos and excludes)."""

import pytest

from quilate.runs.globs import compile_globs


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "data/train.csv", True),
        ("*.csv", "data/train.csv.py", False),
        ("data/*.csv", "data/train.csv", True),
        ("data/*.csv", "data/raw/train.csv", False),
        ("data/**/*.csv", "data/raw/old/train.csv", True),
        ("data/**/*.csv", "data/train.csv", True),
        ("build", "build/lib/a.py", True),
        ("build", "src/build/a.py", True),
        ("build", "rebuild/a.py", False),
        ("src/build/", "src/build/a.py", True),
        ("/src", "src/a.py", True),
        ("file?.py", "file1.py", True),
        ("a[1].py", "a1.py", False),
        ("a[1].py", "a[1].py", True),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:  # noqa: FBT001 - a column of the table
    assert compile_globs([pattern])(path) is matches


def test_no_pattern_matches_nothing() -> None:
    assert not compile_globs(["", "  "])("a.py")
