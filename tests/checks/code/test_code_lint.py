"""CODE_LINT over real ruff (C13)."""

import json
from pathlib import Path

import pytest

from quilate.checks.code.code_lint import CodeLint
from quilate.checks.code.ruff_output import lint_severity
from quilate.domain.errors import EvidenceError
from quilate.domain.severity import Severity
from tests.support.check_runner import run_check


def test_the_canary_is_found(tmp_path: Path) -> None:
    canary = CodeLint().canary(tmp_path)
    evidence = run_check("CODE_LINT", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert set(canary.expected_rules) <= {finding.rule for finding in evidence.findings}


def test_a_finding_carries_place_fix_and_address(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("[lint]\nselect = ['F']\n", encoding="utf-8")
    (tmp_path / "code.py").write_text("import os\n", encoding="utf-8")
    (finding,) = run_check("CODE_LINT", tmp_path).findings
    assert (finding.rule, finding.severity, finding.fixable) == ("ruff/F401", Severity.MEDIUM, True)
    assert (finding.location.path, finding.location.line, finding.location.column) == ("code.py", 1, 8)
    assert finding.fix == "Remove unused import: `os`"
    assert finding.help_url == "https://docs.astral.sh/ruff/rules/unused-import"


def test_the_projects_own_configuration_holds_unless_the_blueprint_selects(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("[lint]\nselect = ['E7']\n", encoding="utf-8")
    (tmp_path / "code.py").write_text("import os\nl = 1\n", encoding="utf-8")
    assert [one.rule for one in run_check("CODE_LINT", tmp_path).findings] == ["ruff/E741"]
    chosen = run_check("CODE_LINT", tmp_path, parameters={"select": ["F", "E7"], "ignore": ["E741"]})
    assert [one.rule for one in chosen.findings] == ["ruff/F401"]


def test_unreadable_files_are_counted_and_a_syntax_error_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "bad.py").write_text("x = (\n", encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (tmp_path / "huge.py").write_text("x = 1\n" * 1_500_000, encoding="utf-8")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    evidence = run_check("CODE_LINT", tmp_path)
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_unparsed"]) == ("2", "3")
    assert [(one.rule, one.severity) for one in evidence.findings] == [("ruff/invalid-syntax", Severity.HIGH)]
    assert [one.subject for one in evidence.undecided] == ["dangling.py", "huge.py", "latin.py"]


def test_notebook_places_name_the_code_cell(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title"]},
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ["x = 1\n"]},
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ["x\n", "print(y)\n"]},
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "book.ipynb").write_text(json.dumps(document), encoding="utf-8")
    (finding,) = run_check("CODE_LINT", tmp_path, parameters={"select": ["F821"]}).findings
    assert (finding.location.cell, finding.location.line, finding.location.column) == (2, 2, 7)


def test_files_that_ruff_excludes_are_told(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("extend-exclude = ['generated']\n", encoding="utf-8")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "code.py").write_text("import os\n", encoding="utf-8")
    (tmp_path / "kept.py").write_text("x = 1\n", encoding="utf-8")
    evidence = run_check("CODE_LINT", tmp_path)
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_excluded"]) == ("1", "1")
    assert "generated/code.py" in evidence.notes[0]


def test_odd_file_names_are_only_names(tmp_path: Path) -> None:
    names = ["-rf.py", "@args.py", "a b.py", "ü.py"]
    for name in names:
        (tmp_path / name).write_text("print(missing)\n", encoding="utf-8")
    findings = run_check("CODE_LINT", tmp_path).findings
    assert sorted(one.location.path for one in findings) == sorted(names)


def test_a_broken_ruff_configuration_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("[lint]\nselect = ['NOPE999']\n", encoding="utf-8")
    (tmp_path / "code.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(EvidenceError, match="ruff refused to run"):
        run_check("CODE_LINT", tmp_path)


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    assert len(run_check("CODE_LINT", tmp_path).undecided) == 1


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("E902", Severity.HIGH),
        ("F821", Severity.HIGH),
        ("PLE0604", Severity.HIGH),
        ("F401", Severity.MEDIUM),
        ("FBT001", Severity.LOW),
        ("B006", Severity.MEDIUM),
        ("SIM102", Severity.LOW),
    ],
)
def test_severities_follow_the_table(code: str, severity: Severity) -> None:
    assert lint_severity(code) is severity
