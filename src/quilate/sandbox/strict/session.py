"""A session of the strict engine: one program in one machine, call by call."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from quilate.sandbox.engine import CallResult
from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Payload, Program
from quilate.sandbox.strict import failures
from quilate.sandbox.strict.clock import now_milliseconds
from quilate.sandbox.strict.reports import CONSOLE_BYTES, Report

if TYPE_CHECKING:
    from quilate.sandbox.strict.engine import Code, StrictEngine
    from quilate.sandbox.strict.machine import Machine

_NAME = re.compile(r"[A-Za-z_$][\w$]*\Z", re.ASCII)
_PROMISE = b"1"


class StrictSession:
    """One program in one machine that keeps its state between calls; in the process's only thread that calls scripts."""

    def __init__(self, engine: "StrictEngine", program: Program, limits: Limits) -> None:
        """Keeps what is to run.

        Args:
            engine: Booted.
            program: Its source is compiled in the first call.
            limits: Heap and stack are those of the session's machine; the rest is of each call.
        """
        self._engine = engine
        self._program = program
        self._limits = limits
        self._machine: Machine | None = None
        self._lost = False

    def call(self, payload: Payload, function: str, answer: Format, limits: Limits) -> CallResult:
        """Calls a function of the program with the payload's value."""
        if self._lost:
            return _refused(Failure(kind=FailureClass.CRASHED, message="The session has ended"))
        if len(self._program.source.encode("utf-8", "surrogatepass")) > limits.source_bytes:
            return _refused(
                Failure(kind=FailureClass.REJECTED, message=f"The script is longer than {limits.source_bytes} bytes")
            )
        with self._engine.deadline.within(limits.wall_seconds):
            return self._call(payload, function, answer, limits)

    def close(self) -> None:
        """Forgets the machine and with it all that the script left there."""
        self._machine, self._lost = None, True

    def probe(self) -> Failure | None:
        """Only reads the script, to see how that ends."""
        with self._engine.deadline.within(self._limits.wall_seconds):
            return self._call(None, "process", Format.JSON, self._limits).failure

    def _call(self, payload: Payload | None, function: str, answer: Format, limits: Limits) -> CallResult:
        milliseconds = self._program.now_milliseconds
        self._engine.set_time(now_milliseconds() if milliseconds is None else milliseconds)
        first = self._machine is None
        execution = Execution(self._engine, self._program, limits, self._machine)
        result = execution.run(payload, function, answer)
        self._machine, self._lost = execution.machine, result.session_lost
        failure = result.failure
        if failure is None or failure.kind is not FailureClass.RUNTIME or failure.line is None or not first:
            return result
        record = Execution(self._engine, self._program, limits, None, watch=True).record_of(
            failure, payload, function, answer
        )
        return replace(result, failure=replace(failure, record=record))


class Execution:
    """One call: from the program's source to the result."""

    def __init__(
        self,
        engine: "StrictEngine",
        program: Program,
        limits: Limits,
        machine: "Machine | None",
        *,
        watch: bool = False,
    ) -> None:
        """Keeps what is to run.

        Args:
            engine: Booted.
            program: What to run.
            limits: Of this call.
            machine: Where the program runs already; ``None`` for a fresh one.
            watch: Which record is being read is noted; slow.
        """
        self._engine = engine
        self._program = program
        self._limits = limits
        self._watch = watch
        self._record: int | None = None
        self.machine = machine

    def run(self, payload: Payload | None, function: str, answer: Format) -> CallResult:
        """Runs it and says how it ended."""
        budget = self._engine.fuel_of(self._limits)
        code = self._engine.compile(self._program.source, self._limits) if self.machine is None else None
        if code is not None and code.failure is not None:
            return _refused(code.failure, fuel=code.fuel)
        machine = self.machine = self.machine or self._engine.fresh(self._limits)
        machine.fuel = max(budget - (code.fuel if code is not None else 0), 0)
        machine.end_at_next_epoch(armed=True)
        output: bytes | None = None
        with failures.caught() as problem:
            output = self._steps(machine, code, payload, function, answer)
        used = budget - machine.fuel
        report = Report.read(machine, self._engine.addresses["report"])
        self._record = report.record
        failure = problem.failure
        if problem.thrown is not None:
            failure = failures.of_running(machine, self._engine.addresses["describe"], problem.thrown, report)
        return CallResult(
            output=None if failure is not None else output,
            failure=failure,
            console=report.console,
            console_truncated=report.console_truncated,
            fuel=used,
            session_lost=failure is not None and failure.kind in failures.ENDING,
        )

    def record_of(self, failure: Failure, payload: Payload | None, function: str, answer: Format) -> int | None:
        """Which record the script was reading when it failed: by a second run that watches and must fail the same."""
        again = self.run(payload, function, answer).failure
        same = again is not None and (again.line, again.column, again.message) == (
            failure.line,
            failure.column,
            failure.message,
        )
        return self._record if same else None

    def _steps(
        self, machine: "Machine", code: "Code | None", payload: Payload | None, function: str, answer: Format
    ) -> bytes:
        addresses, limits = self._engine.addresses, self._limits
        console = machine.number(min(limits.console_bytes, CONSOLE_BYTES))
        seed = machine.number(self._program.seed or 0)
        machine.free(machine.call(addresses["begin" if code is not None else "clear"], seed, console))
        if code is not None:
            machine.free(machine.run(code.byte_code))
            machine.run_jobs()
        if payload is None:
            return b""
        script = self._function(machine, function)
        content = machine.string(payload.data)
        formats = [machine.string(item.value.encode()) for item in (payload.format, answer)]
        watch = machine.number(1 if self._watch else 0)
        result = machine.call(addresses["run"], script, content, *formats, watch)
        for value in (content, *formats, watch, script, seed, console):
            machine.free(value)
        machine.run_jobs()
        return self._output(machine, result)

    def _function(self, machine: "Machine", name: str) -> int:
        """The script's function of this name, however it was declared."""
        if _NAME.match(name):
            found = self._engine.compile(f"typeof {name}==='function'?{name}:undefined", Limits())
            if found.failure is None:
                value = machine.run(found.byte_code)
                if not machine.is_undefined(value):
                    return value
        raise failures.FailedError(failures.no_function(name))

    def _output(self, machine: "Machine", result: int) -> bytes:
        text = machine.text(result, self._limits.output_bytes)
        ended = machine.is_number(result)
        machine.free(result)
        if ended:
            raise failures.FailedError(failures.no_result(promise=text == _PROMISE))
        if text is None:
            message = f"The result is longer than {self._limits.output_bytes} bytes"
            raise failures.FailedError(Failure(kind=FailureClass.OUTPUT, message=message))
        return text


def _refused(failure: Failure, *, fuel: int = 0) -> CallResult:
    return CallResult(output=None, failure=failure, fuel=fuel, session_lost=True)
