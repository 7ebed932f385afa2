"""What crosses the wall: frames of u32 header length, u32 body length, a JSON header, and a body.

Both lengths are big-endian. Bodies above ``SHARED_ABOVE`` bytes go through a file in memory that both sides hold (one
for each direction, made by the parent); the frame then carries only their length. The parent believes nothing that a
worker writes: sizes, types and numbers are checked here before anything is used.
"""

import struct
from typing import Final

import msgspec

from quilate.sandbox.model import Engine, Failure, FailureClass, Format, Limits

SHARED_ABOVE: Final = 1 << 20
PREFIX: Final = struct.Struct(">II")
HEADER_MOST: Final = 4 << 20
"""Longest header: console lines and messages, escaped."""
_MESSAGE_MOST: Final = 8192
_LINES_MOST: Final = 200_000
_MILLISECONDS_MOST: Final = 1e9
_BYTES_MOST: Final = 1 << 50


class ProtocolError(Exception):
    """The other side wrote what no well-meaning worker writes."""


class CallHeader(msgspec.Struct, frozen=True, array_like=True):
    """What a worker is asked to do; the body is the script, then the payload."""

    number: int
    source_bytes: int
    payload_bytes: int
    shared: bool
    format: Format
    answer: Format
    function: str
    engine: Engine
    limits: Limits
    seed: int | None
    now_milliseconds: int | None
    reuse: bool
    session: int
    """0: an isolate for this call alone. Else calls with the same number share one."""
    shared_answer: bool
    """A long output goes through the file in memory: not where the next call is already under way."""


class AnswerHeader(msgspec.Struct, frozen=True, array_like=True):
    """What came of a call; the body is the output."""

    number: int
    succeeded: bool
    shared_bytes: int
    """Length of the output in the file in memory, or 0: it is the body."""
    failure: Failure | None
    console: tuple[str, ...]
    console_truncated: bool
    wall_milliseconds: float
    cpu_milliseconds: float
    peak_memory_bytes: int
    fuel: int | None
    last: bool
    """The worker ends itself after this answer."""
    session_lost: bool


class AttemptHeader(msgspec.Struct, frozen=True):
    """One attempt of the boot."""

    name: str
    refused: bool
    detail: str


class ReadyHeader(msgspec.Struct, frozen=True):
    """A worker's first frame."""

    process: int
    level: str
    attempts: tuple[AttemptHeader, ...]
    missing: tuple[str, ...]
    problem: str = ""
    next_step: str = ""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with; on its command line, so nothing secret."""

    engine: Engine
    binding: str
    stack_kibibytes: int
    heap_bytes: int
    data_bytes: int
    data_ceiling_bytes: int
    jail: bool
    parent: int
    socket: int
    input_file: int
    output_file: int
    code_file: int | None = None


_ENCODER = msgspec.json.Encoder()
_CALLS = msgspec.json.Decoder(CallHeader)
_ANSWERS = msgspec.json.Decoder(AnswerHeader)
_READY = msgspec.json.Decoder(ReadyHeader)


def settings_text(settings: WorkerSettings) -> str:
    """For the command line."""
    return _ENCODER.encode(settings).decode()


def read_settings(text: str) -> WorkerSettings:
    """From the command line."""
    return msgspec.json.decode(text, type=WorkerSettings)


def unready(problem: str, next_step: str) -> ReadyHeader:
    """The first frame of a worker that cannot work."""
    return ReadyHeader(process=0, level="", attempts=(), missing=(), problem=problem, next_step=next_step)


def frame(header: msgspec.Struct, *body: bytes) -> bytes:
    """One frame, ready to be sent."""
    head = _ENCODER.encode(header)
    return b"".join((PREFIX.pack(len(head), sum(map(len, body))), head, *body))


def lengths(prefix: bytes | bytearray | memoryview, body_most: int = SHARED_ABOVE + (1 << 20)) -> tuple[int, int]:
    """Lengths of header and body.

    Args:
        prefix: The first eight bytes of a frame.
        body_most: Longest body that may come.

    Raises:
        ProtocolError: They are longer than any honest frame's.
    """
    header, body = PREFIX.unpack_from(prefix)
    if header > HEADER_MOST or body > body_most:
        raise ProtocolError(f"a frame of {header} and {body} bytes")
    return header, body


def read_call(header: bytes | bytearray | memoryview) -> CallHeader:
    """A call, read by a worker."""
    return _CALLS.decode(header)


def read_ready(header: bytes | bytearray | memoryview) -> ReadyHeader:
    """A worker's first frame.

    Raises:
        ProtocolError: It is no such frame.
    """
    try:
        return _READY.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError("not the first frame of a worker") from error


def read_answer(header: bytes | bytearray | memoryview, body_bytes: int, number: int, limits: Limits) -> AnswerHeader:
    """An answer, after each of its values was found to be possible.

    Args:
        header: As it came.
        body_bytes: Length of the body that came with it.
        number: Of the call that is waited for.
        limits: Of that call.

    Raises:
        ProtocolError: It is no answer to that call, or holds what no answer holds.
    """
    try:
        answer = _ANSWERS.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError("not an answer") from error
    if answer.number != number:
        raise ProtocolError("an answer to something else")
    if answer.succeeded == (answer.failure is not None):
        raise ProtocolError("neither a result nor a failure, or both")
    size = answer.shared_bytes or body_bytes
    if min(answer.shared_bytes, size) < 0 or size > limits.output_bytes or (answer.shared_bytes and body_bytes):
        raise ProtocolError(f"an output of {size} bytes")
    if answer.failure is not None and size:
        raise ProtocolError("a failure with an output")
    _check_failure(answer.failure)
    _check_console(answer.console, limits)
    _check_numbers(answer)
    return answer


def _check_failure(failure: Failure | None) -> None:
    if failure is None:
        return
    places = (failure.line, failure.column, failure.record)
    if len(failure.message) > _MESSAGE_MOST or any(
        place is not None and not 0 <= place < _BYTES_MOST for place in places
    ):
        raise ProtocolError("a failure that no worker reports")
    if failure.kind in {FailureClass.VIOLATION, FailureClass.QUOTA, FailureClass.CANCELLED, FailureClass.CRASHED}:
        raise ProtocolError("a failure that is not the worker's to report")


def _check_console(lines: tuple[str, ...], limits: Limits) -> None:
    most = min(limits.console_bytes + 1, _LINES_MOST)
    if len(lines) > most or sum(map(len, lines)) > limits.console_bytes:
        raise ProtocolError("more console lines than were asked for")


def _check_numbers(answer: AnswerHeader) -> None:
    times = (answer.wall_milliseconds, answer.cpu_milliseconds)
    if not all(0 <= time <= _MILLISECONDS_MOST for time in times) or not 0 <= answer.peak_memory_bytes <= _BYTES_MOST:
        raise ProtocolError("times or sizes that cannot be")
