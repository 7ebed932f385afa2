"""From what went wrong to the classes of design section 10."""

import re
import signal
from typing import Final

from quilate.sandbox.model import Failure, FailureClass
from quilate.sandbox.prelude import MODE, PRELUDE_NAME, SCRIPT_NAME

MESSAGE_CHARACTERS = 2000

_PLACE = re.compile(rf"{re.escape(SCRIPT_NAME)}:(\d+):(\d+)")
_HEADLINE = re.compile(rf"^(?:{re.escape(SCRIPT_NAME)}|{re.escape(PRELUDE_NAME)}|<anonymous>):(\d+): (.*)")
_CARET = re.compile(r"^ *\^", re.MULTILINE)
_OUT_OF_MEMORY = re.compile(rb"out of memory|Allocation failed|MemoryError|std::bad_alloc", re.IGNORECASE)

_OF_A_CHILD: Final = 128
_FIXED: Final = {
    "recursion": (FailureClass.RECURSION, "The script called itself deeper than its stack allows"),
    "memory": (FailureClass.MEMORY, "The script asked for more memory than it may have"),
    "output": (FailureClass.OUTPUT, "The result is longer than the output may be"),
    "promise": (FailureClass.RESULT, "The function returned a promise; it has to return the value itself"),
    "cycle": (FailureClass.RESULT, "The result refers to itself, so it cannot be written as JSON"),
    "bigint": (FailureClass.RESULT, "The result holds a BigInt, which JSON cannot hold; convert it to a string"),
}


def cut(text: str) -> str:
    """A message that can be kept: not too long, and UTF-8 can write it; half of a surrogate pair becomes ``?``."""
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= MESSAGE_CHARACTERS else whole[: MESSAGE_CHARACTERS - 1] + "…"


def place(stack: str, lines: int) -> tuple[int | None, int | None]:
    """Line and column of the first frame of the script in a stack trace of V8."""
    if (found := _PLACE.search(stack)) is None:
        return None, None
    return _shifted(int(found[1]), int(found[2]), lines)


def _shifted(line: int, column: int, lines: int) -> tuple[int, int]:
    if line > lines:
        return lines, 1
    return line, max(1, column - len(MODE)) if line == 1 else column


def thrown(kind: str, message: str, stack: str, lines: int) -> Failure:
    """A failure that the prelude described."""
    line, column = place(stack, lines)
    if kind == "undefined":
        text = "nothing" if message == "undefined" else f"a {message}, which JSON cannot hold"
        return Failure(kind=FailureClass.RESULT, message=f"The function returned {text}")
    if kind in _FIXED:
        failure, text = _FIXED[kind]
        return Failure(kind=failure, message=text, line=line, column=column)
    return Failure(kind=FailureClass.RUNTIME, message=cut(message), line=line, column=column)


def top_level(message: str, lines: int, *, syntax: bool) -> Failure:
    """A script that could not be read or that threw while it was being read; ``message`` is V8's, with its place."""
    headline = _HEADLINE.match(message)
    text = headline[2] if headline else message.partition("\n")[0]
    if "Maximum call stack size exceeded" in text:
        return recursion()
    line = column = None
    if headline:
        caret = _CARET.search(message)
        line, column = _shifted(int(headline[1]), len(caret[0]) if caret else 1, lines)
    if not syntax and (placed := place(message, lines))[0] is not None:
        line, column = placed
    kind = FailureClass.SYNTAX if syntax else FailureClass.RUNTIME
    if text in {"RangeError: Array buffer allocation failed", "RangeError: Invalid string length"}:
        return memory()
    return Failure(kind=kind, message=cut(text.removeprefix("Uncaught ")), line=line, column=column)


def recursion() -> Failure:
    """The stack was used up."""
    kind, text = _FIXED["recursion"]
    return Failure(kind=kind, message=text)


def memory() -> Failure:
    """Heap or buffers were used up."""
    kind, text = _FIXED["memory"]
    return Failure(kind=kind, message=text)


def wall_time(seconds: float) -> Failure:
    """The call took too long."""
    return Failure(kind=FailureClass.TIMEOUT, message=f"The script was stopped after {seconds:g} s")


def processor_time(seconds: float) -> Failure:
    """The call computed too long."""
    return Failure(kind=FailureClass.CPU, message=f"The script was stopped after {seconds:g} s of processor time")


def output_size(limit: int) -> Failure:
    """The result is too long."""
    return Failure(kind=FailureClass.OUTPUT, message=f"The result is longer than the {limit} bytes it may have")


def input_refused(message: str) -> Failure:
    """The payload cannot be read."""
    return Failure(kind=FailureClass.INPUT, message=cut(message))


def result_refused(message: str, record: int | None) -> Failure:
    """The result cannot be written in the format that was asked for."""
    return Failure(kind=FailureClass.RESULT, message=cut(message), record=record)


def no_function(name: str) -> Failure:
    """The script does not define what is called."""
    return Failure(kind=FailureClass.RUNTIME, message=f"The script defines no function {name}")


def cancelled() -> Failure:
    """Somebody did not want it any more."""
    return Failure(kind=FailureClass.CANCELLED, message="The execution was cancelled")


def violation(message: str) -> Failure:
    """The worker did what no worker does."""
    return Failure(kind=FailureClass.VIOLATION, message=message)


def ended(status: int | None, last_words: bytes) -> Failure:
    """A worker that ended without an answer: what its exit status and its error output say.

    Args:
        status: As ``subprocess`` gives it: minus the signal; ``None`` where it is not known.
        last_words: What it wrote to its standard error; only looked at, never shown.
    """
    if status is not None and status > _OF_A_CHILD:
        status = _OF_A_CHILD - status  # bubblewrap hands the signal on as shells do.
    if status == -signal.SIGSYS:
        return violation("The sandbox worker made a system call that it may not make and was ended")
    if _OUT_OF_MEMORY.search(last_words):
        return memory()
    how = f"by {signal.Signals(-status).name}" if status is not None and status < 0 else f"with status {status}"
    return Failure(kind=FailureClass.CRASHED, message=f"The sandbox worker ended {how} during the execution")
