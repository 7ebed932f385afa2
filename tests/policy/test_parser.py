"""C11: rules become trees by the language's precedence; what does not parse is named, what is too deep refused."""

import pickle
from decimal import Decimal

import pytest

from quilate.evidence.model import FactType
from quilate.policy.language import PolicyError, parse
from quilate.policy.language.syntax import (
    Call,
    Comparison,
    Junction,
    Literal,
    Membership,
    Name,
    Negative,
    Node,
    Not,
)

DOCUMENT_RULE = """\
all_required_checks_pass and
coverage >= 0.8 and
no_vulnerabilities_with_severity_at_or_above("high") and
no_crypto_anti_patterns_detected
"""
DOCUMENT_SHAPE = (
    "(all_required_checks_pass and (coverage >= 0.8) and "
    "no_vulnerabilities_with_severity_at_or_above('high') and no_crypto_anti_patterns_detected)"
)


def shape(node: Node) -> str:  # noqa: PLR0911 - one line per kind of node
    match node:
        case Junction():
            return "(" + f" {node.operator} ".join(map(shape, node.operands)) + ")"
        case Comparison():
            return f"({shape(node.left)} {node.operator} {shape(node.right)})"
        case Membership():
            listed = ", ".join(map(shape, node.members))
            return f"({shape(node.operand)} {'not in' if node.negated else 'in'} [{listed}])"
        case Not():
            return f"(not {shape(node.operand)})"
        case Negative():
            return f"(-{shape(node.operand)})"
        case Call():
            return f"{node.function}({', '.join(map(shape, node.arguments))})"
        case Name():
            return node.name
    assert isinstance(node, Literal)
    return repr(node.value) if node.type is FactType.TEXT else str(node.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a or b and c", "(a or (b and c))"),
        ("(a or b) and c", "((a or b) and c)"),
        ("a and b and c", "(a and b and c)"),
        ("(a and b) and c", "((a and b) and c)"),
        ("not a and b", "((not a) and b)"),
        ("not a == b", "(not (a == b))"),
        ("(not a) == b", "((not a) == b)"),
        ("not not a", "(not (not a))"),
        ("a == b or c != d", "((a == b) or (c != d))"),
        ("x >= -0.5", "(x >= -0.5)"),
        ("-x < - -1", "((-x) < 1)"),
        ('branch in ("main", "release",)', "(branch in ['main', 'release'])"),
        ("x not in (1, -2)", "(x not in [1, -2])"),
        ("f('a', 1, b and c)", "f('a', 1, (b and c))"),
        ("f() and g", "(f and g)"),
        ("true == false", "(True == False)"),
        (
            DOCUMENT_RULE,
            DOCUMENT_SHAPE,
        ),
    ],
)
def test_precedence(source: str, expected: str) -> None:
    assert shape(parse(source).root) == expected


def test_numbers_are_exact_decimals_whatever_their_sign() -> None:
    digits = "0." + "1234567890" * 5
    comparison = parse(f"x > -{digits}").root
    assert isinstance(comparison, Comparison)
    assert isinstance(comparison.right, Literal)
    assert comparison.right.value == Decimal(f"-{digits}")


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("", "the rule is empty", "write a condition, for example `all_required_checks_pass`"),
        ("  # nothing", "the rule is empty", "write a condition, for example `all_required_checks_pass`"),
        ("a AND b", "an operator is missing before `AND`", "did you mean `and`?"),
        ("a b", "an operator is missing before `b`", "join clauses by `and` or `or`"),
        ("a and", "the rule ends where a value should stand", ""),
        ("and a", "`and` stands where a value should", ""),
        ("(a", "a parenthesis is not closed", "add `)`"),
        ("a)", "an operator is missing before `)`", "join clauses by `and` or `or`"),
        ("0 < x < 1", "comparisons cannot be chained", "join two of them: `0 < x and x < 1`"),
        ("a == b in (1)", "comparisons cannot be chained", "join two of them: `0 < x and x < 1`"),
        ("a == not b", "`not` behind a comparison needs parentheses", ""),
        ("a not b", "`not` cannot stand between two values", "write `and not`"),
        ("x in y", "`in` is followed by a list", 'for example `in ("a", "b")`'),
        ("x in ()", "the list is empty", "nothing is in an empty list"),
        ("x in (y)", "a list holds plain values only", "write texts in quotes"),
        ('x == ("a", "b")', "a list stands only behind `in`", ""),
        ("f(a b)", "an operator is missing before `b`", "join clauses by `and` or `or`"),
        ("a 'b'", 'an operator is missing before the text "b"', "join clauses by `and` or `or`"),
    ],
)
def test_what_does_not_parse_says_why_and_what_to_write(source: str, message: str, hint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(source)
    assert (caught.value.message, caught.value.next_step) == (message, hint)


@pytest.mark.parametrize("opening", ["(", "not ", "-", "f(", "not(", "(a and ", "a == (", "x in (-"])
def test_nesting_is_bounded_instead_of_exhausting_the_stack(opening: str) -> None:
    source = opening * (60_000 // len(opening))
    with pytest.raises(PolicyError, match=r"nested deeper than 50 levels|stands where a value|plain values only"):
        parse(source)


def test_fifty_levels_are_allowed() -> None:
    assert parse("(" * 50 + "a" + ")" * 50).root == Name(name="a", start=0, end=0)
    with pytest.raises(PolicyError, match="nested deeper than 50 levels"):
        parse("(" * 51 + "a" + ")" * 51)


def test_a_long_flat_rule_is_no_nesting_but_its_size_is_bounded() -> None:
    parsed = parse(" and ".join(["a"] * 4000)).root
    assert isinstance(parsed, Junction)
    assert len(parsed.operands) == 4000
    with pytest.raises(PolicyError, match="more than 4096 parts"):
        parse(" or ".join(["a"] * 5000))


def test_every_node_is_the_exact_slice_it_was_read_from() -> None:
    expression = parse(DOCUMENT_RULE + 'or (not (a and -x < 3) == true) or branch not in ("main", "b\\"c")')
    for node in expression.nodes():
        text = expression.text(node)
        assert text == text.strip()
        assert parse(text).root == node


def test_expressions_are_immutable_and_survive_pickling() -> None:
    expression = parse(DOCUMENT_RULE)
    copy = pickle.loads(pickle.dumps(expression))  # noqa: S301 - our own bytes, made on this line
    assert copy == expression
    assert hash(copy.root) == hash(expression.root)
    with pytest.raises(AttributeError):
        expression.root = Name(name="a", start=0, end=1)  # type: ignore[misc]  # that it is refused is what is tested


def test_errors_survive_pickling() -> None:
    with pytest.raises(PolicyError) as caught:
        parse("a &")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes, made on this line
    assert str(copy) == str(caught.value)
    assert copy.frame() == caught.value.frame()
