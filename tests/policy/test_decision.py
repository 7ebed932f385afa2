"""C11, C19: the verdict is Kleene's conjunction of the policies, and a decision replays to the same bytes anywhere."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import CheckId, CheckType, StageName
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion, Verdict
from quilate.evidence.model import FindingKind, boolean_fact, number_fact
from quilate.kit.canonical import canonical_json, sha256_of
from quilate.policy.decision import decide, decision_bytes, input_bytes, input_from_bytes, replay
from quilate.policy.decision_schema import SCHEMA_FILE, decision_schema
from quilate.policy.model import (
    Baseline,
    Binding,
    Clause,
    DecisionInput,
    JudgedCheck,
    PolicyEngine,
    Truth,
)
from tests.support.decision_inputs import (
    DOCUMENT_RULE,
    TODAY,
    decision_input,
    finding,
    judged_check,
    open_question,
    policy,
    waiver,
)

COVERAGE = number_fact("coverage", 0.83, unit="ratio")
SAST = judged_check("sast", produces=("vulnerabilities",))
TESTS = judged_check("unit_tests", type=CheckType("UNIT_TESTS"), produces=("coverage",), facts=(COVERAGE,))
CRYPTO = judged_check("crypto", type=CheckType("CRYPTO_ANALYSIS"), produces=("crypto_anti_patterns",))
DAST = judged_check("dast", type=CheckType("DAST"), produces=("vulnerabilities",), required=False)


def verdict(rule: str, *checks: JudgedCheck, **fields: Any) -> Verdict:
    return decide(decision_input(*checks, policies=(policy(rule),), **fields)).verdict


def rich_input() -> DecisionInput:
    found = tuple(finding(line=line) for line in range(40))
    return decision_input(
        SAST,
        replace(TESTS, flaky_tests=("test_b", "test_a")),
        replace(CRYPTO, undecided=(open_question(),)),
        replace(DAST, findings=found),
        policies=(policy(DOCUMENT_RULE), policy("check_passes('unit_tests')", name="stage", line=9)),
        waivers=(waiver(paths=("src/**",)), waiver("W-2", rule="ruff/S999"), waiver("W-3", until=TODAY)),
        baseline=Baseline(reference="run 7", fingerprints=frozenset(one.fingerprint for one in found[:30])),
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Verdict.PASS),
        ({"unit_tests": {"facts": (number_fact("coverage", 0.79, unit="ratio"),)}}, Verdict.FAIL),
        ({"unit_tests": {"facts": (number_fact("coverage", 0.83, unit="ratio", low=0.7, high=0.9),)}}, Verdict.UNKNOWN),
        ({"unit_tests": {"facts": ()}}, Verdict.UNKNOWN),
        ({"unit_tests": {"facts": (number_fact("coverage", None, unit="ratio"),)}}, Verdict.UNKNOWN),
        ({"unit_tests": {"completion": Completion.TIMED_OUT}}, Verdict.UNKNOWN),
        ({"unit_tests": {"completion": Completion.NOT_APPLICABLE}}, Verdict.UNKNOWN),
        ({"sast": {"completion": Completion.ERROR}}, Verdict.UNKNOWN),
        ({"sast": {"undecided": (open_question(),)}}, Verdict.UNKNOWN),
        ({"sast": {"findings": (finding(severity=Severity.LOW),)}}, Verdict.PASS),
        ({"sast": {"findings": (finding(severity=Severity.MEDIUM),)}}, Verdict.FAIL),
        ({"dast": {"findings": (finding(severity=Severity.MEDIUM),)}}, Verdict.PASS),
        ({"dast": {"findings": (finding(severity=Severity.HIGH),)}}, Verdict.FAIL),
        ({"dast": {"findings": (finding(kind=FindingKind.CODE),)}}, Verdict.PASS),
        ({"dast": {"completion": Completion.SKIPPED}}, Verdict.UNKNOWN),
        ({"dast": {"completion": Completion.NOT_APPLICABLE}}, Verdict.PASS),
        ({"dast": {"completion": Completion.ERROR}, "sast": {"findings": (finding(),)}}, Verdict.FAIL),
        ({"crypto": {"findings": (finding(kind=FindingKind.CRYPTOGRAPHY, severity=Severity.LOW),)}}, Verdict.FAIL),
        ({"crypto": {"findings": (finding(kind=FindingKind.CRYPTOGRAPHY, severity=Severity.INFO),)}}, Verdict.PASS),
    ],
)
def test_the_rule_of_the_source_document(changed: dict[str, dict[str, Any]], expected: Verdict) -> None:
    checks = [replace(one, **changed.get(one.check_id, {})) for one in (SAST, TESTS, CRYPTO, DAST)]
    assert verdict(DOCUMENT_RULE, *checks) is expected


@pytest.mark.parametrize("completion", [one for one in Completion if one is not Completion.COMPLETED])
def test_without_a_policy_the_required_checks_decide(completion: Completion) -> None:
    optional = replace(SAST, required=False, findings=(finding(),))
    assert decide(decision_input(TESTS, optional)).verdict is Verdict.PASS
    assert decide(decision_input(TESTS, replace(SAST, findings=(finding(),)))).verdict is Verdict.FAIL
    expected = Verdict.PASS if completion is Completion.NOT_APPLICABLE else Verdict.UNKNOWN
    decision = decide(decision_input(TESTS, replace(SAST, completion=completion)))
    assert (decision.verdict, [one.name for one in decision.policies]) == (expected, ["required_checks"])


def test_required_means_required_although_no_policy_says_so() -> None:
    broken = replace(SAST, completion=Completion.ERROR, reason="bandit is not installed")
    decision = decide(decision_input(TESTS, broken, policies=(policy("coverage >= 0.8"),)))
    assert decision.verdict is Verdict.UNKNOWN
    assert [(one.name, one.verdict) for one in decision.policies] == [
        ("required_checks", Verdict.UNKNOWN),
        ("approval", Verdict.PASS),
    ]
    assert "bandit is not installed" in decision.policies[0].tree.reason


def test_a_policy_of_a_stage_asks_for_the_required_checks_of_that_stage_only() -> None:
    failing = replace(SAST, stage=StageName("scan"), findings=(finding(),))
    stage = policy("all_required_checks_pass", stage=StageName("build"))
    decision = decide(decision_input(TESTS, failing, policies=(stage,)))
    assert [one.verdict for one in decision.policies] == [Verdict.FAIL, Verdict.PASS]
    assert decision.verdict is Verdict.FAIL


@pytest.mark.parametrize("rule", ["coverage >=", "coverrage >= 0.8", "", "(" * 500, "coverage", "check_passes('no')"])
def test_a_policy_that_cannot_be_answered_is_unknown(rule: str) -> None:
    assert verdict(rule, TESTS) is Verdict.UNKNOWN


def test_without_any_completed_check_nothing_passes() -> None:
    left_out = replace(TESTS, completion=Completion.NOT_APPLICABLE)
    assert verdict("true") is Verdict.UNKNOWN
    assert verdict("true", left_out) is Verdict.UNKNOWN
    assert verdict("all_required_checks_pass") is Verdict.UNKNOWN
    assert verdict("all_required_checks_pass", left_out) is Verdict.UNKNOWN
    assert verdict("true", TESTS) is Verdict.PASS


def test_a_pass_rests_on_a_check_that_a_policy_asks_about() -> None:
    optional = replace(SAST, required=False, findings=(finding(),))
    left_out = replace(TESTS, completion=Completion.NOT_APPLICABLE)
    assert verdict("all_required_checks_pass", optional) is Verdict.UNKNOWN
    assert verdict("all_required_checks_pass", optional, left_out) is Verdict.UNKNOWN
    assert verdict("true", optional) is Verdict.UNKNOWN
    assert verdict("all_required_checks_pass", optional, TESTS) is Verdict.PASS
    assert verdict('count_findings("sast", "low") == 1', optional) is Verdict.PASS


def test_a_waiver_and_a_baseline_take_findings_out_of_the_functions_too() -> None:
    rule = 'no_vulnerabilities_with_severity_at_or_above("high")'
    guilty = replace(SAST, findings=(finding(),))
    before = Baseline(reference="run 7", fingerprints=frozenset({finding().fingerprint}))
    assert verdict(rule, guilty) is Verdict.FAIL
    assert verdict(rule, guilty, waivers=(waiver(),)) is Verdict.PASS
    assert verdict(rule, guilty, baseline=before) is Verdict.FAIL
    bound = policy(rule, binds_on=Binding.NEW)
    assert decide(decision_input(guilty, baseline=before, policies=(bound,))).verdict is Verdict.PASS
    assert decide(decision_input(guilty, policies=(bound,))).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("count_findings('sast', 'low') <= 1", Verdict.FAIL),
        ("count_findings('sast', 'high') == 1", Verdict.PASS),
        ("count_findings('ruff/S*', 'low') == 2", Verdict.PASS),
        ("count_findings('ruff/S1', 'low') == 1", Verdict.PASS),
        ("count_findings('bandit/', 'info') == 0", Verdict.PASS),
        ("no_findings_with_severity_at_or_above('critical')", Verdict.PASS),
        ("no_findings_with_severity_at_or_above('high')", Verdict.FAIL),
        ("check_passes('unit_tests')", Verdict.PASS),
        ("check_passes('sast')", Verdict.FAIL),
        ("no_flaky_tests", Verdict.PASS),
        ("no_secrets_detected", Verdict.UNKNOWN),
        ("unit_tests.coverage > 0.8", Verdict.PASS),
    ],
)
def test_functions(rule: str, expected: Verdict) -> None:
    sast = replace(SAST, required=False, findings=(finding(), finding("ruff/S101", Severity.LOW)))
    assert verdict(rule, sast, TESTS) is expected


def test_what_was_counted_is_a_lower_bound_while_evidence_is_missing() -> None:
    sast = replace(SAST, required=False, findings=(finding(),), undecided=(open_question(),))
    assert verdict("count_findings('sast', 'high') < 1", sast, TESTS) is Verdict.FAIL
    assert verdict("count_findings('sast', 'high') < 2", sast, TESTS) is Verdict.UNKNOWN


def test_a_flaky_test_breaks_the_policy_that_asks() -> None:
    assert verdict("no_flaky_tests", replace(TESTS, flaky_tests=("test_a",))) is Verdict.FAIL
    assert verdict("no_flaky_tests", replace(TESTS, completion=Completion.ERROR)) is Verdict.UNKNOWN


def test_a_name_that_two_checks_produce_is_unknown_alone() -> None:
    other = replace(TESTS, check_id=CheckId("more_tests"))
    decision = decide(decision_input(TESTS, other, policies=(policy("coverage > 0.1"),)))
    tree = decision.policies[-1].tree
    assert tree.reason == "several checks produce `coverage`: more_tests.coverage, unit_tests.coverage"
    assert verdict("more_tests.coverage > 0.1", TESTS, other) is Verdict.PASS


def test_the_reason_says_why_evidence_is_missing_and_what_to_do() -> None:
    missing = replace(TESTS, completion=Completion.ERROR, reason="pytest is not installed", next_step="install pytest")
    tree = decide(decision_input(missing, policies=(policy("coverage >= 0.8"),))).policies[-1].tree
    assert (tree.reason, tree.next_step) == ("unit_tests could not answer: pytest is not installed", "install pytest")
    assert tree.origin == ("unit_tests",)


def rego_clause(truth: Truth) -> Clause:
    return Clause(source="data.quilate.allow", operator="call", truth=truth)


def test_a_rego_policy_gets_the_counted_findings_and_its_answer_is_one_of_the_policies() -> None:
    seen: list[Any] = []

    def engine(module: str, document: Any) -> Clause:
        seen.append((module, document["checks"]["sast"]["findings"]["high"]))
        return rego_clause(Truth.FALSE)

    rule = policy("package quilate", engine=PolicyEngine.REGO)
    decision = decide(
        decision_input(replace(SAST, findings=(finding(),), required=False), policies=(rule,)), rego=engine
    )
    assert seen == [("package quilate", 1)]
    assert decision.verdict is Verdict.FAIL


def test_a_rego_engine_that_fails_is_unknown() -> None:
    def engine(module: str, document: Any) -> Clause:
        raise RuntimeError(module)

    rule = policy("package quilate", engine=PolicyEngine.REGO)
    assert decide(decision_input(TESTS, policies=(rule,)), rego=engine).verdict is Verdict.UNKNOWN


def test_rego_is_evaluated_for_real_by_default() -> None:
    module = (
        "package quilate\nimport rego.v1\ndefault allow := false\nallow if input.checks.unit_tests.facts.coverage > 0.8"
    )
    rule = policy(module, engine=PolicyEngine.REGO)
    assert decide(decision_input(TESTS, policies=(rule,))).verdict is Verdict.PASS
    assert decide(decision_input(replace(TESTS, facts=()), policies=(rule,))).verdict is Verdict.FAIL


def test_a_stored_decision_replays_to_the_same_bytes() -> None:
    given = rich_input()
    stored = input_bytes(given)
    decision = decide(given)
    assert replay(stored) == decision_bytes(decision)
    assert input_bytes(input_from_bytes(stored)) == stored
    assert decision.input_digest == sha256_of(stored)


def test_the_bytes_of_an_input_are_canonical_json() -> None:
    odd = "".join(map(chr, range(256))) + '\u2028\u20ac\U0001f600\ufffe/\\"'
    given = dataclasses.replace(rich_input(), project=odd)
    stored = input_bytes(given)
    assert canonical_json(json.loads(stored)) == stored
    assert input_from_bytes(stored).project == odd


def test_the_order_in_which_things_are_given_does_not_matter() -> None:
    given = rich_input()
    shuffled = dataclasses.replace(
        given, checks=given.checks[::-1], waivers=given.waivers[::-1], policies=given.policies[::-1]
    )
    assert decision_bytes(decide(shuffled)) == decision_bytes(decide(given))
    assert input_bytes(shuffled) == input_bytes(given)


def test_two_processes_with_other_hash_seeds_give_the_same_bytes() -> None:
    stored = input_bytes(rich_input())
    program = (
        "import sys; from quilate.policy.decision import input_bytes, input_from_bytes, replay\n"
        "data = sys.stdin.buffer.read(); sys.stdout.buffer.write(replay(data) + input_bytes(input_from_bytes(data)))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=stored,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    }
    assert answers == {replay(stored) + stored}


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"format":"quilate-decision-input/v9","input":{}}']
)
def test_what_is_no_stored_input_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match="stored decision input"):
        input_from_bytes(data)


def test_an_input_of_another_format_is_refused() -> None:
    data = input_bytes(rich_input()).replace(b"quilate-decision-input/v1", b"quilate-decision-input/v9")
    with pytest.raises(ConfigurationError, match="not of the format quilate-decision-input/v1"):
        input_from_bytes(data)


def test_the_decision_fits_its_schema_and_the_committed_copy_is_current() -> None:
    schema = decision_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(decision_bytes(decide(rich_input())))
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "verdict": "MAYBE"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "more": 1}, schema)
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == schema


def test_the_decision_holds_results_waivers_and_baseline() -> None:
    decision = decide(rich_input())
    assert [(one.check_id, one.result) for one in decision.checks] == [
        ("crypto", CheckResult.UNDECIDED),
        ("dast", CheckResult.PASS),
        ("sast", CheckResult.PASS),
        ("unit_tests", CheckResult.WARN),
    ]
    assert [(one.waiver_id, one.effective, len(one.fingerprints)) for one in decision.waivers] == [
        ("W-1", True, 40),
        ("W-2", False, 0),
        ("W-3", False, 0),
    ]
    assert (decision.baseline, decision.format) == ("run 7", "quilate-decision/v1")


def test_a_missing_boolean_fact_is_unknown_for_want_of_evidence_not_of_type() -> None:
    whole = judged_check("tls", produces=("valid",), facts=(boolean_fact("valid", value=True),), required=False)
    assert verdict("valid", whole, TESTS) is Verdict.PASS
    tree = decide(
        decision_input(
            replace(whole, completion=Completion.ERROR, reason="no answer"), TESTS, policies=(policy("valid"),)
        )
    )
    assert tree.policies[-1].tree.reason == "tls could not answer: no answer"


def test_a_thousand_shuffled_findings_give_the_same_verdict() -> None:
    found = [finding(line=line, severity=list(Severity)[line % 5]) for line in range(1000)]
    before = decide(decision_input(replace(SAST, findings=tuple(found)))).checks
    random.Random(7).shuffle(found)  # noqa: S311 - an order, not a secret
    assert decide(decision_input(replace(SAST, findings=tuple(found)))).checks == before
