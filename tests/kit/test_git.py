"""Asking git about a repository executes nothing of it and reaches nothing outside it (C04, C11)."""

import os
from pathlib import Path

import pytest

from quilate.kit.git import git_output, in_repository, without_filters
from tests.support.repositories import commit_all, git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n", encoding="utf-8")
    commit_all(root, "first")
    return root


def program(path: Path, trace: Path) -> str:
    """Write a program that leaves a trace when it is executed."""
    path.write_text(f"#!/bin/sh\necho executed >> '{trace}'\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_output_is_given_and_a_failure_is_none(repository: Path, tmp_path: Path) -> None:
    assert git_output(repository, "ls-files") == b"a.py\n"
    assert git_output(repository, "rev-parse", "--verify", "--quiet", "no-such-branch") is None
    assert git_output(tmp_path, "ls-files") is None
    assert git_output(tmp_path / "missing", "ls-files") is None


def test_without_git_there_is_no_answer(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))

    assert git_output(repository, "ls-files") is None


def test_a_command_that_takes_too_long_is_no_answer(repository: Path) -> None:
    assert git_output(repository, "ls-files", timeout_seconds=0) is None


def test_monitors_pagers_and_hooks_of_the_repository_are_not_executed(repository: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    monitor = program(tmp_path / "monitor", trace)
    program(repository / ".git" / "hooks" / "post-checkout", trace)
    git(repository, "config", "core.fsmonitor", monitor)
    git(repository, "config", "core.pager", monitor)
    git(repository, "config", "pager.log", "true")

    assert git_output(repository, "status", "--porcelain") == b""
    assert git_output(repository, "log", "--format=%s") == b"first\n"
    assert git_output(repository, "checkout", "--quiet", "--detach", "HEAD") == b""
    assert not trace.exists()


def test_variables_of_the_caller_do_not_lead_to_another_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.py").write_text("x = 2\n", encoding="utf-8")
    commit_all(other, "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))

    assert git_output(repository, "ls-files") == b"a.py\n"


def test_other_repositories_are_read_only_where_the_caller_says_so(repository: Path, tmp_path: Path) -> None:
    clone = ("clone", "--quiet", "--", str(repository))

    assert git_output(tmp_path, *clone, "refused") is None
    assert git_output(tmp_path, *clone, "allowed", may_read_repositories=True) == b""
    assert (tmp_path / "allowed" / "a.py").is_file()


def test_missing_objects_are_not_fetched(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "uploadpack.allowFilter", "true")
    partial = (
        "clone",
        "--quiet",
        "--no-checkout",
        "--filter=blob:none",
        repository.as_uri(),
        str(tmp_path / "partial"),
    )
    git(tmp_path, *partial)
    trace = tmp_path / "trace"
    git(tmp_path / "partial", "config", "remote.origin.uploadpack", program(tmp_path / "upload", trace))

    assert git_output(tmp_path / "partial", "cat-file", "blob", "HEAD:a.py") is None
    assert not trace.exists()


def test_filters_of_the_repository_are_not_executed_where_they_are_switched_off(
    repository: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    (repository / ".gitattributes").write_text("*.py filter=a=b\n", encoding="utf-8")
    for key in ("clean", "process", "smudge"):
        git(repository, "config", f"filter.a=b.{key}", program(tmp_path / key, trace))
    git(repository, "config", "filter.a=b.required", "true")
    os.utime(repository / "a.py", (1, 1))

    assert git_output(repository, "status", "--porcelain", settings=without_filters(repository)) is not None
    assert not trace.exists()


def test_filters_of_the_user_stay_on(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text('[filter "lfs"]\n\tclean = cat\n', encoding="utf-8")

    assert without_filters(repository) == {}


def test_a_tree_that_looks_like_a_bare_repository_is_not_taken_for_one(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    git(tmp_path, "init", "--quiet", "--bare", "tree")
    tree = tmp_path / "tree"
    (tree / "a.py").write_text("x = 1\n", encoding="utf-8")
    git(tree, "config", "--file", "config", "core.bare", "false")
    git(tree, "config", "--file", "config", "core.worktree", ".")
    git(tree, "config", "--file", "config", "alias.listed", f"!{program(tmp_path / 'alias', trace)}")

    assert git_output(tree, "listed") is None
    assert not trace.exists()


def test_a_repository_is_found_from_below_and_none_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "a" / "b").mkdir(parents=True)
    (tmp_path / "worktree").mkdir()
    (tmp_path / "worktree" / ".git").write_text("gitdir: elsewhere\n", encoding="utf-8")

    assert in_repository(tmp_path / "repository" / "a" / "b")
    assert in_repository(tmp_path / "worktree")
    assert not in_repository(tmp_path)
