"""Running a script on sample data as an execution would, with nothing stored."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from quilate.sandbox.model import Failure, FailureClass, Limits, Outcome, Program
from quilate.scripts.model import Shape
from quilate.scripts.versions.errors import invalid
from quilate.scripts.versions.model import Remark, Runner, reduced
from quilate.scripts.versions.schema_documents import compile_schema
from quilate.scripts.versions.schema_words import escaped

MOST_VIOLATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DataViolation:
    """Where data breaks a schema: a JSON pointer into the data, and what is wrong; never the value."""

    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a test.

    Attributes:
        outcome: Of the run; ``None`` where the data broke the input schema, so that nothing ran.
        parts: What became of chunks or groups.
        remarks: What the validation says that is no error.
        input_violations: Where the data breaks the input schema.
        output_violations: Where the result breaks the output schema.
        reduced: What needs a review was left out: limits above the defaults, the engine ``fast``, warm isolates.
    """

    outcome: Outcome | None
    parts: Mapping[str, Any] | None = None
    remarks: tuple[Remark, ...] = ()
    input_violations: tuple[DataViolation, ...] = ()
    output_violations: tuple[DataViolation, ...] = ()
    reduced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """What is tested.

    Attributes:
        program: The script.
        limits: Of each call.
        shape: What each call gets.
        reviewed: Somebody reviewed it; else what needs a review is left out.
        schemas: Of input and output, canonical JSON.
        remarks: What the validation says.
    """

    program: Program
    limits: Limits
    shape: Shape
    reviewed: bool
    schemas: tuple[bytes | None, bytes | None] = (None, None)
    remarks: tuple[Remark, ...] = ()


async def try_out(request: TrialRequest, data: bytes, runner: Runner) -> Trial:
    """Run a script once, or once for each chunk or group.

    Args:
        request: What.
        data: JSON.
        runner: Runs it; may refuse for now (Problem 429 or 503).

    Raises:
        Problem: 422, the data is no JSON.
    """
    program, limits = (
        (request.program, request.limits) if request.reviewed else reduced(request.program, request.limits)
    )
    less = (program, limits) != (request.program, request.limits)
    broken = await asyncio.to_thread(violations, request.schemas[0], data)
    if broken:
        return Trial(outcome=None, remarks=request.remarks, input_violations=broken, reduced=less)
    ran = await runner(program, limits, data, request.shape)
    outcome = _trusted(ran.outcome)
    wrong: tuple[DataViolation, ...] = ()
    if outcome.output is not None:
        wrong = await asyncio.to_thread(violations, request.schemas[1], outcome.output)
    return Trial(outcome=outcome, parts=ran.parts, remarks=request.remarks, output_violations=wrong, reduced=less)


def violations(schema: bytes | None, data: bytes) -> tuple[DataViolation, ...]:
    """Return where data breaks a stored schema, at most ``MOST_VIOLATIONS``.

    Raises:
        Problem: 422, the data is no JSON.
    """
    if schema is None:
        return ()
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid("data is no JSON that can be read", "send one JSON value as data", "#/data") from error
    checker = compile_schema(msgspec.json.decode(schema))
    found = islice(checker.iter_errors(value), MOST_VIOLATIONS)
    return tuple(DataViolation(path=_pointer(each.instance_path), message=each.message[:300]) for each in found)


def _pointer(path: Sequence[Any]) -> str:
    return "".join(f"/{escaped(str(part))}" for part in path)


def _trusted(outcome: Outcome) -> Outcome:
    """Return an outcome whose output is JSON: it comes from the sandbox and is taken for nothing before."""
    if outcome.output is None:
        return outcome
    try:
        msgspec.json.decode(outcome.output)
    except (msgspec.DecodeError, RecursionError):
        failure = Failure(kind=FailureClass.RESULT, message="the result is no JSON")
        return Outcome(
            output=None,
            failure=failure,
            console=outcome.console,
            console_truncated=outcome.console_truncated,
            wall_milliseconds=outcome.wall_milliseconds,
            cpu_milliseconds=outcome.cpu_milliseconds,
            peak_memory_bytes=outcome.peak_memory_bytes,
            engine=outcome.engine,
            level=outcome.level,
            fuel=outcome.fuel,
        )
    return outcome
