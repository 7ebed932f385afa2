"""What runs scripts inside a worker process: an engine opens sessions, a session answers calls.

The order of a worker's life: ``boot`` (files are read, libraries loaded, executable memory made), then the worker shuts
itself in, then ``prepare``, then any number of ``open`` ... ``close``, with ``prepare`` after each answer has left.
"""

from dataclasses import dataclass
from typing import Protocol

from quilate.sandbox.model import Attempt, Failure, Format, Limits, Payload, Program


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What one call inside a worker gave.

    Attributes:
        output: UTF-8 JSON or an Arrow IPC stream; ``None`` where it failed.
        failure: Why there is none.
        console: Lines, cut at the limit.
        console_truncated: Some were lost by the cut.
        fuel: Steps used, where the engine counts them.
        session_lost: The session cannot be called again; ``close`` is still due.
        worker_lost: The engine cannot be trusted again: the worker ends after this answer.
    """

    output: bytes | None
    failure: Failure | None = None
    console: tuple[str, ...] = ()
    console_truncated: bool = False
    fuel: int | None = None
    session_lost: bool = False
    worker_lost: bool = False


class EngineSession(Protocol):
    """One script with its own global state."""

    def call(self, payload: Payload, function: str, answer: Format, limits: Limits) -> CallResult:
        """Call ``function`` of the script. Never raises for what the script or the payload do.

        The script itself is read in the first call, under that call's limits.
        """

    def close(self) -> None:
        """Free everything; may be called twice."""


class ScriptEngine(Protocol):
    """What a worker runs scripts with.

    Attributes:
        executable_memory: It makes executable memory after ``boot``, so the system-call filter must let it.
        system_calls: Names of further system calls it makes after ``boot``, beside those of ``seccomp.SYSTEM_CALLS``.
    """

    executable_memory: bool
    system_calls: frozenset[str]

    def boot(self, *, heap_bytes: int, stack_kibibytes: int) -> tuple[Attempt, ...]:
        """Load all that has to be loaded before the worker is shut in, and say which safeguards took.

        Raises:
            SandboxUnavailableError: A library is missing or a safeguard did not take.
        """

    def prepare(self) -> None:
        """Make ready what the next ``open`` needs; called when nobody waits."""

    def open(self, program: Program, limits: Limits) -> EngineSession:
        """A session with a global state of its own; does not run the script yet."""
