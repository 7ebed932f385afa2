"""JUnit XML of a run: structure, results, flaky attempts, any text (C12)."""

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.junit import MAX_FINDINGS, junit_xml
from quilate.evidence.model import Finding, FindingKind, Location, TestAttempt, Undecided
from quilate.evidence.report import ReportedCheck, ReportedFinding, WaiverNote

TIME = re.compile(r"[0-9]+\.[0-9]{3}")
SUITE_ATTRIBUTES = {"name", "tests", "failures", "errors", "skipped", "time"}
CASE_ELEMENTS = {"failure", "error", "skipped", "rerunFailure", "flakyFailure", "system-out"}


def finding(message: str = "unused import", severity: Severity = Severity.MEDIUM, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "rule": "ruff/F401",
        "kind": FindingKind.CODE,
        "severity": severity,
        "message": message,
        "location": Location(path="a.py", line=3),
        "measured": "os",
        "limit": "none",
        "fix": "Remove it",
    }
    return Finding(**(values | changes))


def check(check_id: str = "lint", result: CheckResult = CheckResult.PASS, **changes: Any) -> ReportedCheck:
    values: dict[str, Any] = {
        "check_id": check_id,
        "type": "CODE_LINT",
        "stage": "code",
        "result": result,
        "completion": Completion.COMPLETED,
        "duration_seconds": 1.5,
    }
    return ReportedCheck(**(values | changes))


def parsed(*checks: ReportedCheck) -> ET.Element:
    """Return the document, whose structure is that of the usual schema (required attributes, allowed children)."""
    text = junit_xml(checks)
    text.encode("utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own output
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.attrib) == SUITE_ATTRIBUTES
        assert TIME.fullmatch(suite.attrib["time"])
        cases = suite.findall("testcase")
        assert {child.tag for child in suite} <= {"properties", "testcase"}
        assert suite.attrib["tests"] == str(len(cases))
        for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert suite.attrib[attribute] == str(sum(case.find(tag) is not None for case in cases))
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert {child.tag for child in case} <= CASE_ELEMENTS
        for entry in suite.findall("properties/property"):
            assert set(entry.attrib) == {"name", "value"}
    return root


def the_case(*checks: ReportedCheck) -> ET.Element:
    case = parsed(*checks).find("testsuite/testcase")
    assert case is not None
    return case


def test_a_suite_per_stage_and_a_case_per_check() -> None:
    root = parsed(check(), check("tests"), check("sast", stage="security", result=CheckResult.FAIL))

    assert [suite.attrib["name"] for suite in root] == ["code", "security"]
    assert root.attrib["tests"] == "3"
    assert root.attrib["failures"] == "1"
    assert the_case(check()).attrib == {"name": "lint", "classname": "code.CODE_LINT", "time": "1.500"}


def test_an_empty_run_is_well_formed() -> None:
    assert list(parsed()) == []


@pytest.mark.parametrize(
    ("result", "element"),
    [
        (CheckResult.PASS, None),
        (CheckResult.WARN, None),
        (CheckResult.FAIL, "failure"),
        (CheckResult.UNDECIDED, "error"),
        (CheckResult.ERROR, "error"),
        (CheckResult.TIMED_OUT, "error"),
        (CheckResult.CANCELLED, "error"),
        (CheckResult.SKIPPED, "skipped"),
        (CheckResult.NOT_APPLICABLE, "skipped"),
    ],
)
def test_every_result_has_its_element_and_only_pass_and_warn_have_none(
    result: CheckResult, element: str | None
) -> None:
    assert [child.tag for child in the_case(check(result=result))] == ([element] if element else [])


def test_a_failure_lists_what_counts_worst_first() -> None:
    waived = ReportedFinding(finding=finding("waived one"), waiver=WaiverNote(justification="x"))
    known = ReportedFinding(finding=finding("known one"), state="unchanged")
    low = ReportedFinding(finding=finding("low one", Severity.LOW), state="new")
    high = ReportedFinding(finding=finding("high one", Severity.HIGH), state="new")
    case = the_case(check(result=CheckResult.FAIL, findings=(waived, known, low, high)))

    failure = case.find("failure")
    assert failure is not None
    text = failure.text or ""
    assert failure.attrib["message"] == "2 findings: ruff/F401"
    assert text.index("high one") < text.index("low one")
    assert "waived one" not in text
    assert "2 more waived, known or fixed" in text
    assert "a.py:3: ruff/F401 medium" not in text
    assert "fix: Remove it" in text


def test_a_waiver_that_does_not_count_hides_nothing() -> None:
    note = WaiverNote(justification="x", effective=False)
    entry = ReportedFinding(finding=finding("still here"), waiver=note)

    assert "still here" in "".join(the_case(check(result=CheckResult.FAIL, findings=(entry,))).itertext())


def test_many_findings_are_counted() -> None:
    entries = tuple(ReportedFinding(finding=finding(str(number))) for number in range(MAX_FINDINGS + 7))

    assert "and 7 more" in "".join(the_case(check(result=CheckResult.FAIL, findings=entries)).itertext())


def test_warnings_are_readable_on_a_passed_case() -> None:
    case = the_case(check(result=CheckResult.WARN, findings=(ReportedFinding(finding=finding()),)))

    assert "unused import" in (case.findtext("system-out") or "")


def test_an_open_question_says_what_settles_it() -> None:
    question = Undecided(
        subject="gap", reason="the limit lies inside the interval", next_step="about 900 rows settle it"
    )
    case = the_case(check(result=CheckResult.UNDECIDED, undecided=(question,)))

    error = case.find("error")
    assert error is not None
    assert error.attrib == {"type": "undecided", "message": "gap: the limit lies inside the interval"}
    assert "900 rows" in (error.text or "")


def test_a_flaky_test_is_never_silently_green() -> None:
    attempts = (
        TestAttempt(test="t.py::flaky", attempt=1, passed=False, message="first try"),
        TestAttempt(test="t.py::flaky", attempt=2, passed=True),
        TestAttempt(test="t.py::broken", attempt=1, passed=False, message="one"),
        TestAttempt(test="t.py::broken", attempt=2, passed=False, message="two"),
    )
    case = the_case(check(test_attempts=attempts))

    flaky = case.findall("flakyFailure")
    assert [element.attrib["message"] for element in flaky] == ["t.py::flaky, attempt 1"]
    assert flaky[0].text == "first try"
    assert len(case.findall("rerunFailure")) == 2


def test_secrets_and_colours_do_not_pass() -> None:
    token = "ghp" + "_" + "a1B2" * 9
    attempts = (
        TestAttempt(test="t", attempt=1, passed=False, message=f"\x1b[31massert {token}\x1b[0m"),
        TestAttempt(test="t", attempt=2, passed=True),
    )

    assert the_case(check(test_attempts=attempts)).findtext("flakyFailure") == "assert [masked]"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40), st.sampled_from(CheckResult))
def test_any_text_is_well_formed(text: str, result: CheckResult) -> None:
    hostile = finding(text, location=Location(path=text, line=1, field=text), rule=text, fix=text)
    parsed(
        check(
            text,
            result,
            reason=text,
            stage=text,
            type=text,
            next_step=text,
            findings=(ReportedFinding(finding=hostile),),
        )
    )


@pytest.mark.parametrize("code", [0, 8, 0x0B, 0x1F, 0x7F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF])
def test_characters_that_xml_forbids_are_removed(code: int) -> None:
    character = chr(code)
    parsed(check(f"a{character}b", CheckResult.ERROR, reason=f"c{character}d"))
