"""CODE_FORMAT over real ruff (C13)."""

from pathlib import Path

from quilate.checks.code.code_format import CodeFormat
from quilate.domain.severity import Severity
from tests.support.check_runner import run_check


def test_the_canary_is_found(tmp_path: Path) -> None:
    canary = CodeFormat().canary(tmp_path)
    evidence = run_check("CODE_FORMAT", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert set(canary.expected_rules) <= {finding.rule for finding in evidence.findings}


def test_one_finding_per_unformatted_file(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "loose.py").write_text("x = 1\ny=2\n\n\n\n\nz=3\n", encoding="utf-8")
    evidence = run_check("CODE_FORMAT", tmp_path)
    (finding,) = evidence.findings
    assert (finding.rule, finding.severity, finding.fixable) == ("ruff/format", Severity.LOW, True)
    assert (finding.location.path, finding.location.line) == ("loose.py", 2)
    assert finding.fix == "Run `ruff format loose.py`"
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_unformatted"]) == ("2", "1")


def test_a_file_that_cannot_be_read_is_open_not_formatted(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = (\n", encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    (tmp_path / "good.py").write_text("x = 1\n", encoding="utf-8")
    evidence = run_check("CODE_FORMAT", tmp_path)
    assert evidence.findings == ()
    assert [one.subject for one in evidence.undecided] == ["bad.py", "latin.py"]
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_unparsed"]) == ("1", "2")


def test_the_projects_own_style_holds_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("[format]\nquote-style = 'single'\n", encoding="utf-8")
    (tmp_path / "single.py").write_text("x = 'a'\n", encoding="utf-8")
    (tmp_path / "double.py").write_text('x = "a"\n', encoding="utf-8")
    assert [one.location.path for one in run_check("CODE_FORMAT", tmp_path).findings] == ["double.py"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["double.py", "ruff.toml", "single.py"]
    assert (tmp_path / "double.py").read_text(encoding="utf-8") == 'x = "a"\n'
