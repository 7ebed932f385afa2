"""C11, C12: properties of the policy language over generated rules, facts and hostile text.

Filling in an unknown, or narrowing an interval, never turns a definite answer; whatever the text, the only error is the
language's own.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.domain.ids import CheckId
from quilate.evidence.model import FactType
from quilate.policy.language import PolicyError, check, evaluate, parse
from quilate.policy.model import Clause, FunctionSpec, NameSpec, Truth, Value, Vocabulary

BOOLEANS = ("ready", "clean", "lint.ok")
NUMBERS = ("coverage", "rows", "perf-test.p95")
TEXTS = ("branch", "format")
VOCABULARY = Vocabulary(
    names={name: NameSpec(type=FactType.BOOLEAN) for name in BOOLEANS}
    | {name: NameSpec(type=FactType.NUMBER) for name in NUMBERS}
    | {name: NameSpec(type=FactType.TEXT) for name in TEXTS},
    functions={
        "none_at_or_above": FunctionSpec(
            parameters=(FactType.TEXT,), result=FactType.BOOLEAN, severity_parameters=(0,)
        ),
        "within": FunctionSpec(parameters=(FactType.NUMBER, FactType.NUMBER), result=FactType.BOOLEAN),
        "passes": FunctionSpec(parameters=(), result=FactType.BOOLEAN),
    },
)
DETERMINISTIC = settings(max_examples=400, derandomize=True, deadline=None, database=None)


@dataclass(frozen=True)
class World:
    """Facts by name; functions answer from their arguments alone, ``none_at_or_above`` by a fact of its own."""

    facts: Mapping[str, Value]

    def fact(self, name: str) -> Value:
        return self.facts.get(name, Value(type=FactType.BOOLEAN, value=None, reason="nobody measured it"))

    def call(self, function: str, arguments: tuple[Value, ...]) -> Value:
        if function == "within":
            numbers = [Decimal(str(argument.value)) for argument in arguments if argument.type is FactType.NUMBER]
            return Value(type=FactType.BOOLEAN, value=len(numbers) == 2 and abs(numbers[0] - numbers[1]) < 1)
        return self.fact(function)


names = {"boolean": st.sampled_from(BOOLEANS), "number": st.sampled_from(("coverage", "rows", "`perf-test`.p95"))}
small = st.integers(-3, 3).map(str) | st.sampled_from(["0.5", "-0.25", "1e0", "2.000"])
operand = names["number"] | small | names["number"].map("-{}".format)
text_operand = st.sampled_from(TEXTS) | st.sampled_from(['"main"', "'csv'", '"S\\u00e3o"'])
operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
clauses = st.one_of(
    names["boolean"],
    st.sampled_from(["passes", "passes()", "true", "false", 'none_at_or_above("high")']),
    st.builds("{} {} {}".format, operand, operators, operand),
    st.builds("{} {} {}".format, text_operand, st.sampled_from(["==", "!="]), text_operand),
    st.builds("within({}, {})".format, operand, operand),
    st.builds("{} {} ({}, {})".format, operand, st.sampled_from(["in", "not in"]), small, small),
)
rules = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({}) or {}".format, inner, inner, clauses),
        st.builds("not ({})".format, inner),
        st.builds("({}) == ({})".format, inner, inner),
    ),
    max_leaves=8,
)


@st.composite
def numbers_narrowing(draw: st.DrawFn) -> tuple[Value, Value]:
    """Return a number of which less is known and the same number of which more is known."""
    low, inner_low, value, inner_high, high = sorted(draw(st.lists(st.integers(-6, 6), min_size=5, max_size=5)))
    inner_value = draw(st.integers(inner_low, inner_high))
    fuller = Value(
        type=FactType.NUMBER, value=str(inner_value), low=str(min(inner_low, inner_value)), high=str(inner_high)
    )
    wide = Value(type=FactType.NUMBER, value=str(value), low=str(low), high=str(high))
    open_ended = Value(type=FactType.NUMBER, value=str(value), low=str(low))
    missing = draw(st.sampled_from([None, "NaN", "Infinity", "many"]))
    unknown = Value(type=FactType.NUMBER, value=missing, reason="unknown")
    exact = Value(type=FactType.NUMBER, value=str(inner_value))
    vaguer = draw(st.sampled_from([wide, open_ended, unknown]))
    return vaguer, draw(st.sampled_from([fuller, exact]))


@st.composite
def worlds_filling(draw: st.DrawFn) -> tuple[World, World]:
    """Return a world and one in which more is known, and nothing else."""
    vaguer, fuller = {}, {}
    for name in (*BOOLEANS, "passes", "none_at_or_above"):
        known = Value(type=FactType.BOOLEAN, value=draw(st.booleans()), origin=(CheckId("a"),))
        fuller[name] = known
        vaguer[name] = draw(st.sampled_from([known, Value(type=FactType.BOOLEAN, value=None)]))
    for name in TEXTS:
        word = Value(type=FactType.TEXT, value=draw(st.sampled_from(["main", "csv", "São"])))
        fuller[name] = word
        vaguer[name] = draw(st.sampled_from([word, Value(type=FactType.TEXT, value=None)]))
    for name in NUMBERS:
        vaguer[name], fuller[name] = draw(numbers_narrowing())
    return World(vaguer), World(fuller)


def every_clause(clause: Clause) -> list[Clause]:
    return [clause, *(below for child in clause.children for below in every_clause(child))]


@DETERMINISTIC
@given(rule=rules, worlds=worlds_filling())
def test_knowing_more_never_turns_a_definite_answer(rule: str, worlds: tuple[World, World]) -> None:
    expression = parse(rule)
    check(expression, VOCABULARY)
    before, after = (evaluate(expression, world) for world in worlds)
    for vaguer, fuller in zip(every_clause(before), every_clause(after), strict=True):
        assert vaguer.source == fuller.source
        assert vaguer.truth in {Truth.UNKNOWN, fuller.truth}


@DETERMINISTIC
@given(rule=rules)
def test_every_clause_reads_back_as_itself(rule: str) -> None:
    expression = parse(rule)
    for node in expression.nodes():
        assert parse(expression.text(node)).root == node


@DETERMINISTIC
@given(left=st.decimals(allow_nan=False, allow_infinity=False), right=st.decimals(-10, 10, places=12))
def test_two_numbers_look_equal_only_if_they_are(left: Decimal, right: Decimal) -> None:
    facts = {
        "x": Value(type=FactType.NUMBER, value=str(left), unit="ms"),
        "y": Value(type=FactType.NUMBER, value=str(right), unit="ms"),
    }
    clause = evaluate(parse("x == y"), World(facts))
    assert (clause.truth is Truth.TRUE) == (left == right)
    assert (clause.actual == clause.required.removeprefix("== ")) == (left == right)


@DETERMINISTIC
@given(left=st.text(max_size=80), right=st.text(max_size=80))
def test_two_texts_look_equal_only_if_they_are(left: str, right: str) -> None:
    facts = {"x": Value(type=FactType.TEXT, value=left), "y": Value(type=FactType.TEXT, value=right)}
    clause = evaluate(parse("x == y"), World(facts))
    assert (clause.actual == clause.required.removeprefix("== ")) == (left == right)
    assert (clause.actual + clause.required).isprintable()


@DETERMINISTIC
@given(source=st.text(max_size=60))
def test_any_text_is_a_rule_or_the_languages_own_error(source: str) -> None:
    assert outcome(source, World({})) != "mute"


SEEDS = (
    'passes and coverage >= 0.8 and none_at_or_above("high") and clean',
    "not (ready or clean) and rows > 1000 and within(rows, -coverage)",
    'branch in ("main", "release") or format == \'csv\' and lint.ok',
    "`perf-test`.p95 <= 250 # milliseconds\nor ready == true and not not clean",
    "coverage not in (0.5, 1e2) and (((ready)))",
)
FRAGMENTS = (
    *("and", "or", "not", "in", "(", ")", ",", "==", "<", ">=", "-", "true", "0.8", "1e5", '"high"', "'x'", "passes"),
    *(
        "coverage",
        "`a-b`",
        ".",
        "`",
        '"',
        "'",
        "\\",
        "\n",
        "#",
        " ",
        "\u202e",
        "\x00",
        "\ud800",
        "é",
        "&&",
        "%",
        "1e999",
    ),
)


def mutated(chance: random.Random, rule: str) -> str:
    """Return a valid rule after one to three small accidents."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(rule) + 1)
        match chance.randrange(7):
            case 0:
                rule = rule[:at] + rule[at + 1 :]
            case 1:
                rule = f"{rule[:at]}{chance.choice(FRAGMENTS)}{rule[at:]}"
            case 2:
                rule = f"{rule} {chance.choice(('and', 'or'))} {chance.choice(SEEDS)}"
            case 3:
                rule = rule.replace(
                    chance.choice(("and", "or", "coverage", "ready", "0.8")), chance.choice(FRAGMENTS), 1
                )
            case 4:
                rule = f"not ({rule})"
            case 5:
                rule = f"{rule[:at]} {rule[at:]}"
            case _:
                rule = rule[at:] + chance.choice(FRAGMENTS)
    return rule


def garbage(chance: random.Random) -> str:
    """Return fragments of the language in any order, with single characters of all of Unicode between them."""
    return "".join(
        chance.choice(FRAGMENTS) if chance.random() < 0.8 else chr(chance.randrange(0x110000))
        for _ in range(chance.randrange(1, 16))
    )


def outcome(source: str, world: World) -> str:
    """Return how far a text gets; anything raised but the language's own error fails the test."""
    try:
        expression = parse(source)
    except PolicyError as error:
        return "refused" if error.frame() and str(error) else "mute"
    clause = evaluate(expression, world)
    assert clause.truth in set(Truth)
    try:
        check(expression, VOCABULARY)
    except PolicyError as error:
        return "parsed" if str(error) else "mute"
    return "sensible"


@pytest.mark.slow
def test_fifty_thousand_hostile_strings_raise_only_the_languages_own_error() -> None:
    chance = random.Random(20_261_120)  # noqa: S311 - the same strings in every run, no secret
    facts = {
        "coverage": Value(type=FactType.NUMBER, value="0.82", low="0.78", high="0.86"),
        "rows": Value(type=FactType.NUMBER, value="NaN"),
        "branch": Value(type=FactType.TEXT, value="main"),
        "ready": Value(type=FactType.BOOLEAN, value=True),
        "format": Value(type=FactType.NUMBER, value="csv"),
    }
    world = World(facts)
    mutations = [outcome(mutated(chance, chance.choice(SEEDS)), world) for _ in range(40_000)]
    others = [outcome(garbage(chance), world) for _ in range(10_000)]
    assert "mute" not in {*mutations, *others}
    parsed = sum(result != "refused" for result in mutations + others)
    assert len(mutations) >= 25_000
    assert len(mutations) + len(others) == 50_000
    assert parsed >= 15_000
    assert mutations.count("sensible") >= 5_000
    assert others.count("refused") >= 5_000
