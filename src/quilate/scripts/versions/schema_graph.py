"""How much checking a schema may cause: its subschemas as a graph, its recursion, its size unfolded.

A schema of a few lines can make a checker do exponential work: ``allOf`` of twice the same reference, again and again,
or two branches that both descend into the same property of a recursive structure. Such schemas are refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from quilate.scripts.versions.schema_words import IN_PLACE, subschemas, target_of

MOST_CHECKS = 50_000
"""Subschemas that the schema has with every reference that does not recur unfolded."""

_SAME_PROPERTY = frozenset({"patternProperties", "unevaluatedProperties"})
_SAME_ITEM = frozenset({"contains", "unevaluatedItems"})
_APART = frozenset({"$defs", "definitions"})

_Edges = Mapping[str, Sequence[tuple[str, str]]]


def checking_fault(nodes: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return place and reason where checking by a schema cannot be bounded, ``None`` where it can.

    Args:
        nodes: Its subschemas by their pointers; every ``$ref`` names one of them.
    """
    edges = {pointer: _edges(pointer, schema) for pointer, schema in nodes.items()}
    components = _components(edges)
    of_node = {pointer: number for number, component in enumerate(components) for pointer in component}
    for pointer in nodes:
        fault = _recursion_fault(pointer, edges, of_node)
        if fault is not None:
            return pointer, fault
    loop = _loop_in_place(edges)
    if loop is not None:
        return loop, "refers to itself without descending into the value"
    if _unfolded(components, edges, of_node) > MOST_CHECKS:
        return "#", f"unfolds to more than {MOST_CHECKS} subschemas"
    return None


def _edges(pointer: str, schema: Any) -> list[tuple[str, str]]:
    if not isinstance(schema, dict):
        return []
    found = [(keyword, pointer + below) for keyword, below, _ in subschemas(schema) if keyword not in _APART]
    if "$ref" in schema:
        found.append(("$ref", target_of(schema["$ref"])))
    return found


def _recursion_fault(pointer: str, edges: _Edges, of_node: Mapping[str, int]) -> str | None:
    inside = [keyword for keyword, target in edges[pointer] if of_node[target] == of_node[pointer]]
    in_place = sum(keyword in IN_PLACE for keyword in inside)
    properties = sum(keyword in _SAME_PROPERTY for keyword in inside)
    items = sum(keyword in _SAME_ITEM for keyword in inside)
    descends = len(inside) - in_place
    if in_place > 1 or (in_place and descends) or (properties and descends > 1) or (items and descends > 1):
        return "refers to itself on several ways at once, so that checking a value could take any time"
    return None


def _loop_in_place(edges: _Edges) -> str | None:
    """Return a subschema that comes to itself without descending into the value."""
    places = {
        pointer: [(keyword, target) for keyword, target in out if keyword in IN_PLACE] for pointer, out in edges.items()
    }
    for component in _components(places):
        first = component[0]
        if len(component) > 1 or any(target == first for _, target in places[first]):
            return first
    return None


def _unfolded(components: Sequence[Sequence[str]], edges: _Edges, of_node: Mapping[str, int]) -> int:
    """Return how many subschemas there are once references are unfolded; recursion counts once."""
    # Components come with what they lead to first.
    size: list[int] = []
    for number, component in enumerate(components):
        outside = (of_node[target] for pointer in component for _, target in edges[pointer])
        total = len(component) + sum(size[target] for target in outside if target != number)
        size.append(min(total, MOST_CHECKS + 1))
    return size[of_node["#"]]


def _components(edges: _Edges) -> list[list[str]]:
    """Return the strongly connected components, what they lead to first (Kosaraju's algorithm, without recursion)."""
    order = _finishing_order(edges)
    backwards: dict[str, list[str]] = {pointer: [] for pointer in edges}
    for pointer, out in edges.items():
        for _, target in out:
            backwards[target].append(pointer)
    seen: set[str] = set()
    components = []
    for pointer in reversed(order):
        if pointer in seen:
            continue
        component, waiting = [], [pointer]
        seen.add(pointer)
        while waiting:
            each = waiting.pop()
            component.append(each)
            fresh = [before for before in backwards[each] if before not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
        components.append(component)
    components.reverse()
    return components


def _finishing_order(edges: _Edges) -> list[str]:
    order: list[str] = []
    seen: set[str] = set()
    for start in edges:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(edges[start]))]
        while stack:
            pointer, out = stack[-1]
            following = next((target for _, target in out if target not in seen), None)
            if following is None:
                order.append(pointer)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(edges[following])))
    return order
