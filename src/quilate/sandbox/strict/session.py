"""A session of the strict engine: one program in one machine, call by call."""

import contextlib
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from quilate.sandbox import failures, payloads
from quilate.sandbox.columns import ColumnBridge, ColumnsError, OutputTooLargeError, ResultError
from quilate.sandbox.engine import CallResult
from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Payload, Program
from quilate.sandbox.prelude import InputFormat, Operation, Said, lookup, wrapped
from quilate.sandbox.strict.failures import OUT_OF_MEMORY, Problem, of_source, of_thrown
from quilate.sandbox.strict.machine import Cell, OutOfMemoryError
from quilate.sandbox.strict.realm import Realm
from quilate.sandbox.v8_engine import trimmed
from quilate.sandbox.v8_library import Handle, ValueType

if TYPE_CHECKING:
    from quilate.sandbox.strict.engine import StrictEngine
    from quilate.sandbox.strict.machine import Machine

_FORMATS: Final = {Format.JSON: InputFormat.JSON, Format.NDJSON: InputFormat.LINES, Format.ARROW: InputFormat.VALUE}
_MOST_TEXT: Final = 64 << 10
_REPORT_BYTES: Final = 8 << 20
_LOCATING: Final = Limits(cpu_seconds=0.4, wall_seconds=2.0)
"""For finding the record that made a script throw: the fuel decides, so that the same record is found everywhere."""
_LOSING: Final = frozenset({FailureClass.CPU, FailureClass.TIMEOUT, FailureClass.MEMORY, FailureClass.CRASHED})


class RefusedError(Exception):
    """A failure that this side found, with a machine that stays whole."""

    def __init__(self, failure: Failure) -> None:
        """Keeps it."""
        super().__init__(failure.message)
        self.failure = failure


class StrictSession:
    """One program in one machine that keeps its state between calls, used by the process's one thread for scripts."""

    def __init__(self, engine: "StrictEngine", program: Program, limits: Limits) -> None:
        """Keeps what is to run.

        Args:
            engine: Booted.
            program: Its source is compiled in the first call.
            limits: For what is not of a single call.
        """
        self._engine = engine
        self._program = program
        self._limits = limits
        self._lines = program.source.count("\n") + 1
        self._functions: dict[str, Cell] = {}
        self._machine: Machine | None = None
        self._columns: ColumnBridge | None = None
        self._read = False
        self._budget = 0
        self._thrown: str | None = None

    def call(self, payload: Payload, function: str, answer: Format, limits: Limits) -> CallResult:
        """Calls a function of the program with the payload's value (see ``EngineSession.call``)."""
        with self._engine.deadline.within(limits.wall_seconds):
            result = self._call(payload, function, answer, limits)
        failure = result.failure
        if failure is None or failure.kind is not FailureClass.RUNTIME or self._thrown is None:
            return result
        second = StrictSession(self._engine, self._program, limits)
        record = second.first_record(payload, function, self._thrown)
        second.close()
        return replace(result, failure=replace(failure, record=record))

    def first_record(self, payload: Payload, function: str, message: str) -> int | None:
        """Index of the first record with which the script throws ``message``, where one can be named in time."""
        found: bytes | None = None
        with self._engine.deadline.within(_LOCATING.wall_seconds), contextlib.suppress(RefusedError):
            machine, own = self._begin(_LOCATING), self._limits
            with Problem(_LOCATING):
                machine.limit(heap_bytes=own.heap_bytes, stack_bytes=own.stack_kibibytes << 10)
                script = self._find(machine, function, _LOCATING)
                content = self._input(machine, payload)
                answer = self._ask(machine, Operation.LOCATE, script, content, _FORMATS[payload.format], message)
                found = machine.text(answer, _MOST_TEXT)
        return int(found) if found is not None and found.isdigit() else None

    def close(self) -> None:
        """Forgets the machine and with it all that the script left there."""
        if self._machine is not None:
            self._machine.close()
        self._machine = self._columns = None
        self._functions.clear()

    def read(self, function: str = "process") -> Failure | None:
        """Only reads the script, to see how that ends."""
        limits = self._limits
        with self._engine.deadline.within(limits.wall_seconds):
            machine = self._begin(limits)
            try:
                with Problem(limits) as problem:
                    machine.limit(heap_bytes=limits.heap_bytes, stack_bytes=limits.stack_kibibytes << 10)
                    self._find(machine, function, limits)
            except RefusedError as refused:
                return refused.failure
            return self._failure_of(machine, problem, limits)

    # One call

    def _call(self, payload: Payload, function: str, answer: Format, limits: Limits) -> CallResult:
        machine = self._begin(limits)
        result: CallResult | None = None
        try:
            with Problem(limits) as problem:
                result = self._steps(machine, payload, function, answer, limits)
        except RefusedError as refused:
            result = CallResult(output=None, failure=refused.failure)
        used = self._budget - machine.fuel
        if result is None:
            result = CallResult(output=None, failure=self._failure_of(machine, problem, limits))
        failure = result.failure
        broken = problem.failure is not None or problem.thrown is not None or not self._read
        lost = failure is not None and (broken or failure.kind in _LOSING)
        return replace(result, fuel=used, session_lost=lost)

    def _begin(self, limits: Limits) -> "Machine":
        """The session's machine with a call's fuel."""
        program = self._program
        self._engine.set_time(
            time.time_ns() // 1_000_000 if program.now_milliseconds is None else program.now_milliseconds
        )
        machine = self._machine = self._machine or self._engine.fresh()
        self._budget = self._engine.fuel_of(limits)
        machine.fuel = self._budget
        self._engine.arm(machine)
        self._thrown = None
        return machine

    def _steps(self, machine: "Machine", payload: Payload, function: str, answer: Format, limits: Limits) -> CallResult:
        machine.limit(heap_bytes=limits.heap_bytes, stack_bytes=limits.stack_kibibytes << 10)
        if Format.ARROW in {payload.format, answer} and not self._read:
            self._bridge(machine)  # Before the script: it keeps the built-ins that a script may change.
        script = self._find(machine, function, limits)
        content = self._input(machine, payload)
        numbers = (_FORMATS[payload.format], _FORMATS[answer], limits.output_bytes, limits.console_bytes)
        said = self._ask(machine, Operation.EXECUTE, script, content, *numbers)
        machine.free(content)
        machine.run_jobs()
        if machine.is_number(said):
            return self._rest(machine, Said(int(machine.value(said))), payload, limits)
        return _result(self._take(machine, said, limits), limits)

    def _rest(self, machine: "Machine", said: Said, payload: Payload, limits: Limits) -> CallResult:
        """What there is to ask for after a call that gave no text."""
        about: dict[str, Any] = json.loads(self._text(machine, self._ask(machine, Operation.REPORT), _REPORT_BYTES))
        console, truncated = trimmed(about["lines"], limits.console_bytes)
        truncated = truncated or about["truncated"] is True
        if about["failure"] is not None:
            failure = self._described(about["failure"], payload)
            return CallResult(output=None, failure=failure, console=console, console_truncated=truncated)
        taken = self._ask(machine, Operation.TAKE)
        if said & Said.RESULT:
            result = self._stream(machine, taken, limits)
            machine.free(taken)
        else:
            result = _result(self._take(machine, taken, limits), limits)
        return replace(result, console=console, console_truncated=truncated)

    # Steps of a call

    def _find(self, machine: "Machine", function: str, limits: Limits) -> Cell:
        """A global function of the script, which is read now if it was not before.

        Raises:
            RefusedError: It cannot be compiled, or has no such function.
        """
        known = self._functions.get(function)
        if known is not None:
            return known
        first = not self._read
        if first and self._program.seed is not None:
            machine.free(self._ask(machine, Operation.DETERMINISTIC, self._program.seed & 0xFFFF_FFFF))
        source = wrapped(self._program.source, lookup(function)) if first else lookup(function).encode()
        byte_code = self._code(machine, source, limits)
        self._read = True
        found = machine.run(byte_code)
        machine.run_jobs()
        if not machine.is_function(found):
            raise RefusedError(failures.no_function(function))
        self._functions[function] = found
        return found

    def _code(self, machine: "Machine", source: bytes, limits: Limits) -> bytes:
        """Byte code of a source, at the expense of the machine's fuel.

        Raises:
            RefusedError: There is none.
        """
        code = self._engine.compile(source, limits)
        machine.fuel = max(machine.fuel - code.fuel, 0)
        if code.problem is None:
            return code.byte_code
        raise RefusedError(code.problem if isinstance(code.problem, Failure) else of_source(*code.problem, self._lines))

    def _input(self, machine: "Machine", payload: Payload) -> Cell:
        """The payload inside the machine.

        Raises:
            RefusedError: It is no UTF-8, or has an integer that a number cannot hold.
        """
        if payload.format is Format.ARROW:
            return self._rows(machine, payload.data)
        data = payloads.without_mark(payload.data)
        if (problem := payloads.text_error(data)) is not None:
            raise RefusedError(failures.input_refused(problem))
        content = machine.string(data)
        if payloads.may_hold_unsafe_integer(data):
            path = self._ask(machine, Operation.UNSAFE_INTEGER, 0, content, _FORMATS[payload.format])
            if found := self._text(machine, path, _MOST_TEXT):
                message = f"The integer at {found} is beyond 2^53 and would be changed; send it as a string"
                raise RefusedError(failures.input_refused(message))
        return content

    def _rows(self, machine: "Machine", data: bytes) -> Cell:
        try:
            return Cell(self._bridge(machine).rows(data).raw)
        except ColumnsError as error:
            refused = failures.input_refused(f"The input's columns cannot be read: {error}")
            raise RefusedError(refused) from error

    def _stream(self, machine: "Machine", result: Cell, limits: Limits) -> CallResult:
        if machine.is_string(result) or machine.is_number(result):
            refused = failures.result_refused("The function has to return an array of records", None)
            return CallResult(output=None, failure=refused)
        try:
            stream = self._bridge(machine).stream(Handle(result, ValueType.OBJECT), limits.output_bytes)
        except OutputTooLargeError:
            return CallResult(output=None, failure=failures.output_size(limits.output_bytes))
        except ResultError as error:
            return CallResult(output=None, failure=failures.result_refused(str(error), error.record))
        return CallResult(output=stream)

    def _bridge(self, machine: "Machine") -> ColumnBridge:
        if self._columns is None:

            def compiled(source: bytes) -> bytes:
                return self._code(machine, source, self._limits)

            self._columns = ColumnBridge(Realm(machine, compiled))
        return self._columns

    def _described(self, about: dict[str, Any], payload: Payload) -> Failure:
        """The failure that the prelude reports. What it says comes from inside the machine, so it is read as text."""
        kind, message, line = str(about["kind"]), str(about["message"]), about["line"]
        if kind == "input" and message not in OUT_OF_MEMORY:
            number = line if isinstance(line, int) else 0
            data = payloads.without_mark(payload.data)
            return failures.input_refused(payloads.broken_place(data, payload.format, message, number))
        failure = of_thrown(kind, message, str(about["stack"]), self._lines)
        if failure.kind is FailureClass.RUNTIME:
            self._thrown = message
        return failure

    def _failure_of(self, machine: "Machine", problem: Problem, limits: Limits) -> Failure | None:
        """Why a block ended: reads what the script threw outside of a call, which may run code of the script."""
        if problem.thrown is None:
            return problem.failure
        message, stack = "", ""
        with Problem(limits) as second:
            message = self._text(machine, Cell(problem.thrown), _MOST_TEXT, keep=True)
            trace = machine.member(Cell(problem.thrown), "stack")
            if machine.is_string(trace):
                stack = self._text(machine, trace, _MOST_TEXT)
        if second.failure is not None:
            return second.failure
        if second.thrown is not None and not message:
            message = "The script threw what cannot be written as text"
        return of_thrown("runtime", message, stack, self._lines)

    def _ask(self, machine: "Machine", operation: Operation, *values: Cell | float | str) -> Cell:
        """Calls the prelude's function with values that are there already, numbers and texts."""
        texts: list[Cell] = []
        arguments = [machine.number(int(operation))]
        for value in values:
            if isinstance(value, str):
                texts.append(machine.string(value.encode("utf-8", "replace")))
                arguments.append(texts[-1])
            else:
                arguments.append(value if isinstance(value, Cell) else machine.number(value))
        result = machine.call(self._engine.host, *arguments)
        for text in texts:
            machine.free(text)
        return result

    def _take(self, machine: "Machine", value: Cell, limits: Limits) -> bytes | None:
        text = machine.text(value, limits.output_bytes)
        machine.free(value)
        return text

    def _text(self, machine: "Machine", value: Cell, most: int, *, keep: bool = False) -> str:
        text = machine.text(value, most)
        if not keep:
            machine.free(value)
        if text is None:
            raise OutOfMemoryError
        return text.decode("utf-8", "replace")


def _result(output: bytes | None, limits: Limits) -> CallResult:
    return CallResult(output=output, failure=failures.output_size(limits.output_bytes) if output is None else None)
