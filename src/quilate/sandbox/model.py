"""What the sandbox is asked and what it answers: programs, payloads, limits, outcomes, failures."""

from dataclasses import dataclass, field
from enum import StrEnum


class Engine(StrEnum):
    """What runs the script.

    ``default`` is V8 without its compilers (``--jitless``); ``fast`` is V8 with them, an admin's choice; ``strict`` is
    QuickJS in WebAssembly with fuel: the slowest, and the same number of steps on every machine.
    """

    DEFAULT = "default"
    FAST = "fast"
    STRICT = "strict"


class Level(StrEnum):
    """How a sandbox worker is shut in, as proven by attempts when it started; ``LEVELS`` has the weakest first."""

    PROCESS = "process"
    LOCKED = "locked"
    JAILED = "jailed"


LEVELS = (Level.PROCESS, Level.LOCKED, Level.JAILED)


class Format(StrEnum):
    """How records are written: one JSON value, one JSON value a line, or an Arrow IPC stream."""

    JSON = "json"
    NDJSON = "ndjson"
    ARROW = "arrow"


class FailureClass(StrEnum):
    """Why there is no result (the table of design section 10)."""

    REJECTED = "ScriptRejected"
    SYNTAX = "ScriptSyntaxError"
    RUNTIME = "ScriptRuntimeError"
    RECURSION = "ScriptRecursionExceeded"
    TIMEOUT = "ScriptTimeout"
    CPU = "ScriptCpuExceeded"
    MEMORY = "ScriptMemoryExceeded"
    RESULT = "ScriptResultInvalid"
    OUTPUT = "ScriptOutputTooLarge"
    INPUT = "ScriptInputInvalid"
    CRASHED = "SandboxWorkerCrashed"
    VIOLATION = "SandboxViolation"
    QUOTA = "QuotaExceeded"
    UNAVAILABLE = "SandboxUnavailable"
    CANCELLED = "Cancelled"


RETRYABLE = frozenset({FailureClass.CRASHED, FailureClass.UNAVAILABLE})
"""Failures that another attempt may mend: they are the host's, not the script's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one execution may use. The defaults are those of design section 10.

    Attributes:
        wall_seconds: From begin to end, in each call.
        cpu_seconds: Of the worker's processor time, in each call.
        heap_bytes: Of V8's heap; ``data_bytes`` follows from it.
        stack_kibibytes: Of the JavaScript stack.
        source_bytes: Longest script.
        output_bytes: Longest result, as UTF-8 or Arrow.
        console_bytes: Of ``console.log`` that are kept.
    """

    wall_seconds: float = 5.0
    cpu_seconds: float = 2.0
    heap_bytes: int = 64 << 20
    stack_kibibytes: int = 512
    source_bytes: int = 256 << 10
    output_bytes: int = 32 << 20
    console_bytes: int = 64 << 10

    @property
    def data_bytes(self) -> int:
        """RLIMIT_DATA of the worker: what lies outside the heap (ArrayBuffers, our own process) has 256 MiB."""
        return self.heap_bytes + (256 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A script to run.

    Attributes:
        source: Defines ``process(data)``, and ``combine(partials)`` where that is called.
        engine: What runs it.
        seed: Of ``Math.random``; ``None`` outside the deterministic mode.
        now_milliseconds: What ``Date`` says, since 1970 in UTC; ``None`` for the real clock.
        reuse: The isolate may have run the same program before (warm): a project's own choice, state may stay.
    """

    source: str
    engine: Engine = Engine.DEFAULT
    seed: int | None = None
    now_milliseconds: int | None = None
    reuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Data on its way into a script; never parsed on this side of the wall.

    Attributes:
        data: UTF-8 text, or one Arrow IPC stream whose columns become plain objects.
        format: How it is written.
    """

    data: bytes
    format: Format = Format.JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result.

    Attributes:
        kind: Its class.
        message: One sentence; never holds data of the payload but what the script itself put into its error.
        line: In the script, from 1.
        column: In the script, from 1.
        record: Index of the record that was being read, from 0, where one can be named.
        rule: The rule that refused the script.
    """

    kind: FailureClass
    message: str
    line: int | None = None
    column: int | None = None
    record: int | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one call.

    Attributes:
        output: The result in the format asked for; ``None`` where it failed. Untrusted bytes.
        failure: Why there is none.
        console: Lines of ``console.log`` and its siblings, cut at the limit.
        console_truncated: Some were lost by the cut.
        wall_milliseconds: Of the call.
        cpu_milliseconds: Of the worker's processor time in the call.
        peak_memory_bytes: Highest resident size of the worker in the call; 0 where it cannot be read.
        engine: What ran it.
        level: How its worker was shut in.
        fuel: Steps used, where the engine counts them.
    """

    output: bytes | None
    failure: Failure | None = None
    console: tuple[str, ...] = ()
    console_truncated: bool = False
    wall_milliseconds: float = 0.0
    cpu_milliseconds: float = 0.0
    peak_memory_bytes: int = 0
    engine: Engine = Engine.DEFAULT
    level: Level = Level.PROCESS
    fuel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that a worker tried at its start and was refused, or was not.

    Attributes:
        name: ``open``, ``socket``, ``fork``, ``exec``, and the flags of the engine.
        refused: It did not succeed.
        detail: What the attempt got.
    """

    name: str
    refused: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReport:
    """What a pool's workers proved.

    Attributes:
        level: The strongest level whose attempts were all refused.
        attempts: Each of them.
        missing: Why a stronger level is not there, in words.
    """

    level: Level
    attempts: tuple[Attempt, ...] = ()
    missing: tuple[str, ...] = field(default=())
