"""V8 as an engine of scripts: one isolate for each session, a spare made ready while nobody waits."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from quilate.sandbox import columns, failures, payloads
from quilate.sandbox.columns import ColumnBridge, ColumnsError, OutputTooLargeError, ResultError
from quilate.sandbox.engine import CallResult
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Attempt, Engine, Failure, FailureClass, Format, Limits, Payload, Program
from quilate.sandbox.prelude import (
    InputFormat,
    Operation,
    Said,
    arguments_of,
    begun,
    begun_from_state,
    exercise,
    further,
    state,
    wrapped,
)
from quilate.sandbox.v8_library import (
    Deadline,
    EngineStuckError,
    Handle,
    Isolate,
    Library,
    ScriptStoppedError,
    TextTooLong,
    ValueType,
    within,
)
from quilate.sandbox.v8_selftest import prove

LOCATE_SECONDS = 0.5
"""At most so long is looked for the record that made a script throw."""
_FORMATS: Final = {Format.JSON: InputFormat.JSON, Format.NDJSON: InputFormat.LINES, Format.ARROW: InputFormat.VALUE}
_ARGUMENTS: Final = 7
_STANDS_THERE: Final = object()
"""For an argument that is in its place already."""
_NOTHING: Final = b""


def v8_flags(engine: Engine, stack_kibibytes: int) -> tuple[str, ...]:
    """The flags of an engine's V8. An unknown one would make V8 ignore all later ones; ``v8_selftest`` looks."""
    compilers = ("--jitless",) if engine is Engine.DEFAULT else ()
    return (
        *compilers,
        "--single-threaded",
        "--disallow-code-generation-from-strings",
        f"--stack-size={stack_kibibytes}",
        "--enable-experimental-regexp-engine-on-excessive-backtracks",
        "--no-harmony-temporal",  # A second clock; and as the last flag it shows that V8 knew all others.
    )


class CallClock:
    """How much time a call has left, by the wall clock and by this process's processor time."""

    __slots__ = ("_cpu_end", "_limits", "_wall_end")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._wall_end = time.monotonic() + limits.wall_seconds
        self._cpu_end = time.process_time() + limits.cpu_seconds

    def left(self) -> float:
        """Seconds to wait before asking again; 0: the time is over."""
        wall = self._wall_end - time.monotonic()
        cpu = self._cpu_end - time.process_time()
        return max(min(wall, cpu), 0.001) if wall > 0 and cpu > 0 else 0.0

    def failure(self) -> Failure:
        """Which time is over."""
        if time.monotonic() >= self._wall_end:
            return failures.wall_time(self._limits.wall_seconds)
        return failures.processor_time(self._limits.cpu_seconds)


@dataclass(slots=True)
class Prepared:
    """An isolate in which the prelude has run and no script yet."""

    isolate: Isolate
    host: Handle
    heap_bytes: int


@dataclass(slots=True)
class Arguments:
    """An array inside V8 and what stands in it; only what differs has to cross the border."""

    handle: Handle
    standing: list[Any]


class V8Engine:
    """V8 without compilers (``default``) or with them (``fast``)."""

    system_calls: frozenset[str] = frozenset()

    def __init__(self, engine: Engine = Engine.DEFAULT) -> None:
        self._engine = engine
        self.executable_memory = engine is Engine.FAST
        self._library: Library | None = None
        self._spare: Prepared | None = None
        self._anchor: Isolate | None = None
        self._begin = _NOTHING
        self._heap_bytes = Limits().heap_bytes

    def boot(self, *, heap_bytes: int, stack_kibibytes: int) -> tuple[Attempt, ...]:
        """Load V8 and prove its flags (see ``ScriptEngine.boot``)."""
        self._heap_bytes = heap_bytes
        further()
        columns.source()
        self._library = self._load(v8_flags(self._engine, stack_kibibytes))
        self._begin = begun_from_state() if self._library.begin_with(state(), exercise()) else begun()
        # V8 gives up what isolates share when the last of them goes, and makes it anew for the next: so one stays.
        self._anchor = self._library.isolate(heap_bytes)
        return prove(self._library, self._engine, stack_kibibytes)

    def _load(self, flags: Sequence[str]) -> Library:
        return Library(flags)

    def prepare(self) -> None:
        """Make the spare isolate, unless there is one."""
        if self._spare is None:
            self._spare = self.fresh()

    def fresh(self) -> Prepared:
        """An isolate with the prelude."""
        if self._library is None:
            raise SandboxUnavailableError("The engine was not started")
        isolate = self._library.isolate(self._heap_bytes)
        host = isolate.evaluate(self._begin)
        if not isinstance(host, Handle):
            raise SandboxUnavailableError("The sandbox's own code does not run", next_step="Install quilate[sandbox]")
        return Prepared(isolate, host, self._heap_bytes)

    def open(self, program: Program, limits: Limits) -> "V8Session":  # noqa: ARG002 - of the protocol
        """A session in the spare isolate."""
        prepared, self._spare = self._spare or self.fresh(), None
        return V8Session(self, prepared, program)


class V8Session:
    """One script in one isolate."""

    def __init__(self, engine: V8Engine, prepared: Prepared, program: Program) -> None:
        self._engine = engine
        self._prepared = prepared
        self._program = program
        self._lines = program.source.count("\n") + 1
        self._calls: dict[str, Arguments] = {}
        self._asking: Arguments | None = None
        self._read = False
        self._complete = False
        self._columns: ColumnBridge | None = None

    def close(self) -> None:
        """Free the isolate."""
        self._calls.clear()
        self._prepared.isolate.close()

    def call(self, payload: Payload, function: str, answer: Format, limits: Limits) -> CallResult:
        """See ``EngineSession.call``."""
        clock = CallClock(limits)
        try:
            return self._call(payload, function, answer, limits, clock)
        except EngineStuckError:
            return CallResult(output=None, failure=clock.failure(), session_lost=True, worker_lost=True)
        except ScriptStoppedError as stopped:
            return self._stopped(stopped, clock)

    def _stopped(self, stopped: ScriptStoppedError, clock: CallClock) -> CallResult:
        if stopped.kind is ValueType.MEMORY_EXCEPTION:
            return CallResult(output=None, failure=failures.memory(), session_lost=True, worker_lost=True)
        if stopped.kind is ValueType.TIMEOUT_EXCEPTION:
            return CallResult(output=None, failure=clock.failure(), session_lost=True)
        failure = failures.top_level(stopped.message, self._lines, syntax=stopped.kind is ValueType.PARSE_EXCEPTION)
        return CallResult(output=None, failure=failure, session_lost=True)

    def _call(self, payload: Payload, function: str, answer: Format, limits: Limits, clock: CallClock) -> CallResult:
        if Format.ARROW in {payload.format, answer} and self._columns is None:
            self._before_the_script()
        prepared = self._prepared
        if prepared.heap_bytes != limits.heap_bytes:
            prepared.isolate.limit_heap(limits.heap_bytes)
            prepared.heap_bytes = limits.heap_bytes
        numbers = (_FORMATS[payload.format], _FORMATS[answer], limits.output_bytes, limits.console_bytes)
        arguments = self._arguments(function, numbers, clock.left)
        if arguments is None:
            return CallResult(output=None, failure=failures.no_function(function))
        value, refused = self._input(payload, clock.left)
        if refused is not None:
            return CallResult(output=None, failure=refused)
        values = (int(Operation.EXECUTE), _STANDS_THERE, 0, *numbers)
        try:
            said = self._ask_host(arguments, values, receiver=value, deadline=clock.left, most=limits.output_bytes)
        finally:
            self._forget(value)
        if isinstance(said, bytes):
            return CallResult(output=said)
        if isinstance(said, TextTooLong):
            return CallResult(output=None, failure=failures.output_size(limits.output_bytes))
        return self._rest(Said(said), payload, function, limits, clock)

    def _rest(self, said: Said, payload: Payload, function: str, limits: Limits, clock: CallClock) -> CallResult:
        console: tuple[str, ...] = ()
        truncated = False
        if said & (Said.FAILED | Said.CONSOLE):
            report = json.loads(self._host(Operation.REPORT, deadline=clock.left))
            console, truncated = trimmed(report["lines"], limits.console_bytes)
            truncated = truncated or report["truncated"] is True
            if report["failure"] is not None:
                failure = self._failure(report["failure"], payload, function, limits)
                full = failure.kind is FailureClass.MEMORY
                return CallResult(
                    output=None, failure=failure, console=console, console_truncated=truncated, session_lost=full
                )
        if said & Said.RESULT:
            output: Any = self._stream(limits, clock.left)
        else:
            output = self._host(Operation.TAKE, deadline=clock.left, most=limits.output_bytes)
        if isinstance(output, bytes) and len(output) <= limits.output_bytes:
            return CallResult(output=output, console=console, console_truncated=truncated)
        failure = output if isinstance(output, Failure) else failures.output_size(limits.output_bytes)
        return CallResult(output=None, failure=failure, console=console, console_truncated=truncated)

    def _before_the_script(self) -> None:
        """Make what builds rows while nothing is changed that it is made of; a script that was read begins anew."""
        if self._read:
            self._prepared.isolate.close()
            self._prepared = self._engine.fresh()
            self._calls.clear()
            self._asking = None
            self._read = self._complete = False
        self._columns = ColumnBridge(self._prepared.isolate)

    def _arguments(self, function: str, numbers: tuple[int, ...], deadline: Deadline) -> Arguments | None:
        """The arguments for a function of the script, which is read now if it was not before."""
        if (known := self._calls.get(function)) is not None:
            return known
        placed = (0, *numbers)
        expression = arguments_of(function, placed)
        if self._read:
            source = expression.encode()
        else:
            program = self._program
            if program.seed is not None or program.now_milliseconds is not None:
                self._ask_further(Operation.DETERMINISTIC, program.seed, program.now_milliseconds, deadline=deadline)
            self._read = True
            source = wrapped(program.source, expression)
        found = self._prepared.isolate.evaluate(source, deadline)
        if not isinstance(found, Handle):
            return None
        made = self._calls[function] = Arguments(found, [int(Operation.EXECUTE), self, *placed])
        return made

    def _input(self, payload: Payload, deadline: Deadline) -> tuple[bytes | Handle, Failure | None]:
        if payload.format is Format.ARROW:
            return self._records(payload.data, deadline)
        data = payloads.without_mark(payload.data)
        if (problem := payloads.text_error(data)) is not None:
            return _NOTHING, failures.input_refused(problem)
        if payloads.may_hold_unsafe_integer(data):
            path = self._ask_further(Operation.UNSAFE_INTEGER, None, data, _FORMATS[payload.format], deadline=deadline)
            if isinstance(path, bytes) and path:
                return _NOTHING, failures.input_refused(
                    f"The integer at {path.decode()} is beyond 2^53 and would be changed; send it as a string"
                )
        return data, None

    def _forget(self, value: bytes | Handle) -> None:
        """Let go of rows that were built from columns; a session would keep those of each call otherwise."""
        if isinstance(value, Handle):
            self._prepared.isolate.release(value)

    @property
    def _bridge(self) -> ColumnBridge:
        return cast("ColumnBridge", self._columns)  # Made before the first call that needs it.

    def _records(self, data: bytes, deadline: Deadline) -> tuple[bytes | Handle, Failure | None]:
        try:
            return self._bridge.rows(data, deadline), None
        except ColumnsError as error:
            return _NOTHING, failures.input_refused(f"The input's columns cannot be read: {error}")

    def _stream(self, limits: Limits, deadline: Deadline) -> bytes | Failure:
        result = self._host(Operation.TAKE, deadline=deadline)
        if not isinstance(result, Handle):
            return failures.result_refused("The function has to return an array of records", None)
        try:
            return self._bridge.stream(result, limits.output_bytes, deadline)
        except OutputTooLargeError:
            return failures.output_size(limits.output_bytes)
        except ResultError as error:
            return failures.result_refused(str(error), error.record)
        finally:
            self._prepared.isolate.release(result)

    def _failure(self, about: dict[str, Any], payload: Payload, function: str, limits: Limits) -> Failure:
        kind, message, line = str(about["kind"]), str(about["message"]), about["line"]
        if kind == "input":
            data = payloads.without_mark(payload.data)
            number = line if isinstance(line, int) else 0
            return failures.input_refused(payloads.broken_place(data, payload.format, message, number))
        failure = failures.thrown(kind, message, str(about["stack"]), self._lines)
        if kind != "runtime":
            return failure
        record = self._locate(payload, function, message, limits)
        return failure if record is None else Failure(
            kind=failure.kind, message=failure.message, line=failure.line, column=failure.column, record=record
        )  # fmt: skip

    def _locate(self, payload: Payload, function: str, message: str, limits: Limits) -> int | None:
        """Run the script again, in an isolate of its own, to find the record that makes it throw."""
        session = V8Session(self._engine, self._engine.fresh(), self._program)
        try:
            session._prepared.isolate.limit_heap(limits.heap_bytes)
            return session.first_record(payload, function, message)
        except (ScriptStoppedError, EngineStuckError):
            return None
        finally:
            session.close()

    def first_record(self, payload: Payload, function: str, message: str) -> int | None:
        """Index of the first record with which the script throws ``message``, where one can be named in time."""
        deadline = within(LOCATE_SECONDS)
        if payload.format is Format.ARROW:
            self._before_the_script()
        arguments = self._arguments(function, (0, 0, 0, 0), deadline)
        value, refused = self._input(payload, deadline)
        if arguments is None or refused is not None:
            return None
        self._load_further(deadline)
        values = (int(Operation.LOCATE), _STANDS_THERE, 0, _FORMATS[payload.format], message.encode("utf-8", "replace"))
        found = self._ask_host(arguments, values, receiver=value, deadline=deadline)
        return found if isinstance(found, int) and found >= 0 else None

    def _ask_further(self, operation: Operation, *values: Any, deadline: Deadline) -> Any:
        """Call an operation of the further part of the prelude, which is loaded first."""
        self._load_further(deadline)
        return self._host(operation, *values, deadline=deadline)

    def _load_further(self, deadline: Deadline) -> None:
        if not self._complete:
            self._complete = True
            part = self._prepared.isolate.evaluate(further(), deadline)
            self._host(Operation.INSTALL, part, deadline=deadline)

    def _host(self, operation: Operation, *values: Any, deadline: Deadline, most: int | None = None) -> Any:
        """Call an operation of the prelude that is not about a function of the script."""
        if self._asking is None:
            zeros = [0] * _ARGUMENTS
            made = self._prepared.isolate.evaluate(json.dumps(zeros).encode(), deadline)
            self._asking = Arguments(cast("Handle", made), zeros)
        return self._ask_host(self._asking, (int(operation), *values), deadline=deadline, most=most)

    def _ask_host(
        self,
        arguments: Arguments,
        values: Sequence[Any],
        *,
        receiver: bytes | Handle | None = None,
        deadline: Deadline,
        most: int | None = None,
    ) -> Any:
        isolate = self._prepared.isolate
        for index, value in enumerate(values):
            plain = isinstance(value, int | float)
            if value is _STANDS_THERE or (plain and arguments.standing[index] == value):
                continue
            isolate.set_item(arguments.handle, index, value)
            arguments.standing[index] = value if plain else self
        return isolate.call(self._prepared.host, arguments.handle, deadline, receiver=receiver, most=most)


def trimmed(lines: list[Any], limit: int) -> tuple[tuple[str, ...], bool]:
    """Console lines within ``limit`` bytes of UTF-8, and whether some were lost."""
    kept: list[str] = []
    for line in lines:
        data = str(line).encode(errors="replace")
        if len(data) >= limit:
            kept.append(data[:limit].decode(errors="ignore"))
            return tuple(kept), True
        kept.append(data.decode())
        limit -= len(data) + 1
    return tuple(kept), False
