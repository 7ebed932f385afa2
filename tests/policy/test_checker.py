"""C11: a rule that makes no sense is refused before anything runs, with all its errors at once."""

import pytest

from quilate.domain.errors import ConfigurationErrors, SourcePosition
from quilate.domain.ids import CheckId
from quilate.evidence.model import FactType
from quilate.policy.language import PolicyError, check, names_read, parse
from quilate.policy.language.checker import spelt_name
from quilate.policy.model import FunctionSpec, NameSpec, Vocabulary

NO_FUNCTION = "and there is no such function"
VOCABULARY = Vocabulary(
    names={
        "coverage": NameSpec(type=FactType.NUMBER, unit="ratio", producers=(CheckId("unit_tests"),)),
        "unit_tests.coverage": NameSpec(type=FactType.NUMBER, unit="ratio"),
        "data-quality.rows": NameSpec(type=FactType.NUMBER, unit="count"),
        "latency_p95": NameSpec(type=FactType.NUMBER, unit="ms"),
        "latency_median": NameSpec(type=FactType.NUMBER, unit="ms"),
        "duration": NameSpec(type=FactType.NUMBER, unit="s"),
        "branch": NameSpec(type=FactType.TEXT),
        "dirty": NameSpec(type=FactType.BOOLEAN),
    },
    functions={
        "all_required_checks_pass": FunctionSpec(parameters=(), result=FactType.BOOLEAN),
        "no_vulnerabilities_with_severity_at_or_above": FunctionSpec(
            parameters=(FactType.TEXT,), result=FactType.BOOLEAN, severity_parameters=(0,)
        ),
        "findings": FunctionSpec(
            parameters=(FactType.TEXT, FactType.TEXT), result=FactType.NUMBER, severity_parameters=(1,)
        ),
    },
    ambiguous={"rows": ("schema.rows", "data-quality.rows")},
)


@pytest.mark.parametrize(
    "source",
    [
        "all_required_checks_pass and coverage >= 0.8",
        "all_required_checks_pass()",
        'no_vulnerabilities_with_severity_at_or_above("high")',
        'findings("sast", "low") <= 3 and latency_median < latency_p95',
        "`data-quality`.rows > 1000",
        'branch in ("main", "release") or branch == "hotfix" or not dirty',
        "dirty == false and -coverage < 0 and coverage <= 1",
        "coverage in (0.8, 1)",
        "true",
    ],
)
def test_sensible_rules_pass(source: str) -> None:
    check(parse(source), VOCABULARY)


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (
            "coverge >= 0.8",
            "no check produces `coverge`, and there is no such function, did you mean `coverage`?",
            "",
        ),
        (
            "unit_tests.covrage >= 0.8",
            f"no check produces `unit_tests.covrage`, {NO_FUNCTION}, did you mean `unit_tests.coverage`?",
            "",
        ),
        (
            "all_required_check_pass",
            f"no check produces `all_required_check_pass`, {NO_FUNCTION}, did you mean `all_required_checks_pass`?",
            "",
        ),
        ("high", "no check produces `high`, and there is no such function", 'a severity stands in quotes: "high"'),
        (
            "rows > 3",
            "several checks produce `rows`: `schema.rows`, `data-quality`.rows",
            "write one of the full names",
        ),
        (
            "coverage > 'high'",
            "`coverage` is a number (ratio), `'high'` is a text; they cannot be compared",
            "",
        ),
        ("branch > 'a'", "`>` compares numbers; `branch` is a text", ""),
        ("latency_p95 < duration", "`latency_p95` is in ms, `duration` in s; they cannot be compared", ""),
        (
            "coverage >= 80",
            "`coverage` is a ratio between 0 and 1, not a percentage; `80` is beyond it",
            "write 0.8 for 80 %",
        ),
        (
            "80 <= coverage",
            "`coverage` is a ratio between 0 and 1, not a percentage; `80` is beyond it",
            "write 0.8 for 80 %",
        ),
        (
            "coverage",
            "a rule must be true or false; `coverage` is a number (ratio)",
            "compare it, for example with `>=`",
        ),
        (
            "dirty and branch",
            "each side of `and` must be true or false; `branch` is a text",
            'compare it with `== "…"`',
        ),
        (
            "not coverage",
            "what stands behind `not` must be true or false; `coverage` is a number (ratio)",
            "compare it, for example with `>=`",
        ),
        ("-branch == 'x'", "only a number can have a minus sign; `branch` is a text", ""),
        (
            "no_vulnerabilities_with_severity_at_or_above(hgih)",
            '`hgih` is no severity, did you mean "high"?',
            'the severities are "info", "low", "medium", "high", "critical"',
        ),
        (
            "no_vulnerabilities_with_severity_at_or_above('severe')",
            "`'severe'` is no severity",
            'the severities are "info", "low", "medium", "high", "critical"',
        ),
        (
            "no_vulnerabilities_with_severity_at_or_above",
            "`no_vulnerabilities_with_severity_at_or_above` takes 1 argument",
            'write `no_vulnerabilities_with_severity_at_or_above("high")`',
        ),
        ("findings('sast') > 1", "`findings` takes 2 arguments, not 1", 'write `findings(text, "high")`'),
        ("findings(1, 'low') > 1", "`1` is a number; a text is wanted here", ""),
        (
            "all_required_checks_pass(1)",
            "`all_required_checks_pass` takes no arguments, not 1",
            "write `all_required_checks_pass`",
        ),
        ("coverage(1) > 0", "`coverage` is a fact and takes no arguments", ""),
        ("branch in ('a', 1)", "`branch` is a text, `1` is a number; they cannot be compared", ""),
        (
            "coverage in (0.8, 90)",
            "`coverage` is a ratio between 0 and 1, not a percentage; `90` is beyond it",
            "write 0.8 for 80 %",
        ),
    ],
)
def test_each_kind_of_nonsense_is_named_with_its_mending(source: str, message: str, hint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        check(parse(source), VOCABULARY)
    assert (caught.value.message, caught.value.next_step) == (message, hint)


def test_all_errors_come_at_once_in_the_order_of_the_text() -> None:
    base = SourcePosition(path="quilate.yaml", line=9, column=5)
    expression = parse('coverge >= 0.8 and\nbranch > 3 and nope("x") or rows > 1', position=base)
    with pytest.raises(ConfigurationErrors) as caught:
        check(expression, VOCABULARY)
    assert isinstance(caught.value, PolicyError)
    assert [str(error.position) for error in caught.value.errors] == [
        "quilate.yaml:9:5",
        "quilate.yaml:10:1",
        "quilate.yaml:10:16",
        "quilate.yaml:10:29",
    ]


def test_one_mistake_is_reported_once() -> None:
    with pytest.raises(PolicyError) as caught:
        check(parse("-coverge >= 3 and dirty"), VOCABULARY)
    assert not isinstance(caught.value, ConfigurationErrors)


def test_a_hostile_name_is_cut_in_the_message() -> None:
    with pytest.raises(PolicyError) as caught:
        check(parse("x" * 60_000), VOCABULARY)
    assert len(caught.value.message) < 200


def test_the_names_that_a_rule_reads() -> None:
    rule = 'all_required_checks_pass() and coverage > 0.5 and coverage < findings("sast", "low") and nope'
    read = names_read(parse(rule), VOCABULARY)
    assert read.facts == ("coverage", "nope")
    assert read.functions == ("all_required_checks_pass", "findings")


def test_names_are_spelt_as_a_rule_reads_them() -> None:
    for name in ("data-quality.rows", "a.b", "2fa.x", "and"):
        (spelling,) = names_read(parse(spelt_name(name)), VOCABULARY).facts
        assert spelling == name
