"""The JavaScript that runs in each isolate before any script, and the words it shares with this side."""

import json
from collections.abc import Sequence
from enum import IntEnum, IntFlag
from functools import cache
from importlib import resources

ALLOWED_GLOBALS = (
    "Object", "Function", "Array", "Number", "parseFloat", "parseInt", "Infinity", "NaN", "undefined", "Boolean",
    "String", "Symbol", "Date", "Promise", "RegExp", "Error", "AggregateError", "EvalError", "RangeError",
    "ReferenceError", "SyntaxError", "TypeError", "URIError", "globalThis", "JSON", "Math", "Intl", "ArrayBuffer",
    "Uint8Array", "Int8Array", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array", "BigUint64Array",
    "BigInt64Array", "Uint8ClampedArray", "Float16Array", "Float32Array", "Float64Array", "DataView", "Map", "BigInt",
    "Set", "Iterator", "WeakMap", "WeakSet", "Proxy", "Reflect", "decodeURI", "decodeURIComponent", "encodeURI",
    "encodeURIComponent", "escape", "unescape", "eval", "isFinite", "isNaN",
)  # fmt: skip
"""Globals of the language that a script has; ``console`` is ours. ``eval`` is there and refused by a flag of V8.

Left out: shared memory and waiting (``Atomics``, ``SharedArrayBuffer``), what shows when garbage is collected
(``WeakRef``, ``FinalizationRegistry``), a second clock (``Temporal``), disposal stacks, WebAssembly.
"""

FIRST_CONSOLE_LIMIT = 64 << 10
MODE = b'"use strict";'
"""Stands before each script, on its first line."""
SCRIPT_NAME = "script.js"
PRELUDE_NAME = "quilate-prelude"
_STATE = b"quilatePrelude"
_NAMED = f"\n//# sourceURL={PRELUDE_NAME}".encode()


class Operation(IntEnum):
    """What the prelude's function is asked."""

    EXECUTE = 0
    REPORT = 1
    TAKE = 2
    INSTALL = 3
    LOCATE = 4
    UNSAFE_INTEGER = 5
    DETERMINISTIC = 6


class InputFormat(IntEnum):
    """How the input is handed in, and the result wanted."""

    JSON = 0
    LINES = 1
    VALUE = 2


class Said(IntFlag):
    """What there is to ask for after a call, where it gave no text."""

    FAILED = 1
    TEXT = 2
    RESULT = 4
    CONSOLE = 8


@cache
def core() -> bytes:
    """The part that each isolate needs; its value gives, once called, the function that takes an ``Operation``."""
    text = _text("prelude.js").replace("ALLOWED_GLOBALS", json.dumps(ALLOWED_GLOBALS), 1)
    return _expression(text.replace("FIRST_CONSOLE_LIMIT", str(FIRST_CONSOLE_LIMIT), 1).encode())


@cache
def further() -> bytes:
    """The rest; its value is what ``INSTALL`` takes. Needed before ``LOCATE`` and all after it."""
    return _text("prelude_further.js").encode()


def prelude() -> bytes:
    """Both at once, for an engine that copies a finished state; its value is the function of ``core``."""
    begin, middle = b"(() => { const host = (", b")(); host(%d, " % Operation.INSTALL
    return begin + core() + middle + _expression(further()) + b"); return host; })()"


def begun() -> bytes:
    """Run the core and begin: the value is the function that takes an ``Operation``."""
    return b"(%s)()%s" % (core(), _NAMED)


def state() -> bytes:
    """What runs before a snapshot is taken: ``begun_from_state`` begins from there."""
    # Not by an assignment: V8 would show its left side in each script's stack traces.
    return b"((begin)=>{globalThis.%s=begin})(%s)%s" % (_STATE, core(), _NAMED)


def begun_from_state() -> bytes:
    """The value of ``begun``, where the global object comes from a snapshot; takes the way there away with the rest."""
    return b"%s()" % _STATE


def exercise() -> bytes:
    """Uses what an ordinary call uses, so that a snapshot holds it compiled."""
    return b"%s().call('[{\"a\":1}]',%d,(data)=>data,undefined,%d,%d,1e6,1e6)" % (
        _STATE,
        Operation.EXECUTE,
        InputFormat.JSON,
        InputFormat.JSON,
    )


def _text(name: str) -> str:
    """A file's code without its comments and indents: what is not there need not be read by each isolate."""
    lines = resources.files("quilate.sandbox").joinpath(name).read_text(encoding="utf-8").splitlines()
    stripped = (line.strip() for line in lines)
    return "\n".join(line for line in stripped if line and (not line.startswith("//") or line.startswith("//#")))


def _expression(source: bytes) -> bytes:
    return source[: source.rindex(b"//#")].rstrip()


def wrapped(source: str, value: str) -> bytes:
    """A script in strict mode, and an expression whose value is that of the whole."""
    return MODE + source.encode() + f"\n;{value}\n//# sourceURL={SCRIPT_NAME}".encode()


def lookup(function: str) -> str:
    """An expression for a global function that need not be there."""
    return f"typeof {function}==='undefined'?undefined:{function}"


def arguments_of(function: str, placed: Sequence[int]) -> str:
    """An expression for the arguments of ``EXECUTE``; ``undefined`` where there is no such function.

    Args:
        function: Name of a global function.
        placed: What stands behind it in the array.
    """
    items = ",".join(map(str, placed))
    return (
        f"((found)=>typeof found==='function'?[{int(Operation.EXECUTE)},found,{items}]:undefined)({lookup(function)})"
    )
