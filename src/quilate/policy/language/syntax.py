"""The tree of a parsed rule: immutable, picklable, equal when it means the same.

``start`` and ``end`` are offsets into the rule's text and do not take part in comparisons.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from quilate.domain.errors import SourcePosition
from quilate.evidence.model import FactType


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of a rule."""

    start: int = field(compare=False)
    end: int = field(compare=False)

    @property
    def children(self) -> "tuple[Node, ...]":
        """The parts that it is made of."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A value as written: a decimal, a text or a boolean."""

    type: FactType
    value: Decimal | str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Node):
    """A bare or dotted name, or a function without arguments; the segments are joined by dots."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """A function with at least one argument."""

    function: str
    arguments: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The arguments."""
        return self.arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative(Node):
    """A number with its sign turned."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """The number."""
        return (self.operand,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Node):
    """Two values beside each other; ``operator`` is one of ``== != < <= > >=``."""

    operator: str
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """Both sides."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership(Node):
    """A value that is, or is not, one of a list of literals."""

    operand: Node
    members: tuple[Literal, ...]
    negated: bool

    @property
    def children(self) -> tuple[Node, ...]:
        """The value and the members."""
        return (self.operand, *self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Node):
    """The opposite; of unknown it is unknown."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """What is negated."""
        return (self.operand,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction(Node):
    """Two or more clauses joined by ``and`` or by ``or``."""

    operator: str
    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The clauses in their order."""
        return self.operands


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A parsed rule. ``position`` is where its first character stands in the user's file."""

    source: str
    root: Node
    position: SourcePosition | None = None

    def text(self, node: Node) -> str:
        """Return the exact slice of the rule that ``node`` was read from."""
        return self.source[node.start : node.end]

    def nodes(self) -> Iterator[Node]:
        """Yield every node in the order of the text, parents before their children."""
        pending = [self.root]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.children))
