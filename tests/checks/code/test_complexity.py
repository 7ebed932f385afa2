"""COMPLEXITY over complexipy and ruff (C13)."""

import json
from pathlib import Path
from typing import Any

import pytest

from quilate.checks.code.complexity import Complexity
from quilate.domain.errors import ConfigurationError
from quilate.domain.severity import Severity
from tests.support.check_runner import run_check

NESTED = """\
class Box:
    def method(self, x):  # noqa: C901, complexipy
        if x:
            for item in x:
                if item:
                    return 1
        return 0


def plain():
    return 1
"""


def test_the_canary_is_found(tmp_path: Path) -> None:
    canary = Complexity().canary(tmp_path)
    evidence = run_check("COMPLEXITY", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert set(canary.expected_rules) <= {finding.rule for finding in evidence.findings}


@pytest.mark.parametrize(
    ("metric", "rule", "name", "measured"),
    [("cognitive", "complexipy/cognitive", "Box.method", "6"), ("cyclomatic", "ruff/C901", "method", "4")],
)
def test_a_function_beyond_the_limit_is_measured_despite_comments(
    tmp_path: Path, metric: str, rule: str, name: str, measured: str
) -> None:
    (tmp_path / "code.py").write_text(NESTED, encoding="utf-8")
    evidence = run_check("COMPLEXITY", tmp_path, parameters={"metric": metric, "max_complexity": 3})
    (finding,) = evidence.findings
    assert (finding.rule, finding.measured, finding.limit) == (rule, measured, "at most 3")
    assert f"`{name}`" in finding.message
    assert (finding.location.path, finding.location.line) == ("code.py", 2)
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["max_complexity"], facts["functions_analysed"]) == (measured, "2")


def test_the_limit_itself_is_allowed_and_twice_of_it_is_high(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(NESTED, encoding="utf-8")
    assert run_check("COMPLEXITY", tmp_path, parameters={"max_complexity": 6}).findings == ()
    severities = [
        run_check("COMPLEXITY", tmp_path, parameters={"max_complexity": limit}).findings[0].severity for limit in (5, 3)
    ]
    assert severities == [Severity.MEDIUM, Severity.HIGH]


@pytest.mark.parametrize("metric", ["cognitive", "cyclomatic"])
def test_unreadable_files_are_counted(tmp_path: Path, metric: str) -> None:
    (tmp_path / "bad.py").write_text("def f(:\n", encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (tmp_path / "good.py").write_text("def f():\n    pass\n", encoding="utf-8")
    evidence = run_check("COMPLEXITY", tmp_path, parameters={"metric": metric})
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_unparsed"], facts["functions_analysed"]) == ("1", "2", "1")
    assert [one.subject for one in evidence.undecided] == ["bad.py", "latin.py"]


@pytest.mark.parametrize("metric", ["cognitive", "cyclomatic"])
def test_notebook_functions_are_measured(tmp_path: Path, metric: str) -> None:
    source = "def f(x):\n    if x:\n        if x > 1:\n            return 1\n"
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "%time\n"},
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source},
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "book.ipynb").write_text(json.dumps(document), encoding="utf-8")
    (finding,) = run_check("COMPLEXITY", tmp_path, parameters={"metric": metric, "max_complexity": 1}).findings
    assert (finding.location.cell, finding.location.line, finding.measured) == (2, 1, "3")


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="metric"):
        run_check("COMPLEXITY", tmp_path, parameters={"metric": "halstead"})
