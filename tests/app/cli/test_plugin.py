"""``quilate plugin``: packages to begin with that are sound as they are, and what is installed (C19)."""

import subprocess
import sys
from pathlib import Path

import pytest

from quilate.app.cli import run_command_line
from tests.support.plugins import install
from tests.support.projects import quilate

NAMES = {"check": "todo-comments", "connector": "status-board", "blueprint": "house-rules"}


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("kind", NAMES)
def test_a_new_package_passes_its_own_tests_and_our_tools(
    empty: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["plugin", "new", NAMES[kind], "--kind", kind]) == 0
    package = empty / f"quilate-{NAMES[kind]}"
    written = capsys.readouterr().out.splitlines()[:-1]

    assert sorted(written) == sorted(str(each.relative_to(empty)) for each in package.rglob("*") if each.is_file())
    assert not any("{{" in (empty / each).read_text("utf-8") for each in written)
    for tool in (
        ["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        ["ruff", "format", "--check", "--no-cache", "."],
        ["ruff", "check", "--no-cache", "--select", "E,F,W,I,UP,B,SIM,PT,RUF", "."],
    ):
        done = subprocess.run([sys.executable, "-m", *tool], cwd=package, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Upper", "two--hyphens", "../out", "-x", "", "a" * 51, "with space", "under_score"])
def test_a_name_that_does_not_do_writes_nothing(empty: Path, name: str) -> None:
    assert run_command_line(["plugin", "new", "--kind", "check", "--", name]) == 2
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("check", "unit-tests"), ("connector", "webhook"), ("blueprint", "api-secure")]
)
def test_a_name_of_quilates_own_is_refused(
    empty: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["plugin", "new", name, "--kind", kind]) == 2
    assert f"Quilate has a {kind} of the name {name!r} itself" in capsys.readouterr().err
    assert list(empty.iterdir()) == []


def test_what_is_there_is_not_overwritten(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "quilate-todo-comments").mkdir()

    assert run_command_line(["plugin", "new", "todo-comments", "--kind", "check"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert list((empty / "quilate-todo-comments").iterdir()) == []


def test_without_plugins_the_list_says_so(tmp_path: Path) -> None:
    done = quilate(tmp_path, "plugin", "list")

    assert done.code == 0
    assert "no installed package" in done.output


def test_the_list_names_both_where_two_want_one_name(tmp_path: Path) -> None:
    for name in ("quilate-one", "quilate-two"):
        install(tmp_path / "site", name, {"quilate.checks": {"WANTED": "wanted:Check"}})

    done = quilate(tmp_path, "plugin", "list", PYTHONPATH=str(tmp_path / "site"))

    assert done.code == 1
    assert done.output.count("quilate-one 1.0 and quilate-two 1.0") == 1
    assert done.output.count("quilate-two 1.0 and quilate-one 1.0") == 1
