"""What rules and conditions may read: the vocabulary of a plan, and what is known so far (C11)."""

import pytest

from quilate.domain.ids import CheckId, CheckType
from quilate.evidence.model import FactSpec, FactType, number_fact
from quilate.policy.environment import CONTEXT_NAMES, build_vocabulary, environment_for_when, when_vocabulary
from quilate.policy.language import check, evaluate, parse
from quilate.policy.model import Truth
from tests.support.decision_inputs import judged_check

COVERAGE = number_fact("coverage", 0.83, unit="ratio")
TESTS = judged_check("unit_tests", type=CheckType("UNIT_TESTS"), produces=("coverage",), facts=(COVERAGE,))


def test_vocabulary_of_a_plan() -> None:
    number, produced = FactType.NUMBER, ("vulnerabilities", "coverage", "requests")
    facts = tuple(FactSpec(name=name, type=number) for name in produced)
    vocabulary = build_vocabulary(
        {CheckId("sast"): facts[:1], CheckId("dast"): (facts[0], facts[2]), CheckId("tests"): facts[1:2]},
        {
            CheckId("sast"): CheckType("SAST"),
            CheckId("dast"): CheckType("DAST"),
            CheckId("tests"): CheckType("UNIT_TESTS"),
        },
    )
    assert sorted(vocabulary.names) == [
        "coverage",
        "dast.requests",
        "dast.vulnerabilities",
        "requests",
        "sast.vulnerabilities",
        "tests.coverage",
    ]
    assert vocabulary.ambiguous == {"vulnerabilities": ("sast.vulnerabilities", "dast.vulnerabilities")}
    producers = {name: spec.producers for name, spec in vocabulary.functions.items()}
    assert producers["no_vulnerabilities_with_severity_at_or_above"] == ("sast", "dast")
    assert producers["no_crypto_anti_patterns_detected"] == ()
    assert producers["no_flaky_tests"] == ("tests",)
    assert producers["all_required_checks_pass"] == ("sast", "dast", "tests")


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ('branch == "main"', Truth.TRUE),
        ("not dirty", Truth.TRUE),
        ("coverage >= 0.8", Truth.TRUE),
        ("requests > 1", Truth.UNKNOWN),
        ('no_vulnerabilities_with_severity_at_or_above("high")', Truth.UNKNOWN),
        ("all_required_checks_pass", Truth.TRUE),
        ("check_passes('unit_tests')", Truth.TRUE),
        ("check_passes('load')", Truth.UNKNOWN),
    ],
)
def test_a_condition_reads_what_is_known_so_far(condition: str, truth: Truth) -> None:
    vocabulary = build_vocabulary(
        {
            CheckId("unit_tests"): (FactSpec(name="coverage", type=FactType.NUMBER),),
            CheckId("load"): (FactSpec(name="requests", type=FactType.NUMBER),),
            CheckId("sast"): (FactSpec(name="vulnerabilities", type=FactType.NUMBER),),
        },
        {check_id: CheckType("ANY") for check_id in (CheckId("unit_tests"), CheckId("load"), CheckId("sast"))},
    )
    names: dict[str, str | bool] = {
        "branch": "main",
        "event": "push",
        "project_type": "ds",
        "subject_kind": "commit",
        "dirty": False,
    }
    assert set(names) == set(CONTEXT_NAMES)
    expression = parse(condition)
    check(expression, when_vocabulary(vocabulary))
    clause = evaluate(expression, environment_for_when([TESTS], vocabulary, names))
    assert clause.truth is truth
    if "requests" in condition:
        assert clause.reason == "load has not ended yet"
