"""What a pool is asked: whether it takes it, how it goes on the wire, and which calls go there together."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from quilate.sandbox import protocol
from quilate.sandbox.model import Engine, Failure, FailureClass, Format, Limits, Payload, Program

HEAP_FOR_EACH_BYTE: Final = 12
"""The heap grows by so much for each byte of a payload: what small records take as objects, with the text itself."""
FUNCTION_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")

Request = tuple[Program, Payload, Limits]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKind:
    """What cannot be changed once a worker runs.

    Attributes:
        engine: It has loaded.
        stack_kibibytes: A flag of its V8.
    """

    engine: Engine = Engine.DEFAULT
    stack_kibibytes: int = Limits().stack_kibibytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a call is to be made.

    Attributes:
        function: Global function of the script.
        answer: How the result is written.
        session: 0, or calls with the same number share an isolate.
        last: Nothing else is on its way to the worker behind it.
        alone: Nothing else is on its way to the worker at all.
    """

    function: str = "process"
    answer: Format = Format.JSON
    session: int = 0
    last: bool = True
    alone: bool = True


def kind_of(program: Program, limits: Limits) -> WorkerKind:
    """Which worker can run this."""
    return WorkerKind(engine=program.engine, stack_kibibytes=limits.stack_kibibytes)


def refusal(program: Program, limits: Limits, *, engines: frozenset[Engine], heap_bytes: int) -> Failure | None:
    """Why an execution is not even begun.

    Args:
        program: The script.
        limits: Of the execution.
        engines: Those the pool has.
        heap_bytes: The most the pool gives.
    """
    if program.engine not in engines:
        return _rejected(f"The engine {program.engine} is not enabled here", "engine")
    if len(program.source) > limits.source_bytes or len(program.source.encode()) > limits.source_bytes:
        return _rejected(f"The script is longer than {limits.source_bytes} bytes", "source_bytes")
    if limits.heap_bytes > heap_bytes:
        message = f"A heap of {limits.heap_bytes} bytes is more than this sandbox gives ({heap_bytes})"
        return _rejected(message, "heap_bytes")
    return None


def check_function(name: str) -> None:
    """Only a plain name may become part of code.

    Raises:
        ValueError: It is none.
    """
    if not FUNCTION_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a function")


def _rejected(message: str, rule: str) -> Failure:
    return Failure(kind=FailureClass.REJECTED, message=message, rule=rule)


def scaled(limits: Limits, engine: Engine, payload_bytes: int, ceiling_bytes: int) -> Limits:
    """Limits whose heap has room for the payload as objects; the strict engine's heap stays as it was asked for."""
    if engine is Engine.STRICT:
        return limits
    heap = min(limits.heap_bytes + HEAP_FOR_EACH_BYTE * payload_bytes, ceiling_bytes)
    # Steps of a MiB: limits that differ little would make a system call for each execution.
    heap = (max(limits.heap_bytes, heap) >> 20) << 20 if payload_bytes > 1 << 16 else limits.heap_bytes
    return limits if heap <= limits.heap_bytes else replace(limits, heap_bytes=heap)


def header(number: int, source: bytes, request: Request, wanted: Wanted) -> protocol.CallHeader:
    """A call's header.

    Args:
        number: Of the call.
        source: The script's UTF-8.
        request: What to run, with limits that are ``scaled`` already.
        wanted: How.
    """
    program, payload, limits = request
    return protocol.CallHeader(
        number=number,
        source_bytes=len(source),
        payload_bytes=len(payload.data),
        shared=wanted.alone and len(source) + len(payload.data) > protocol.SHARED_ABOVE,
        format=payload.format,
        answer=wanted.answer,
        function=wanted.function,
        engine=program.engine,
        limits=limits,
        seed=program.seed,
        now_milliseconds=program.now_milliseconds,
        reuse=program.reuse,
        session=wanted.session,
        shared_answer=wanted.last,
    )


def next_batch(requests: Sequence[Request], waiting: deque[int], size: int) -> tuple[list[int], WorkerKind]:
    """Indexes of the next calls that may be on their way to one worker together; long ones go alone.

    Calls with heaps of different size do not go together: the limit of the process is set as each call begins.
    """
    batch: list[int] = []
    kind, heap = WorkerKind(), 0
    while waiting and len(batch) < size:
        program, payload, limits = requests[waiting[0]]
        this = kind_of(program, limits)
        long = len(program.source) + len(payload.data) > protocol.SHARED_ABOVE // 4
        if batch and (this != kind or limits.heap_bytes != heap or long):
            break
        kind, heap = this, limits.heap_bytes
        batch.append(waiting.popleft())
        if long:
            break
    return batch, kind
