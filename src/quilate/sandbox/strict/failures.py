"""What ends a block that runs code of a script, and which failure that is (the table of design section 10)."""

from typing import TYPE_CHECKING, Final, Self

from quilate.sandbox import failures
from quilate.sandbox.model import Failure, FailureClass, Limits
from quilate.sandbox.strict.machine import Cell, OutOfMemoryError, ThrownError

if TYPE_CHECKING:
    import wasmtime

OUT_OF_MEMORY: Final = ("InternalError: out of memory", "InternalError: string too long")
"""What QuickJS throws where memory ends; a script that throws the same only names its own failure wrong."""
TOO_DEEP: Final = "Maximum call stack size exceeded"


class Problem:
    """A block that runs code of a script, and what it ended with.

    Attributes:
        failure: Where it is one already; the machine cannot be used again.
        thrown: What the script threw; the same machine has to read it.
    """

    __slots__ = ("_limits", "failure", "thrown")

    def __init__(self, limits: Limits) -> None:
        """Takes the limits that a failure names."""
        self._limits = limits
        self.failure: Failure | None = None
        self.thrown: Cell | None = None

    def __enter__(self) -> Self:
        """Begins the block."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Keeps what ended the block, unless it is an error of our own."""
        import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine

        match error:
            case ThrownError():
                self.thrown = error.address
            case OutOfMemoryError():
                self.failure = failures.memory()
            case wasmtime.Trap():
                self.failure = of_trap(error, self._limits)
            case wasmtime.WasmtimeError() | IndexError() | OverflowError():
                # Addresses that the instance gave and that lie outside of its memory: QuickJS itself is broken.
                self.failure = _broken(type(error).__name__)
            case _:
                return False
        return True


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
