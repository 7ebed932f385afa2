"""What did not change is not run again; whatever the answer depends on makes a new key (C04)."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from quilate.checks.api import Inputs, Tool
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.fingerprint import Fingerprints, environment_digest, tool_version
from tests.support.plans import planned


def key(root: Path, interpreter: str = "", **changes: Any) -> str | None:
    workspace = list_workspace(root, ())
    index = FileIndex(workspace.root, root / ".quilate" / "index")
    return Fingerprints(workspace, index, interpreter).key(planned("check", **changes))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1", encoding="utf-8")
    (tmp_path / "data.csv").write_text("x", encoding="utf-8")
    return tmp_path


def test_the_same_inputs_have_the_same_key(project: Path) -> None:
    assert key(project) == key(project) is not None


def test_every_input_changes_the_key(project: Path) -> None:
    base = key(project)

    assert key(project, version="2") != base
    assert key(project, parameters={"limit": "1"}) != base
    assert key(project, binding={"path": "x"}) != base
    assert key(project, inputs=Inputs(tools=(Tool(name="git", install="apt install git"),))) != base
    (project / "src" / "a.py").write_text("2", encoding="utf-8")
    assert key(project) != base


def test_files_outside_the_inputs_do_not_change_the_key(project: Path) -> None:
    inputs = Inputs(files=("src",))
    base = key(project, inputs=inputs)

    (project / "data.csv").write_text("y", encoding="utf-8")

    assert key(project, inputs=inputs) == base


def test_a_bound_file_that_is_not_judged_still_changes_the_key(project: Path) -> None:
    ignored = project / ".venv" / "big.csv"
    ignored.parent.mkdir()
    ignored.write_text("1", encoding="utf-8")
    inputs = Inputs(files=(".venv/big.csv",))
    base = key(project, inputs=inputs)

    ignored.write_text("22", encoding="utf-8")

    assert key(project, inputs=inputs) != base


def test_effects_endpoints_and_missing_tools_have_no_key(project: Path) -> None:
    assert key(project, effects=True) is None
    assert key(project, inputs=Inputs(cacheable=False)) is None
    assert key(project, inputs=Inputs(endpoint=True)) is None
    assert key(project, inputs=Inputs(endpoint=True), fresh_for_seconds=60.0) is not None
    assert key(project, inputs=Inputs(tools=(Tool(name="no-such-tool", install="x"),))) is None


def test_an_installed_dependency_that_changed_changes_the_key(project: Path) -> None:
    package = project / "environment" / "lib" / "python3.11" / "site-packages" / "library"
    package.mkdir(parents=True)
    binary = project / "environment" / "bin" / "python"
    binary.parent.mkdir()
    binary.symlink_to(sys.executable)
    (package / "module.py").write_text("1", encoding="utf-8")
    inputs = Inputs(files=("src",), interpreter=True)
    interpreter = "environment/bin/python"
    base = key(project, interpreter, inputs=inputs)
    assert base is not None

    os.utime(package / "module.py", ns=(1, 1))

    assert key(project, interpreter, inputs=inputs) != base


def test_the_environment_of_a_check_that_does_not_use_it_does_not_count(project: Path) -> None:
    assert key(project, "no/such/python") == key(project)


def test_tool_version_names_program_and_distribution() -> None:
    version = tool_version(Tool(name="ruff", install="pip install ruff", distribution="ruff"))

    assert "ruff" in version
    assert version.split()[-1].count(".") == 2


def test_the_environment_digest_is_stable() -> None:
    assert environment_digest(sys.executable) == environment_digest(sys.executable)


def test_configuration_above_the_project_or_not_judged_changes_the_key(tmp_path: Path) -> None:
    root = tmp_path / "above" / "project"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "deep" / "a.py").write_text("1", encoding="utf-8")
    (root / "a.py").write_text("1", encoding="utf-8")
    inputs = Inputs(configuration=("ruff.toml", "pyproject.toml"))

    def now() -> str | None:
        workspace = list_workspace(root, ("ruff.toml",))
        return Fingerprints(workspace, FileIndex(workspace.root, tmp_path / "index"), "").key(
            planned("check", inputs=inputs)
        )

    keys = [now()]
    for place in (tmp_path / "above", root, root / "src", root / "src" / "deep"):
        (place / "ruff.toml").write_text("line-length = 100", encoding="utf-8")
        keys.append(now())

    assert len(set(keys)) == len(keys)


def test_a_report_that_is_not_judged_changes_the_key(project: Path) -> None:
    (project / ".venv").mkdir()
    inputs = Inputs(also=(".venv/junit.xml",))
    missing = key(project, inputs=inputs)
    (project / ".venv" / "junit.xml").write_text("<testsuite/>", encoding="utf-8")

    assert key(project, inputs=inputs) not in {missing, key(project)}


def test_the_variables_that_programs_get_change_the_key(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = Inputs(files=("src",), interpreter=True)
    base = key(project, sys.executable, inputs=inputs)

    monkeypatch.setenv("TZ", "Pacific/Chatham")

    assert key(project, sys.executable, inputs=inputs) != base
