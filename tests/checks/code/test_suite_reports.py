"""UNIT_TESTS reads what any producer of JUnit and coverage reports wrote, and believes no report blindly (C13, D07)."""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Evidence
from tests.support.check_runner import fact_values, run_check
from tests.support.projects import write_files


def judged(directory: Path, *, binding: dict[str, Any], **parameters: Any) -> Evidence:
    return run_check("UNIT_TESTS", directory, parameters=parameters, binding=binding)


def test_cobertura_counts_lines_and_branches(tmp_path: Path) -> None:
    cobertura = (
        '<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
        '<coverage><packages><package><classes><class filename="A.java"><lines>'
        '<line number="1" hits="3"/><line number="2" hits="0"/>'
        '<line number="3" hits="1" branch="true" condition-coverage="50% (1/2)"/>'
        "</lines></class></classes></package></packages></coverage>"
    )
    junit = '<testsuites><testsuite><testcase classname="A" name="b"/></testsuite></testsuites>'
    write_files(tmp_path, {"r/junit.xml": junit, "r/cobertura.xml": cobertura})

    evidence = judged(
        tmp_path, binding={"junit": "r/junit.xml", "coverage": "r/cobertura.xml"}, min_coverage=Decimal("0.5")
    )

    assert (fact_values(evidence)["coverage_covered"], fact_values(evidence)["coverage_total"]) == ("3", "5")


@pytest.mark.parametrize(
    "report",
    [
        b"<testsuite><testcase",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuite>&a;</testsuite>',
        b"<html/>",
        b"",
        b"\xff\xfe\x00junk",
    ],
)
def test_a_hostile_or_broken_report_is_an_error_that_names_the_file(tmp_path: Path, report: bytes) -> None:
    (tmp_path / "junit.xml").write_bytes(report)

    with pytest.raises(EvidenceError, match=r"junit\.xml"):
        judged(tmp_path, binding={"junit": "junit.xml"})


def test_a_command_that_writes_no_report_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<testsuite/>", encoding="utf-8")

    with pytest.raises(EvidenceError, match=r"did not write junit\.xml"):
        judged(tmp_path, binding={"argv": [sys.executable, "-c", "pass"], "junit": "junit.xml"})


def test_coverage_without_a_report_is_an_error_not_a_pass(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text('<testsuite><testcase name="a"/></testsuite>', encoding="utf-8")

    with pytest.raises(EvidenceError, match="no coverage report"):
        judged(tmp_path, binding={"junit": "junit.xml"}, min_coverage=Decimal("0.8"))


def test_a_command_that_fails_beside_a_green_report_is_an_error(tmp_path: Path) -> None:
    report = "<testsuite><testcase name='a'/></testsuite>"
    program = f"open('junit.xml', 'w').write({report!r}); raise SystemExit('cut short')"

    with pytest.raises(EvidenceError, match="names no failure: cut short"):
        judged(tmp_path, binding={"argv": [sys.executable, "-c", program], "junit": "junit.xml"})


def test_a_bound_report_outside_the_workspace_is_neither_read_nor_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim.xml"
    victim.write_text("<testsuite><testcase name='a'/></testsuite>", encoding="utf-8")
    (tmp_path / "project").mkdir()

    for name in ("../victim.xml", str(victim)):
        for binding in ({"junit": name}, {"argv": [sys.executable, "-c", "pass"], "junit": name}):
            with pytest.raises(EvidenceError):
                judged(tmp_path / "project", binding=binding)
    assert victim.exists()


@pytest.mark.parametrize(
    "report",
    [
        '<testsuite><testcase name="a"><skipped/><failure message="no"/></testcase></testsuite>',
        '<testsuite><testcase name="a"><system-out>x</system-out><error/></testcase></testsuite>',
    ],
)
def test_the_worst_that_a_case_says_counts(tmp_path: Path, report: str) -> None:
    (tmp_path / "junit.xml").write_text(report, encoding="utf-8")

    assert fact_values(judged(tmp_path, binding={"junit": "junit.xml"}))["tests_failed"] == "1"


@pytest.mark.parametrize(
    ("name", "report", "message"),
    [
        ("junit.xml", '<testsuite failures="1"><testcase name="a"/></testsuite>', "1 failures and errors but names 0"),
        ("coverage.json", '{"totals": {"covered_lines": 9, "num_statements": 3}, "files": {}}', "9 covered of 3"),
        ("coverage.json", '{"totals": {}, "files": {}}', "neither"),
        ("coverage.json", '<!DOCTYPE c [<!ENTITY a "b">]><coverage>&a;</coverage>', "document type"),
    ],
)
def test_a_report_that_contradicts_itself_is_an_error(tmp_path: Path, name: str, report: str, message: str) -> None:
    good = {
        "junit.xml": '<testsuite><testcase name="a"/></testsuite>',
        "coverage.json": '{"totals": {"covered_lines": 3, "num_statements": 3}, "files": {}}',
    }
    write_files(tmp_path, {**good, name: report})

    with pytest.raises(EvidenceError, match=message):
        judged(tmp_path, binding={"junit": "junit.xml", "coverage": "coverage.json"}, min_coverage=Decimal("0.1"))
