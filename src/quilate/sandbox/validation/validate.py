"""Static validation of scripts, inside the sandbox: early refusal with place and fix, never the boundary (A07).

acorn and our rules run as a trusted program in an isolate of the pool; the script is a string in its input. What the
script may do to the analysis is to make it fail, by its nesting or its size, and that is rule ``JS003``.
"""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from quilate.domain.errors import InternalError
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Failure, FailureClass, Limits, Outcome, Payload, Program
from quilate.sandbox.prelude import ALLOWED_GLOBALS
from quilate.sandbox.validation.program import validator_source
from quilate.sandbox.validation.violations import Place, Violation, violation

if TYPE_CHECKING:
    from quilate.sandbox.pool import SandboxPool, SandboxSession

OWN_LIMITS = Limits(wall_seconds=10.0, cpu_seconds=5.0, source_bytes=1 << 20, output_bytes=1 << 20)
"""Of the analysis itself: a script of 256 KiB takes about half a second."""

AVAILABLE = (*ALLOWED_GLOBALS, "console")
"""Global names that a script may use, before the rules take some of them away."""

_TOO_MUCH = frozenset(
    {FailureClass.RECURSION, FailureClass.TIMEOUT, FailureClass.CPU, FailureClass.MEMORY, FailureClass.CRASHED}
)
_HOST = frozenset({FailureClass.UNAVAILABLE, FailureClass.VIOLATION, FailureClass.QUOTA, FailureClass.CANCELLED})
_MOST_VIOLATIONS = 200


class _At(msgspec.Struct):
    line: int
    column: int


class _Found(msgspec.Struct):
    rule: str
    start: _At = msgspec.field(name="from")
    end: _At = msgspec.field(name="to")
    values: dict[str, str | None] = {}


_DECODER = msgspec.json.Decoder(list[_Found])


class Validator:
    """A kept session that analyses one script after the other: for bursts, since it holds a worker while it is open.

    A call costs the analysis alone, about a millisecond for a script of ordinary size. Where an analysis costs the
    session, the next call has a new one; calls at the same time wait for one another.
    """

    def __init__(self, pool: "SandboxPool") -> None:
        self._pool = pool
        self._stack = AsyncExitStack()
        self._one_at_a_time = asyncio.Lock()
        self._session: SandboxSession | None = None

    async def __aenter__(self) -> Self:
        """Take a worker.

        Raises:
            SandboxUnavailableError: There is none to be had.
        """
        program = Program(source=validator_source())
        self._session = await self._stack.enter_async_context(self._pool.session(program, limits=OWN_LIMITS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the worker back."""
        self._session = None
        await self._stack.__aexit__(kind, error, trace)

    async def validate(
        self, source: str, *, limits: Limits | None = None, shape_needs_combine: bool = False
    ) -> tuple[Violation, ...]:
        """Return what is wrong with a script, in the order of its lines; see the function ``validate``."""
        if early := _unreadable(source, limits or Limits()):
            return (early,)
        async with self._one_at_a_time:
            outcome = await self._analysis(source, needs_combine=shape_needs_combine)
        return _violations(outcome)

    async def _analysis(self, source: str, *, needs_combine: bool) -> Outcome:
        if self._session is None:
            raise InternalError("a validator is used outside of its context")
        request = {"source": source, "globals": AVAILABLE, "needsCombine": needs_combine}
        payload = Payload(data=msgspec.json.encode(request))
        outcome = await self._session.call(payload)
        if outcome.failure is not None and outcome.failure.kind is FailureClass.CRASHED:
            # Once it may have been the host's fault: another process that took all memory.
            outcome = await self._session.call(payload)
        return outcome


async def validate(
    pool: "SandboxPool", source: str, *, limits: Limits | None = None, shape_needs_combine: bool = False
) -> tuple[Violation, ...]:
    """Return what is wrong with a script, in the order of its lines; a script without an error may be stored.

    It takes a worker of the pool for the time of the analysis; ``Validator`` keeps one for several scripts.

    Args:
        pool: Where the analysis runs.
        source: The script; hostile.
        limits: Under which it will run: says how long it may be.
        shape_needs_combine: Its declared shape calls ``combine``.

    Raises:
        SandboxUnavailableError: There is no sandbox to analyse it in.
        InternalError: The analysis itself is at fault.
    """
    if early := _unreadable(source, limits or Limits()):
        return (early,)
    async with Validator(pool) as validator:
        return await validator.validate(source, limits=limits, shape_needs_combine=shape_needs_combine)


def _unreadable(source: str, limits: Limits) -> Violation | None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        return violation("JS004", _place_of(source, error.start))
    if size > limits.source_bytes:
        return violation("JS002", values={"size": f"{size:,}", "limit": f"{limits.source_bytes:,}"})
    return None


def _place_of(source: str, index: int) -> Place:
    lines = source[:index].split("\n")
    column = len(lines[-1].encode("utf-16-le", "surrogatepass")) // 2 + 1
    return Place(line=len(lines), column=column, end_line=len(lines), end_column=column + 1)


def _violations(outcome: Outcome) -> tuple[Violation, ...]:
    if outcome.failure is not None:
        return (_of_failure(outcome.failure),)
    try:
        found = _DECODER.decode(outcome.output or b"")
        return tuple(_of_found(each) for each in found[:_MOST_VIOLATIONS])
    except (msgspec.MsgspecError, KeyError) as error:
        raise InternalError(f"the analysis of a script answered with something else: {error}") from error


def _of_found(found: _Found) -> Violation:
    values = {name: value for name, value in found.values.items() if value is not None}
    hint = values.get("hint")
    values["hint"] = f"; did you mean '{hint}'?" if hint else ""
    place = Place(
        line=found.start.line, column=found.start.column, end_line=found.end.line, end_column=found.end.column
    )
    return violation(found.rule, place, values)


def _of_failure(failure: Failure) -> Violation:
    if failure.kind in _TOO_MUCH:
        return violation("JS003")
    if failure.kind in _HOST:
        raise SandboxUnavailableError(
            f"the script cannot be analysed: {failure.message}", next_step="look at the sandbox with quilate doctor"
        )
    raise InternalError(f"the analysis of a script failed: {failure.kind.value}: {failure.message}")
