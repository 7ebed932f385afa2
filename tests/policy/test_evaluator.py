"""C11: three-valued evaluation; every clause is in the tree, with what it is, what it should be, and why."""

import itertools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from quilate.domain.ids import CheckId
from quilate.evidence.model import FactType
from quilate.policy.language import evaluate, parse
from quilate.policy.model import Clause, Truth, Value

DOCUMENT_RULE = (
    "all_required_checks_pass and coverage >= 0.8 and "
    'no_vulnerabilities_with_severity_at_or_above("high") and no_crypto_anti_patterns_detected'
)
MISSING = Value(type=FactType.NUMBER, value=None, reason="unit_tests ended in error", next_step="install pytest")


@dataclass(frozen=True)
class Facts:
    """An environment over plain values; a call is looked up by its spelling."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def fact(self, name: str) -> Value:
        return self.values.get(name, Value(type=FactType.BOOLEAN, value=None))

    def call(self, function: str, arguments: tuple[Value, ...]) -> Value:
        return self.fact(f"{function}({', '.join(str(argument.value) for argument in arguments)})")


def number(value: str | None, unit: str = "", *, low: str | None = None, high: str | None = None) -> Value:
    return Value(type=FactType.NUMBER, value=value, unit=unit, low=low, high=high, origin=(CheckId("measured"),))


def boolean(*, value: bool | None, reason: str = "", origin: str = "") -> Value:
    return Value(type=FactType.BOOLEAN, value=value, reason=reason, origin=(CheckId(origin),) if origin else ())


YES, NO, OPEN = boolean(value=True), boolean(value=False), boolean(value=None)


def text(value: str | None) -> Value:
    return Value(type=FactType.TEXT, value=value)


def judged(rule: str, **values: Value) -> Clause:
    return evaluate(parse(rule), Facts(values))


def test_the_rule_of_the_source_document() -> None:
    values = {
        "all_required_checks_pass": YES,
        "coverage": number("0.85", "ratio"),
        "no_vulnerabilities_with_severity_at_or_above(high)": YES,
        "no_crypto_anti_patterns_detected": YES,
    }
    rule = parse(DOCUMENT_RULE)
    assert evaluate(rule, Facts(values)).truth is Truth.TRUE
    for name in values:
        unknown = {**values, name: number(None) if name == "coverage" else OPEN}
        assert evaluate(rule, Facts(unknown)).truth is Truth.UNKNOWN
        failing = {**values, name: number("0.79", "ratio") if name == "coverage" else NO}
        assert evaluate(rule, Facts(failing)).truth is Truth.FALSE


def test_nothing_short_circuits() -> None:
    clause = judged(DOCUMENT_RULE, coverage=number("0.5", "ratio"), all_required_checks_pass=NO)
    assert [(child.operator, child.truth) for child in clause.children] == [
        ("name", Truth.FALSE),
        (">=", Truth.FALSE),
        ("call", Truth.UNKNOWN),
        ("name", Truth.UNKNOWN),
    ]
    assert [child.source for child in clause.children] == DOCUMENT_RULE.split(" and ")


@pytest.mark.parametrize(("left", "right"), list(itertools.product((True, False, None), repeat=2)))
def test_kleenes_tables(left: bool | None, right: bool | None) -> None:  # noqa: FBT001 - the values themselves
    order = {False: 0, None: 1, True: 2}
    truths = [Truth.FALSE, Truth.UNKNOWN, Truth.TRUE]
    values = {"a": boolean(value=left), "b": boolean(value=right)}
    assert judged("a and b", **values).truth is truths[min(order[left], order[right])]
    assert judged("a or b", **values).truth is truths[max(order[left], order[right])]
    assert judged("not a", **values).truth is truths[2 - order[left]]


@pytest.mark.parametrize(
    "value",
    [
        number(None),
        number("NaN"),
        number("sNaN"),
        number("Infinity"),
        number("-inf"),
        number("eighty"),
        number(""),
        Value(type=FactType.NUMBER, value=True),
        Value(type=FactType.TEXT, value="0.9"),
        Value(type=FactType.TEXT, value=False),
        Value(type=FactType.BOOLEAN, value="true"),
        Value(type=FactType.BOOLEAN, value=True),
        number("0.9", low="NaN", high="1"),
        number("0.9", low="0.95", high="0.85"),
        number("0.9", low="x"),
    ],
)
def test_a_fact_that_is_missing_or_not_what_it_says_is_unknown_either_way(value: Value) -> None:
    for rule in ("x >= 0.8", "x < 0.8", "x == 0.8", "x != 0.8", "not (x > 0.8)", "x in (0.8, 1)", "x not in (0.8)"):
        clause = judged(rule, x=value)
        assert clause.truth is Truth.UNKNOWN, rule


def test_an_unknown_says_why_and_what_to_do() -> None:
    clause = judged("coverage >= 0.8", coverage=MISSING)
    assert (clause.actual, clause.required) == ("unknown", ">= 0.8")
    assert (clause.reason, clause.next_step) == ("unit_tests ended in error", "install pytest")
    assert judged("coverage >= 0.8", coverage=number(None)).reason == "`coverage` has no value"
    assert judged("coverage >= 0.8", coverage=number("NaN")).reason == "`coverage` does not hold a number"
    assert judged("p95 <= 250", p95=number(None, "ms")).required == "<= 250 ms"


def test_a_name_that_is_not_boolean_is_unknown_where_a_boolean_is_wanted() -> None:
    clause = judged("x and true", x=number("1"))
    assert clause.truth is Truth.UNKNOWN
    assert clause.children[0].reason == "`x` is a number, not true or false"


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (">=", ["true", "true", "unknown", "unknown", "false"]),
        (">", ["true", "unknown", "unknown", "false", "false"]),
        ("<", ["false", "false", "unknown", "unknown", "true"]),
        ("<=", ["false", "unknown", "unknown", "true", "true"]),
        ("==", ["false", "unknown", "unknown", "unknown", "false"]),
        ("!=", ["true", "unknown", "unknown", "unknown", "true"]),
        ("in", ["false", "unknown", "unknown", "unknown", "false"]),
    ],
)
def test_a_limit_is_judged_against_the_whole_interval(operator: str, expected: list[str]) -> None:
    value = number("0.82", low="0.78", high="0.86")
    limits = ("0.7", "0.78", "0.8", "0.86", "0.9")
    found = [judged(f"x {operator} ({limit}{',' if operator == 'in' else ''})", x=value).truth for limit in limits]
    assert found == expected


def test_a_limit_inside_the_interval_says_so() -> None:
    clause = judged("f1 >= 0.8", f1=number("0.82", "ratio", low="0.78", high="0.86"))
    assert clause.truth is Truth.UNKNOWN
    assert clause.reason == "the limit lies inside the interval [0.78, 0.86]"
    assert (clause.actual, clause.required) == ("0.82 in [0.78, 0.86]", ">= 0.8")


def test_bounds_that_are_equal_are_a_plain_number_and_a_missing_bound_is_no_bound() -> None:
    assert judged("x == 0.8", x=number("0.8", low="0.80", high="0.8")).truth is Truth.TRUE
    assert judged("x >= 0.8", x=number("0.9", low="0.85")).truth is Truth.TRUE
    assert judged("x <= 0.95", x=number("0.9", low="0.85")).truth is Truth.UNKNOWN


def test_a_value_outside_its_own_bounds_decides_nothing_between() -> None:
    clause = judged("x >= 0.8", x=number("0.7", low="0.85", high="0.9"))
    assert clause.truth is Truth.UNKNOWN


def test_a_minus_sign_turns_the_interval() -> None:
    value = number("5", "ms", low="4", high="6")
    assert judged("-x < -3", x=value).truth is Truth.TRUE
    assert judged("-x >= -5", x=value).truth is Truth.UNKNOWN
    assert judged("-x >= -5", x=value).actual == "-5 ms in [-6, -4]"


@pytest.mark.parametrize(
    ("rule", "value", "actual", "required"),
    [
        ("x >= 0.8", number("0.85", "ratio"), "0.85", ">= 0.8"),
        ("x >= 0.80", number("0.8571428571428571428571428571", "ratio"), "0.857143", ">= 0.8"),
        ("x >= 0.8", number("0.7999999999", "ratio"), "0.7999999999", ">= 0.8"),
        ("x >= 0.8", number("0.79999999994", "ratio"), "0.7999999999", ">= 0.8"),
        ("x < 75", number("74.99999999999", "ms"), "74.99999999999 ms", "< 75 ms"),
        ("250 >= x", number("251.5", "ms"), "251.5 ms", "<= 250 ms"),
        ("x <= 3", number("12", "count"), "12", "<= 3"),
        ("x <= 1024", number("2048", "bytes"), "2048 bytes", "<= 1024 bytes"),
        ("x == 1e40", number("1" + "0" * 39 + "1"), "1." + "0" * 39 + "1e40", "== 1e40"),
        ("x > 0", number("0.00000000000000000000000001"), "1e-26", "> 0"),
        ("x != 0.8", number("0.80"), "0.8", "!= 0.8"),
        ("x == 'main'", text("feature/x"), '"feature/x"', '== "main"'),
        ("x == 'main'", text("m\u0430in"), '"m\\u0430in"', '== "main"'),
        ("x == 'main'", text("main\u200b"), '"main\\u200b"', '== "main"'),
        ("x in ('a', 'b')", text("c"), '"c"', 'in ("a", "b")'),
        ("x not in (1, 2)", number("2", "count"), "2", "not in (1, 2)"),
        ("x == true", NO, "false", "== true"),
    ],
)
def test_actual_and_required_never_look_equal_when_they_are_not(
    rule: str, value: Value, actual: str, required: str
) -> None:
    clause = judged(rule, x=value)
    assert (clause.actual, clause.required) == (actual, required)


def test_two_facts_that_round_alike_are_spelt_until_they_differ() -> None:
    clause = judged("x < y", x=number("0.99999996"), y=number("1.00000004"))
    assert clause.truth is Truth.TRUE
    assert clause.actual != clause.required.removeprefix("< ")


def test_long_texts_are_cut_around_their_first_difference() -> None:
    one, other = "a" * 200 + "x", "a" * 200 + "y"
    clause = evaluate(parse(f"x == '{one}'"), Facts({"x": text(other)}))
    assert clause.truth is Truth.FALSE
    assert len(clause.actual) < 100
    assert clause.actual != clause.required.removeprefix("== ")


@pytest.mark.parametrize("exponent", ["999999999999999999", "-999999999999999999", "-1999999999999999990"])
def test_numbers_of_absurd_size_neither_raise_nor_fill_the_memory(exponent: str) -> None:
    clause = judged("x >= 0.8 or -x < 0.1 or x in (1)", x=number(f"1.23456789e{exponent}"))
    assert len(clause.children[0].actual) < 60


def test_reasons_steps_and_origins_come_from_the_values() -> None:
    clause = judged(
        "a and not b", a=boolean(value=False, reason="2 findings", origin="sast"), b=boolean(value=None, origin="tls")
    )
    assert clause.origin == ("sast", "tls")
    assert clause.children[0].reason == "2 findings"
    assert clause.children[1].operator == "not"
    assert clause.children[1].children[0].reason == "`b` has no value"


def test_a_function_is_only_asked_with_arguments_that_are_exactly_known() -> None:
    answers = {"f(3)": YES}
    assert evaluate(parse("f(n)"), Facts({**answers, "n": number("3")})).truth is Truth.TRUE
    for value in (MISSING, number("3", low="2", high="4")):
        clause = evaluate(parse("f(n)"), Facts({**answers, "n": value}))
        assert clause.truth is Truth.UNKNOWN
        assert clause.reason.startswith("`f(n)` cannot be asked: ")


def test_a_nullary_function_is_the_same_with_and_without_parentheses() -> None:
    assert judged("ready()", ready=YES).truth is judged("ready", ready=YES).truth is Truth.TRUE


def test_compound_sides_of_a_comparison_keep_their_own_tree() -> None:
    clause = judged("(a and b) == false", a=YES, b=NO)
    assert clause.truth is Truth.TRUE
    assert [child.source for child in clause.children] == ["a and b"]


def test_clauses_survive_pickling_and_evaluation_is_repeatable() -> None:
    facts = Facts({"coverage": number("0.5", "ratio")})
    first, second = (evaluate(parse(DOCUMENT_RULE), facts) for _ in range(2))
    assert first == second == pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes, made on this line
