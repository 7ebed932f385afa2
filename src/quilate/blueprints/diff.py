"""What a change of blueprint means: stricter, looser, or something for a person to judge."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from quilate.blueprints.model import Blueprint, BlueprintCheck, BlueprintStage
from quilate.blueprints.parser import plain_numbers
from quilate.checks.registry import load_check
from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import CheckId
from quilate.domain.severity import Severity
from quilate.evidence.model import finite_decimal
from quilate.policy.language import Expression, parse
from quilate.policy.language.syntax import Comparison, Junction, Literal, Node
from quilate.policy.model import PolicyEngine, PolicyRule

_FORBIDDING = ("forbidden_", "refused_", "required_")
_ALLOWING = ("allowed_", "approved_", "ignored_", "ignore")
_DEMANDING = ("must_", "require_", "required")


class Direction(StrEnum):
    """What a change does to what is let through."""

    STRICTER = "stricter"
    LOOSER = "LOOSER"
    NEUTRAL = "neutral"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. ``kind`` is ``+`` (added), ``-`` (removed) or ``~`` (changed); the texts are for people."""

    kind: str
    subject: str
    before: str = ""
    after: str = ""
    direction: Direction = Direction.CHANGED
    note: str = ""


def compare_blueprints(before: Blueprint, after: Blueprint) -> tuple[Change, ...]:
    """Return every difference in meaning, in the order of the newer blueprint; what was removed comes last."""
    return (
        *_checks(before, after),
        *_stages(before, after),
        *_policies(before, after),
        *_whole(before, after),
    )


def compare_profiles(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> tuple[Change, ...]:
    """Return what differs between two shipped profiles, given as check type to parameter to value."""
    found = []
    for check_type, section in after.items():
        for name, value in section.items():
            old = before.get(check_type, {}).get(name)
            if plain_numbers(old) != plain_numbers(value):
                found.append(_change(f"profile {check_type}.{name}", name, old, value))
    return tuple(found)


_Placed = tuple[BlueprintStage, BlueprintCheck]


def _by_id(blueprint: Blueprint) -> dict[CheckId, _Placed]:
    return {check.id: (stage, check) for stage in blueprint.stages for check in stage.checks}


def _checks(before: Blueprint, after: Blueprint) -> Iterator[Change]:
    old, new = _by_id(before), _by_id(after)
    for name, placed in new.items():
        if name in old:
            yield from _changes_of_check(old[name], placed)
            continue
        _, check = placed
        note = "new check, required" if check.required else "new check, not required"
        direction = Direction.STRICTER if check.required else Direction.NEUTRAL
        yield Change(kind="+", subject=name, after=check.type, direction=direction, note=note)
    for name, (_, check) in old.items():
        if name not in new:
            note = "check removed" if check.required else "check removed, it was not required"
            yield Change(kind="-", subject=name, before=check.type, direction=Direction.LOOSER, note=note)


def _changes_of_check(before: _Placed, after: _Placed) -> Iterator[Change]:
    (old_stage, old), (new_stage, new) = before, after
    if old.type != new.type:
        yield Change(kind="~", subject=f"{new.id}.type", before=old.type, after=new.type)
        return
    yield from _parameters(old, new)
    yield from _check_keys(old, new)
    if old_stage.name != new_stage.name:
        subject = f"{new.id}.stage"
        neutral = Direction.NEUTRAL
        yield Change(kind="~", subject=subject, before=old_stage.name, after=new_stage.name, direction=neutral)


def _parameters(before: BlueprintCheck, after: BlueprintCheck) -> Iterator[Change]:
    profile = load_check(after.type).profile
    names = dict.fromkeys([*after.parameters, *before.parameters])
    for name in names:
        old = before.parameters.get(name, profile.get(name))
        new = after.parameters.get(name, profile.get(name))
        if plain_numbers(old) == plain_numbers(new):
            continue
        origin = "" if name in after.parameters else "now from the profile"
        yield from _parameter(f"{after.id}.{name}", name, old, new, origin)


def _parameter(subject: str, name: str, old: Any, new: Any, note: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*new, *old]):
            if plain_numbers(old.get(key)) != plain_numbers(new.get(key)):
                yield _change(f"{subject}.{key}", name, old.get(key), new.get(key), note)
        return
    yield _change(subject, name, old, new, note)


def _change(subject: str, name: str, old: Any, new: Any, note: str = "") -> Change:
    direction = parameter_direction(name, old, new)
    return Change(kind="~", subject=subject, before=_text(old), after=_text(new), direction=direction, note=note)


def parameter_direction(name: str, old: Any, new: Any) -> Direction:  # noqa: PLR0911 - one return per kind of limit
    """Return what a parameter's change means, judged by its name; what the name does not tell is for a person."""
    if name == "severity_threshold":
        return _severity_direction(old, new)
    if (old is None or new is None) and name.startswith(("min_", "max_")):
        return _stricter_if(old is None)
    if isinstance(old, bool) and isinstance(new, bool) and name.startswith(_DEMANDING):
        return _stricter_if(new)
    older, newer = _number(old), _number(new)
    if older is not None and newer is not None:
        return _limit_direction(name, older, newer)
    if name == "min_version":
        return _stricter_if(str(new) > str(old))
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return _list_direction(name, {str(item) for item in old}, {str(item) for item in new})
    return Direction.CHANGED


def _limit_direction(name: str, old: Decimal, new: Decimal) -> Direction:
    if name.startswith("min_"):
        return _stricter_if(new > old)
    return _stricter_if(new < old) if name.startswith("max_") else Direction.CHANGED


def _list_direction(name: str, old: set[str], new: set[str]) -> Direction:
    if not (old < new or new < old):
        return Direction.CHANGED
    if name.startswith(_FORBIDDING):
        return _stricter_if(old < new)
    return _stricter_if(new < old) if name.startswith(_ALLOWING) else Direction.CHANGED


def _severity_direction(old: Any, new: Any) -> Direction:
    try:
        return _stricter_if(Severity(new) < Severity(old))
    except ValueError:
        return Direction.CHANGED


def _stricter_if(stricter: bool) -> Direction:  # noqa: FBT001 - the answer to a question, not a switch
    return Direction.STRICTER if stricter else Direction.LOOSER


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    return finite_decimal(str(value)) if isinstance(value, int | Decimal | str) else None


def _check_keys(before: BlueprintCheck, after: BlueprintCheck) -> Iterator[Change]:
    pairs: list[tuple[str, Any, Any, Direction]] = [
        ("required", before.required, after.required, _stricter_if(after.required)),
        ("enforce_from", before.enforce_from, after.enforce_from, _later(before.enforce_from, after.enforce_from)),
        ("severity", before.severity, after.severity, _graded(before.severity, after.severity)),
        ("when", before.when, after.when, _conditioned(before.when, after.when)),
        ("fresh_for", before.fresh_for_seconds, after.fresh_for_seconds, _fresh(before, after)),
        ("retries", before.retries, after.retries, _stricter_if(after.retries < before.retries)),
        ("needs", before.needs, after.needs, Direction.NEUTRAL),
        ("timeout", before.timeout_seconds, after.timeout_seconds, Direction.NEUTRAL),
        ("effects", before.effects, after.effects, Direction.CHANGED),
    ]
    for name, old, new, direction in pairs:
        if old != new:
            subject = f"{after.id}.{name}"
            yield Change(kind="~", subject=subject, before=_text(old), after=_text(new), direction=direction)


def _later(old: date | None, new: date | None) -> Direction:
    return _stricter_if(new is None or (old is not None and new < old))


def _graded(old: Severity | None, new: Severity | None) -> Direction:
    return Direction.CHANGED if old is None or new is None else _stricter_if(new > old)


def _conditioned(old: str, new: str) -> Direction:
    if not old or not new:
        return _stricter_if(not new)
    return Direction.CHANGED


def _fresh(before: BlueprintCheck, after: BlueprintCheck) -> Direction:
    old, new = before.fresh_for_seconds or 0.0, after.fresh_for_seconds or 0.0
    return _stricter_if(new < old)


def _stages(before: Blueprint, after: Blueprint) -> Iterator[Change]:
    old = {stage.name: stage for stage in before.stages}
    new = {stage.name: stage for stage in after.stages}
    for name, stage in new.items():
        if name not in old:
            yield Change(kind="+", subject=f"stage {name}", direction=Direction.NEUTRAL, note="new stage")
            continue
        earlier = old[name]
        if earlier.when != stage.when:
            direction = _conditioned(earlier.when, stage.when)
            yield Change(
                kind="~",
                subject=f"stage {name}.when",
                before=_text(earlier.when),
                after=_text(stage.when),
                direction=direction,
            )
        if earlier.needs != stage.needs:
            yield Change(
                kind="~",
                subject=f"stage {name}.needs",
                before=_text(earlier.needs),
                after=_text(stage.needs),
                direction=Direction.NEUTRAL,
            )
    for name in old:
        if name not in new:
            yield Change(kind="-", subject=f"stage {name}", direction=Direction.NEUTRAL, note="stage removed")


def _policies(before: Blueprint, after: Blueprint) -> Iterator[Change]:
    old = {policy.name: policy for policy in before.policies}
    new = {policy.name: policy for policy in after.policies}
    for name, policy in new.items():
        if name not in old:
            note = "new policy"
            yield Change(
                kind="+", subject=f"policy {name}", after=_text(policy.rule), direction=Direction.STRICTER, note=note
            )
            continue
        earlier = old[name]
        if earlier.binds_on != policy.binds_on:
            yield Change(
                kind="~",
                subject=f"policy {name}.binds_on",
                before=earlier.binds_on,
                after=policy.binds_on,
                direction=_stricter_if(policy.binds_on == "all"),
            )
        if earlier.engine != policy.engine or earlier.rule.split() != policy.rule.split():
            yield from _rule(f"policy {name}", earlier, policy)
    for name, policy in old.items():
        if name not in new:
            yield Change(
                kind="-",
                subject=f"policy {name}",
                before=_text(policy.rule),
                direction=Direction.LOOSER,
                note="policy removed",
            )


def _rule(subject: str, before: PolicyRule, after: PolicyRule) -> Iterator[Change]:
    """Compare two rules clause by clause where both are clauses joined by ``and``."""
    whole = Change(kind="~", subject=subject, before=_text(before.rule), after=_text(after.rule))
    if before.engine is not PolicyEngine.QUILATE or after.engine is not PolicyEngine.QUILATE:
        yield whole
        return
    try:
        old, new = _clauses(parse(before.rule)), _clauses(parse(after.rule))
    except ConfigurationError:
        yield whole
        return
    added = {text: node for text, node in new.items() if text not in old}
    removed = {text: node for text, node in old.items() if text not in new}
    for text, node in added.items():
        partner = next((other for other, one in removed.items() if _same_subject(node, one)), None)
        if partner is None:
            yield Change(kind="+", subject=subject, after=text, direction=Direction.STRICTER, note="clause added")
        else:
            direction = _comparison_direction(removed.pop(partner), node)
            yield Change(kind="~", subject=subject, before=partner, after=text, direction=direction)
    for text in removed:
        yield Change(kind="-", subject=subject, before=text, direction=Direction.LOOSER, note="clause removed")


def _clauses(expression: Expression) -> dict[str, Node]:
    root = expression.root
    nodes = root.operands if isinstance(root, Junction) and root.operator == "and" else (root,)
    return {" ".join(expression.text(node).split()): node for node in nodes}


def _same_subject(one: Node, other: Node) -> bool:
    return (
        isinstance(one, Comparison)
        and isinstance(other, Comparison)
        and one.operator[0] == other.operator[0]
        and one.left == other.left
        and isinstance(one.right, Literal)
        and isinstance(other.right, Literal)
    )


def _comparison_direction(old: Node, new: Node) -> Direction:
    if not (isinstance(old, Comparison) and isinstance(new, Comparison)):
        return Direction.CHANGED
    limits = [side.value if isinstance(side, Literal) else None for side in (old.right, new.right)]
    if not all(isinstance(limit, Decimal) for limit in limits) or new.operator[0] not in "<>":
        return Direction.CHANGED
    if limits[0] == limits[1]:
        return _stricter_if(len(new.operator) < len(old.operator))
    rises = Decimal(str(limits[1])) > Decimal(str(limits[0]))
    return _stricter_if(rises == (new.operator[0] == ">"))


def _whole(before: Blueprint, after: Blueprint) -> Iterator[Change]:
    if before.waivers_need_approval != after.waivers_need_approval:
        words = {True: "required", False: "optional"}
        yield Change(
            kind="~",
            subject="waivers.approval",
            before=words[before.waivers_need_approval],
            after=words[after.waivers_need_approval],
            direction=_stricter_if(after.waivers_need_approval),
        )
    pairs = [
        ("project_types", before.project_types, after.project_types),
        ("concurrency.key", before.concurrency_key, after.concurrency_key),
        ("concurrency.supersede", before.supersede, after.supersede),
    ]
    for name, old, new in pairs:
        if old != new:
            yield Change(kind="~", subject=name, before=_text(old), after=_text(new), direction=Direction.NEUTRAL)


def _text(value: Any) -> str:
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    plain = plain_numbers(value)
    if isinstance(plain, list):
        return ", ".join(_text(item) for item in plain) or "none"
    if isinstance(plain, float) and plain.is_integer():
        return f"{int(plain)}s"
    return " ".join(str(plain).split())
