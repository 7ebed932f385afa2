"""Which files a run judges, and what it remembers of them (C04, C11)."""

import os
import time
from pathlib import Path

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.subject import git_state, tree_digest
from tests.support.repositories import commit_all, git


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_outside_git_everything_but_tool_directories_is_judged(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="1", src__b_dot_py="2", node_modules__c_dot_js="3", _dot_quilate__d="4")

    assert list_workspace(tmp_path, ()).paths == ("a.py", "src/b.py")


def test_in_git_ignored_files_are_left_out_and_untracked_ones_are_not(tmp_path: Path) -> None:
    git(tmp_path, "init")
    write(tmp_path, _dot_gitignore="out/\n", tracked_dot_py="1", untracked_dot_py="2", out__x_dot_py="3")
    git(tmp_path, "add", "tracked.py")

    assert list_workspace(tmp_path, ()).paths == (".gitignore", "tracked.py", "untracked.py")


def test_excludes_and_nested_projects_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="1", data__big_dot_csv="2", services__one__b_dot_py="3")

    assert list_workspace(tmp_path, ("*.csv",), ("services/one",)).paths == ("a.py",)


def test_links_out_of_the_project_are_reported_and_never_followed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, inside_dot_txt="1")
    (tmp_path / "secret.txt").write_text("outside", encoding="utf-8")
    (project / "escape").symlink_to(tmp_path / "secret.txt")
    (project / "escape_directory").symlink_to(tmp_path)
    (project / "alias").symlink_to(project / "inside.txt")
    (project / "dangling").symlink_to(project / "nowhere")

    workspace = list_workspace(project, ())

    assert workspace.paths == ("alias", "inside.txt")
    assert workspace.escaping_links == ("escape", "escape_directory")


def test_names_that_are_not_utf8_are_judged_too(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py"))).write_text("x", encoding="utf-8")

    (path,) = list_workspace(tmp_path, ()).paths

    assert os.fsencode(path) == b"caf\xe9.py"
    assert tree_digest({path: "sha256:0"}).startswith("sha256:")


def test_a_repository_cannot_run_programs_while_it_is_listed(tmp_path: Path) -> None:
    git(tmp_path, "init")
    proof = tmp_path / "proof"
    monitor = tmp_path / "monitor.sh"
    monitor.write_text(f"#!/bin/sh\ntouch {proof}\n", encoding="utf-8")
    monitor.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(monitor))

    list_workspace(tmp_path, ())
    git_state(tmp_path)

    assert not proof.exists()


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a directory"):
        list_workspace(tmp_path / "missing", ())


def test_the_index_remembers_unchanged_files_and_sees_changes(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="one")
    store = tmp_path / "index"
    index = FileIndex(tmp_path, store)
    first = index.record("a.py").digest
    index.save(now_seconds=2**33)
    assert FileIndex(tmp_path, store).record("a.py").digest == first

    write(tmp_path, a_dot_py="two")
    os.utime(tmp_path / "a.py", ns=(1, 1))

    assert FileIndex(tmp_path, store).record("a.py").digest != first


def test_a_file_changed_within_the_resolution_of_its_time_stamp_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="one")
    stamp = (tmp_path / "a.py").stat().st_mtime_ns
    store = tmp_path / "index"
    index = FileIndex(tmp_path, store)
    first = index.record("a.py").digest
    index.save(now_seconds=stamp / 1e9 + 0.5)

    (tmp_path / "a.py").write_text("two", encoding="utf-8")
    os.utime(tmp_path / "a.py", ns=(stamp, stamp))

    assert FileIndex(tmp_path, store).record("a.py").digest != first


def test_a_damaged_index_is_no_index(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="one", index="not msgpack at all")

    assert FileIndex(tmp_path, tmp_path / "index").record("a.py").digest.startswith("sha256:")


def test_the_index_tells_which_files_hold_waivers(tmp_path: Path) -> None:
    write(tmp_path, a_dot_py="x = 1  # quilate: waive ruff/S324 until=2030-01-01 reason=old", b_dot_py="x = 1")
    index = FileIndex(tmp_path, tmp_path / "index")

    assert index.record("a.py").waiver
    assert not index.record("b.py").waiver


def test_git_state_names_revision_branch_and_dirt(tmp_path: Path) -> None:
    assert git_state(tmp_path) == ("", "", False)
    write(tmp_path, a_dot_py="1")
    commit_all(tmp_path, "first")
    revision, branch, dirty = git_state(tmp_path)
    assert (len(revision), branch, dirty) == (40, "main", False)

    write(tmp_path, b_dot_py="2")

    assert git_state(tmp_path) == (revision, "main", True)


def test_a_changed_file_with_its_old_size_and_time_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a_dot_py="one", b_dot_py="one")
    os.utime(tmp_path / "a.py", ns=(1, 1))
    store = tmp_path / "index"
    before = (tmp_path / "a.py").stat()
    with monkeypatch.context() as long_after:
        long_after.setattr(time, "time", lambda: 2.0**33)
        index = FileIndex(tmp_path, store)
        first, other = index.record("a.py"), index.record("b.py")
        index.save(now_seconds=2**33)

    with (tmp_path / "a.py").open("r+", encoding="utf-8") as stream:
        stream.write("two")
    os.utime(tmp_path / "a.py", ns=(1, 1))

    after = (tmp_path / "a.py").stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
    index = FileIndex(tmp_path, store)
    assert index.record("a.py").digest != first.digest
    assert index.record("b.py") == other


def test_a_file_changed_shortly_before_it_was_read_is_not_remembered_however_long_the_run_takes(
    tmp_path: Path,
) -> None:
    write(tmp_path, a_dot_py="one")
    index = FileIndex(tmp_path, tmp_path / "index")
    index.record("a.py")

    index.save(now_seconds=time.time() + 3600)

    assert not (tmp_path / "index").exists()


def test_the_index_names_what_changed_since_it_was_read(tmp_path: Path) -> None:
    write(tmp_path, same_dot_py="1", touched_dot_py="1", edited_dot_py="1", removed_dot_py="1")
    index = FileIndex(tmp_path, tmp_path / "index")
    for name in ("same.py", "touched.py", "edited.py", "removed.py", "missing.py"):
        index.record(name)

    os.utime(tmp_path / "touched.py", ns=(1, 1))
    write(tmp_path, edited_dot_py="2", missing_dot_py="3")
    (tmp_path / "removed.py").unlink()

    assert index.changed() == ("edited.py", "missing.py", "removed.py")


def test_pipes_and_directories_have_a_record_without_being_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    index = FileIndex(tmp_path, tmp_path / "index")

    assert index.record("pipe").digest == index.record(".").digest == "no file"
    assert index.changed() == ()


def test_repositories_within_the_project_are_reported(tmp_path: Path) -> None:
    git(tmp_path, "init")
    write(tmp_path, a_dot_py="1", vendored__b_dot_py="2")
    commit_all(tmp_path / "vendored", "other")

    workspace = list_workspace(tmp_path, ())

    assert (workspace.paths, workspace.repositories) == (("a.py",), ("vendored",))
    assert list_workspace(tmp_path, ("vendored",)).repositories == ()
