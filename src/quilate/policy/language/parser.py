"""Tokens to a tree, by precedence climbing (Pratt).

``or`` binds loosest, then ``and``, then ``not``, then comparisons and ``in``, then the minus sign. Nesting and size are
bounded, so that no rule can exhaust the stack or the memory.
"""

from decimal import Decimal
from functools import lru_cache

from quilate.domain.errors import SourcePosition
from quilate.domain.nearest import nearest
from quilate.evidence.model import FactType
from quilate.policy.language.errors import PolicyError, shown
from quilate.policy.language.lexer import Fault, Token, TokenKind, tokens_of
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

MAX_NESTING = 50
MAX_NODES = 4096

_OR, _AND, _NOT, _COMPARISON, _SIGN = 1, 2, 3, 4, 5
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_POWERS = {"or": _OR, "and": _AND, "in": _COMPARISON, "not": _COMPARISON} | dict.fromkeys(_COMPARISONS, _COMPARISON)
_OPERATOR_WORDS = ("and", "or", "in")


def parse(source: str, *, position: SourcePosition | None = None) -> Expression:
    """Return the tree of a rule. ``position`` is where its first character stands in the user's file.

    Raises:
        PolicyError: The text is no rule; carries line, column and what to write instead.
    """
    return _parsed(source) if position is None else _Parser(source, position).run()


@lru_cache(maxsize=512)
def _parsed(source: str) -> Expression:
    """Return the tree of a rule without a place: immutable, and read again for every decision."""
    return _Parser(source, None).run()


class _Parser:
    """Reads the tokens of one rule once, without going back."""

    def __init__(self, source: str, position: SourcePosition | None) -> None:
        self._source = source
        self._position = position
        self._fault = Fault(source, position)
        self._tokens = tokens_of(source, position)
        self._index = 0
        self._nesting = 0
        self._nodes = 0

    def run(self) -> Expression:
        if self._ended():
            raise self._fault("the rule is empty", 0, 1, "write a condition, for example `all_required_checks_pass`")
        root = self._expression(0)
        if not self._ended():
            raise self._unexpected_after_value()
        return Expression(source=self._source, root=root, position=self._position)

    @property
    def _current(self) -> Token:
        return self._tokens[self._index]

    @property
    def _last_end(self) -> int:
        return self._tokens[self._index - 1].end

    def _ended(self) -> bool:
        return self._current.kind is TokenKind.END

    def _advance(self) -> Token:
        token = self._tokens[self._index]
        self._index += token.kind is not TokenKind.END
        return token

    def _at(self, text: str) -> bool:
        token = self._current
        return token.text == text and token.kind in {TokenKind.SYMBOL, TokenKind.KEYWORD}

    def _take(self, text: str) -> bool:
        found = self._at(text)
        self._index += found
        return found

    def _span(self, start: int) -> dict[str, int]:
        """Count one more node and return where it stands."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._fault(f"the rule has more than {MAX_NODES} parts", start, start + 1, "split it into policies")
        return {"start": start, "end": self._last_end}

    def _power(self) -> int:
        token = self._current
        return _POWERS.get(token.text, 0) if token.kind in {TokenKind.SYMBOL, TokenKind.KEYWORD} else 0

    def _expression(self, minimum: int) -> Node:
        start = self._current.start
        left = self._prefix()
        while (power := self._power()) > minimum:
            left = self._comparison(left, start) if power == _COMPARISON else self._junction(left, start, power)
        return left

    def _nested(self, minimum: int) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._fault(
                f"the rule is nested deeper than {MAX_NESTING} levels",
                self._current.start,
                self._current.end,
                "split it into several policies",
            )
        node = self._expression(minimum)
        self._nesting -= 1
        return node

    def _prefix(self) -> Node:
        token = self._advance()
        if token.kind is TokenKind.NAME:
            return self._name(token)
        if token.kind is TokenKind.TEXT:
            return Literal(type=FactType.TEXT, value=token.text, **self._span(token.start))
        match token.text:
            case "not":
                operand = self._nested(_NOT)
                return Not(operand=operand, **self._span(token.start))
            case "-":
                return self._negative(token)
            case "(":
                return self._group(token)
        return self._constant(token)

    def _constant(self, token: Token) -> Literal:
        if token.kind is TokenKind.NUMBER:
            return Literal(type=FactType.NUMBER, value=Decimal(token.text), **self._span(token.start))
        if token.text in {"true", "false"}:
            return Literal(type=FactType.BOOLEAN, value=token.text == "true", **self._span(token.start))
        raise self._unexpected_instead_of_value(token)

    def _name(self, token: Token) -> Node:
        if not self._take("("):
            return Name(name=token.text, **self._span(token.start))
        arguments: list[Node] = []
        while not self._at(")"):
            arguments.append(self._nested(0))
            if not self._take(","):
                break
        self._close(token.end)
        if not arguments:
            return Name(name=token.text, **self._span(token.start))
        return Call(function=token.text, arguments=tuple(arguments), **self._span(token.start))

    def _negative(self, token: Token) -> Node:
        operand = self._nested(_SIGN)
        if isinstance(operand, Literal) and isinstance(operand.value, Decimal):
            # Unary minus on a Decimal rounds to the context's precision; copy_negate is exact.
            return Literal(type=FactType.NUMBER, value=operand.value.copy_negate(), **self._span(token.start))
        return Negative(operand=operand, **self._span(token.start))

    def _group(self, token: Token) -> Node:
        node = self._nested(0)
        if self._at(","):
            raise self._fault("a list stands only behind `in`", token.start, self._current.end)
        self._close(token.start)
        return node

    def _close(self, opened: int) -> None:
        if self._take(")"):
            return
        if self._ended():
            raise self._fault("a parenthesis is not closed", opened, opened + 1, "add `)`")
        raise self._unexpected_after_value()

    def _junction(self, left: Node, start: int, power: int) -> Node:
        operator = self._current.text
        operands = [left]
        while self._take(operator):
            operands.append(self._expression(power))
        return Junction(operator=operator, operands=tuple(operands), **self._span(start))

    def _comparison(self, left: Node, start: int) -> Node:
        token = self._advance()
        node: Node
        if token.text in {"in", "not"}:
            node = self._membership(left, start, token)
        else:
            if self._at("not"):
                raise self._fault("`not` behind a comparison needs parentheses", self._current.start, self._current.end)
            right = self._expression(_COMPARISON)
            node = Comparison(operator=token.text, left=left, right=right, **self._span(start))
        if self._power() == _COMPARISON:
            raise self._fault(
                "comparisons cannot be chained",
                self._current.start,
                self._current.end,
                "join two of them: `0 < x and x < 1`",
            )
        return node

    def _membership(self, operand: Node, start: int, token: Token) -> Node:
        if token.text == "not" and not self._take("in"):
            raise self._fault("`not` cannot stand between two values", token.start, token.end, "write `and not`")
        opened = self._current.start
        if not self._take("("):
            raise self._fault("`in` is followed by a list", opened, self._current.end, 'for example `in ("a", "b")`')
        members: list[Literal] = []
        while not self._at(")"):
            members.append(self._member())
            if not self._take(","):
                break
        self._close(opened)
        if not members:
            raise self._fault("the list is empty", opened, self._last_end, "nothing is in an empty list")
        return Membership(operand=operand, members=tuple(members), negated=token.text == "not", **self._span(start))

    def _member(self) -> Literal:
        start = self._current.start
        member = self._nested(_SIGN)
        if not isinstance(member, Literal):
            raise self._fault("a list holds plain values only", start, self._last_end, "write texts in quotes")
        return member

    def _unexpected_after_value(self) -> PolicyError:
        token = self._current
        meant = nearest(token.text, _OPERATOR_WORDS) if token.kind is TokenKind.NAME and len(token.text) <= 5 else ""  # noqa: PLR2004 - longer words are no misspelt operator
        hint = f"did you mean `{meant}`?" if meant else "join clauses by `and` or `or`"
        return self._fault(f"an operator is missing before {_described(token)}", token.start, token.end, hint)

    def _unexpected_instead_of_value(self, token: Token) -> PolicyError:
        if token.kind is TokenKind.END:
            return self._fault("the rule ends where a value should stand", token.start, token.end)
        return self._fault(f"{_described(token)} stands where a value should", token.start, token.end)


def _described(token: Token) -> str:
    if token.kind is TokenKind.TEXT:
        return f'the text "{shown(token.text)}"'
    return f"`{shown(token.text)}`"
