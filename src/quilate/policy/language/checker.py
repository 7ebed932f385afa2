"""A tree against the vocabulary: do all names exist, and do all types and units fit?

Everything that is wrong is reported at once. A rule that passes here can still be undecided for want of evidence, but
never for want of sense.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from quilate.domain.nearest import nearest
from quilate.domain.severity import Severity
from quilate.evidence.model import FactType
from quilate.kit.words import counted
from quilate.policy.language.errors import PolicyError, PolicyErrors, shown
from quilate.policy.language.lexer import KEYWORDS, Fault
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
from quilate.policy.model import FunctionSpec, Vocabulary

_EQUALITY = frozenset({"==", "!="})
_LISTED_NAMES = 8
_ARTICLES = {FactType.NUMBER: "a number", FactType.BOOLEAN: "true or false", FactType.TEXT: "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesRead:
    """What a rule reads, each once, in the order of the text. Functions without arguments are among ``functions``."""

    facts: tuple[str, ...]
    functions: tuple[str, ...]


def names_read(expression: Expression, vocabulary: Vocabulary) -> NamesRead:
    """Return the facts and the functions that a rule reads, so that the plan knows which evidence it needs."""
    facts: dict[str, None] = {}
    functions: dict[str, None] = {}
    for node in expression.nodes():
        if isinstance(node, Call):
            functions[node.function] = None
        elif isinstance(node, Name) and node.name not in vocabulary.names and node.name in vocabulary.functions:
            functions[node.name] = None
        elif isinstance(node, Name):
            facts[node.name] = None
    return NamesRead(facts=tuple(facts), functions=tuple(functions))


def check(expression: Expression, vocabulary: Vocabulary) -> None:
    """Judge whether a rule makes sense.

    Raises:
        PolicyError: One thing is wrong.
        PolicyErrors: Several are; all of them, in the order of the text.
    """
    checker = _Checker(expression, vocabulary)
    checker.boolean(expression.root, "a rule")
    errors = sorted(checker.errors, key=lambda error: error.start)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise PolicyErrors(tuple(errors))


def spelt_name(name: str) -> str:
    """Return a dotted name as a rule spells it, with backticks where they are needed."""
    return ".".join(
        segment if _is_plain(segment) and name not in KEYWORDS else f"`{segment}`" for segment in name.split(".")
    )


def _mentioned(name: str) -> str:
    """Return a name as a message shows it: between backticks, or with the ones it needs anyway."""
    spelling = spelt_name(name)
    return spelling if "`" in spelling else f"`{spelling}`"


def _is_plain(segment: str) -> bool:
    return segment.isascii() and segment.isidentifier()


@dataclass(frozen=True, slots=True)
class _Type:
    """What is known of a value; ``type`` is ``None`` where an error was already reported."""

    type: FactType | None
    unit: str = ""

    def __str__(self) -> str:
        article = _ARTICLES[self.type] if self.type else "unknown"
        return f"{article} ({self.unit})" if self.unit else article


_Rule = Callable[[Any], _Type]
_UNSETTLED = _Type(None)


class _Checker:
    """Walks one tree and collects errors."""

    def __init__(self, expression: Expression, vocabulary: Vocabulary) -> None:
        self.errors: list[PolicyError] = []
        self._expression = expression
        self._vocabulary = vocabulary
        self._fault = Fault(expression.source, expression.position)
        self._rules: dict[type[Node], _Rule] = {
            Literal: lambda node: _Type(node.type),
            Name: self._name,
            Call: self._call,
            Negative: self._negative,
            Comparison: self._comparison,
            Membership: self._membership,
            Not: self._not,
            Junction: self._junction,
        }

    def boolean(self, node: Node, owner: str) -> None:
        """Report ``node`` unless it is true or false."""
        found = self._type(node)
        if found.type not in {FactType.BOOLEAN, None}:
            step = "compare it, for example with `>=`" if found.type is FactType.NUMBER else 'compare it with `== "…"`'
            self._report(node, f"{owner} must be true or false; {self._shown(node)} is {found}", step)

    def _type(self, node: Node) -> _Type:
        return self._rules[type(node)](node)

    def _report(self, node: Node, message: str, next_step: str = "") -> None:
        self.errors.append(self._fault(message, node.start, node.end, next_step))

    def _shown(self, node: Node) -> str:
        return f"`{shown(self._expression.text(node))}`"

    def _name(self, node: Name) -> _Type:
        if spec := self._vocabulary.names.get(node.name):
            return _Type(spec.type, spec.unit)
        if full := self._vocabulary.ambiguous.get(node.name):
            listed = ", ".join(map(_mentioned, full))
            self._report(node, f"several checks produce `{shown(node.name)}`: {listed}", "write one of the full names")
            return _UNSETTLED
        function = self._vocabulary.functions.get(node.name)
        if function is None:
            self._report_unknown(node, node.name)
            return _UNSETTLED
        if function.parameters:
            self._report(node, f"`{shown(node.name)}` takes {_arity(function)}", _signature(node.name, function))
            return _UNSETTLED
        return _Type(function.result)

    def _report_unknown(self, node: Node, name: str) -> None:
        known = (*self._vocabulary.names, *self._vocabulary.functions, *self._vocabulary.ambiguous)
        short = shown(name)
        meant = nearest(short, known)
        hint = f", did you mean {_mentioned(meant)}?" if meant else ""
        listed = ", ".join(map(_mentioned, sorted(known)[:_LISTED_NAMES]))
        more = f" and {len(known) - _LISTED_NAMES} more" if len(known) > _LISTED_NAMES else ""
        step = "" if meant or not known else f"a rule can read {listed}{more}"
        if not meant and name in set(Severity):
            step = f'a severity stands in quotes: "{name}"'
        self._report(node, f"no check produces `{short}`, and there is no such function{hint}", step)

    def _call(self, node: Call) -> _Type:
        spec = self._vocabulary.functions.get(node.function)
        if spec is None:
            if node.function in self._vocabulary.names:
                self._report(node, f"`{shown(node.function)}` is a fact and takes no arguments")
            else:
                self._report_unknown(node, node.function)
            for argument in node.arguments:
                self._type(argument)
            return _UNSETTLED
        if len(node.arguments) != len(spec.parameters):
            message = f"`{shown(node.function)}` takes {_arity(spec)}, not {len(node.arguments)}"
            self._report(node, message, _signature(node.function, spec))
            return _Type(spec.result)
        for index, (argument, expected) in enumerate(zip(node.arguments, spec.parameters, strict=True)):
            if index in spec.severity_parameters:
                self._severity(argument)
                continue
            found = self._type(argument)
            if found.type not in {expected, None}:
                self._report(argument, f"{self._shown(argument)} is {found}; {_ARTICLES[expected]} is wanted here")
        return _Type(spec.result)

    def _severity(self, node: Node) -> None:
        names = ", ".join(f'"{severity}"' for severity in Severity)
        value = node.value if isinstance(node, Literal) else None
        if isinstance(value, str) and value in set(Severity):
            return
        written = node.name if isinstance(node, Name) else value
        meant = nearest(shown(written), Severity) if isinstance(written, str) else ""
        hint = f', did you mean "{meant}"?' if meant else ""
        self._report(node, f"{self._shown(node)} is no severity{hint}", f"the severities are {names}")

    def _negative(self, node: Negative) -> _Type:
        found = self._type(node.operand)
        if found.type not in {FactType.NUMBER, None}:
            self._report(node, f"only a number can have a minus sign; {self._shown(node.operand)} is {found}")
            return _UNSETTLED
        return found

    def _comparison(self, node: Comparison) -> _Type:
        left, right = self._type(node.left), self._type(node.right)
        if left.type is None or right.type is None:
            return _Type(FactType.BOOLEAN)
        if left.type is not right.type:
            written = f"{self._shown(node.left)} is {left}, {self._shown(node.right)} is {right}"
            self._report(node, f"{written}; they cannot be compared")
        elif node.operator not in _EQUALITY and left.type is not FactType.NUMBER:
            self._report(node, f"`{node.operator}` compares numbers; {self._shown(node.left)} is {left}")
        elif left.unit and right.unit and left.unit != right.unit:
            written = f"{self._shown(node.left)} is in {left.unit}, {self._shown(node.right)} in {right.unit}"
            self._report(node, f"{written}; they cannot be compared")
        else:
            self._ratio(left, node.left, node.right)
            self._ratio(right, node.right, node.left)
        return _Type(FactType.BOOLEAN)

    def _ratio(self, type_: _Type, node: Node, limit: Node) -> None:
        """Refuse `coverage >= 80`: a ratio lies between 0 and 1, and `disparity <= 10` would always pass."""
        if type_.unit != "ratio" or not isinstance(limit, Literal) or not isinstance(limit.value, Decimal):
            return
        if limit.value.copy_abs() > 1:
            self._report(
                limit,
                f"{self._shown(node)} is a ratio between 0 and 1, not a percentage; {self._shown(limit)} is beyond it",
                "write 0.8 for 80 %",
            )

    def _membership(self, node: Membership) -> _Type:
        found = self._type(node.operand)
        for member in node.members:
            if found.type not in {member.type, None}:
                expected = _Type(member.type)
                message = f"{self._shown(node.operand)} is {found}, {self._shown(member)} is {expected}"
                self._report(member, f"{message}; they cannot be compared")
            self._ratio(found, node.operand, member)
        return _Type(FactType.BOOLEAN)

    def _not(self, node: Not) -> _Type:
        self.boolean(node.operand, "what stands behind `not`")
        return _Type(FactType.BOOLEAN)

    def _junction(self, node: Junction) -> _Type:
        for operand in node.operands:
            self.boolean(operand, f"each side of `{node.operator}`")
        return _Type(FactType.BOOLEAN)


def _arity(spec: FunctionSpec) -> str:
    count = len(spec.parameters)
    return counted(count, "argument") if count else "no arguments"


def _signature(name: str, spec: FunctionSpec) -> str:
    words = [
        '"high"' if index in spec.severity_parameters else str(parameter)
        for index, parameter in enumerate(spec.parameters)
    ]
    return f"write `{spelt_name(name)}({', '.join(words)})`" if words else f"write `{spelt_name(name)}`"
