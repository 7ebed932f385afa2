"""SAST over real ruff and bandit (C16, C21)."""

import json
from pathlib import Path

import pytest

from quilate.checks.security.sast import Sast
from quilate.checks.security.severity_map import rule_severity
from quilate.domain.severity import Severity
from tests.support.check_runner import run_check

SHELL = "import os\n\n\ndef f(x):\n    os.system('ls ' + x)\n"
ENGINES = [("ruff", "ruff/S605"), ("bandit", "bandit/B605")]


def test_the_canary_is_found(tmp_path: Path) -> None:
    canary = Sast().canary(tmp_path)
    evidence = run_check("SAST", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert set(canary.expected_rules) <= {finding.rule for finding in evidence.findings}


@pytest.mark.parametrize(("engine", "rule"), ENGINES)
def test_both_engines_speak_one_form(tmp_path: Path, engine: str, rule: str) -> None:
    (tmp_path / "code.py").write_text(SHELL, encoding="utf-8")
    evidence = run_check("SAST", tmp_path, parameters={"engine": engine})
    (finding,) = evidence.findings
    assert (finding.rule, finding.severity) == (rule, Severity.HIGH)
    assert (finding.location.path, finding.location.line, finding.location.column) == ("code.py", 5, 5)
    assert finding.fix == "Use `subprocess.run` with a list of arguments"
    assert finding.help_url.startswith("https://")
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["vulnerabilities"], facts["vulnerabilities_high"], facts["suppressed_findings"]) == ("1", "1", "0")


@pytest.mark.parametrize(("engine", "rule"), ENGINES)
def test_silenced_findings_are_counted_and_shown(tmp_path: Path, engine: str, rule: str) -> None:
    comment = "# noqa: S605" if engine == "ruff" else "# nosec"
    (tmp_path / "code.py").write_text(SHELL.replace("+ x)", f"+ x)  {comment}"), encoding="utf-8")
    evidence = run_check("SAST", tmp_path, parameters={"engine": engine})
    assert evidence.findings == ()
    assert {fact.name: fact.value for fact in evidence.facts}["suppressed_findings"] == "1"
    assert f"{rule} at code.py:5" in evidence.notes[0]


def test_a_projects_own_configuration_cannot_switch_rules_off(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("exclude = ['*']\n[lint]\nignore = ['S']\n", encoding="utf-8")
    (tmp_path / "code.py").write_text(SHELL, encoding="utf-8")
    assert len(run_check("SAST", tmp_path).findings) == 1


@pytest.mark.parametrize(("engine", "rule"), ENGINES)
def test_notebooks_and_unreadable_files(tmp_path: Path, engine: str, rule: str) -> None:
    cells = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "%time\nimport os\n"},
        {"cell_type": "markdown", "metadata": {}, "source": "text"},
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "x = 1\nos.system(x)\n",
        },
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "book.ipynb").write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "bad.py").write_text("x = (\n", encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    evidence = run_check("SAST", tmp_path, parameters={"engine": engine})
    (finding,) = evidence.findings
    assert (finding.rule, finding.location.cell, finding.location.line) == (rule, 2, 2)
    assert [one.subject for one in evidence.undecided] == ["bad.py", "latin.py"]
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_unparsed"]) == ("1", "2")


@pytest.mark.parametrize("engine", ["ruff", "bandit"])
def test_assert_is_a_finding_outside_tests_only(tmp_path: Path, engine: str) -> None:
    for name in ("code.py", "test_code.py"):
        (tmp_path / name).write_text("assert 1\n", encoding="utf-8")
    evidence = run_check("SAST", tmp_path, parameters={"engine": engine})
    assert [(one.location.path, one.severity) for one in evidence.findings] == [("code.py", Severity.LOW)]


@pytest.mark.parametrize("engine", ["ruff", "bandit"])
def test_a_hard_coded_password_is_not_quoted(tmp_path: Path, engine: str) -> None:
    code = "password = 'correct-horse'\n\n\ndef f(token='battery-staple'):\n    f(token='red-stapler')\n"
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    evidence = run_check("SAST", tmp_path, parameters={"engine": engine})
    assert evidence.findings
    assert not any(secret in repr(evidence) for secret in ("correct-horse", "battery-staple", "red-stapler"))


def test_newer_grammar_than_ruffs_default_is_analysed(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("type Pair = tuple[int, int]\n", encoding="utf-8")
    assert run_check("SAST", tmp_path).undecided == ()


@pytest.mark.parametrize(
    ("code", "severity"),
    [("S602", Severity.HIGH), ("S603", Severity.LOW), ("S608", Severity.MEDIUM), ("B101", Severity.LOW)],
)
def test_severities_follow_bandit(code: str, severity: Severity) -> None:
    assert rule_severity(code) is severity
