"""A tree over an environment to a decision tree, by Kleene's three-valued logic.

Nothing short-circuits, so that every clause that is missing or failing is named. What is unknown stays unknown until a
definite operand settles it; filling in an unknown or narrowing an interval therefore never turns a definite answer.
Nothing is raised, whatever the facts hold: a value that is missing, of another type than it says, not finite or not
consistent is unknown.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from quilate.domain.ids import CheckId
from quilate.evidence.model import FactType
from quilate.policy.language.numbers import Interval, compared, interval_of, opposite, point
from quilate.policy.language.rendering import number_text, numbers_apart, text_shown, texts_apart
from quilate.policy.language.syntax import (
    Call,
    Comparison,
    Expression,
    Junction,
    Literal,
    Membership,
    Name,
    Negative,
    Node,
    Not,
)
from quilate.policy.model import Clause, Environment, Truth, Value

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_ARTICLES = {FactType.NUMBER: "a number", FactType.BOOLEAN: "true or false", FactType.TEXT: "a text"}


def evaluate(expression: Expression, environment: Environment) -> Clause:
    """Return the tree of clauses of a rule over the values of ``environment``, complete in every branch."""
    return _Evaluator(expression.source, environment).clause(expression.root)


class _Operand(NamedTuple):
    """A value in a comparison. One of ``number``, ``text`` and ``truth`` is set unless it is unknown."""

    type: FactType
    number: Interval | None = None
    text: str | None = None
    truth: Truth = Truth.UNKNOWN
    unit: str = ""
    reason: str = ""
    next_step: str = ""
    origin: tuple[CheckId, ...] = ()
    constant: bool = False
    clause: Clause | None = None

    @property
    def unknown(self) -> bool:
        """Whether nothing can be said of it."""
        return self.number is None and self.text is None and self.truth is Truth.UNKNOWN


class _Evaluator:
    """Walks one tree."""

    def __init__(self, source: str, environment: Environment) -> None:
        self._source = source
        self._environment = environment

    def clause(self, node: Node) -> Clause:
        """Return what is true of a node that stands where true or false is wanted."""
        rule = _CLAUSES.get(type(node))
        return rule(self, node) if rule else self._value_clause(node)

    def _text(self, node: Node) -> str:
        return self._source[node.start : node.end]

    def junction(self, node: Junction) -> Clause:
        """Return the clause of ``and`` or ``or``."""
        children = tuple([self.clause(operand) for operand in node.operands])
        decisive = Truth.FALSE if node.operator == "and" else Truth.TRUE
        truths = {child.truth for child in children}
        truth = decisive if decisive in truths else Truth.UNKNOWN if Truth.UNKNOWN in truths else opposite(decisive)
        return Clause(
            source=self._text(node),
            operator=node.operator,
            truth=truth,
            origin=_union(child.origin for child in children),
            children=children,
        )

    def negation(self, node: Not) -> Clause:
        """Return the clause of ``not``."""
        child = self.clause(node.operand)
        return Clause(
            source=self._text(node),
            operator="not",
            truth=opposite(child.truth),
            origin=child.origin,
            children=(child,),
        )

    def _value_clause(self, node: Node) -> Clause:
        """Return the clause of a name, call or literal; a value that is not true or false is unknown here."""
        operand = self._operand(node)
        operator = "literal" if isinstance(node, Literal) else "call" if isinstance(node, Call) else "name"
        reason = operand.reason
        if operand.type is not FactType.BOOLEAN:
            reason = f"`{self._text(node)}` is {_ARTICLES[operand.type]}, not true or false"
        return Clause(
            source=self._text(node),
            operator=operator,
            truth=operand.truth,
            reason=reason,
            next_step=operand.next_step,
            origin=operand.origin,
            children=(operand.clause,) if operand.clause else (),
        )

    def comparison(self, node: Comparison) -> Clause:
        """Return the clause of two values beside each other."""
        left, right, operator = self._operand(node.left), self._operand(node.right), node.operator
        truth, reason = self._compared(operator, left, right, node)
        if left.constant and not right.constant:
            left, right, operator = right, left, _MIRRORED[operator]
        actual, required = _sides(left, right)
        return Clause(
            source=self._text(node),
            operator=node.operator,
            truth=truth,
            actual=actual,
            required=f"{operator} {required}",
            reason=reason,
            next_step=left.next_step or right.next_step,
            origin=_union((left.origin, right.origin)),
            children=tuple(side.clause for side in (left, right) if side.clause),
        )

    def _compared(self, operator: str, left: _Operand, right: _Operand, node: Comparison) -> tuple[Truth, str]:
        if left.unknown or right.unknown:
            return Truth.UNKNOWN, "; ".join(side.reason for side in (left, right) if side.unknown and side.reason)
        if left.type is not right.type:
            reason = f"{_ARTICLES[left.type]} cannot be compared with {_ARTICLES[right.type]}"
            return Truth.UNKNOWN, f"`{self._text(node)}`: {reason}"
        if left.number is not None and right.number is not None:
            truth = compared(operator, left.number, right.number)
            return truth, _reason_about_numbers(truth, left, right)
        if operator not in {"==", "!="}:
            return Truth.UNKNOWN, f"`{operator}` compares numbers"
        equal = left.text == right.text and left.truth is right.truth
        return _truth(equal if operator == "==" else not equal), ""

    def membership(self, node: Membership) -> Clause:
        """Return the clause of ``in`` or ``not in``."""
        operand = self._operand(node.operand)
        members = tuple([self._operand(member) for member in node.members])
        truth, reason = Truth.UNKNOWN, operand.reason
        if not operand.unknown:
            truths = {_equal(operand, member) for member in members}
            truth = Truth.TRUE if Truth.TRUE in truths else Truth.UNKNOWN if Truth.UNKNOWN in truths else Truth.FALSE
            if truth is Truth.UNKNOWN:
                reason = "a listed value lies inside the interval, or is of another type"
        pairs = [_sides(operand, member) for member in members]
        # Each pair spells the operand only as finely as that one member asks for; the longest is apart from all.
        actual = max((pair[0] for pair in pairs), key=len)
        return Clause(
            source=self._text(node),
            operator="not in" if node.negated else "in",
            truth=opposite(truth) if node.negated else truth,
            actual=actual,
            required=f"{'not ' if node.negated else ''}in ({', '.join(pair[1] for pair in pairs)})",
            reason=reason,
            next_step=operand.next_step,
            origin=operand.origin,
            children=(operand.clause,) if operand.clause else (),
        )

    def _operand(self, node: Node) -> _Operand:
        if isinstance(node, Name):
            return self._known(node, self._environment.fact(node.name))
        if isinstance(node, Literal):
            return _literal(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Negative):
            return self._negative(node)
        clause = self.clause(node)
        return _Operand(FactType.BOOLEAN, truth=clause.truth, reason=clause.reason, origin=clause.origin, clause=clause)

    def _known(self, node: Node, value: Value) -> _Operand:
        """Return what a value of the environment says, or an unknown where it does not hold what it claims to."""
        number, text, truth = None, None, Truth.UNKNOWN
        if value.type is FactType.NUMBER:
            number = interval_of(value)
        elif value.type is FactType.TEXT:
            text = value.value if isinstance(value.value, str) else None
        elif isinstance(value.value, bool):
            truth = _truth(value.value)
        reason = value.reason
        if not reason and number is None and text is None and truth is Truth.UNKNOWN:
            held = "has no value" if value.value is None else f"does not hold {_ARTICLES[value.type]}"
            reason = f"`{self._text(node)}` {held}"
        return _Operand(value.type, number, text, truth, value.unit, reason, value.next_step, value.origin)

    def _call(self, node: Call) -> _Operand:
        """Ask the environment, but only with arguments that are exactly known.

        A function that were asked with an unknown could give a definite answer that the filled-in value turns.
        """
        arguments = tuple([self._operand(argument) for argument in node.arguments])
        values = tuple([_exact_value(argument) for argument in arguments])
        known = tuple([value for value in values if value is not None])
        if len(known) == len(arguments):
            return self._known(node, self._environment.call(node.function, known))
        open_ones = [argument for argument, value in zip(arguments, values, strict=True) if value is None]
        reasons = [argument.reason or "an argument is only known within an interval" for argument in open_ones]
        return _Operand(
            FactType.BOOLEAN,
            reason=f"`{self._text(node)}` cannot be asked: {'; '.join(reasons)}",
            next_step=next((argument.next_step for argument in open_ones if argument.next_step), ""),
            origin=_union(argument.origin for argument in arguments),
        )

    def _negative(self, node: Negative) -> _Operand:
        found = self._operand(node.operand)
        number = found.number.negative() if found.number else None
        reason = found.reason
        if found.type is not FactType.NUMBER:
            reason = f"`{self._text(node.operand)}` is {_ARTICLES[found.type]} and can have no minus sign"
        return _Operand(
            FactType.NUMBER,
            number,
            unit=found.unit,
            reason=reason,
            next_step=found.next_step,
            origin=found.origin,
        )


_CLAUSES: dict[type[Node], Callable[[_Evaluator, Any], Clause]] = {
    Junction: _Evaluator.junction,
    Not: _Evaluator.negation,
    Comparison: _Evaluator.comparison,
    Membership: _Evaluator.membership,
}


def _literal(node: Literal) -> _Operand:
    value = node.value
    if isinstance(value, Decimal):
        return _Operand(FactType.NUMBER, point(value), constant=True)
    if isinstance(value, str):
        return _Operand(FactType.TEXT, text=value, constant=True)
    return _Operand(FactType.BOOLEAN, truth=_truth(value), constant=True)


def _truth(value: bool) -> Truth:  # noqa: FBT001 - the value to turn into a truth, not a switch
    return Truth.TRUE if value else Truth.FALSE


def _equal(left: _Operand, right: _Operand) -> Truth:
    if left.type is not right.type:
        return Truth.UNKNOWN
    if left.number is not None and right.number is not None:
        return compared("==", left.number, right.number)
    return _truth(left.text == right.text and left.truth is right.truth)


def _exact_value(operand: _Operand) -> Value | None:
    """Return an argument as a value, or ``None`` where it is not exactly known."""
    if operand.number is not None:
        if not operand.number.is_point:
            return None
        return Value(type=FactType.NUMBER, value=str(operand.number.value), unit=operand.unit, origin=operand.origin)
    if operand.text is not None:
        return Value(type=FactType.TEXT, value=operand.text, origin=operand.origin)
    if operand.truth is Truth.UNKNOWN:
        return None
    return Value(type=FactType.BOOLEAN, value=operand.truth is Truth.TRUE, origin=operand.origin)


def _union(origins: Iterable[tuple[CheckId, ...]]) -> tuple[CheckId, ...]:
    return tuple(dict.fromkeys([check for origin in origins for check in origin]))


def _reason_about_numbers(truth: Truth, left: _Operand, right: _Operand) -> str:
    reasons = [side.reason for side in (left, right) if side.reason]
    if truth is Truth.UNKNOWN:
        return "; ".join(filter(None, [_inside(left, right), *reasons]))
    return reasons[0] if reasons else ""


def _inside(left: _Operand, right: _Operand) -> str:
    """Say which interval keeps a comparison open."""
    measured, limit = (right, left) if left.constant else (left, right)
    if measured.number is None or limit.number is None:
        return ""
    written, _ = numbers_apart(measured.number, limit.number, measured.unit, limit.unit)
    bounds = written.partition(" in ")[2]
    if limit.number.is_point and bounds:
        return f"the limit lies inside the interval {bounds}"
    return "the intervals of both sides overlap"


def _sides(left: _Operand, right: _Operand) -> tuple[str, str]:
    """Return both sides as texts that only look equal where they are equal."""
    if left.number is not None and right.number is not None:
        return numbers_apart(left.number, right.number, left.unit, right.unit)
    if left.text is not None and right.text is not None:
        return texts_apart(left.text, right.text)
    return _side(left, right.unit), _side(right, left.unit)


def _side(operand: _Operand, other_unit: str) -> str:
    if operand.number is not None:
        return number_text(operand.number, operand.unit or other_unit)
    if operand.text is not None:
        return text_shown(operand.text)
    return str(operand.truth)
