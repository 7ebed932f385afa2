"""What waits for what: stages after stages, checks after the checks of earlier stages and after those they name."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TypeVar

from quilate.blueprints.model import Blueprint, BlueprintCheck, BlueprintStage
from quilate.blueprints.reading import Reader
from quilate.domain.errors import SourcePosition
from quilate.domain.ids import CheckId, StageName
from quilate.domain.nearest import nearest_hint

StageNeeds = Mapping[StageName, tuple[StageName, ...]]
CheckNeeds = Mapping[CheckId, tuple[CheckId, ...]]

Name = TypeVar("Name", bound=str)


def stage_needs(blueprint: Blueprint, reader: Reader) -> StageNeeds:
    """Return for each stage the stages that come directly before it; unknown and cyclic needs are reported."""
    names = [stage.name for stage in blueprint.stages]
    found: dict[StageName, tuple[StageName, ...]] = {}
    before: tuple[StageName, ...] = ()
    for stage in blueprint.stages:
        for need in stage.needs or ():
            if need not in names:
                message = f"the stage {stage.name!r} needs the unknown stage {need!r}{nearest_hint(need, names)}"
                reader.report(message, stage.needs_positions.get(need, stage.position))
        needs = before if stage.needs is None else tuple(need for need in stage.needs if need in names)
        found[stage.name] = tuple(dict.fromkeys(needs))
        before = (stage.name,)
    cycle = find_cycle(found)
    if cycle:
        position = _position_of(blueprint.stages, cycle[0])
        reader.report(f"stages need each other: {' → '.join(cycle)}", position, "take one of these needs out")
    return found


def check_needs(blueprint: Blueprint, stages: StageNeeds, reader: Reader) -> CheckNeeds:
    """Return for each check the checks that must have ended before it; unknown and cyclic needs are reported."""
    members = {stage.name: tuple(check.id for check in stage.checks) for stage in blueprint.stages}
    checks = [check for stage in blueprint.stages for check in stage.checks]
    names = [check.id for check in checks]
    found: dict[CheckId, tuple[CheckId, ...]] = {}
    for stage in blueprint.stages:
        inherited = [check_id for need in stages.get(stage.name, ()) for check_id in members[need]]
        for check in stage.checks:
            found[check.id] = tuple(dict.fromkeys([*inherited, *_known_needs(check, names, reader)]))
    cycle = find_cycle(found)
    if cycle:
        step = "a stage follows the one before it; take one of these needs out, or give a stage its own `needs`"
        reader.report(f"checks need each other: {' → '.join(cycle)}", _position_of(checks, cycle[0]), step)
    return found


def _known_needs(check: BlueprintCheck, names: Sequence[CheckId], reader: Reader) -> list[CheckId]:
    """Return the checks that a check names in its ``needs``; unknown ones are reported."""
    known = []
    for need in check.needs:
        if need in names:
            known.append(need)
            continue
        position = check.needs_positions.get(need, check.position)
        step = f"name the id of a check of this blueprint: {', '.join(names[:8])}"
        reader.report(f"{check.id} needs the unknown check {need!r}{nearest_hint(need, names)}", position, step)
    return known


def _position_of(items: Iterable[BlueprintCheck | BlueprintStage], name: str) -> SourcePosition | None:
    for item in items:
        if name == (item.id if isinstance(item, BlueprintCheck) else item.name):
            return item.position
    return None


def find_cycle(needs: Mapping[Name, Sequence[Name]]) -> tuple[Name, ...]:
    """Return the names of one cycle, the first again at the end, or nothing. Does not recurse."""
    settled: set[Name] = set()
    for start in needs:
        cycle = _cycle_from(start, needs, settled)
        if cycle:
            return cycle
    return ()


def _cycle_from(start: Name, needs: Mapping[Name, Sequence[Name]], settled: set[Name]) -> tuple[Name, ...]:
    """Return a cycle that can be reached from ``start``; names from which none can be are added to ``settled``."""
    path = [start] if start not in settled else []
    pending = [iter(needs[name]) for name in path]
    while path:
        need = next((one for one in pending[-1] if one not in settled), None)
        if need is None:
            settled.add(path.pop())
            pending.pop()
        elif need in path:
            return (*path[path.index(need) :], need)
        else:
            path.append(need)
            pending.append(iter(needs[need]))
    return ()


def ordered(needs: Mapping[Name, Sequence[Name]]) -> tuple[Name, ...]:
    """Return all names, each behind those it needs, else in the order given. There must be no cycle."""
    place = {name: index for index, name in enumerate(needs)}
    waiting_for = {name: len(set(before)) for name, before in needs.items()}
    following: dict[Name, list[Name]] = {name: [] for name in needs}
    for name, before in needs.items():
        for need in set(before):
            following[need].append(name)
    ready = [place[name] for name, count in waiting_for.items() if count == 0]
    names = tuple(needs)
    found: list[Name] = []
    while ready:
        found.append(names[heappop(ready)])
        for name in following[found[-1]]:
            waiting_for[name] -= 1
            if waiting_for[name] == 0:
                heappush(ready, place[name])
    return tuple(found)


def all_before(name: Name, needs: Mapping[Name, Sequence[Name]]) -> frozenset[Name]:
    """Return everything that must have ended before ``name``, however indirectly."""
    found: set[Name] = set()
    pending = list(needs[name])
    while pending:
        need = pending.pop()
        if need not in found:
            found.add(need)
            pending.extend(needs[need])
    return frozenset(found)


def with_following(start: StageName, needs: StageNeeds) -> frozenset[StageName]:
    """Return a stage with all that come after it, however indirectly."""
    return frozenset(name for name in needs if name == start or start in all_before(name, needs))
