"""SARIF of a run: valid by the official schema, one merged run, states and waivers shown (C10, C12)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Finding, FindingKind, Location, Undecided
from quilate.evidence.report import ReportedCheck, ReportedFinding, WaiverNote
from quilate.evidence.sarif import sarif_document

SCHEMA = Path(__file__).resolve().parents[1] / "support" / "schemas" / "sarif-schema-2.1.0.json"


@cache
def validator() -> Draft4Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "rule": RuleId("ruff/S324"),
        "kind": FindingKind.VULNERABILITY,
        "severity": Severity.HIGH,
        "message": "MD5 is used",
        "location": Location(path="src/a b.py", line=44, column=5, end_line=44, end_column=9),
        "measured": "md5",
        "limit": "none",
        "fix": "Use SHA-256",
        "fingerprint": "f" * 32,
        "help_url": "https://docs.astral.sh/ruff/rules/S324",
    }
    return Finding(**(values | changes))


def check(*findings: ReportedFinding, **changes: Any) -> ReportedCheck:
    values: dict[str, Any] = {
        "check_id": "sast",
        "type": "SAST",
        "stage": "security",
        "result": CheckResult.FAIL,
        "completion": Completion.COMPLETED,
        "findings": findings,
        "duration_seconds": 1.25,
    }
    return ReportedCheck(**(values | changes))


def document_of(*checks: ReportedCheck, **changes: Any) -> dict[str, Any]:
    document = sarif_document(tool_version="0.1.0", checks=checks, **changes)
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator().iter_errors(document)]
    assert not errors
    run: dict[str, Any] = document["runs"][0]
    assert len(document["runs"]) == 1
    return run


def result_of(entry: ReportedFinding) -> dict[str, Any]:
    result: dict[str, Any] = document_of(check(entry))["results"][0]
    return result


def test_an_empty_run_is_valid() -> None:
    run = document_of()

    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is True


def test_a_result_names_rule_place_and_fix() -> None:
    run = document_of(check(ReportedFinding(finding=finding())))
    result = run["results"][0]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]

    assert rule["id"] == result["ruleId"] == "ruff/S324"
    assert rule["helpUri"] == "https://docs.astral.sh/ruff/rules/S324"
    assert rule["defaultConfiguration"]["level"] == "error"
    assert rule["properties"]["security-severity"] == "8.0"
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "src/a%20b.py", "uriBaseId": "%SRCROOT%"}
    assert "%SRCROOT%" in run["originalUriBaseIds"]
    assert physical["region"] == {"startLine": 44, "startColumn": 5, "endLine": 44, "endColumn": 9}
    assert result["partialFingerprints"] == {"quilateFingerprint/v1": "f" * 32}
    assert "Fix: Use SHA-256" in result["message"]["text"]
    assert result["properties"]["check"] == "sast"
    assert result["properties"]["measured"] == "md5"
    assert "baselineState" not in result
    assert "suppressions" not in result


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.CRITICAL, "error"),
        (Severity.HIGH, "error"),
        (Severity.MEDIUM, "warning"),
        (Severity.LOW, "note"),
        (Severity.INFO, "note"),
    ],
)
def test_severities_become_levels(severity: Severity, level: str) -> None:
    assert result_of(ReportedFinding(finding=finding(severity=severity)))["level"] == level


@pytest.mark.parametrize("state", ["new", "unchanged", "absent"])
def test_the_state_against_the_baseline_is_told(state: str) -> None:
    assert result_of(ReportedFinding(finding=finding(), state=state))["baselineState"] == state


@pytest.mark.parametrize(
    ("inline", "effective", "kind", "status"),
    [(True, True, "inSource", "accepted"), (False, False, "external", "underReview")],
)
def test_a_waiver_is_shown_as_a_suppression(*, inline: bool, effective: bool, kind: str, status: str) -> None:
    note = WaiverNote(justification="legacy (by r.lima until 2026-12-20)", inline=inline, effective=effective)

    (suppression,) = result_of(ReportedFinding(finding=finding(), waiver=note))["suppressions"]

    assert suppression == {"kind": kind, "status": status, "justification": "legacy (by r.lima until 2026-12-20)"}


def test_a_data_finding_names_record_field_and_value() -> None:
    place = Location(path="data/cards.csv", line=12, record=11, field="income")
    result = result_of(ReportedFinding(finding=finding(location=place, kind=FindingKind.DATA, measured="-3")))

    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "record 11/income"
    assert result["properties"]["record"] == 11
    assert result["properties"]["field"] == "income"
    assert result["properties"]["measured"] == "-3"


def test_a_line_of_a_notebook_cell_is_no_line_of_the_file() -> None:
    result = result_of(ReportedFinding(finding=finding(location=Location(path="a.ipynb", cell=3, line=2))))

    assert "region" not in result["locations"][0]["physicalLocation"]
    assert result["properties"]["cell"] == 3
    assert result["properties"]["line"] == 2


def test_an_address_is_a_place_without_its_password() -> None:
    place = Location(url="https://user:" + "hunter2" + "@api.example.test/v1 x")
    text = json.dumps(document_of(check(ReportedFinding(finding=finding(location=place)))))

    assert "hunter2" not in text
    assert "api.example.test/v1%20x" in text


def test_a_finding_without_a_place_has_no_location() -> None:
    assert "locations" not in result_of(ReportedFinding(finding=finding(location=Location())))


def test_what_could_not_run_makes_the_run_unsuccessful() -> None:
    run = document_of(
        check(
            result=CheckResult.ERROR,
            completion=Completion.ERROR,
            reason="ruff is missing",
            next_step="pip install ruff",
        )
    )
    (note,) = run["invocations"][0]["toolExecutionNotifications"]

    assert run["invocations"][0]["executionSuccessful"] is False
    assert note["level"] == "error"
    assert "ruff is missing" in note["message"]["text"]
    assert "pip install ruff" in note["message"]["text"]
    assert run["tool"]["driver"]["notifications"][note["descriptor"]["index"]]["id"] == note["descriptor"]["id"]


def test_what_is_undecided_is_notified() -> None:
    question = Undecided(subject="gap", reason="0.07 in [0.02, 0.13], limit 0.10", next_step="about 900 rows settle it")
    run = document_of(check(result=CheckResult.UNDECIDED, undecided=(question,)))
    (note,) = run["invocations"][0]["toolExecutionNotifications"]

    assert run["invocations"][0]["executionSuccessful"] is True
    assert note["level"] == "warning"
    assert "900 rows" in note["message"]["text"]


def test_an_undecided_check_without_questions_is_still_notified() -> None:
    run = document_of(check(result=CheckResult.UNDECIDED, reason="too few rows"))

    assert "too few rows" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_provenance_is_given_where_the_repository_is_known() -> None:
    known = document_of(
        revision="9f3c2d1", branch="main", repository_uri="https://u:" + "pass1" + "@git.example.test/r"
    )
    unknown = document_of(revision="9f3c2d1", branch="main", automation_id="ds-batch/7")

    (provenance,) = known["versionControlProvenance"]
    assert (provenance["revisionId"], provenance["branch"]) == ("9f3c2d1", "main")
    assert "pass1" not in json.dumps(known)
    assert unknown["properties"]["revisionId"] == "9f3c2d1"
    assert unknown["automationDetails"] == {"id": "ds-batch/7"}


def test_rules_are_merged_over_checks_and_sorted() -> None:
    one = check(ReportedFinding(finding=finding(rule="b/1", severity=Severity.LOW)))
    two = check(
        ReportedFinding(finding=finding(rule="a/1")),
        ReportedFinding(finding=finding(rule="b/1", severity=Severity.CRITICAL)),
        check_id="lint",
    )
    run = document_of(one, two)

    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["a/1", "b/1"]
    assert rules[1]["defaultConfiguration"]["level"] == "error"
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [r["ruleId"] for r in run["results"]]


texts = st.text(st.characters(), max_size=30)
numbers = st.none() | st.integers(-2, 2**40)
locations = st.builds(
    Location,
    path=texts,
    line=numbers,
    column=numbers,
    end_line=numbers,
    end_column=numbers,
    record=numbers,
    field=st.none() | texts,
    cell=numbers,
    url=texts,
)


@settings(max_examples=200, deadline=None)
@given(locations, texts, texts, texts)
def test_any_text_and_place_gives_a_valid_document(place: Location, message: str, rule: str, address: str) -> None:
    hostile = finding(location=place, message=message, rule=rule, help_url=address, fingerprint=rule, measured=message)
    run = document_of(check(ReportedFinding(finding=hostile), reason=message), automation_id=rule, branch=message)

    json.dumps(run, ensure_ascii=False).encode("utf-8")
