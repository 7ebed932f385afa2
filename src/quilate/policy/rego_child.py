"""Evaluate one Rego module in a process of its own: ``python -I rego_child.py``, request on stdin, answer on stdout.

Why a process: the interpreter is native code that reads what a person wrote. Here it has no environment, no right to
gain rights, and limits on memory, processor time, open files, processes and file size. Imports nothing of Quilate, so
that it starts quickly.

The allocator of the library reserves 256 GiB of address space when it starts, so that RLIMIT_AS and RLIMIT_DATA cannot
bound it; a thread of this process looks at the resident memory and at the clock every 5 ms instead and ends the
process, with an answer that says why.

The request is a JSON object with ``module``, ``input`` (JSON text), ``query``,
``deny_query``, ``wall_seconds`` and ``memory_bytes``; the answer one with ``missing`` or ``error``, or with ``allow``
and ``deny``, each ``{"value": …}`` or ``{}`` for undefined.
"""

import contextlib
import ctypes
import json
import math
import os
import re
import resource
import sys
import threading
import time
from typing import Any

_ANSWERING = threading.Lock()
_ON_LINUX = sys.platform.startswith("linux")
_OPEN_FILES = 32
_WATCH_SECONDS = 0.005
_PR_SET_NO_NEW_PRIVS = 38
_MODULE_NAME = "policy.rego"
_MESSAGE_LENGTH = re.compile(r"\(errormsg (\d+):")
_PLACE = re.compile(re.escape(_MODULE_NAME) + r"\|(\d+)\|")


def main() -> None:
    """Read the request, answer it, and end without tidying up the native library."""
    request = json.loads(sys.stdin.buffer.read())
    # The library prints what goes wrong to the standard output; the answer goes to a copy made beforehand.
    answer_descriptor = os.dup(1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    wall_seconds = request["wall_seconds"]
    limits = (request["memory_bytes"], wall_seconds, answer_descriptor)
    threading.Thread(target=_watch, args=limits, daemon=True).start()
    _limit(math.ceil(wall_seconds) + 1)
    answer = _answer(request)
    _send(answer_descriptor, answer)


def _send(descriptor: int, answer: dict[str, Any]) -> None:
    """Answer and end the process; never released, so that of two threads only the first one answers."""
    _ANSWERING.acquire()
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(json.dumps(answer).encode("ascii"))
    os._exit(0)


def _watch(memory_bytes: int, wall_seconds: float, descriptor: int) -> None:
    """End the process once it holds too much or runs too long; native calls let this thread run beside them."""
    deadline = time.monotonic() + wall_seconds
    while time.monotonic() < deadline:
        if _resident_bytes() > memory_bytes:
            _send(descriptor, {"error": f"it needs more than {memory_bytes >> 20} MiB of memory"})
        time.sleep(_WATCH_SECONDS)
    _send(descriptor, {"error": f"it ran longer than {wall_seconds:g} s and was ended"})


def _resident_bytes() -> int:
    """Return the memory held now; the peak that Linux keeps would include the process that started this one."""
    if _ON_LINUX:
        with open("/proc/self/statm", "rb") as stream:  # noqa: PTH123 - no further import in this small process
            return int(stream.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _limit(cpu_seconds: int) -> None:
    limits = {
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_NPROC": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        # Not every system has, or lets a process lower, every one of them.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
    if _ON_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        import regopy  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; below the limits only
    except ImportError:
        return {"missing": True}
    try:
        interpreter = regopy.Interpreter()
        # Without this an error inside a built-in counts as undefined, which `not` would turn into true.
        interpreter.strict_built_in_errors = True
        interpreter.add_module(_MODULE_NAME, request["module"])
        interpreter.set_input_term(request["input"])
        return {
            "allow": _queried(interpreter, request["query"]),
            "deny": _queried(interpreter, request["deny_query"]),
        }
    except Exception as error:  # noqa: BLE001 - the process ends here; whatever it was goes into the answer
        return {"error": _readable(str(error), request["module"])}


def _queried(interpreter: Any, query: str) -> dict[str, Any]:
    """Return a rule's value; it is bound to a variable, since a query that is plainly false counts as undefined."""
    try:
        output = interpreter.query(f"value := {query}")
    except json.JSONDecodeError as error:
        # The library answers some invalid modules with a text that is not JSON.
        raise RuntimeError("a function or rule in it is unknown, recursive or not valid") from error
    if not output.ok():
        raise RuntimeError(_of_output(output))
    values = [result.bindings["value"] for result in output.results if "value" in result.bindings]
    if len(values) > 1:
        raise RuntimeError(f"{query} has several values")
    return {"value": values[0]} if values else {}


def _of_output(output: Any) -> str:
    text = str(output)
    return text if "errormsg" in text else "rules contradict each other or a built-in function failed"


def _readable(text: str, module: str) -> str:
    """Return the first message of the library's error tree, with the line of the module that it is about."""
    found = _MESSAGE_LENGTH.search(text)
    if found is None:
        return " ".join(text.split())[:300]
    message = text[found.end() : found.end() + int(found.group(1))]
    place = _PLACE.search(text)
    if place is None:
        return message
    line = module.encode()[: int(place.group(1))].count(b"\n") + 1
    return f"line {line}: {message}"


if __name__ == "__main__":
    main()
