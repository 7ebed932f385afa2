"""What a query may ask for: its length, its depth, and how many things its answer could hold.

Judged on the parsed document before anything else looks at it, in time linear in its length: a fragment is measured
once, however often it is spread, so that fragments within fragments cannot take exponential time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_operation_ast,
    parse,
)

LONGEST_QUERY_CHARACTERS = 20_000
MOST_TOKENS = 2_000
DEEPEST = 10
MOST_NODES = 50_000
MOST_ALIASES_OF_ROOT = 20
LARGEST_PAGE = 100
DEFAULT_PAGE = 20

_PAGED = frozenset({"projects", "runs", "findings", "waivers"})
_CHECKS_OF_A_RUN = 20
"""What a run is taken to have: the list of its checks is no longer than its blueprint."""
_FIGURES = 500
"""What computing the figures of a project costs, in nodes."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How deep a selection goes and how many nodes its answer may hold."""

    depth: int = 0
    nodes: int = 0

    def beside(self, other: "Measure") -> "Measure":
        """Return the measure of two selections side by side."""
        return Measure(max(self.depth, other.depth), self.nodes + other.nodes)


def parsed(query: str) -> DocumentNode:
    """Return the document of a query.

    Raises:
        GraphQLError: It is too long, or none.
    """
    if len(query) > LONGEST_QUERY_CHARACTERS:
        raise GraphQLError(f"the query is longer than {LONGEST_QUERY_CHARACTERS} characters: ask for less at a time")
    return parse(query, max_tokens=MOST_TOKENS)


def require_operation(document: DocumentNode, name: str | None) -> None:
    """Refuse a document of which it is not clear what is to be executed.

    Raises:
        GraphQLError: It holds no query of this name; without a name, none or several.
    """
    if get_operation_ast(document, name) is None:
        raise GraphQLError("operationName has to name a query of the document, unless that holds one alone")


def require_affordable(document: DocumentNode, variables: Mapping[str, Any]) -> None:
    """Refuse a document that goes too deep or asks for too much.

    Raises:
        GraphQLError: It does, or a fragment spreads itself.
    """
    judge = _Judge(document, variables)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            if len(definition.selection_set.selections) > MOST_ALIASES_OF_ROOT:
                raise GraphQLError(f"no more than {MOST_ALIASES_OF_ROOT} fields stand at the root of a query")
            measure = judge.selection(definition.selection_set)
            if measure.depth > DEEPEST:
                raise GraphQLError(f"the query goes {measure.depth} levels deep, and {DEEPEST} are allowed")
            if measure.nodes > MOST_NODES:
                raise GraphQLError(
                    f"the answer could hold {measure.nodes} nodes, and {MOST_NODES} are allowed: ask for smaller pages"
                )


class _Judge:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._measured: dict[str, Measure] = {}
        self._under_way: set[str] = set()

    def selection(self, selected: SelectionSetNode | None) -> Measure:
        total = Measure()
        for node in selected.selections if selected is not None else ():
            if isinstance(node, FieldNode):
                total = total.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                total = total.beside(self.selection(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                total = total.beside(self._fragment(node.name.value))
        return total

    def _field(self, node: FieldNode) -> Measure:
        name = node.name.value
        if node.selection_set is None:
            return Measure(depth=1)
        if name.startswith("__"):
            # Introspection answers from memory; its depth is what it costs.
            return Measure(depth=1)
        inner = self.selection(node.selection_set)
        times = self._page(node) if name in _PAGED else _CHECKS_OF_A_RUN if name == "checks" else 1
        own = _FIGURES if name == "kpis" else 1
        return Measure(depth=inner.depth + 1, nodes=times * (own + inner.nodes))

    def _page(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                given: Any = argument.value
                if isinstance(given, IntValueNode):
                    return _bounded(int(given.value))
                if isinstance(given, VariableNode):
                    value = self._variables.get(given.name.value)
                    return _bounded(value if isinstance(value, int) else LARGEST_PAGE)
        return DEFAULT_PAGE

    def _fragment(self, name: str) -> Measure:
        if name in self._measured:
            return self._measured[name]
        if name in self._under_way:
            raise GraphQLError(f"the fragment {name} spreads itself")
        definition = self._fragments.get(name)
        if definition is None:
            # Validation names what is missing.
            return Measure()
        self._under_way.add(name)
        measure = self.selection(definition.selection_set)
        self._under_way.discard(name)
        self._measured[name] = measure
        return measure


def _bounded(wanted: int) -> int:
    return min(max(wanted, 1), LARGEST_PAGE)


def page_size(first: int) -> int:
    """Return the length of a page as it is asked for.

    Raises:
        GraphQLError: It is none of 1 to 100.
    """
    if not 1 <= first <= LARGEST_PAGE:
        raise GraphQLError(f"`first` is a number from 1 to {LARGEST_PAGE}")
    return first
