"""The walk over two JSON Schemas side by side."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from quilate.kit.canonical import canonical_json
from quilate.scripts.versions.schema_words import target_of

MOST_CHANGES = 200
DEEPEST_COMPARISON = 80
MOST_WORK = 200_000
"""Units of work: ten for a pair of subschemas, one for a value, a name or an alternative. Beyond, the rest counts as
changed."""
_PAIR = 10

_NO_CONSTRAINTS = frozenset(
    {"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly"}
    | {"$defs", "definitions", "$schema", "$id"}
)


class Effect(StrEnum):
    """What a change does to the values that are taken."""

    NARROWED = "narrowed"
    WIDENED = "widened"
    CHANGED = "changed"
    NOTED = "noted"


_TURNED = {Effect.NARROWED: Effect.WIDENED, Effect.WIDENED: Effect.NARROWED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        path: Where in the data, as a JSON pointer with ``*`` for any item or name; empty for the whole.
        keyword: Of JSON Schema.
        effect: What it does.
        reason: In words.
    """

    path: str
    keyword: str
    effect: Effect
    reason: str


@dataclass(slots=True, kw_only=True)
class Walk:
    """Compares subschemas and gathers changes.

    Attributes:
        before: Subschemas of the older schema by their pointers.
        after: Of the newer one.
        keywords: Compares two objects keyword by keyword.
        changes: What was found, the first ``MOST_CHANGES`` and one more.
        effects: Of all that was found.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    keywords: Callable[["Walk", Mapping[str, Any], Mapping[str, Any], str], None]
    changes: list[Change] = field(default_factory=list)
    effects: set[Effect] = field(default_factory=set)
    _seen: set[tuple[int, int, bool]] = field(default_factory=set)
    _depth: int = 0
    _turned: bool = False
    _left: int = MOST_WORK
    _alike: dict[str, bool] = field(default_factory=dict)

    def add(self, path: str, keyword: str, effect: Effect, reason: str) -> None:
        """Note a change; within ``not`` its effect is the opposite."""
        effect = _TURNED.get(effect, effect) if self._turned else effect
        self.effects.add(effect)
        if len(self.changes) <= MOST_CHANGES:
            self.changes.append(Change(path=path, keyword=keyword, effect=effect, reason=reason))

    def spend(self, work: int, path: str) -> bool:
        """Tell whether there is time for so much work; where it runs out the schemas count as changed."""
        if self._left <= 0:
            return False
        self._left -= work
        if self._left <= 0:
            self.add(path, "", Effect.CHANGED, "the schemas are too large to be compared whole")
        return self._left > 0

    def compare(self, before: Any, after: Any, path: str) -> None:
        """Compare two subschemas at a place in the data."""
        if not self.spend(_PAIR, path):
            return
        if isinstance(before, bool) and before is after:
            return
        old, new = self._followed(before, self.before), self._followed(after, self.after)
        # A pair that is under comparison, or was, says nothing new: so recursion ends. All of them live as long as the
        # documents, so that their addresses name them.
        key = (id(old), id(new), self._turned)
        if key in self._seen:
            return
        self._seen.add(key)
        if self._depth >= DEEPEST_COMPARISON:
            self.add(path, "", Effect.CHANGED, "the schemas are nested too deeply to be compared whole")
            return
        self._depth += 1
        self._compare_values(old, new, path)
        self._depth -= 1

    def turned(self, before: Any, after: Any, path: str) -> None:
        """Compare what stands under ``not``."""
        self._turned = not self._turned
        try:
            self.compare(before, after, path)
        finally:
            self._turned = not self._turned

    def identical(self, before: Any, after: Any) -> bool:
        """Tell whether two parts of the documents are the same, and all that they refer to is."""
        if canonical_json([before]) != canonical_json([after]):
            return False
        waiting, seen = list(_references(before)), set[str]()
        while waiting:
            target = waiting.pop()
            known = self._alike.get(target)
            if known or target in seen:
                continue
            old, new = self.before.get(target), self.after.get(target)
            if known is False or canonical_json([old]) != canonical_json([new]):
                self._alike[target] = False
                return False
            seen.add(target)
            waiting.extend(_references(old))
        # Everything that any of them refers to was looked at, or is known.
        self._alike.update(dict.fromkeys(seen, True))
        return True

    def _compare_values(self, old: Any, new: Any, path: str) -> None:
        takes_old, takes_new = _takes(old), _takes(new)
        if takes_old is not None and takes_old == takes_new:
            return
        if takes_new is False:
            self.add(path, "", Effect.NARROWED, "nothing is taken here any more")
        elif takes_old is False:
            self.add(path, "", Effect.WIDENED, "something is taken here now")
        else:
            self.keywords(self, _object(old), _object(new), path)

    @staticmethod
    def _followed(schema: Any, nodes: Mapping[str, Any]) -> Any:
        """Return what a bare reference leads to."""
        while isinstance(schema, dict) and "$ref" in schema and not _constraints(schema) - {"$ref"}:
            schema = nodes[target_of(schema["$ref"])]
        return schema


def _references(value: Any) -> Iterator[str]:
    """Yield what any ``$ref`` within a value points to."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
            if "$ref" in each:
                yield target_of(each["$ref"])


def _takes(schema: Any) -> bool | None:
    """Tell what a schema plainly takes: everything, nothing, or ``None`` where one has to look closer."""
    if isinstance(schema, bool):
        return schema
    return None if _constraints(schema) or _noted(schema) else True


def _constraints(schema: Mapping[str, Any]) -> set[str]:
    return {keyword for keyword in schema if keyword not in _NO_CONSTRAINTS and not keyword.startswith("x-")}


def _noted(schema: Mapping[str, Any]) -> bool:
    return any(keyword.startswith("x-") for keyword in schema)


def _object(schema: Any) -> Mapping[str, Any]:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    document: Mapping[str, Any] = schema
    return document
