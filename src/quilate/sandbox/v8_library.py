"""A thin binding over mini-racer's C interface: no event loop, no timers, each call with a deadline.

Why not mini-racer's public API: it imports asyncio and adds timers to each isolate; leaving both out halves what a
call costs. The structures are those of ``py_mini_racer/_dll.py`` and ``_objects.py`` of the pinned version;
``v8_selftest`` proves at each start that they are still right.
"""

import ctypes
import importlib.util
import itertools
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.v8_snapshot import begin_isolates_with


class ValueType(IntEnum):
    """Kinds of values that cross the border."""

    INVALID = 0
    NULL = 1
    BOOLEAN = 2
    INTEGER = 3
    DOUBLE = 4
    TEXT = 5
    ARRAY = 6
    OBJECT = 10
    UNDEFINED = 11
    FUNCTION = 100
    SHARED_ARRAY_BUFFER = 101
    ARRAY_BUFFER = 102
    PROMISE = 103
    EXECUTE_EXCEPTION = 200
    PARSE_EXCEPTION = 201
    MEMORY_EXCEPTION = 202
    TIMEOUT_EXCEPTION = 203
    TERMINATED_EXCEPTION = 204
    VALUE_EXCEPTION = 205
    KEY_EXCEPTION = 206


class _RawUnion(ctypes.Union):
    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("integer", ctypes.c_int64),
        ("double", ctypes.c_double),
    )


class _RawValue(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("value", _RawUnion), ("length", ctypes.c_size_t), ("type", ctypes.c_uint8))


_Raw = ctypes.POINTER(_RawValue)
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_uint64, _Raw)
_CONTEXT = ctypes.c_uint64
_TASK = ctypes.c_uint64

_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "mr_init_v8": (None, (ctypes.c_char_p, ctypes.c_char_p)),
    "mr_v8_version": (ctypes.c_char_p, ()),
    "mr_init_context": (_CONTEXT, (_CALLBACK,)),
    "mr_free_context": (None, (_CONTEXT,)),
    "mr_eval": (_TASK, (_CONTEXT, _Raw, ctypes.c_uint64)),
    "mr_call_function": (_TASK, (_CONTEXT, _Raw, _Raw, _Raw, ctypes.c_uint64)),
    "mr_cancel_task": (None, (_CONTEXT, _TASK)),
    "mr_free_value": (None, (_CONTEXT, _Raw)),
    "mr_alloc_int_val": (_Raw, (_CONTEXT, ctypes.c_int64, ctypes.c_uint8)),
    "mr_alloc_double_val": (_Raw, (_CONTEXT, ctypes.c_double, ctypes.c_uint8)),
    "mr_alloc_string_val": (_Raw, (_CONTEXT, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint8)),
    "mr_set_object_item": (_Raw, (_CONTEXT, _Raw, _Raw, _Raw)),
    "mr_set_hard_memory_limit": (None, (_CONTEXT, ctypes.c_size_t)),
    "mr_hard_memory_limit_reached": (ctypes.c_bool, (_CONTEXT,)),
    "mr_heap_stats": (_Raw, (_CONTEXT,)),
}

GRACE_SECONDS = 0.5
"""How long V8 has to end a call that it was told to end."""


class ScriptStoppedError(Exception):
    """A call ended without a value.

    Attributes:
        kind: ``EXECUTE_EXCEPTION``, ``PARSE_EXCEPTION``, ``MEMORY_EXCEPTION``, or ``TIMEOUT_EXCEPTION``.
        message: V8's, with the position; empty where it gives none.
    """

    def __init__(self, kind: ValueType, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class EngineStuckError(Exception):
    """V8 did not end a call that it was told to end: only killing the process helps."""


class Handle:
    """A value that stays inside V8; freed with its isolate or by ``Isolate.release``."""

    __slots__ = ("raw", "type")

    def __init__(self, raw: Any, kind: int) -> None:
        self.raw = raw
        self.type = kind


@dataclass(frozen=True, slots=True)
class TextTooLong:
    """A text that was not copied out of V8, with its length in bytes of UTF-8."""

    length: int


Value = str | int | float | bool | bytes | Handle | None
Deadline = Callable[[], float]
"""Gives the seconds for which to wait before asking again; 0 or less: end the call."""


class Library:
    """V8, loaded once in a process and for good.

    Args:
        flags: Of V8, as they are written on a command line.

    Raises:
        SandboxUnavailableError: mini-racer is not installed or cannot be loaded.
    """

    def __init__(self, flags: Sequence[str]) -> None:
        folder = library_folder()
        try:
            self.functions: Any = ctypes.CDLL(str(folder / "libmini_racer.so"))
            for name, (result, arguments) in _FUNCTIONS.items():
                function = getattr(self.functions, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise SandboxUnavailableError(
                "mini-racer's library cannot be loaded", next_step="Install quilate[sandbox] again"
            ) from error
        self.functions.mr_init_v8(" ".join(flags).encode(), str(folder / "icudtl.dat").encode())
        self.version: str = self.functions.mr_v8_version().decode()
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        self._numbers = itertools.count(1)
        # One closure for the whole process, made before the lock-down: a closure needs executable memory.
        self.callback = _CALLBACK(self._arrived)

    def _arrived(self, number: int, raw: Any) -> None:
        answers = self._waiting.pop(number, None)
        if answers is not None:
            answers.put(raw)

    def isolate(self, heap_bytes: int) -> "Isolate":
        """A heap and a global object of its own."""
        return Isolate(self, heap_bytes)

    def begin_with(self, state: bytes, exercise: bytes) -> bool:
        """Have each isolate begin with a state of ours (see ``v8_snapshot``); says whether they do."""
        return begin_isolates_with(self.functions, self.version, state, exercise)

    def expect(self, answers: "queue.SimpleQueue[Any]") -> int:
        """A number for a task whose answer goes to ``answers``."""
        number = next(self._numbers)
        self._waiting[number] = answers
        return number


def library_folder() -> Path:
    """Where mini-racer's library lies; found without importing the package, which would bring asyncio along.

    Raises:
        SandboxUnavailableError: It is not installed.
    """
    found = importlib.util.find_spec("py_mini_racer")
    if found is None or not found.submodule_search_locations:
        raise SandboxUnavailableError("mini-racer is not installed", next_step="Install quilate[sandbox]")
    return Path(next(iter(found.submodule_search_locations)))


class Isolate:
    """A heap and a global object of its own, with a thread of its own. Used by one thread of ours at a time."""

    def __init__(self, library: Library, heap_bytes: int) -> None:
        self._library = library
        self._functions = library.functions
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._context: int | None = self._functions.mr_init_context(library.callback)
        self._undefined = self._functions.mr_alloc_int_val(self._context, 0, ValueType.UNDEFINED)
        self._keys: dict[int, Any] = {}
        self.limit_heap(heap_bytes)

    def limit_heap(self, heap_bytes: int) -> None:
        """Set what the heap may hold; V8 looks after each garbage collection."""
        self._functions.mr_set_hard_memory_limit(self._context, heap_bytes)

    def heap_exceeded(self) -> bool:
        """Whether the limit ended a call. V8's own message says only ``null`` then."""
        return bool(self._functions.mr_hard_memory_limit_reached(self._context))

    def evaluate(self, source: bytes, deadline: Deadline | None = None) -> Value:
        """Run ``source`` as a script and give its completion value.

        Raises:
            ScriptStoppedError: It did not compile, threw, or used up its memory or time.
            EngineStuckError: V8 did not answer any more.
        """
        text = self._text(source)
        number = self._library.expect(self._answers)
        task = self._functions.mr_eval(self._context, text, number)
        try:
            value: Value = self._finish(task, number, deadline, None)
            return value
        finally:
            self._functions.mr_free_value(self._context, text)

    def call(
        self,
        function: Handle,
        arguments: Handle,
        deadline: Deadline | None = None,
        *,
        receiver: bytes | Handle | None = None,
        most: int | None = None,
    ) -> Value | TextTooLong:
        """Call ``function`` with ``arguments``, a JavaScript array; a text longer than ``most`` is not copied.

        Args:
            function: To be called.
            arguments: What ``evaluate`` gave.
            deadline: When to end it.
            receiver: Its ``this``; ``bytes`` are UTF-8 text. Unlike an item it takes no call of its own.
            most: Bytes of UTF-8.

        Raises:
            ScriptStoppedError: It threw, or used up its memory or time.
            EngineStuckError: V8 did not answer any more.
        """
        text = self._text(receiver) if isinstance(receiver, bytes) else None
        this = receiver.raw if isinstance(receiver, Handle) else text or self._undefined
        number = self._library.expect(self._answers)
        task = self._functions.mr_call_function(self._context, function.raw, this, arguments.raw, number)
        try:
            value: Value | TextTooLong = self._finish(task, number, deadline, most)
            return value
        finally:
            if text is not None:
                self._functions.mr_free_value(self._context, text)

    def _key(self, index: int) -> Any:
        if (key := self._keys.get(index)) is None:
            key = self._keys[index] = self._functions.mr_alloc_int_val(self._context, index, ValueType.INTEGER)
        return key

    def set_item(self, array: Handle, index: int, value: bytes | float | Handle | None) -> None:
        """Write one item of a JavaScript array. ``bytes`` are UTF-8 text; ``None`` is ``undefined``."""
        functions, context = self._functions, self._context
        key = self._key(index)
        owned = True
        if isinstance(value, Handle):
            raw, owned = value.raw, False
        elif value is None:
            raw, owned = self._undefined, False
        elif isinstance(value, bytes):
            raw = self._text(value)
        elif isinstance(value, int) and -(2**31) <= value < 2**31:
            raw = functions.mr_alloc_int_val(context, value, ValueType.INTEGER)
        else:
            raw = functions.mr_alloc_double_val(context, float(value), ValueType.DOUBLE)
        functions.mr_free_value(context, functions.mr_set_object_item(context, array.raw, key, raw))
        if owned:
            functions.mr_free_value(context, raw)

    def memory(self, buffer: Handle) -> memoryview:
        """The bytes of an ArrayBuffer or typed array, without a copy; valid while the isolate and the buffer live."""
        raw = buffer.raw.contents
        if raw.type not in {ValueType.ARRAY_BUFFER, ValueType.SHARED_ARRAY_BUFFER}:
            raise TypeError("not a buffer")
        if not raw.length:
            return memoryview(bytearray())
        return memoryview((ctypes.c_char * raw.length).from_address(raw.value.pointer)).cast("B")

    def release(self, handle: Handle) -> None:
        """Free a handle before its isolate ends."""
        if self._context is not None:
            self._functions.mr_free_value(self._context, handle.raw)

    def close(self) -> None:
        """Free the heap and end the thread; may be called twice."""
        context, self._context = self._context, None
        if context is not None:
            self._functions.mr_free_context(context)

    def _text(self, data: bytes) -> Any:
        return self._functions.mr_alloc_string_val(self._context, data, len(data), ValueType.TEXT)

    def _finish(self, task: int, number: int, deadline: Deadline | None, most: int | None) -> Any:
        raw, ended = self._wait(task, number, deadline)
        return self._value(raw, ended=ended, most=most)

    def _wait(self, task: int, number: int, deadline: Deadline | None) -> tuple[Any, bool]:
        if deadline is None:
            return self._answers.get(), False
        while (left := deadline()) > 0:
            try:
                return self._answers.get(timeout=left), False
            except queue.Empty:
                continue
        self._functions.mr_cancel_task(self._context, task)
        try:
            return self._answers.get(timeout=GRACE_SECONDS), True
        except queue.Empty:
            self._library._waiting.pop(number, None)  # noqa: SLF001 - the library and its isolates are one unit
            raise EngineStuckError from None

    def _value(self, raw: Any, *, ended: bool, most: int | None) -> Any:
        content = raw.contents
        kind = content.type
        if kind in _KEPT:
            return Handle(raw, kind)
        try:
            if kind >= ValueType.EXECUTE_EXCEPTION:
                raise self._stopped(content, ended=ended)
            if kind == ValueType.TEXT:
                if most is not None and content.length > most:
                    return TextTooLong(content.length)
                return ctypes.string_at(content.value.pointer, content.length)
            return _PLAIN[kind](content) if kind in _PLAIN else None
        finally:
            self._functions.mr_free_value(self._context, raw)

    def _stopped(self, content: Any, *, ended: bool) -> ScriptStoppedError:
        message = ctypes.string_at(content.value.pointer, min(content.length, 64 << 10)).decode(errors="replace")
        kind = ValueType(content.type)
        if kind is ValueType.MEMORY_EXCEPTION or self.heap_exceeded():
            return ScriptStoppedError(ValueType.MEMORY_EXCEPTION, message)
        if ended or kind in {ValueType.TIMEOUT_EXCEPTION, ValueType.TERMINATED_EXCEPTION}:
            return ScriptStoppedError(ValueType.TIMEOUT_EXCEPTION, message)
        return ScriptStoppedError(kind, message)


_KEPT: Final = frozenset(
    {
        ValueType.ARRAY,
        ValueType.OBJECT,
        ValueType.FUNCTION,
        ValueType.SHARED_ARRAY_BUFFER,
        ValueType.ARRAY_BUFFER,
        ValueType.PROMISE,
    }
)


_PLAIN: Final[dict[int, Callable[[Any], Any]]] = {
    ValueType.BOOLEAN: lambda content: bool(content.value.integer),
    ValueType.INTEGER: lambda content: content.value.integer,
    ValueType.DOUBLE: lambda content: content.value.double,
}


def within(seconds: float) -> Deadline:
    """A deadline that many seconds from now, by the wall clock."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()
