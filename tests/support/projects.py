"""Small projects on disk and the command line run over them as a user would."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

QUILATE = str(Path(sys.executable).parent / "quilate")

LINT_BLUEPRINT = """\
id: lint-only
version: 1
project_types: [ds]
stages:
  - name: build
    checks:
      - {id: code_lint, type: CODE_LINT, required: true, select: [F]}
policies:
  approval:
    rule: all_required_checks_pass
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """The lines of its output."""
        return self.output.splitlines()


def write_files(directory: Path, files: Mapping[str, str]) -> Path:
    """Write text files by their relative path; returns the directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def environment(home: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a user whose keys are below ``home``."""
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI", "VIRTUAL_ENV"}}
    return {**kept, "QUILATE_HOME": str(home), **changes}


def quilate(directory: Path, *arguments: str, timeout: float = 120, **changes: str) -> Outcome:
    """Run a command of the command line in ``directory``, with keys kept beside it."""
    done = subprocess.run(
        [QUILATE, *arguments],
        cwd=directory,
        env=environment(directory.parent / "quilate-home", **changes),
        capture_output=True,
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    return Outcome(code=done.returncode, output=done.stdout.decode(), errors=done.stderr.decode())


def lint_project(directory: Path, source: str, **more: str) -> Path:
    """Write a project with one lint check over one module."""
    return write_files(
        directory,
        {
            "quilate.yaml": "project: sample\ntype: ds\nblueprint: blueprint.yaml\n",
            "blueprint.yaml": LINT_BLUEPRINT,
            "module.py": source,
            **{name.replace("__", "/").replace("_dot_", "."): text for name, text in more.items()},
        },
    )
