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


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "**/" * 30 + "b", "**/*a*a*a*a*a*a*a*b", "*" * 200 + "b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    excluded = compile_globs([pattern])

    assert not excluded("a" * 4000 + ".py")
    assert not excluded("/".join("a" * 300) + "/c.py")


def test_patterns_with_many_wildcards_mean_the_same() -> None:
    excluded = compile_globs(["src/*/*/*/*.py", "**/a/**/b/**/c"])

    assert excluded("src/1/2/3/x.py")
    assert not excluded("src/1/2/x.py")
    assert excluded("x/a/y/b/c")
    assert not excluded("x/a/y/c")
