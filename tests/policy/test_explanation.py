"""C11, C12: the explanation names each failing clause, its check, since when it fails, and what to do."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from msgspec.structs import replace

from quilate.domain.severity import Severity
from quilate.domain.verdict import Completion, Verdict
from quilate.evidence.model import FindingKind, number_fact
from quilate.policy.decision import decide
from quilate.policy.explanation import Explanation, HistoryEntry, explain, render_explanation
from quilate.policy.model import Baseline, Binding, DecisionInput, JudgedCheck
from tests.support.decision_inputs import (
    DOCUMENT_RULE,
    decision_input,
    finding,
    judged_check,
    open_question,
    policy,
    waiver,
)

SAST = judged_check(
    "sast",
    produces=("vulnerabilities",),
    findings=(
        finding("QL-SEC-104", path="svc/feed.py", line=44, fix="verify the certificate"),
        finding("QL-SEC-031", path="model/io.py", line=88, fix="load with safetensors"),
        finding("QL-SEC-031", path="model/io.py", line=90, fix="load with safetensors"),
        finding("ruff/S324", path="src/sum.py"),
        finding("ruff/S101", Severity.LOW, kind=FindingKind.CODE),
    ),
)
TESTS = judged_check("unit_tests", produces=("coverage",), facts=(number_fact("coverage", 0.71, unit="ratio"),))
CRYPTO = judged_check("crypto", produces=("crypto_anti_patterns",))
MISSING: dict[str, Any] = {
    "completion": Completion.ERROR,
    "reason": "bandit is not installed",
    "next_step": "uv tool install bandit",
}


def explained(*checks: JudgedCheck, **fields: Any) -> Explanation:
    run, history = fields.pop("run", 0), fields.pop("history", ())
    given: DecisionInput = decision_input(*checks, **fields)
    return explain(decide(given), given, run=run, history=history)


def entry(run: int, *failing: tuple[str, str]) -> HistoryEntry:
    return HistoryEntry(run=run, verdict="FAIL" if failing else "PASS", failing=frozenset(failing))


def test_a_rejected_run_as_the_user_reads_it() -> None:
    explanation = explained(
        SAST,
        TESTS,
        CRYPTO,
        judged_check("deps", required=False, findings=(finding("pip/1", Severity.LOW),)),
        judged_check("load", required=False, completion=Completion.TIMED_OUT, reason="after 600 s"),
        policies=(policy(DOCUMENT_RULE),),
        waivers=(waiver(),),
        run=1842,
        history=[entry(1839), entry(1840, ("sast", "QL-SEC-104")), entry(1841, ("sast", "QL-SEC-104"))],
    )
    assert render_explanation(explanation) == [
        "Run 1842 FAILED by policy approval (ds-ia-crypto v1, line 52).",
        "  1. all_required_checks_pass: sast fails: 3 findings at or above medium",
        "     sast: 3 findings at or above medium (fails since run 1840; run 1839 was the last without)",
        "       QL-SEC-031 high  model/io.py:88, model/io.py:90: QL-SEC-031 is broken (measured md5, limit sha256)",
        "       QL-SEC-104 high  svc/feed.py:44: QL-SEC-104 is broken (measured md5, limit sha256)",
        "  2. coverage >= 0.8: is 0.71, required >= 0.8",
        "     unit_tests",
        '  3. no_vulnerabilities_with_severity_at_or_above("high"): vulnerabilities at or above high: 3 by sast',
        "     sast: see 1",
        "Not a cause:",
        "  deps: 1 finding below medium, a warning only",
        "  load: timed_out, after 600 s; no policy needs it",
        "  ruff/S324: 1 finding waived by ana until 2026-12-31 (W-1: a checksum, no signature)",
        "Shortest way to accept:",
        "  1. QL-SEC-031, model/io.py:88, model/io.py:90: load with safetensors",
        "  2. QL-SEC-104, svc/feed.py:44: verify the certificate",
        "  3. unit_tests: coverage >= 0.8 has to hold, and it is 0.71",
    ]


def test_an_undecided_run_says_what_settles_it() -> None:
    explanation = explained(
        replace(SAST, findings=(), **MISSING),
        replace(TESTS, undecided=(open_question("coverage", "run all the tests"),)),
        run=12,
    )
    assert render_explanation(explanation) == [
        "Run 12 is UNKNOWN by policy required_checks (ds-ia-crypto v1): 2 required answers are missing.",
        "Open:",
        "  ? all_required_checks_pass: sast could not answer: bandit is not installed",
        "     uv tool install bandit",
        "  ? all_required_checks_pass: unit_tests is undecided on coverage: it cannot be parsed",
        "     run all the tests",
        "Shortest way to accept:",
        "  1. uv tool install bandit",
        "  2. run all the tests",
    ]


def test_a_limit_inside_the_interval_says_how_to_narrow_it() -> None:
    fact = number_fact("coverage", 0.81, unit="ratio", low=0.7, high=0.9, sample_size=214)
    (question,) = explained(replace(TESTS, facts=(fact,)), policies=(policy("coverage >= 0.8"),)).open_questions
    assert question.required == ">= 0.8"
    assert "the limit lies inside the interval" in question.reason
    assert question.next_step == "measure `coverage` of unit_tests on a larger sample than n 214"


def test_a_passed_run_has_no_causes_and_no_steps() -> None:
    explanation = explained(TESTS, waivers=(waiver("W-9", rule="ruff/S9"),), run=3)
    assert explanation.verdict is Verdict.PASS
    assert render_explanation(explanation) == ["Run 3 PASSED by policy required_checks (ds-ia-crypto v1)."]


def test_a_required_check_without_an_answer_is_named_beside_one_that_fails() -> None:
    explanation = explained(SAST, replace(TESTS, **MISSING))
    assert [cause.checks[0].check for cause in explanation.causes] == ["sast"]
    assert [question.clause for question in explanation.open_questions] == ["unit_tests is required"]
    assert explanation.next_steps[-1] == "uv tool install bandit"


def test_without_any_completed_check_it_says_so() -> None:
    explanation = explained(replace(TESTS, completion=Completion.NOT_APPLICABLE))
    assert explanation.headline == (
        "This run is UNKNOWN (ds-ia-crypto v1): no check completed, and without evidence nothing passes."
    )


@pytest.mark.parametrize(
    ("history", "since", "good"),
    [
        ([], None, None),
        ([entry(8), entry(9)], 10, 9),
        ([entry(7, ("sast", "QL-SEC-031")), entry(8), entry(9, ("sast", "QL-SEC-104"))], 9, 8),
        ([entry(9, ("sast", "QL-SEC-104")), entry(8, ("sast", "QL-SEC-104"))], 8, None),
        ([entry(9, ("sast", "ruff/another")), entry(8)], 10, 9),
        ([entry(9, ("dast", "QL-SEC-104"))], 10, 9),
        ([entry(11, ("sast", "QL-SEC-104"))], None, None),
    ],
)
def test_since_when_it_fails(history: list[HistoryEntry], since: int | None, good: int | None) -> None:
    (cause,) = explained(SAST, run=10, history=history).causes
    assert (cause.checks[0].since_run, cause.checks[0].last_good_run) == (since, good)


def test_a_negated_clause_is_a_cause_as_it_is_written() -> None:
    rule = "not (coverage < 0.8) and all_required_checks_pass"
    (cause,) = explained(TESTS, policies=(policy(rule),)).causes
    assert cause.clause == "not (coverage < 0.8)"


def test_of_alternatives_that_all_fail_each_is_a_cause() -> None:
    rule = "all_required_checks_pass and (coverage >= 0.8 or coverage < 0.1)"
    assert [one.clause for one in explained(TESTS, policies=(policy(rule),)).causes] == [
        "coverage >= 0.8",
        "coverage < 0.1",
    ]


def test_an_open_alternative_of_a_clause_that_holds_is_no_question() -> None:
    rule = "coverage >= 0.8 and (all_required_checks_pass or no_secrets_detected)"
    explanation = explained(TESTS, policies=(policy(rule),))
    assert explanation.open_questions == ()


def test_a_function_over_severities_names_only_what_it_asks_about() -> None:
    rule = "no_findings_with_severity_at_or_above('low')"
    (cause,) = explained(replace(SAST, severity_threshold=Severity.CRITICAL), policies=(policy(rule),)).causes
    assert "ruff/S101 low" in " ".join(cause.checks[0].findings)
    rule = "no_findings_with_severity_at_or_above('medium')"
    (cause,) = explained(replace(SAST, severity_threshold=Severity.CRITICAL), policies=(policy(rule),)).causes
    assert "ruff/S101 low" not in " ".join(cause.checks[0].findings)


def test_known_findings_are_debt_and_no_cause() -> None:
    before = Baseline(reference="run 7", fingerprints=frozenset(one.fingerprint for one in SAST.findings))
    rule = policy("all_required_checks_pass", binds_on=Binding.NEW)
    explanation = explained(SAST, policies=(rule,), baseline=before)
    assert explanation.verdict is Verdict.PASS
    assert explanation.not_causes == ("sast: 5 findings of the baseline run 7",)


def test_many_findings_are_counted_and_not_all_listed() -> None:
    many = tuple(finding(f"ruff/S{number % 20}", line=number) for number in range(1, 201))
    (cause,) = explained(replace(SAST, findings=many)).causes
    lines = cause.checks[0].findings
    assert len(lines) == 6
    assert "and 7 more" in lines[0]
    assert lines[-1] == "and 15 rules more"


def test_an_explanation_cannot_be_changed() -> None:
    explanation = explained(SAST)
    with pytest.raises(FrozenInstanceError):
        explanation.headline = "PASSED"  # type: ignore[misc]  # that it is refused is what is tested
