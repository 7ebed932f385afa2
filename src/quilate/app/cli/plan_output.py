"""What ``quilate plan`` and ``quilate blueprint diff`` print."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quilate.app.cli.terminal import Terminal
from quilate.blueprints.diff import Change, Direction
from quilate.blueprints.model import BlueprintStage, Plan, PlannedCheck
from quilate.blueprints.parser import plain_numbers
from quilate.domain.ids import CheckId
from quilate.kit.canonical import to_document
from quilate.kit.words import counted

_COLOURS = {Direction.STRICTER: "green", Direction.LOOSER: "red", Direction.CHANGED: "yellow"}
_REVIEW = {Direction.LOOSER: ", needs review", Direction.CHANGED: ", needs review"}
_SHOWN_ITEMS = 4
_SHOWN_CHARACTERS = 72


def plan_lines(terminal: Terminal, plan: Plan, *, cached: Mapping[CheckId, str] | None = None) -> Iterator[str]:
    """Yield the plan for people. ``cached`` says for a check how old the answer in the result cache is."""
    document = plan.blueprint.document
    title = f"{plan.project.project} ({plan.project.type})  {document.id} v{document.version}"
    yield f"{terminal.styled(title, 'cyan', bold=True)}      nothing runs, nothing changes"
    if plan.project.detected:
        yield "  no quilate.yaml here: this was detected; `quilate init` writes it down"
    names = {check.id for check in plan.checks}
    for stage in plan.stages:
        members = [check for check in plan.checks if check.stage == stage.name]
        if members:
            yield ""
            yield _stage_line(terminal, plan, stage)
            for check in members:
                yield from _check_lines(terminal, plan, check, (cached or {}).get(check.id, ""))
    yield from _policy_lines(terminal, plan)
    yield ""
    yield f"profile {plan.profile.id} {plan.profile.version} {plan.profile.digest[:19]}…, plan {plan.digest[:19]}…"
    yield _summary(plan, names & set(cached or {}))


def _stage_line(terminal: Terminal, plan: Plan, stage: BlueprintStage) -> str:
    order = [each.name for each in plan.blueprint.stages]
    before = stage.needs
    if before is None:
        index = order.index(stage.name)
        before = (plan.blueprint.stages[index - 1].name,) if index else ()
    words = [f"after {', '.join(before)}"] if before else []
    words += ["has effects: runs only when everything before it passed"] if stage.effects else []
    words += [f"when {_shortened(stage.when)}"] if stage.when else []
    said = f"  ({'; '.join(words)})" if words else ""
    return f"{terminal.styled(stage.name, 'cyan')}{said}  {stage.description}".rstrip()


def _check_lines(terminal: Terminal, plan: Plan, check: PlannedCheck, cached: str) -> Iterator[str]:
    yield f"  {check.id}  {check.type}  {', '.join(_check_words(check, cached))}"
    own = next(one for stage in plan.blueprint.stages for one in stage.checks if one.id == check.id)
    if own.needs:
        yield f"    needs {', '.join(own.needs)}"
    if own.when:
        yield f"    when {_shortened(own.when)}"
    values = {name: f"{name} {_value(value)}" for name, value in parameters_of(check).items()}
    given = [text for name, text in values.items() if name not in check.from_profile]
    if given:
        yield f"    {', '.join(given)}"
    shipped = [text for name, text in values.items() if name in check.from_profile]
    if shipped:
        yield f"    from the profile: {', '.join(shipped)}"
    yield from _binding_lines(terminal, check)


def _check_words(check: PlannedCheck, cached: str) -> list[str]:
    """Return what is said behind a check: whether it is required, how long it may take, and what is special."""
    words = ["required" if check.required else "not required", f"time-out {_duration(check.timeout_seconds)}"]
    words += [counted(check.retries, "retry", "retries")] if check.retries else []
    words += [f"every finding {check.severity.value}"] if check.severity else []
    words += [f"only warns before {check.enforce_from}"] if check.enforce_from else []
    words += [f"fresh for {_duration(check.fresh_for_seconds)}"] if check.fresh_for_seconds else []
    words += ["has effects"] if check.effects else []
    words += [f"cached, {cached}"] if cached else []
    return words


def _binding_lines(terminal: Terminal, check: PlannedCheck) -> Iterator[str]:
    if check.binding_error is not None:
        yield f"    {terminal.styled('!', 'yellow')} {check.binding_error}"
        yield f"      {check.binding_error.next_step}"
        return
    written = to_document(check.binding) if dataclasses.fields(check.binding) else {}
    bound = {name: value for name, value in written.items() if value not in ("", (), [], {}, None)}
    if bound:
        yield f"    bound to {', '.join(f'{name} {_value(value)}' for name, value in bound.items())}"


def parameters_of(check: PlannedCheck) -> dict[str, Any]:
    """Return a planned check's parameters by name, the severity threshold among them."""
    values: dict[str, Any] = dict(to_document(check.parameters))
    return {**values, "severity_threshold": check.severity_threshold.value}


def _duration(seconds: float) -> str:
    """Return a duration as a blueprint writes it."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{seconds:g}s"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        more = f", … ({len(value)} in all)" if len(value) > _SHOWN_ITEMS else ""
        return "[" + ", ".join(_value(item) for item in value[:_SHOWN_ITEMS]) + more + "]"
    return _shortened(str(value)) or "''"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"


def _policy_lines(terminal: Terminal, plan: Plan) -> Iterator[str]:
    if not plan.policies:
        yield ""
        yield "no policy: every required check must pass"
    for policy in plan.policies:
        of_stage = f" of stage {policy.stage}" if policy.stage else ""
        yield ""
        name = terminal.styled(f"policy {policy.name}", "cyan")
        yield f"{name}{of_stage}  (line {policy.line}, {policy.engine.value})"
        for text in plan.evidence_needed.get(policy.name, ()):
            yield f"  reads {text}"


def _summary(plan: Plan, cached: Iterable[CheckId]) -> str:
    unbound = [check.id for check in plan.checks if check.binding_error is not None]
    parts = [counted(len(plan.checks), "check")]
    from_cache = len(list(cached))
    parts += [f"{from_cache} from cache"] if from_cache else []
    parts += [f"{len(unbound)} not bound ({', '.join(unbound)}): they end as error"] if unbound else []
    parts += ["partial: a run has results but no verdict"] if plan.partial else []
    return ", ".join(parts)


def change_lines(terminal: Terminal, changes: Iterable[Change]) -> Iterator[str]:
    """Yield one line per difference of two blueprints."""
    listed = list(changes)
    if not listed:
        yield "  no difference in meaning"
        return
    width = min(max(len(change.subject) for change in listed), 40)
    for change in listed:
        if change.kind == "~":
            said = f"{_shortened(change.before)} → {_shortened(change.after)}"
        else:
            said = _shortened(change.after or change.before)
        note = f"  {change.note}" if change.note else ""
        word = f"{change.direction.value}{_REVIEW.get(change.direction, '')}"
        coloured = terminal.styled(word, _COLOURS.get(change.direction, "white"))
        yield f"  {change.kind} {change.subject:<{width}}  {said}{note}  {coloured}".rstrip()


def change_document(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return the differences as JSON types."""
    return [dict(to_document(change)) for change in changes]


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON types."""
    return {
        "project": plan.project.project,
        "type": plan.project.type,
        "detected": plan.project.detected,
        "blueprint": to_document(plan.blueprint.document),
        "profile": to_document(plan.profile),
        "digest": plan.digest,
        "partial": plan.partial,
        "stages": [
            {"name": stage.name, "description": stage.description, "effects": stage.effects, "when": stage.when}
            for stage in plan.stages
        ],
        "checks": [_check_document(check) for check in plan.checks],
        "policies": [
            {**to_document(policy), "reads": list(plan.evidence_needed.get(policy.name, ()))}
            for policy in plan.policies
        ],
    }


def _check_document(check: PlannedCheck) -> dict[str, Any]:
    error = check.binding_error
    return {
        "id": check.id,
        "type": check.type,
        "version": check.version,
        "stage": check.stage,
        "required": check.required,
        "needs": list(check.needs),
        "when": list(check.when),
        "effects": check.effects,
        "timeout_seconds": check.timeout_seconds,
        "retries": check.retries,
        "parameters": plain_numbers(parameters_of(check)),
        "from_profile": list(check.from_profile),
        "binding": to_document(check.binding),
        "binding_error": str(error) if error else "",
        "produces": to_document(check.produces),
    }
