"""Bad input through the whole command line (issue: "Bad input"): a clear error, UNKNOWN, never a pass."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.support.hostile import (
    assert_refused,
    assert_usage_error,
    checks_of,
    project_of,
    python_project,
)
from tests.support.processes import processes_with, unique_marker
from tests.support.projects import lint_project, quilate, write_files
from tests.support.repositories import commit_all

CLEAN = "ANSWER = 42\n"


def directory_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe_instead(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link_outside(file: Path) -> None:
    target = file.parent.parent / "outside.yaml"
    file.rename(target)
    file.symlink_to(target)


def link_to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def two_mebibytes(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"#" * (2 << 20))


def latin_1(file: Path) -> None:
    file.write_bytes(b"version: 1\nproject: caf\xe9\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (directory_instead, "quilate.yaml is not a file"),
        (pipe_instead, "quilate.yaml is not a file"),
        (link_outside, "quilate.yaml is a link that leads out of the project"),
        (link_to_nothing, "quilate.yaml is a link that leads nowhere"),
        (two_mebibytes, "quilate.yaml:1:1: the file has more than 1 MiB"),
        (latin_1, "quilate.yaml:2:13: the file is not UTF-8"),
        (lambda file: file.write_text(""), "quilate.yaml:1:1: the top of the file must be a mapping"),
        (lambda file: file.write_text("project: a\n\tb: c\n"), "quilate.yaml:2:1: not YAML"),
        (lambda file: file.write_text("project: a\0b\n"), "quilate.yaml:1:11: not YAML"),
        (lambda file: file.write_text("a: " + "[" * 5000), "quilate.yaml:1:53: the file is nested deeper"),
    ],
)
def test_a_project_file_that_is_none(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    damage(project / "quilate.yaml")

    for command in ("run", "plan"):
        assert_usage_error(quilate(project, command), said)
    assert_refused(quilate(project, "doctor"), 1, said, "fix: ")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("id: lint, type: CODE_LNT", ("blueprint.yaml:6:26", "did you mean 'CODE_LINT'", "quilate check list")),
        ("id: lint, type: CODE_LINT, needs: [other]", ("blueprint.yaml:6:45", "unknown check 'other'", "name the id")),
        ("id: lint, type: CODE_LINT, needs: [lint]", ("blueprint.yaml:6:9", "lint → lint", "take one of these needs")),
        ("id: lint, type: CODE_LINT, when: 'lint.colour > 1'", ("blueprint.yaml:6:44", "lint.colour", "can read")),
        ("id: lint, type: CODE_LINT", ()),
    ],
)
def test_a_blueprint_with_a_fault_names_its_place(tmp_path: Path, check: str, said: tuple[str, ...]) -> None:
    project = project_of(tmp_path / "project", [check], files={"module.py": CLEAN})
    if not said:
        blueprint = project / "blueprint.yaml"
        blueprint.write_text(
            blueprint.read_text("utf-8").replace("all_required_checks_pass", "lint.findings_totl == 0")
        )
        said = ("blueprint.yaml:9:11", "did you mean `lint.findings_total`")

    assert_refused(quilate(project, "run"), 2, *said)
    assert_refused(quilate(project, "plan"), 2, *said)
    assert_refused(quilate(project, "blueprint", "validate", "blueprint.yaml"), 2, *said)


def test_checks_that_need_each_other_are_named_in_their_order(tmp_path: Path) -> None:
    checks = ["id: one, type: CODE_LINT, needs: [two]", "id: two, type: SAST, needs: [one]"]

    done = quilate(project_of(tmp_path / "project", checks), "run")

    assert_usage_error(done, "blueprint.yaml:6:9", "one → two → one")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("../../etc/passwd", "quilate.yaml:3:12: '../../etc/passwd' leads out of the project"),
        ("/etc/passwd", "quilate.yaml:3:12: the blueprint's path is absolute"),
        ("http://127.0.0.1/b.yaml", "is not pinned"),
        ("missing.yaml", "'missing.yaml' does not exist"),
        ("folder/x.yaml", "'folder/x.yaml' is not a file"),
    ],
)
def test_a_blueprint_reference_that_leads_nowhere_good(tmp_path: Path, reference: str, said: str) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    (project / "folder" / "x.yaml").mkdir(parents=True)
    (project / "quilate.yaml").write_text(f"project: sample\ntype: ds\nblueprint: {reference}\n", encoding="utf-8")

    assert_usage_error(quilate(project, "run"), said)


def profiled(directory: Path, dataset: str) -> Path:
    return project_of(
        directory,
        ["id: profile, type: DATA_PROFILING, timeout: 20s"],
        f"bindings:\n  profile: {{dataset: {dataset}}}\n",
    )


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("../../etc/passwd", "leads out of the workspace"),
        ("/etc/passwd", "leads out of the workspace"),
        ("/dev/zero", "leads out of the workspace"),
        ("link.csv", "leads out of the workspace"),
        ("missing.csv", "does not exist"),
        ('"a\\0b.csv"', "is no path"),
        ("pipe.csv", "is not a file"),
        ("folder.csv", "is not a file"),
        ("empty.csv", "is empty"),
        ("ragged.csv", "ragged.csv:3: record 2 has 3 fields, the header has 2"),
        ("bytes.csv", "bytes.csv:2: byte 1"),
        ("half.parquet", "half.parquet is no whole Parquet file"),
    ],
)
def test_a_dataset_that_cannot_be_read_leaves_the_verdict_open(tmp_path: Path, dataset: str, said: str) -> None:
    project = profiled(tmp_path / "project", dataset)
    os.mkfifo(project / "pipe.csv")
    (project / "folder.csv").mkdir()
    (project / "link.csv").symlink_to("/etc/passwd")
    (project / "empty.csv").write_bytes(b"")
    (project / "ragged.csv").write_bytes(b"a,b\n1,2\n1,2,3\n")
    (project / "bytes.csv").write_bytes(b"a,b\n\xff,2\n")
    pl.DataFrame({"a": range(10_000)}).write_parquet(project / "whole.parquet")
    content = (project / "whole.parquet").read_bytes()
    (project / "half.parquet").write_bytes(content[: len(content) // 2])

    done = quilate(project, "run")

    assert_refused(done, 3, "UNKNOWN", said, "Not decided:", "exit 3: undecided, does not pass")
    next_steps = [line for line in done.lines if line.startswith("    ")]
    assert next_steps, done.output


def test_an_empty_directory_gives_no_verdict(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    assert_refused(quilate(empty, "run"), 3, "UNKNOWN", "there is no Python file to judge")
    assert quilate(empty, "plan").code == 0
    assert quilate(empty, "init").code == 0
    assert_refused(quilate(empty, "run"), 3, "UNKNOWN")


def test_a_file_that_was_removed_but_not_committed_is_no_project(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    lint_project(repository / "one", CLEAN)
    lint_project(repository / "two", CLEAN)
    commit_all(repository, "two projects")
    for file in (repository / "two").iterdir():
        file.unlink()
    (repository / "two").rmdir()

    assert quilate(repository, "run").output.count("exit 0: approved") == 1
    assert not (repository / "two").exists()


LINT = "id: code_lint, type: CODE_LINT, select: [F]"
UNPARSED = ("code_lint", "code_format", "complexity", "sast", "crypto_analysis")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("latin.py", b'A = "\xe9"\n', "UTF-8"),
        ("null.py", b"A = 1\0\n", ""),
        ("huge.py", b"A = 1\n" * 10_000_000, "60000000 bytes, more than the limit"),
        ("broken.ipynb", b'{"cells": [', "is not a notebook in the Jupyter format 4"),
    ],
)
def test_a_python_file_that_cannot_be_read_leaves_its_checks_open(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    project = python_project(tmp_path / "project")
    (project / name).write_bytes(content)

    done = quilate(project, "run")

    assert done.code in {1, 3}, done.output
    assert_refused(done, done.code, name, said)
    assert sum(f"  {check}  {name}" in done.output for check in UNPARSED) >= (4 if said else 1), done.output


def test_code_nested_too_deeply_is_named_and_its_neighbours_are_judged(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", [*checks_of("CRYPTO_ANALYSIS", "COMPLEXITY"), LINT])
    write_files(project, {"deep.py": f"A = {'-' * 100_000}1\n", "neighbour.py": "import os\n"})

    done = quilate(project, "run")

    assert_refused(done, 1, "✗ code_lint", "neighbour.py:1:8", "complexity  deep.py", "crypto_analysis  deep.py")


def test_code_that_crashes_the_linter_alone_leaves_the_verdict_open(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", [LINT], files={"fine.py": CLEAN})
    (project / "deep.py").write_text(f"A = {'-' * 100_000}1\n", encoding="utf-8")

    assert_refused(quilate(project, "run"), 3, "code_lint  deep.py", "nested too deeply", "mend the file")


def test_a_broken_configuration_of_ruff_is_named(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", checks_of("CODE_LINT", "CODE_FORMAT"), files={"module.py": CLEAN})
    (project / "ruff.toml").write_text('[lint]\nselect = ["NOPE\n', encoding="utf-8")

    assert_refused(
        quilate(project, "run"), 3, "UNKNOWN", "ruff.toml", "line 2", "mend the project's ruff configuration"
    )


SUITES = {
    "hangs": "import time\n\ndef test_it():\n    time.sleep(600)\n",
    "prints": "import os\n\ndef test_it():\n    while True:\n        os.write(1, b'x' * (1 << 20))\n",
    "forks": (
        "import os, time\n\ndef test_it():\n    for _ in range(3):\n        if os.fork() == 0:\n"
        "            os.setsid()\n            time.sleep(600)\n    time.sleep(600)\n"
    ),
}


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path, suite: str) -> None:
    marker = unique_marker(suite)
    project = project_of(
        tmp_path / marker, ["id: tests, type: UNIT_TESTS, timeout: 4s"], f"interpreter: {sys.executable}\n"
    )
    (project / f"test_{marker.replace('-', '_')}.py").write_text(SUITES[suite], encoding="utf-8")

    done = quilate(project, "run")

    assert_refused(done, 3, "UNKNOWN", "ran longer than 4 s", "longer `timeout`")
    assert not processes_with(marker)


def test_a_suite_that_prints_a_gigabyte_is_judged_by_its_report(tmp_path: Path) -> None:
    text = (
        "import os\n\ndef test_it():\n    for _ in range(1024):\n        os.write(2, b'x' * (1 << 20))\n    assert 0\n"
    )
    project = project_of(tmp_path / "project", ["id: tests, type: UNIT_TESTS"], f"interpreter: {sys.executable}\n")
    (project / "test_it.py").write_text(text, encoding="utf-8")

    done = quilate(project, "run")

    assert done.code in {1, 3}
    assert_refused(done, done.code)
    assert len(done.output) < 100_000
    assert sum(file.stat().st_size for file in project.rglob("*") if file.is_file()) < 64 << 20


def test_a_suite_with_a_broken_configuration_is_no_pass(tmp_path: Path) -> None:
    files = {"test_it.py": "def test_it():\n    pass\n", "pytest.ini": "[pytest]\naddopts = --no-such-option\n"}
    checks = ["id: tests, type: UNIT_TESTS"]
    project = project_of(tmp_path / "project", checks, f"interpreter: {sys.executable}\n", files)

    done = quilate(project, "run")

    assert_refused(done, 3, "UNKNOWN", "no-such-option")
