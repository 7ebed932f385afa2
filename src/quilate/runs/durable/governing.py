"""What binds a change that is not yet on the protected branch, and what the change itself would have asked for.

A pull request is judged by the project file and the blueprint of the protected branch: it must not loosen its own gate.
What it would change in them is decided beside, as a what-if that lets nothing through.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from quilate.blueprints.diff import compare_blueprints
from quilate.blueprints.model import Plan, ProjectFile
from quilate.blueprints.project_file import FILE_NAME
from quilate.blueprints.replay import under_plan
from quilate.domain.verdict import Verdict
from quilate.policy.decision import decide
from quilate.policy.model import DecisionInput

LONGEST_PROJECT_FILE_BYTES = 1 << 20
_MOST_CHANGES = 100
_OWN_PLACES = frozenset({"root", "positions", "binding_positions", "detected"})
"""Where a project file lies says nothing about what it asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a change asks for in place of what binds it: a plan, or why its own files make none."""

    plan: Plan | None = None
    error: str = ""


def project_text_at(root: Path) -> str:
    """Return the text of a tree's project file; empty where there is none."""
    file = root / FILE_NAME
    if file.is_symlink() or not file.is_file() or file.stat().st_size > LONGEST_PROJECT_FILE_BYTES:
        return ""
    return file.read_text(encoding="utf-8", errors="replace")


def differs(binding: Plan, proposed: Plan) -> bool:
    """Tell whether a change's own plan would judge it otherwise than the one that binds."""
    return binding.blueprint.document.digest != proposed.blueprint.document.digest or bool(
        tuple(_changed_settings(binding.project, proposed.project))
    )


def what_if(given: DecisionInput, binding: Plan, proposal: Proposal) -> bytes:
    """Return, as JSON, what a change's own plan would have decided on the evidence of the run.

    What the run did not measure stays unknown. Keys: ``verdict``, ``blueprint``, ``blueprint_digest``, ``changes``
    (with ``direction``), ``settings`` (names of the project file's settings that differ), ``unmeasured``, ``summary``;
    or ``error`` and ``summary``.
    """
    if proposal.plan is None:
        summary = f"the change's own files make no plan: {proposal.error}"
        return msgspec.json.encode({"error": proposal.error, "summary": summary})
    plan = proposal.plan
    verdict = decide(under_plan(given, plan)).verdict
    changes = compare_blueprints(binding.blueprint, plan.blueprint)
    measured = {check.check_id for check in given.checks}
    settings = tuple(_changed_settings(binding.project, plan.project))
    return msgspec.json.encode(
        {
            "verdict": verdict.value,
            "blueprint": plan.blueprint.document.id,
            "blueprint_digest": str(plan.blueprint.document.digest),
            "changes": [_change(change) for change in changes[:_MOST_CHANGES]],
            "settings": settings,
            "unmeasured": [str(check.id) for check in plan.checks if check.id not in measured],
            "summary": _summary(verdict, [change.direction.value for change in changes], settings),
        }
    )


def _change(change: Any) -> dict[str, Any]:
    described = {field.name: getattr(change, field.name) for field in dataclasses.fields(change)}
    return {**described, "direction": change.direction.value.lower()}


def _summary(verdict: Verdict, directions: list[str], settings: tuple[str, ...]) -> str:
    counted = [
        f"{directions.count(direction)} {direction.lower()}"
        for direction in ("LOOSER", "stricter", "changed", "neutral")
        if direction in directions
    ]
    if settings:
        counted.append(f"other settings: {', '.join(settings)}")
    return f"under the change's own blueprint the verdict would be {verdict.value} ({'; '.join(counted) or 'the same'})"


def _changed_settings(one: ProjectFile, other: ProjectFile) -> Iterator[str]:
    for field in dataclasses.fields(ProjectFile):
        if field.name not in _OWN_PLACES and getattr(one, field.name) != getattr(other, field.name):
            yield field.name
