"""C11: filling in what is unknown never flips a definite verdict, and whatever is decided can be replayed."""

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from quilate.domain.ids import CheckType
from quilate.domain.severity import Severity
from quilate.domain.verdict import Completion, Verdict
from quilate.evidence.model import Fact, FindingKind, number_fact
from quilate.policy.decision import decide, decision_bytes, input_bytes, replay
from quilate.policy.judgement import judge_all, result_of
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

UNANSWERED = (Completion.ERROR, Completion.TIMED_OUT, Completion.CANCELLED, Completion.SKIPPED)
IDS = {
    "sast": ("SAST", ("vulnerabilities",)),
    "dast": ("DAST", ("vulnerabilities",)),
    "crypto": ("CRYPTO_ANALYSIS", ("crypto_anti_patterns",)),
    "unit_tests": ("UNIT_TESTS", ("coverage",)),
}
CLAUSES = (
    "all_required_checks_pass",
    "coverage >= 0.8",
    "unit_tests.coverage < 0.5",
    'no_vulnerabilities_with_severity_at_or_above("high")',
    "no_crypto_anti_patterns_detected",
    "no_findings_with_severity_at_or_above('medium')",
    "check_passes('sast')",
    "count_findings('dast', 'low') <= 1",
    "count_findings('ruff/', 'high') > 1",
    "no_flaky_tests",
)

findings = st.lists(
    st.builds(
        finding,
        st.sampled_from(["ruff/S1", "ruff/S2", "QL-CRY-001"]),
        st.sampled_from(Severity),
        kind=st.sampled_from([FindingKind.VULNERABILITY, FindingKind.CRYPTOGRAPHY, FindingKind.CODE]),
        line=st.integers(1, 9),
    ),
    max_size=3,
).map(tuple)
rules = st.recursive(
    st.sampled_from(CLAUSES),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
    ),
    max_leaves=6,
)


def coverage_of(value: float | None) -> tuple[Fact, ...]:
    return (number_fact("coverage", value, unit="ratio"),)


@st.composite
def whole_checks(draw: st.DrawFn, check_id: str) -> JudgedCheck:
    check_type, produces = IDS[check_id]
    return judged_check(
        check_id,
        type=CheckType(check_type),
        produces=produces,
        required=draw(st.booleans()),
        findings=draw(findings),
        facts=coverage_of(draw(st.sampled_from([0.3, 0.79, 0.8, 0.95]))) if check_id == "unit_tests" else (),
        flaky_tests=draw(st.sampled_from([(), ("test_a",)])) if check_id == "unit_tests" else (),
    )


@st.composite
def inputs(draw: st.DrawFn) -> tuple[DecisionInput, DecisionInput]:
    """Return an input with holes, and the same with the holes filled in."""
    whole = [draw(whole_checks(check_id)) for check_id in IDS]
    holed = []
    for check in whole:
        hole = draw(st.sampled_from(["none", "missing", "undecided", "fact"]))
        if hole == "missing":
            holed.append(
                replace(check, completion=draw(st.sampled_from(UNANSWERED)), facts=(), findings=(), flaky_tests=())
            )
        elif hole == "undecided":
            shown = draw(st.integers(0, len(check.findings)))
            holed.append(replace(check, undecided=(open_question(),), findings=check.findings[:shown]))
        elif hole == "fact" and check.facts:
            holed.append(replace(check, facts=coverage_of(None), undecided=(open_question("coverage"),)))
        else:
            holed.append(check)
    fields: dict[str, Any] = {
        "policies": (policy(draw(rules), binds_on=draw(st.sampled_from(Binding))),),
        "waivers": draw(st.sampled_from([(), (waiver(rule="ruff/S1"),)])),
        "baseline": draw(
            st.sampled_from([None, Baseline(reference="run 7", fingerprints=frozenset({"ruff/S2@src/app.py:3"}))])
        ),
    }
    return decision_input(*holed, **fields), decision_input(*whole, **fields)


@settings(max_examples=400, deadline=None)
@given(inputs())
def test_filling_in_evidence_never_flips_a_definite_verdict(pair: tuple[DecisionInput, DecisionInput]) -> None:
    before, after = (decide(one) for one in pair)
    if before.verdict is not Verdict.UNKNOWN:
        assert after.verdict is before.verdict
    for policy_before, policy_after in zip(before.policies, after.policies, strict=True):
        if policy_before.verdict is not Verdict.UNKNOWN:
            assert policy_after.verdict is policy_before.verdict


@settings(max_examples=100, deadline=None)
@given(inputs(), st.sampled_from(Binding))
def test_the_result_of_a_check_is_that_of_its_judgement(
    pair: tuple[DecisionInput, DecisionInput], binds_on: Binding
) -> None:
    for one in pair:
        judgements, _ = judge_all(one.checks, one.waivers, one.baseline, one.evaluated_on, binds_on)
        results = [result_of(check, one.waivers, one.baseline, one.evaluated_on, binds_on) for check in one.checks]
        assert results == [judgement.decision.result for judgement in judgements]


@settings(max_examples=100, deadline=None)
@given(inputs())
def test_every_decision_replays_to_the_same_bytes(pair: tuple[DecisionInput, DecisionInput]) -> None:
    for one in pair:
        assert replay(input_bytes(one)) == decision_bytes(decide(one))


@settings(max_examples=200, deadline=None)
@given(inputs(), st.sampled_from(list(IDS)))
def test_taking_the_evidence_of_a_required_check_away_never_gives_a_pass(
    pair: tuple[DecisionInput, DecisionInput], gone: str
) -> None:
    whole = pair[1]
    checks = tuple(
        replace(one, completion=Completion.ERROR, required=True, facts=(), findings=()) if one.check_id == gone else one
        for one in whole.checks
    )
    taken = decide(dataclasses.replace(whole, checks=checks, policies=(policy(DOCUMENT_RULE),)))
    assert taken.verdict is not Verdict.PASS


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_whatever_the_rule_a_decision_is_made(rule: str) -> None:
    decided = decide(decision_input(judged_check(), policies=(policy(rule),)))
    assert decided.verdict in set(Verdict)
