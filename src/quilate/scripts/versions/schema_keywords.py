"""Each keyword of JSON Schema, compared between two schemas that stand at the same place."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from quilate.kit.canonical import canonical_json
from quilate.scripts.versions.schema_objects import compare_items, compare_properties
from quilate.scripts.versions.schema_relations import Effect, Walk

_TYPES = ("null", "boolean", "number", "integer", "string", "array", "object")
_NUMBERS = frozenset({"number", "integer"})
_STRINGS = frozenset({"string"})
_ARRAYS = frozenset({"array"})
_OBJECTS = frozenset({"object"})
_ANY = frozenset(_TYPES)

_Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The types that each side takes: a keyword about strings changes nothing where no string is taken."""

    old: frozenset[str]
    new: frozenset[str]

    def effect(self, wanted: Effect, types: frozenset[str]) -> Effect | None:
        """Return what a change amounts to, ``None`` for nothing."""
        narrows = wanted in {Effect.NARROWED, Effect.CHANGED} and bool(self.old & types)
        widens = wanted in {Effect.WIDENED, Effect.CHANGED} and bool(self.new & types)
        if narrows and widens:
            return Effect.CHANGED
        if narrows:
            return Effect.NARROWED
        return Effect.WIDENED if widens else None


def compare_keywords(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    """Compare all keywords of two schemas and tell the walk of each change."""
    side = _Side(old=_types_of(old), new=_types_of(new))
    _compare_types(walk, side, path)
    _compare_enumerations(walk, old, new, path)
    for keyword, exclusive, sign, types in _BOUNDS:
        before, after = _bound(old, keyword, exclusive, sign), _bound(new, keyword, exclusive, sign)
        _note(walk, side, path, keyword, types, _bound_effect(before, after), f"{keyword} {_shown(old, new, keyword)}")
    for keyword, types in _PLAIN:
        wanted = _presence_effect(walk, old, new, keyword)
        _note(walk, side, path, keyword, types, wanted, f"{keyword} {_shown(old, new, keyword)}")
    wanted = _multiple_effect(old.get("multipleOf"), new.get("multipleOf"))
    _note(walk, side, path, "multipleOf", _NUMBERS, wanted, f"multipleOf {_shown(old, new, 'multipleOf')}")
    if side.old & side.new & _OBJECTS:
        compare_properties(walk, old, new, path)
    if side.old & side.new & _ARRAYS:
        compare_items(walk, old, new, path)
    _compare_combinations(walk, old, new, path)
    _compare_unevaluated(walk, old, new, path)
    if bool(old.get("x-sensitive")) != bool(new.get("x-sensitive")):
        reason = "is sensitive now" if new.get("x-sensitive") else "is not sensitive any more"
        walk.add(path, "x-sensitive", Effect.NOTED, reason)


_BOUNDS: tuple[tuple[str, str, int, frozenset[str]], ...] = (
    ("minimum", "exclusiveMinimum", 1, _NUMBERS),
    ("maximum", "exclusiveMaximum", -1, _NUMBERS),
    ("minLength", "", 1, _STRINGS),
    ("maxLength", "", -1, _STRINGS),
    ("minItems", "", 1, _ARRAYS),
    ("maxItems", "", -1, _ARRAYS),
    ("minProperties", "", 1, _OBJECTS),
    ("maxProperties", "", -1, _OBJECTS),
)
_PLAIN: tuple[tuple[str, frozenset[str]], ...] = (
    ("pattern", _STRINGS),
    ("format", _STRINGS),
    ("contentEncoding", _STRINGS),
    ("contentMediaType", _STRINGS),
    ("uniqueItems", _ARRAYS),
    ("contains", _ARRAYS),
    ("minContains", _ARRAYS),
    ("maxContains", _ARRAYS),
    ("dependentRequired", _OBJECTS),
    ("dependentSchemas", _OBJECTS),
)


def _types_of(schema: _Schema) -> frozenset[str]:
    named = schema.get("type")
    if named is None:
        return _ANY
    types = frozenset([named] if isinstance(named, str) else named)
    return types | {"integer"} if "number" in types else types


def _compare_types(walk: Walk, side: _Side, path: str) -> None:
    gone, come = _plain_types(side.old - side.new), _plain_types(side.new - side.old)
    if gone == ["number"] and "integer" in side.new:
        walk.add(path, "type", Effect.NARROWED, "takes only whole numbers")
    elif gone:
        only = side.old == _ANY and f"takes only {' or '.join(_plain_types(side.new))}"
        walk.add(path, "type", Effect.NARROWED, only or f"takes no {' or '.join(gone)} any more")
    if come:
        every = side.new == _ANY and "takes every type"
        walk.add(path, "type", Effect.WIDENED, every or f"takes {' and '.join(come)} as well")


def _plain_types(types: frozenset[str]) -> list[str]:
    return [name for name in _TYPES if name in types and not (name == "integer" and "number" in types)]


def _compare_enumerations(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    if not walk.spend(len(old.get("enum", ())) + len(new.get("enum", ())), path):
        return
    before, after = _values(old), _values(new)
    if before == after:
        return
    if after is not None and (before is None or before - after):
        count = "" if before is None else f": {len(before - after)} of {len(before)} are gone"
        walk.add(path, "enum", Effect.NARROWED, f"takes only certain values{count}")
    if before is not None and (after is None or after - before):
        reason = "takes any value" if after is None else f"takes {len(after - before)} more values"
        walk.add(path, "enum", Effect.WIDENED, reason)


def _values(schema: _Schema) -> frozenset[bytes] | None:
    listed = None
    if "enum" in schema:
        listed = frozenset(canonical_json([each]) for each in schema["enum"])
    if "const" in schema:
        single = frozenset({canonical_json([schema["const"]])})
        listed = single if listed is None else listed & single
    return listed


def _bound(schema: _Schema, keyword: str, exclusive: str, sign: int) -> tuple[float, bool] | None:
    """Return the stricter of a bound and its exclusive form, so that larger means stricter."""
    found = [(sign * schema[name], name == exclusive) for name in (keyword, exclusive) if name and name in schema]
    strictest = max(found, default=None)
    # A length is never below nought.
    return None if strictest == (0, False) and sign > 0 and not exclusive else strictest


def _bound_effect(before: tuple[float, bool] | None, after: tuple[float, bool] | None) -> Effect | None:
    if before == after:
        return None
    if before is None or (after is not None and after > before):
        return Effect.NARROWED
    return Effect.WIDENED


def _presence_effect(walk: Walk, old: _Schema, new: _Schema, keyword: str) -> Effect | None:
    absent, gone = (keyword not in each or (keyword == "uniqueItems" and not each[keyword]) for each in (old, new))
    if absent or gone:
        if absent and gone:
            return None
        # Without `contains` its bounds mean nothing, and a lower bound of nought takes its meaning from it.
        if keyword in {"minContains", "maxContains"}:
            return Effect.CHANGED
        return Effect.NARROWED if absent else Effect.WIDENED
    return None if walk.identical(old[keyword], new[keyword]) else Effect.CHANGED


def _multiple_effect(before: float | None, after: float | None) -> Effect | None:
    if before == after:
        return None
    if before is None:
        return Effect.NARROWED
    if after is None:
        return Effect.WIDENED
    ratio = Fraction(str(after)) / Fraction(str(before))
    if ratio.denominator == 1:
        return Effect.NARROWED
    return Effect.WIDENED if ratio.numerator == 1 else Effect.CHANGED


def _note(  # noqa: PLR0913, PLR0917 - what a change is made of
    walk: Walk, side: _Side, path: str, keyword: str, types: frozenset[str], wanted: Effect | None, reason: str
) -> None:
    effect = None if wanted is None else side.effect(wanted, types)
    if effect is not None:
        walk.add(path, keyword, effect, reason)


def _shown(old: _Schema, new: _Schema, keyword: str) -> str:
    related = [keyword, _EXCLUSIVE.get(keyword, "")]
    before = next((old[name] for name in related if name in old), None)
    after = next((new[name] for name in related if name in new), None)
    if before is None:
        return f"{_short(after)} was added"
    if after is None:
        return f"{_short(before)} was removed"
    return f"changed from {_short(before)} to {_short(after)}"


_EXCLUSIVE = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "(a schema)"
    return str(value)[:80]


def _compare_combinations(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    _compare_all(walk, _all_of(old), _all_of(new), path)
    if "anyOf" in old or "anyOf" in new:
        _compare_any(walk, old.get("anyOf"), new.get("anyOf"), path)
    _compare_opaque(walk, old, new, ("oneOf",), path)
    _compare_opaque(walk, old, new, ("if", "then", "else"), path)
    if "not" in old or "not" in new:
        walk.turned(old.get("not", False), new.get("not", False), path)


def _compare_unevaluated(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    """What is left unevaluated depends on the names that every combined schema knows: it is not followed."""
    related = [each for each in (old, new) if not each.keys().isdisjoint(_UNEVALUATED)]
    if any(not each.keys().isdisjoint(_COMBINING) for each in related) and not walk.identical(old, new):
        reason = "a combination with unevaluated members or items changed: which values that concerns cannot be told"
        walk.add(path, "unevaluatedProperties", Effect.CHANGED, reason)


_UNEVALUATED = frozenset({"unevaluatedProperties", "unevaluatedItems"})
_COMBINING = frozenset({"allOf", "anyOf", "oneOf", "if", "dependentSchemas", "$ref"})


def _all_of(schema: _Schema) -> list[Any]:
    listed = list(schema.get("allOf", ()))
    return [*listed, {"$ref": schema["$ref"]}] if "$ref" in schema else listed


def _compare_all(walk: Walk, old: list[Any], new: list[Any], path: str) -> None:
    if not walk.spend(len(old) + len(new), path):
        return
    pairs, gone, come = _paired(walk, old, new)
    for before, after in pairs:
        walk.compare(before, after, path)
    for each in gone:
        walk.compare(each, True, path)  # noqa: FBT003 - the schema that takes anything
    for each in come:
        walk.compare(True, each, path)  # noqa: FBT003 - as above


def _compare_any(walk: Walk, old: list[Any] | None, new: list[Any] | None, path: str) -> None:
    if old is None or new is None:
        effect = Effect.NARROWED if old is None else Effect.WIDENED
        walk.add(path, "anyOf", effect, "alternatives were added" if old is None else "any alternative is taken")
        return
    if not walk.spend(len(old) + len(new), path):
        return
    pairs, gone, come = _paired(walk, old, new)
    for before, after in pairs:
        walk.compare(before, after, path)
    if gone:
        walk.add(path, "anyOf", Effect.NARROWED, f"{len(gone)} alternatives are gone")
    if come:
        walk.add(path, "anyOf", Effect.WIDENED, f"{len(come)} more alternatives are taken")


def _paired(walk: Walk, old: list[Any], new: list[Any]) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
    """Pair what two lists hold and is not the same, in its order; return what is left on each side as well."""
    waiting: dict[bytes, list[int]] = {}
    for index, after in enumerate(new):
        waiting.setdefault(canonical_json([after]), []).append(index)
    rest, met = [], set()
    for before in old:
        indices = waiting.get(canonical_json([before]))
        if indices and walk.identical(before, new[indices[-1]]):
            met.add(indices.pop())
        else:
            rest.append(before)
    come = [after for index, after in enumerate(new) if index not in met]
    count = min(len(rest), len(come))
    return list(zip(rest[:count], come[:count], strict=True)), rest[count:], come[count:]


def _compare_opaque(walk: Walk, old: _Schema, new: _Schema, keywords: tuple[str, ...], path: str) -> None:
    before = {name: old[name] for name in keywords if name in old}
    after = {name: new[name] for name in keywords if name in new}
    if not before and not after:
        return
    keyword = keywords[0]
    if not before or not after:
        effect = Effect.NARROWED if not before else Effect.WIDENED
        walk.add(path, keyword, effect, f"{keyword} was {'removed' if before else 'added'}")
    elif not walk.identical(before, after):
        walk.add(path, keyword, Effect.CHANGED, f"{keyword} changed: which values that concerns cannot be told")
