"""C11, C12: what a check's evidence amounts to under threshold, waivers, baseline, ``enforce_from`` and date."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.policy.judgement import judge, judge_all
from quilate.policy.model import Baseline, Binding, JudgedCheck, WaiverUse
from quilate.policy.waiver_matching import path_matches
from tests.support.decision_inputs import TODAY, finding, judged_check, open_question, waiver

LOW, HIGH = finding("ruff/S101", Severity.LOW), finding("ruff/S324", Severity.HIGH)


def use_of(check: JudgedCheck, **fields: Any) -> WaiverUse:
    _, (use,) = judge_all((check,), (waiver(**fields),), None, TODAY)
    return use


@pytest.mark.parametrize("completion", [one for one in Completion if one is not Completion.COMPLETED])
def test_a_check_that_did_not_complete_is_what_happened_to_it(completion: Completion) -> None:
    check = judged_check(completion=completion, reason="no bandit", next_step="uv tool install bandit")
    decision = judge(check, (), None, TODAY).decision
    assert (decision.result.value, decision.reason, decision.next_step) == (
        completion.value,
        "no bandit",
        "uv tool install bandit",
    )


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({}, CheckResult.PASS),
        ({"findings": (LOW,)}, CheckResult.WARN),
        ({"findings": (LOW, HIGH)}, CheckResult.FAIL),
        ({"findings": (replace(HIGH, severity=Severity.MEDIUM),)}, CheckResult.FAIL),
        ({"undecided": (open_question(),)}, CheckResult.UNDECIDED),
        ({"undecided": (open_question(),), "findings": (LOW,)}, CheckResult.UNDECIDED),
        ({"undecided": (open_question(),), "findings": (HIGH,)}, CheckResult.FAIL),
        ({"flaky_tests": ("test_a",)}, CheckResult.WARN),
        ({"flaky_tests": ("test_a",), "findings": (HIGH,)}, CheckResult.FAIL),
    ],
)
def test_result_of_a_completed_check(fields: dict[str, Any], result: CheckResult) -> None:
    assert judge(judged_check(**fields), (), None, TODAY).decision.result is result


@pytest.mark.parametrize(
    ("fields", "days", "result"),
    [
        ({"findings": (HIGH,)}, 1, CheckResult.WARN),
        ({"findings": (HIGH,)}, 0, CheckResult.FAIL),
        ({"findings": (HIGH,)}, -1, CheckResult.FAIL),
        ({"undecided": (open_question(),)}, 1, CheckResult.WARN),
        ({"undecided": (open_question(),)}, 0, CheckResult.UNDECIDED),
        ({"completion": Completion.ERROR}, 1, CheckResult.ERROR),
        ({"completion": Completion.TIMED_OUT}, 1, CheckResult.TIMED_OUT),
        ({}, 1, CheckResult.PASS),
    ],
)
def test_before_enforce_from_findings_and_open_questions_only_warn(
    fields: dict[str, Any], days: int, result: CheckResult
) -> None:
    check = judged_check(enforce_from=TODAY + timedelta(days=days), **fields)
    decision = judge(check, (), None, TODAY).decision
    assert decision.result is result
    if result is CheckResult.WARN:
        assert "only a warning until it is enforced from 2026-07-02" in decision.reason
    assert decision.blocking == (1 if "findings" in fields else 0)


@pytest.mark.parametrize(
    ("fields", "why_not"),
    [
        ({}, ""),
        ({"until": TODAY}, ""),
        ({"rule": "ruff/S*"}, ""),
        ({"paths": ("src/**",)}, ""),
        ({"paths": ("*.py",)}, ""),
        ({"approver": "rui"}, ""),
        ({"line": 3, "paths": ("src/app.py",)}, ""),
        ({"until": TODAY - timedelta(days=1)}, "expired on 2026-06-30"),
        ({"approver": "Ana "}, "not approved: its owner ana cannot approve it"),
        ({"owner": " "}, "it has no owner"),
        ({"reason": ""}, "it has no reason"),
        ({"binding": False, "not_binding_reason": "request: not on main"}, "not approved: request: not on main"),
        ({"paths": ("tests/**",)}, "unused: no finding of ruff/S324 is at its place"),
        ({"line": 4, "paths": ("src/app.py",)}, "unused: no finding of ruff/S324 is at its place"),
        ({"line": 3, "paths": ("src/*.py",)}, "unused: no finding of ruff/S324 is at its place"),
        ({"line": 3, "cell": 1, "paths": ("src/app.py",)}, "unused: no finding of ruff/S324 is at its place"),
        (
            {"rule": "ruff/S342"},
            "unused: no finding of this run has the rule ruff/S342, did you mean 'ruff/S324'?",
        ),
    ],
)
def test_a_waiver_counts_or_the_finding_is_back_and_the_decision_says_why(fields: dict[str, Any], why_not: str) -> None:
    check = judged_check(findings=(HIGH,))
    use = use_of(check, **fields)
    decision = judge(check, (waiver(**fields),), None, TODAY).decision
    assert use.not_effective_reason == why_not
    assert use.effective == (not why_not)
    assert decision.result is (CheckResult.FAIL if why_not else CheckResult.PASS)
    assert decision.waived == (0 if why_not else 1)


def test_an_expired_waiver_names_the_finding_that_is_back() -> None:
    use = use_of(judged_check(findings=(HIGH, LOW)), until=date(2026, 1, 1))
    assert use.fingerprints == (HIGH.fingerprint,)


def test_a_renewed_waiver_takes_effect_beside_the_expired_one() -> None:
    waivers = (waiver("W-1", until=date(2026, 1, 1)), waiver("W-2"))
    (judgement,), uses = judge_all((judged_check(findings=(HIGH,)),), waivers, None, TODAY)
    assert judgement.decision.result is CheckResult.PASS
    assert [(use.waiver_id, use.effective, use.fingerprints) for use in uses] == [
        ("W-1", False, ()),
        ("W-2", True, (HIGH.fingerprint,)),
    ]


def test_a_waiver_never_answers_an_open_question_or_a_missing_check() -> None:
    undecided = judged_check(findings=(HIGH,), undecided=(open_question(),))
    missing = judged_check(completion=Completion.ERROR)
    assert judge(undecided, (waiver(),), None, TODAY).decision.result is CheckResult.UNDECIDED
    assert judge(missing, (waiver(),), None, TODAY).decision.result is CheckResult.ERROR


@pytest.mark.parametrize(
    ("baseline", "binds_on", "result", "known"),
    [
        (frozenset({HIGH.fingerprint}), Binding.NEW, CheckResult.PASS, 1),
        (frozenset({HIGH.fingerprint}), Binding.ALL, CheckResult.FAIL, 0),
        (frozenset({"another"}), Binding.NEW, CheckResult.FAIL, 0),
        (None, Binding.NEW, CheckResult.FAIL, 0),
    ],
)
def test_known_findings_are_debt_where_only_new_ones_count(
    baseline: frozenset[str] | None, binds_on: Binding, result: CheckResult, known: int
) -> None:
    before = None if baseline is None else Baseline(reference="run 7", fingerprints=baseline)
    decision = judge(judged_check(findings=(HIGH,)), (), before, TODAY, binds_on).decision
    assert (decision.result, decision.known) == (result, known)


def test_a_finding_without_a_fingerprint_is_always_new() -> None:
    before = Baseline(reference="run 7", fingerprints=frozenset({""}))
    check = judged_check(findings=(replace(HIGH, fingerprint=""),))
    assert judge(check, (), before, TODAY, Binding.NEW).decision.result is CheckResult.FAIL


def test_every_finding_is_in_one_group() -> None:
    old, accepted = finding("ruff/S105"), finding("ruff/S106")
    before = Baseline(reference="run 7", fingerprints=frozenset({old.fingerprint, accepted.fingerprint}))
    check = judged_check(findings=(HIGH, LOW, old, accepted))
    judgement = judge(check, (waiver(rule="ruff/S106"),), before, TODAY, Binding.NEW)
    assert (judgement.blocking, judgement.below_threshold) == ((HIGH,), (LOW,))
    assert (judgement.known, judgement.waived) == ((old,), (accepted,))


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/b/a.py", False),
        ("src/**/*.py", "src/b/c/a.py", True),
        ("src/**/a.py", "src/a.py", True),
        ("src", "src/b/a.py", True),
        ("./src/", "src/b/a.py", True),
        ("/src", "other/src/a.py", False),
        ("a.py", "src/b/a.py", True),
        ("?.py", "src/ab.py", False),
        ("src/[ab].py", "src/a.py", False),
        ("src/[ab].py", "src/[ab].py", True),
        ("", "src/a.py", False),
        ("*", "anything/at/all", True),
    ],
)
def test_paths_of_a_waiver(pattern: str, path: str, matches: bool) -> None:  # noqa: FBT001 - an expected value
    assert path_matches(pattern, path) is matches


def test_no_pattern_is_slow() -> None:
    assert not path_matches("a*" * 200 + "b", "a" * 3000)
    assert not path_matches("**/a/" * 100 + "b", "a/" * 1000 + "c")


def test_a_request_gives_the_same_result_as_no_waiver() -> None:
    check = judged_check(findings=(HIGH, LOW))
    asked = judge(check, (waiver(binding=False),), None, TODAY)
    assert asked.decision == judge(check, (), None, TODAY).decision


def test_a_waiver_with_paths_does_not_cover_a_finding_without_a_place() -> None:
    check = judged_check(findings=(replace(HIGH, location=replace(HIGH.location, path="", line=None)),))
    assert judge(check, (waiver(paths=("**",)),), None, TODAY).decision.result is CheckResult.FAIL
    assert judge(check, (waiver(),), None, TODAY).decision.result is CheckResult.PASS
