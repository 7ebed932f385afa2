"""The root of the command line: help, unknown commands, completion, versions."""

import subprocess
import sys
from pathlib import Path

import pytest

from quilate import __version__
from quilate.app.cli import COMMANDS
from tests.support.projects import quilate


def test_help_lists_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = quilate(tmp_path, "--help")

    assert done.code == 0
    assert all(f"  {name}" in done.output for name in COMMANDS)
    assert "Exit codes: 0 approved" in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(tmp_path: Path, name: str) -> None:
    done = quilate(tmp_path, name, "--help")

    assert done.code == 0
    assert done.output.startswith(f"Usage: quilate {name}")


def test_an_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    done = quilate(tmp_path, "blueprnt")

    assert done.code == 2
    assert "did you mean 'blueprint'" in done.errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(tmp_path: Path, shell: str) -> None:
    assert "_QUILATE_COMPLETE" in quilate(tmp_path, "completion", shell).output


def test_version(tmp_path: Path) -> None:
    assert quilate(tmp_path, "--version").output.strip().endswith(__version__)


def test_the_root_imports_nothing_heavy() -> None:
    program = "import sys, quilate.app.cli; print(*sorted(set(sys.modules) & set(sys.argv[1:])))"
    heavy = ["msgspec", "yaml", "rich", "polars", "numpy", "cryptography", "httpx", "rfc8785", "quilate.checks.api"]

    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, check=True)

    assert done.stdout.split() == []
