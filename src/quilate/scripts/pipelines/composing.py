"""Makes one source of several: each step in a scope of its own, JSON between them.

A pipeline is a version like any other, so that everything holds for it that holds for versions: it is immutable, has a
digest, is validated, reviewed, executed in each mode and on Spark, rolled back. Its source names its steps.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from quilate.kit.web.problems import Problem
from quilate.sandbox.model import Limits
from quilate.scripts.model import ScriptVersion
from quilate.scripts.versions.model import PushWish

LEAST_STEPS, MOST_STEPS = 2, 20
_LINE_ENDS = re.compile(r"[\r\n\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A version with the name of its script."""

    name: str
    version: ScriptVersion


def compose(steps: Sequence[Step]) -> PushWish:
    """Return the version that does all steps, one after the other.

    It takes what the first step takes and gives what the last one gives, in the shape of the first step, with the most
    careful settings of all: deterministic if any step is, the longest of their limits.

    Args:
        steps: In their order, at least two.

    Raises:
        Problem: 422, a step cannot be one.
    """
    if not LEAST_STEPS <= len(steps) <= MOST_STEPS:
        raise _refused(
            f"a pipeline has {LEAST_STEPS} to {MOST_STEPS} steps, not {len(steps)}", "name that many scripts"
        )
    engines = {step.version.engine for step in steps}
    if len(engines) > 1:
        raise _refused("its steps need different engines", "compose versions of one engine")
    combining = [step.name for step in steps[:-1] if step.version.shape.combine]
    if combining:
        raise _refused(
            f"{combining[0]!r} combines its parts, which only the last step may do", "put it at the end of the pipeline"
        )
    first, last = steps[0].version, steps[-1].version
    return PushWish(
        source=composed_source(steps, combine=last.shape.combine),
        shape=last.shape if last.shape.combine else first.shape,
        engine=first.engine,
        deterministic=any(step.version.deterministic for step in steps),
        limits=_limits(steps),
        input_schema=_schema(first.input_schema),
        output_schema=_schema(last.output_schema),
    )


def composed_source(steps: Sequence[Step], *, combine: bool = False) -> str:
    """Return the JavaScript of a pipeline."""
    parts = ["// A pipeline, composed of:\n"]
    parts += [f"//   {place}. {_title(step)}\n" for place, step in enumerate(steps, 1)]
    for place, step in enumerate(steps, 1):
        # What a step declares stays its own; the line end closes a comment that may stand last.
        parts.append(f"\n// Step {place}: {_title(step)}\nconst step{place} = (() => {{\n{step.version.source}\n")
        exported = "{ process, combine }" if combine and place == len(steps) else "{ process }"
        parts.append(f"return {exported};\n}})();\n")
    calls = "".join(f"  value = handOver({place}, step{place}.process(value));\n" for place in range(1, len(steps)))
    parts.append(
        "\n// Each step gets what it would get alone: the JSON of what the step before gave.\n"
        "function handOver(step, value) {\n"
        "  const text = JSON.stringify(value);\n"
        "  if (text === undefined) throw new TypeError(`step ${step} of the pipeline gave nothing`);\n"
        "  return JSON.parse(text);\n"
        "}\n"
        "\nfunction process(data) {\n"
        "  let value = data;\n"
        f"{calls}"
        f"  return step{len(steps)}.process(value);\n"
        "}\n"
    )
    if combine:
        parts.append(f"\nfunction combine(partials) {{\n  return step{len(steps)}.combine(partials);\n}}\n")
    return "".join(parts)


def _title(step: Step) -> str:
    # A name cannot end the comment that it stands in.
    name = _LINE_ENDS.sub(" ", step.name)
    return f"{name} {step.version.semver} {step.version.digest}"


def _limits(steps: Sequence[Step]) -> Limits:
    each = [step.version.limits for step in steps]
    return Limits(**{name: max(getattr(limits, name) for limits in each) for name in Limits.__dataclass_fields__})


def _schema(stored: bytes | None) -> Any:
    return None if stored is None else msgspec.json.decode(stored)


def _refused(detail: str, next_step: str) -> Problem:
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step)
