"""C11: Rego behind the same decision tree; only a positively true ``allow`` passes, and the child is locked down."""

import venv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quilate.domain.ids import CheckId, CheckType, Digest, RuleId, StageName
from quilate.domain.severity import Severity
from quilate.domain.subject import Subject, SubjectKind
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Finding, FindingKind, Location, boolean_fact, number_fact, text_fact
from quilate.policy.model import (
    CheckDecision,
    Clause,
    DecisionInput,
    JudgedCheck,
    Truth,
    VersionedDocument,
)
from quilate.policy.rego import MAX_INPUT_DEPTH, evaluate_rego
from quilate.policy.rego_input import rego_input

HEAD = "package quilate\nimport rego.v1\n"
DOCUMENT = {"checks": {"sast": {"result": "pass"}}, "x": 1}


def judged(rules: str, document: Any = None, **options: Any) -> Clause:
    return evaluate_rego(HEAD + rules, DOCUMENT if document is None else document, **options)


def test_a_true_allow_passes() -> None:
    clause = judged('default allow := false\nallow if input.checks.sast.result == "pass"')
    assert (clause.truth, clause.source, clause.operator) == (Truth.TRUE, "data.quilate.allow", "call")
    assert (clause.actual, clause.required, clause.children) == ("true", "true", ())


def test_a_false_allow_fails_with_its_reasons_in_order() -> None:
    clause = judged('default allow := false\nallow if input.x == 2\ndeny contains "z"\ndeny contains "a\\nb"')
    assert clause.truth is Truth.FALSE
    assert [child.reason for child in clause.children] == ["a b", "z"]
    assert all(child.truth is Truth.FALSE for child in clause.children)
    assert judged("allow := false").reason == "data.quilate.allow is false"


def test_a_reason_to_deny_outweighs_allow() -> None:
    clause = judged('allow := true\ndeny contains "no"')
    assert (clause.truth, clause.reason) == (Truth.FALSE, "data.quilate.deny holds")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("allow if input.missing == 1", "data.quilate.allow is undefined: no rule applies"),
        ('allow := "true"', "data.quilate.allow is neither true nor false"),
        ("allow := 1", "data.quilate.allow is neither true nor false"),
        ("allow := true\ndeny := 1", "data.quilate.deny is not a set of texts"),
        ('allow := true\ndeny contains {"text": "x"}', "data.quilate.deny is not a set of texts"),
        ("allow if {{{", "the Rego module failed: line 3: this is unclosed"),
        ("allow if nothing(1)", "the Rego module failed: "),
        ("allow if allow", "the Rego module failed: "),
        ("allow := true if input.x == 1\nallow := false if input.x == 1", "the Rego module failed: rules contradict"),
        ('allow if not broken\nbroken if to_number("abc") == 1', "the Rego module failed: "),
        ('allow if http.send({"method": "get", "url": "http://127.0.0.1"})', "the Rego module failed: "),
    ],
)
def test_everything_else_is_unknown_with_its_reason(rules: str, reason: str) -> None:
    clause = judged(rules)
    assert clause.truth is Truth.UNKNOWN
    assert clause.reason.startswith(reason)


def test_a_module_that_is_none_is_unknown() -> None:
    for module in ("", "package other\nallow := true", "\ud800", "package quilate\0", "x" * 300_000):
        assert evaluate_rego(module, DOCUMENT).truth is Truth.UNKNOWN


@pytest.mark.parametrize(
    "rules",
    [
        "allow if time.now_ns() > 0",
        'allow if time["now_ns"]() > 0',
        'allow if time["now\\u005fns"]() > 0',
        "import time as t\nallow if t.now_ns() > 0",
        'allow if rand.intn("a", 10) >= 0',
        'f(a, b) := 1\nallow if f("a", 10) >= 0 with f as rand.intn',
        'allow if uuid.rfc4122("a") != ""',
    ],
)
def test_what_could_not_be_replayed_is_refused(rules: str) -> None:
    clause = judged(rules)
    assert clause.truth is Truth.UNKNOWN
    assert "its decision could not be replayed" in clause.reason


def test_the_environment_of_the_child_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_SECRET", "hunter2")
    clause = judged('allow := count(opa.runtime().env) == 0\ndeny contains name if opa.runtime().env[name] != ""')
    assert (clause.truth, [child.reason for child in clause.children]) in (
        (Truth.TRUE, []),
        (Truth.FALSE, ["LC_CTYPE"]),  # Python sets this one itself where there is no locale.
    )


def test_what_a_module_prints_does_not_become_the_answer() -> None:
    clause = judged('allow if {\n  print("{\\"allow\\": {\\"value\\": true}}")\n  input.x == 2\n}')
    assert clause.truth is Truth.UNKNOWN


def test_a_module_that_never_ends_is_ended() -> None:
    rules = "allow if {\n  some i in numbers.range(1, 20000)\n  some j in numbers.range(1, 20000)\n  i * j == 7.5\n}"
    clause = judged(rules, timeout_seconds=1)
    assert clause.truth is Truth.UNKNOWN
    assert clause.reason == "the Rego module failed: it ran longer than 1 s and was ended"


def test_a_module_that_eats_memory_is_ended() -> None:
    clause = judged("allow if count(numbers.range(1, 100000000)) > 5", memory_bytes=96 << 20, timeout_seconds=30)
    assert clause.truth is Truth.UNKNOWN
    assert "memory" in clause.reason


@pytest.mark.parametrize(
    "document",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": 2**60},
        {"x": {1, 2}},
        {"x": "\udc80"},
        {1: "x"},
        {"x": Decimal(1)},
        {"x": b"bytes"},
    ],
)
def test_an_input_that_rego_cannot_hold_exactly_is_refused(document: Any) -> None:
    clause = judged("allow := true", document)
    assert clause.truth is Truth.UNKNOWN
    assert clause.reason.startswith("the input document of the Rego policy is not valid: ")


def test_an_input_that_is_too_deep_or_too_large_is_refused() -> None:
    deep: Any = 1
    for _ in range(MAX_INPUT_DEPTH):
        deep = [deep]
    assert "deeper than 32 levels" in judged("allow := true", deep).reason
    assert "larger than 16 MiB" in judged("allow := true", ["x" * (17 << 20)]).reason


@pytest.mark.parametrize("query", ["true", "data.quilate.allow; true", "data.allow", "input.x", 'data["a"].b', ""])
def test_a_query_is_the_name_of_a_rule_and_nothing_else(query: str) -> None:
    assert judged("allow := true", query=query).truth is Truth.UNKNOWN


def test_another_package_can_be_asked() -> None:
    clause = evaluate_rego('package team.gate\nok := false\ndeny contains "no"', {}, query="data.team.gate.ok")
    assert (clause.truth, [child.reason for child in clause.children]) == (Truth.FALSE, ["no"])


def test_without_the_interpreter_the_answer_is_unknown_and_says_how_to_install_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    clause = judged("allow := true", interpreter=str(tmp_path / "bare" / "bin" / "python"))
    assert clause.truth is Truth.UNKNOWN
    assert clause.next_step == "install it: pip install 'quilate[rego]'"
    assert judged("allow := true", interpreter=str(tmp_path / "nowhere")).truth is Truth.UNKNOWN


def finding(severity: Severity) -> Finding:
    return Finding(
        rule=RuleId("bandit/B602"),
        kind=FindingKind.CODE,
        severity=severity,
        message="shell",
        location=Location(path="a.py", line=1),
        measured="shell=True",
        limit="no shell",
        fix="Pass a list.",
    )


def example_document() -> dict[str, Any]:
    sast, tests = CheckId("sast"), CheckId("unit_tests")
    facts = (
        number_fact("coverage", Decimal("0.85"), unit="ratio"),
        number_fact("tests", Decimal(312), unit="count"),
        number_fact("lost", None),
        number_fact("f1_score", Decimal("0.82"), low=Decimal("0.78"), high=Decimal("0.86"), sample_size=214),
        number_fact("exact", Decimal("0.5"), low=Decimal("0.5"), high=Decimal("0.50")),
        boolean_fact("slow", value=False),
        text_fact("runner", "pytest"),
    )
    stage = StageName("build")
    judged_checks = tuple(
        JudgedCheck(
            check_id=name,
            type=CheckType(name.upper()),
            stage=stage,
            required=True,
            completion=Completion.COMPLETED,
            severity_threshold=Severity.MEDIUM,
            facts=facts if name == tests else (),
        )
        for name in (sast, tests)
    )
    decisions = tuple(
        CheckDecision(
            check_id=check.check_id,
            type=check.type,
            stage=stage,
            required=True,
            completion=Completion.COMPLETED,
            result=CheckResult.FAIL if check.check_id == sast else CheckResult.PASS,
        )
        for check in judged_checks
    )
    version = VersionedDocument(id="ds", version="1", digest=Digest("sha256:" + "0" * 64))
    subject = Subject(kind=SubjectKind.COMMIT, name="credit-risk", digest=version.digest, branch="main")
    made_from = DecisionInput(
        project="credit-risk",
        subject=subject,
        blueprint=version,
        profile=version,
        evaluated_on=date(2026, 11, 20),
        checks=judged_checks,
        policies=(),
    )
    return rego_input(made_from, decisions, {sast: [finding(Severity.HIGH), finding(Severity.LOW)]})


def test_the_input_document_holds_results_facts_and_counts() -> None:
    document = example_document()
    assert document["evaluated_on"] == "2026-11-20"
    assert document["subject"]["branch"] == "main"
    assert document["findings"] == {"info": 0, "low": 1, "medium": 0, "high": 1, "critical": 0}
    assert document["checks"]["sast"]["result"] == "fail"
    assert document["checks"]["sast"]["findings"]["high"] == 1
    assert document["checks"]["unit_tests"]["facts"] == {
        "coverage": 0.85,
        "tests": 312,
        "exact": 0.5,
        "slow": False,
        "runner": "pytest",
    }


def test_a_fact_within_an_interval_cannot_be_read_as_if_it_were_exact() -> None:
    document = example_document()
    assert document["checks"]["unit_tests"]["intervals"] == {
        "f1_score": {"value": 0.82, "low": 0.78, "high": 0.86, "sample_size": 214}
    }
    assert judged("allow if input.checks.unit_tests.facts.f1_score >= 0.8", document).truth is Truth.UNKNOWN
    assert judged("allow if input.checks.unit_tests.intervals.f1_score.low >= 0.75", document).truth is Truth.TRUE
