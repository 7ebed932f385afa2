"""``.quilate/`` is bounded, locked against a second run and ignored by git (C04)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.runs import store
from quilate.runs.store import RunDirectory
from tests.support.repositories import git


def test_it_ignores_itself(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    RunDirectory(tmp_path).prepare()

    assert git(tmp_path, "status", "--porcelain") == b""


def test_a_second_run_in_another_process_is_refused_and_named(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from quilate.runs.store import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).locked():\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"

        with pytest.raises(ConfigurationError, match=f"process {other.pid}"), RunDirectory(tmp_path).locked():
            pass

        other.communicate()
    with RunDirectory(tmp_path).locked():
        pass


def test_numbers_are_never_used_again_and_old_runs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT_RUNS", 2)
    directory = RunDirectory(tmp_path)
    directory.prepare()
    for expected in (1, 2, 3):
        number = directory.next_number()
        assert number == expected
        (directory.runs / str(number)).mkdir()

    directory.prune()

    assert directory.numbers() == [2, 3]
    assert directory.next_number() == 4


def test_the_cache_is_bounded_and_loses_what_was_used_longest_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_CACHE_BYTES", 250)
    directory = RunDirectory(tmp_path)
    directory.prepare()
    for age, name in enumerate(("oldest", "older", "newest")):
        file = directory.results / name
        file.write_bytes(b"x" * 100)
        os.utime(file, (age, age))

    directory.prune()

    assert sorted(path.name for path in directory.results.iterdir()) == ["newest", "older"]


@pytest.mark.parametrize("reference", ["9", "first", "../../etc", "1/../1"])
def test_an_unknown_run_is_a_clear_error(tmp_path: Path, reference: str) -> None:
    directory = RunDirectory(tmp_path)
    directory.prepare()
    (directory.runs / "1").mkdir()

    with pytest.raises(ConfigurationError, match="no run") as raised:
        directory.run_path(reference)

    assert "runs 1 to 1" in raised.value.next_step


def test_a_link_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".quilate").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigurationError, match="symbolic link"):
        RunDirectory(tmp_path).prepare()
