"""On a terminal the run is live and in colour; ``NO_COLOR`` and CI are honoured (cli.txt)."""

import os
import pty
from pathlib import Path

import pytest

from tests.support.projects import QUILATE, environment, lint_project


def run_on_a_terminal(project: Path, **changes: str) -> tuple[int, str]:
    """Run ``quilate run`` with a pseudo-terminal as its output."""
    variables = environment(project.parent / "home", **{"TERM": "xterm-256color", **changes})
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(project)
        os.execve(QUILATE, ["quilate", "run"], variables)  # noqa: S606 - the program under test
    shown = bytearray()
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other side of a terminal has closed.
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return lint_project(tmp_path / "project", "import os\n")


def test_what_runs_is_shown_and_verdicts_have_colour(project: Path) -> None:
    code, shown = run_on_a_terminal(project)

    assert code == 1
    assert "running code_lint" in shown
    assert "\x1b[31m" in shown
    assert shown.rstrip().endswith("exit 1: rejected by the gate")


def test_no_color_is_honoured(project: Path) -> None:
    _, shown = run_on_a_terminal(project, NO_COLOR="1")

    assert "✗ code_lint" in shown
    assert "\x1b[3" not in shown


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}])
def test_ci_and_dumb_terminals_get_plain_lines(project: Path, variables: dict[str, str]) -> None:
    code, shown = run_on_a_terminal(project, **variables)

    assert code == 1
    assert "running code_lint" not in shown
    assert "\x1b[?25l" not in shown, "the cursor is not hidden"
