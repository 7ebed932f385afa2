"""What ends a block that runs code of a script, and which failure that is (the table of design section 10)."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quilate.sandbox import failures
from quilate.sandbox.model import Failure, FailureClass, Limits
from quilate.sandbox.strict.machine import Cell, OutOfMemoryError, ThrownError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import wasmtime

OUT_OF_MEMORY: Final = ("InternalError: out of memory", "InternalError: string too long")
"""What QuickJS throws where memory ends; a script that throws the same only names its own failure wrong."""
TOO_DEEP: Final = "Maximum call stack size exceeded"


@dataclass(slots=True)
class Problem:
    """What a block ended with.

    Attributes:
        failure: Where it is one already; the machine cannot be used again.
        thrown: Address of what the script threw; the same machine has to read it.
    """

    failure: Failure | None = None
    thrown: Cell | None = None


@contextlib.contextmanager
def caught(limits: Limits) -> "Iterator[Problem]":
    """Keeps what ends a block that runs code of a script."""
    import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine

    problem = Problem()
    try:
        yield problem
    except ThrownError as error:
        problem.thrown = error.address
    except OutOfMemoryError:
        problem.failure = failures.memory()
    except wasmtime.Trap as trap:
        problem.failure = of_trap(trap, limits)
    except (wasmtime.WasmtimeError, IndexError, OverflowError) as error:
        # Addresses that the instance gave and that lie outside of its memory: the inside of QuickJS is broken.
        problem.failure = _broken(type(error).__name__)


def of_trap(trap: "wasmtime.Trap", limits: Limits) -> Failure:
    """Why WebAssembly stopped."""
    code = trap.trap_code
    match "" if code is None else code.name:
        case "OUT_OF_FUEL":
            return failures.processor_time(limits.cpu_seconds)
        case "INTERRUPT":
            return failures.wall_time(limits.wall_seconds)
        case "STACK_OVERFLOW":
            return failures.recursion()
        case name:
            return _broken(name or "unknown")


def of_thrown(kind: str, message: str, stack: str, lines: int) -> Failure:
    """What a script threw, as the prelude described it in QuickJS's words."""
    if message in OUT_OF_MEMORY:
        kind = "memory"
    elif message == f"RangeError: {TOO_DEEP}":
        kind = "recursion"
    return failures.thrown(kind, message, stack, lines)


def of_source(message: str, stack: str, lines: int) -> Failure:
    """Why a script has no byte code; ``message`` without the error's name is QuickJS's."""
    if message == "out of memory" or not message:
        return failures.memory()
    if TOO_DEEP in message:
        return failures.recursion()
    line, column = failures.place(stack, lines)
    return Failure(kind=FailureClass.SYNTAX, message=failures.cut(f"SyntaxError: {message}"), line=line, column=column)


def _broken(how: str) -> Failure:
    return Failure(kind=FailureClass.CRASHED, message=f"The script's machine broke ({how})")
