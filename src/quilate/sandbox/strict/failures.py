"""Which failure an end of a machine is: what the script threw, what wasmtime trapped (the table of design section 10)."""

import contextlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quilate.sandbox.model import Failure, FailureClass
from quilate.sandbox.strict.machine import OutOfMemoryError, ThrownError
from quilate.sandbox.strict.reports import Phase, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quilate.sandbox.strict.machine import Machine

ENDING = frozenset(
    {
        *(FailureClass.CPU, FailureClass.TIMEOUT, FailureClass.MEMORY, FailureClass.RECURSION),
        *(FailureClass.CRASHED, FailureClass.SYNTAX, FailureClass.REJECTED),
    }
)
"""After these the machine is not used again."""
_MOST_TEXT = 4096
_MOST_DESCRIPTION = 64 << 10
_PLACE = re.compile(r"script\.js:(\d{1,9})(?::(\d{1,9}))?")
_INPUT_PLACE = re.compile(r"<input>:(\d{1,9})(?::(\d{1,9}))?")


class FailedError(Exception):
    """A failure that the host found itself."""

    def __init__(self, failure: Failure) -> None:
        """Keeps it."""
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class Problem:
    """What a block ended with.

    Attributes:
        failure: Where it is one already.
        thrown: Address of what the script threw; to be described by the same machine.
    """

    failure: Failure | None = None
    thrown: int | None = None


@contextlib.contextmanager
def caught() -> "Iterator[Problem]":
    """Keeps what ends a block that runs code of a script."""
    import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine

    problem = Problem()
    try:
        yield problem
    except ThrownError as error:
        problem.thrown = error.address
    except FailedError as error:
        problem.failure = error.failure
    except OutOfMemoryError:
        problem.failure = _memory()
    except wasmtime.Trap as trap:
        problem.failure = of_trap(trap)
    except (wasmtime.WasmtimeError, IndexError, OverflowError) as error:
        # Addresses that the instance gave and that lie outside of its memory: the inside of QuickJS is broken.
        problem.failure = Failure(kind=FailureClass.CRASHED, message=f"The script's machine broke: {type(error).__name__}")


def of_trap(trap: "object") -> Failure:
    """Why WebAssembly stopped."""
    code = getattr(getattr(trap, "trap_code", None), "name", "")
    match code:
        case "OUT_OF_FUEL":
            return Failure(kind=FailureClass.CPU, message="The script used more processor time than it may")
        case "INTERRUPT":
            return Failure(kind=FailureClass.TIMEOUT, message="The script took longer than it may")
        case "STACK_OVERFLOW":
            return _recursion(None, None)
        case _:
            return Failure(kind=FailureClass.CRASHED, message=f"The script's machine broke: {code or 'unknown'}")


def of_compiling(machine: "Machine", thrown: int | None, filename: str) -> Failure:
    """Why a script has no byte code. The compiling machine runs nothing of the script."""
    text, stack = "", ""
    with caught() as problem:
        if thrown is not None:
            text = _text(machine.text(machine.member(thrown, "message"), _MOST_TEXT))
            stack = _text(machine.text(machine.member(thrown, "stack"), _MOST_DESCRIPTION))
    if problem.failure is not None:
        return problem.failure
    if text == "out of memory" or not text:
        return _memory()
    line, column = _place(re.compile(re.escape(filename) + r":(\d{1,9})(?::(\d{1,9}))?"), stack)
    if "stack" in text.lower():
        return _recursion(line, column)
    return Failure(kind=FailureClass.SYNTAX, message=f"SyntaxError: {text}", line=line, column=column)


def of_running(machine: "Machine", describe: int, thrown: int, report: Report) -> Failure:
    """Why a script threw; runs what the script itself put into the error, under what is left of the limits."""
    content: bytes | None = b""
    with caught() as problem:
        content = machine.text(machine.call(describe, thrown), _MOST_DESCRIPTION)
    if problem.failure is not None:
        return problem.failure
    if problem.thrown is not None or content is None:
        return Failure(kind=FailureClass.RUNTIME, message="The script threw a value that cannot be written as text")
    kind, message, stack = (_text(content).split("\0", 2) + ["", ""])[:3]
    line, column = _place(_PLACE, stack)
    if kind == "memory":
        return replace(_memory(), line=line, column=column)
    if kind == "recursion":
        return _recursion(line, column)
    return _of_phase(report, kind, message[:_MOST_TEXT], stack)


def _of_phase(report: Report, kind: str, message: str, stack: str) -> Failure:
    if report.phase is Phase.READING:
        line, column = _place(_INPUT_PLACE, stack)
        place = report.line or line
        return Failure(kind=FailureClass.INPUT, message=f"The input is no JSON: {message}", line=place, column=column)
    line, column = _place(_PLACE, stack)
    if report.phase is Phase.ANSWERING:
        return Failure(
            kind=FailureClass.RESULT, message=f"The result cannot be written as JSON: {message}", line=line, column=column
        )
    return Failure(kind=FailureClass.RUNTIME, message=message, line=line, column=column)


def no_result(*, promise: bool) -> Failure:
    """The function gave nothing that can be written."""
    what = "a promise, which nobody awaits" if promise else "nothing that JSON can write (undefined, a function, a symbol)"
    return Failure(kind=FailureClass.RESULT, message=f"The script returned {what}")


def no_function(name: str) -> Failure:
    """The script does not define what is to be called."""
    return Failure(kind=FailureClass.RUNTIME, message=f"The script defines no function {name[:100]}(data)")


def _memory() -> Failure:
    return Failure(kind=FailureClass.MEMORY, message="The script used more memory than it may")


def _recursion(line: int | None, column: int | None) -> Failure:
    return Failure(kind=FailureClass.RECURSION, message="The script calls itself too deep", line=line, column=column)


def _place(pattern: re.Pattern[str], stack: str) -> tuple[int | None, int | None]:
    found = pattern.search(stack)
    if found is None:
        return None, None
    return int(found[1]), int(found[2]) if found[2] else None


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
