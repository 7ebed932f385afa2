"""What a fork server and its owner say to each other: length-prefixed MessagePack."""

import struct
from enum import StrEnum

import msgspec

SERVER_FAULT = 0
"""The job number under which a server reports its own fault."""

_LENGTH = struct.Struct("<I")


class JobOutcome(StrEnum):
    """How a job ended."""

    EXITED = "exited"
    RAISED = "raised"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one job.

    ``answer`` is what the function returned, for ``exited`` only. ``error`` says in a sentence what went wrong;
    ``report`` is the traceback or the tail of what the child printed, for a person.
    """

    job_id: int
    outcome: JobOutcome
    answer: bytes | None = None
    error: str = ""
    report: str = ""
    duration_seconds: float = 0.0
    descendants_ended: int = 0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner asks: run ``target``, or end the job where ``target`` is empty."""

    job_id: int
    target: str = ""
    payload: bytes = b""
    wall_seconds: float = 0.0


class FrameReader:
    """Takes length-prefixed frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that ``data`` completes."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if len(self._buffer) < _LENGTH.size + length:
                break
            frames.append(bytes(self._buffer[_LENGTH.size : _LENGTH.size + length]))
            del self._buffer[: _LENGTH.size + length]
        return frames


def frame(message: msgspec.Struct) -> bytes:
    """Return a message as a length-prefixed frame."""
    content = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(content)) + content
