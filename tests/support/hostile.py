"""What the tests of bad input share: blueprints of a few checks, what every refusal has in common, a lesser root."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.projects import QUILATE, Outcome, environment, write_files

PYTHON_CHECKS = ("CODE_LINT", "CODE_FORMAT", "COMPLEXITY", "SAST", "CRYPTO_ANALYSIS", "SECRETS")

_DROP_OVERRIDE = (
    "import ctypes, os, sys; c = ctypes.CDLL(None); c.prctl(24, 1); c.prctl(24, 2); os.execv(sys.argv[1], sys.argv[1:])"
)
"""PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root is then bound by permissions like anybody."""


def project_of(directory: Path, checks: Sequence[str], project: str = "", files: dict[str, str] | None = None) -> Path:
    """Write a project whose one stage holds ``checks``, each the text between the braces of its line."""
    lines = "".join(f"      - {{{check}}}\n" for check in checks)
    blueprint = (
        f"id: hostile\nversion: 1\nstages:\n  - name: only\n    checks:\n{lines}"
        "policies:\n  approval:\n    rule: all_required_checks_pass\n"
    )
    header = "project: sample\ntype: ds\nblueprint: blueprint.yaml\n"
    return write_files(directory, {"quilate.yaml": header + project, "blueprint.yaml": blueprint, **(files or {})})


def checks_of(*types: str) -> list[str]:
    """Return a check per type, named like it."""
    return [f"id: {check_type.lower()}, type: {check_type}" for check_type in types]


def python_project(directory: Path, files: dict[str, str] | None = None) -> Path:
    """Write a project with every check that reads Python files."""
    return project_of(directory, checks_of(*PYTHON_CHECKS), files=files)


def command_check(program: str, more: str = "") -> str:
    """Return a COMMAND check that runs a Python program."""
    return f"id: command, type: COMMAND, argv: {json.dumps([sys.executable, '-c', program])}{more}"


def assert_refused(done: Outcome, code: int, *said: str) -> None:
    """Assert an exit code, what was said, and that there is neither a traceback nor a pass."""
    both = done.output + done.errors
    assert done.code == code, both
    assert "Traceback" not in both
    assert "internal error" not in both
    assert "PASS" not in both
    for text in said:
        assert text in both, both


def assert_usage_error(done: Outcome, *said: str) -> None:
    """Assert exit 2 with an error and, indented below it, what to do."""
    assert_refused(done, 2, "error: ", *said)
    errors = done.errors.splitlines()
    assert any(line.startswith("  ") for line in errors), done.errors


def quilate_without_override(directory: Path, *arguments: str) -> Outcome:
    """Run a command as a user that file permissions hold for, whoever runs the tests."""
    done = subprocess.run(
        [sys.executable, "-c", _DROP_OVERRIDE, QUILATE, *arguments],
        cwd=directory,
        env=environment(directory.parent / "quilate-home"),
        capture_output=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return Outcome(code=done.returncode, output=done.stdout.decode(), errors=done.stderr.decode())
