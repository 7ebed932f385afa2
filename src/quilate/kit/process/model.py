"""What is asked of a child process and what comes back."""

from dataclasses import dataclass
from enum import StrEnum


class ProcessOutcome(StrEnum):
    """How a child process ended."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed_out"
    MEMORY_EXCEEDED = "memory_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """Limits of one child process and all that it starts.

    ``memory_bytes`` bounds the resident memory of the whole tree, sampled; ``output_bytes`` bounds what is kept of
    each stream, the rest is read and thrown away.
    """

    wall_seconds: float = 600.0
    memory_bytes: int | None = None
    output_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessResult:
    """What a child process left. ``returncode`` is negative for the signal that ended it."""

    argv: tuple[str, ...]
    outcome: ProcessOutcome
    returncode: int
    stdout: bytes
    stderr: bytes
    stdout_truncated: bool
    stderr_truncated: bool
    duration_seconds: float
    descendants_ended: int
