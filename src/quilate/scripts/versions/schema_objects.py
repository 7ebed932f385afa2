"""Members of objects and items of arrays, compared between two schemas."""

from collections.abc import Mapping
from typing import Any

from quilate.scripts.versions.schema_relations import Effect, Walk
from quilate.scripts.versions.schema_words import escaped

_Schema = Mapping[str, Any]


def compare_properties(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    """Compare which members an object needs and what they may be."""
    _compare_required(walk, old, new, path)
    before, after = old.get("properties", {}), new.get("properties", {})
    other_before, other_after = _others(old), _others(new)
    for name in dict.fromkeys((*before, *after)):
        _compare_property(walk, old, new, name, f"{path}/{escaped(name)}")
    patterns_before, patterns_after = old.get("patternProperties", {}), new.get("patternProperties", {})
    for pattern in dict.fromkeys((*patterns_before, *patterns_after)):
        walk.compare(patterns_before.get(pattern, other_before), patterns_after.get(pattern, other_after), f"{path}/*")
        if (pattern in patterns_before) != (pattern in patterns_after):
            _note_pattern(walk, path)
    walk.compare(other_before, other_after, f"{path}/*")
    if "propertyNames" in old or "propertyNames" in new:
        walk.compare(old.get("propertyNames", True), new.get("propertyNames", True), path)


def _note_pattern(walk: Walk, path: str) -> None:
    reason = "the patterns of names changed: which members that concerns cannot be told"
    walk.add(f"{path}/*", "patternProperties", Effect.CHANGED, reason)


def _others(schema: _Schema) -> Any:
    """Return what members have to be that no name and no pattern covers."""
    return schema.get("additionalProperties", schema.get("unevaluatedProperties", True))


def _compare_required(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    before, after = dict.fromkeys(old.get("required", ())), dict.fromkeys(new.get("required", ()))
    if not walk.spend(len(before) + len(after), path):
        return
    for name in after:
        if name not in before:
            walk.add(f"{path}/{escaped(name)}", "required", Effect.NARROWED, "is required now")
    for name in before:
        if name not in after:
            walk.add(f"{path}/{escaped(name)}", "required", Effect.WIDENED, "is not required any more")


def _compare_property(walk: Walk, old: _Schema, new: _Schema, name: str, path: str) -> None:
    before, after = old.get("properties", {}), new.get("properties", {})
    if name in before and name in after:
        walk.compare(before[name], after[name], path)
        return
    side = old if name in after else new
    if side.get("patternProperties"):
        # Which pattern covers the name is not asked: patterns of strangers are matched in linear time or not at all.
        walk.add(path, "properties", Effect.CHANGED, "was a member by name on one side only, beside patterns of names")
        return
    if name in before:
        if _others(new) is False:
            walk.add(path, "properties", Effect.NARROWED, "was removed, and no other members are taken")
        else:
            walk.compare(before[name], _others(new), path)
    elif _others(old) is False:
        walk.add(path, "properties", Effect.WIDENED, "was added")
    else:
        walk.compare(_others(old), after[name], path)


def compare_items(walk: Walk, old: _Schema, new: _Schema, path: str) -> None:
    """Compare what the items of an array may be."""
    before, after = list(old.get("prefixItems", ())), list(new.get("prefixItems", ()))
    rest_before, rest_after = _rest(old), _rest(new)
    for index in range(max(len(before), len(after))):
        walk.compare(
            before[index] if index < len(before) else rest_before,
            after[index] if index < len(after) else rest_after,
            f"{path}/{index}",
        )
    walk.compare(rest_before, rest_after, f"{path}/*")


def _rest(schema: _Schema) -> Any:
    """Return what items have to be that no position covers."""
    return schema.get("items", schema.get("unevaluatedItems", True))
