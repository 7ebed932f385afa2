"""At each start: is the binding right, and did each flag of V8 take?

V8 ignores an unknown flag and all that follow it without a word, and a wrong structure would misread every value.
"""

from collections.abc import Callable
from typing import Final

from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Attempt, Engine
from quilate.sandbox.v8_library import Handle, Isolate, Library, ScriptStoppedError, Value, ValueType, within

_SECONDS: Final = 10.0
_HEAP_BYTES: Final = 32 << 20
_FRAMES_PER_KIBIBYTE: Final = (8.0, 16.0)
"""How deep an empty function recurses for each KiB of the stack: 12.7 in V8 14.4 without compilers, 64-bit. The default
stack of 984 KiB would give 24 for a flag of 512 that did not take."""
_LINEAR_SECONDS: Final = 2.0
"""The regular expression below takes minutes in the backtracking engine and microseconds in the linear one."""


def prove(library: Library, engine: Engine, stack_kibibytes: int) -> tuple[Attempt, ...]:
    """Try binding and flags in an isolate of their own.

    Raises:
        SandboxUnavailableError: One of them is not as it has to be.
    """
    isolate = library.isolate(_HEAP_BYTES)
    checks: tuple[Callable[[], Attempt], ...] = (
        lambda: Attempt(name="v8 binding", refused=_binding(isolate), detail=library.version),
        lambda: _all_flags(isolate),
        lambda: Attempt(name="v8 ends a loop", refused=_ends(isolate)),
        lambda: _without_code_generation(isolate),
        lambda: _without_compilers(isolate, engine),
        lambda: _stack(isolate, stack_kibibytes, engine),
        lambda: _regular_expressions(isolate),
    )
    try:
        return tuple(_held(check(), library.version) for check in checks)
    finally:
        isolate.close()


def _held(attempt: Attempt, version: str) -> Attempt:
    if attempt.refused:
        return attempt
    raise SandboxUnavailableError(
        f"V8 {version} does not keep to its flags: {attempt.name} ({attempt.detail})",
        next_step="Install the version of mini-racer that quilate[sandbox] names",
    )


def _value(isolate: Isolate, source: str, seconds: float = _SECONDS) -> Value:
    return isolate.evaluate(source.encode(), within(seconds))


def _thrown(isolate: Isolate, source: str) -> tuple[ValueType | None, str]:
    try:
        return None, str(_value(isolate, source))
    except ScriptStoppedError as stopped:
        return stopped.kind, stopped.message.partition("\n")[0]


def _binding(isolate: Isolate) -> bool:
    plain: dict[str, Value] = {
        "1+1": 2,
        "0.5": 0.5,
        "true": True,
        "null": None,
        "'h\\u00e9'": "h\u00e9".encode(),
        "-3": -3,
    }
    if any(_value(isolate, source) != value for source, value in plain.items()):
        return False
    function = _value(isolate, "(function(a,b){'use strict';return this+a+b})")
    arguments = _value(isolate, "[0,0]")
    if not isinstance(function, Handle) or not isinstance(arguments, Handle):
        return False
    isolate.set_item(arguments, 0, b"text ")
    isolate.set_item(arguments, 1, 7)
    if isolate.call(function, arguments, within(_SECONDS), receiver=b"this ") != b"this text 7":
        return False
    buffer = _value(isolate, "new Uint8Array([1,2,3])")
    if not isinstance(buffer, Handle) or bytes(isolate.memory(buffer)) != b"\x01\x02\x03":
        return False
    wrong: dict[str, ValueType] = {"let x = ;": ValueType.PARSE_EXCEPTION, "null.x": ValueType.EXECUTE_EXCEPTION}
    return all(_thrown(isolate, source)[0] is kind for source, kind in wrong.items())


def _ends(isolate: Isolate) -> bool:
    try:
        isolate.evaluate(b"for(;;);", within(0.01))
    except ScriptStoppedError as stopped:
        return stopped.kind is ValueType.TIMEOUT_EXCEPTION
    return False


def _without_code_generation(isolate: Isolate) -> Attempt:
    sources = (
        "eval('1')",
        "Function('return 1')()",
        "(async()=>{}).constructor('1')",
        "(function*(){}).constructor('1')",
    )
    answers = [_thrown(isolate, source) for source in sources]
    refused = all(kind is not None and "EvalError" in text for kind, text in answers)
    return Attempt(name="v8 code from strings", refused=refused, detail=answers[0][1])


def _without_compilers(isolate: Isolate, engine: Engine) -> Attempt:
    # Without compilers V8 has no WebAssembly, so its absence proves --jitless. The fast engine wants them; the
    # prelude takes WebAssembly away there.
    if engine is Engine.FAST:
        _value(isolate, "delete globalThis.WebAssembly")
    there = _value(isolate, "typeof WebAssembly")
    name = "v8 compilers" if engine is Engine.DEFAULT else "v8 WebAssembly"
    return Attempt(name=name, refused=there == b"undefined")


def _stack(isolate: Isolate, stack_kibibytes: int, engine: Engine) -> Attempt:
    depth = _value(isolate, "let depth=0;try{(function f(){depth++;f()})()}catch{};depth")
    frames = depth / stack_kibibytes if isinstance(depth, int) else 0.0
    low, high = _FRAMES_PER_KIBIBYTE
    # A compiled frame is smaller by an amount of its own choice, so the upper bound holds for the interpreter only.
    refused = low <= frames and (frames <= high or engine is Engine.FAST)
    return Attempt(name="v8 stack", refused=refused, detail=f"{frames:.1f} frames a KiB")


def _all_flags(isolate: Isolate) -> Attempt:
    there = _value(isolate, "typeof Temporal")
    return Attempt(name="v8 all flags", refused=there == b"undefined", detail="the last of them took")


def _regular_expressions(isolate: Isolate) -> Attempt:
    try:
        answer = _value(isolate, "/^(a+)+$/.test('a'.repeat(40)+'b')", _LINEAR_SECONDS)
    except ScriptStoppedError:
        return Attempt(name="v8 backtracking", refused=False, detail="still running")
    return Attempt(name="v8 backtracking", refused=answer is False)
