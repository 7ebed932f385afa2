"""The fallback: V8 through mini-racer's public interface, for a version whose C interface is not the one we know.

Slower by half (an event loop in a thread, timers in each isolate, which the prelude takes away again), else the same:
the engine, its self-test and its sessions are those of ``v8_engine``. The pool comes here by itself when a worker with
our own binding does not start.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.v8_engine import V8Engine
from quilate.sandbox.v8_library import (
    GRACE_SECONDS,
    Deadline,
    EngineStuckError,
    Handle,
    ScriptStoppedError,
    TextTooLong,
    ValueType,
)

_FIRST_TRY: Final = 0.05
_MOST_ARGUMENTS: Final = 16
_HIGHEST_INTEGER: Final = 2**31


class PublicLibrary:
    """V8 as ``py_mini_racer`` gives it.

    Raises:
        SandboxUnavailableError: It is not installed.
    """

    def __init__(self, flags: Sequence[str]) -> None:
        try:
            import py_mini_racer  # noqa: PLC0415 - it brings asyncio's loop and is not needed where our binding works
        except ImportError as error:
            raise SandboxUnavailableError(
                "mini-racer is not installed", next_step="Install quilate[sandbox]"
            ) from error
        self.module: Any = py_mini_racer
        self.module.init_mini_racer(flags=flags)
        # One loop for all isolates, made before the lock: making one takes files.
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        with self.module.mini_racer(self.loop) as racer:
            self.version = f"{racer.v8_version} (public interface)"

    def begin_with(self, state: bytes, exercise: bytes) -> bool:  # noqa: ARG002 - as ``Library.begin_with``
        """Nothing that the public interface could do."""
        return False

    def isolate(self, heap_bytes: int) -> "PublicIsolate":
        """A heap and a global object of its own."""
        return PublicIsolate(self, heap_bytes)


class PublicIsolate:
    """As ``v8_library.Isolate``; arguments are kept on this side until a call."""

    def __init__(self, library: PublicLibrary, heap_bytes: int) -> None:
        self._module = library.module
        self._loop = library.loop
        self._manager = self._module.mini_racer(library.loop)
        self._racer: Any = self._manager.__enter__()
        self._arguments: dict[int, list[Any]] = {}
        self.limit_heap(heap_bytes)

    def limit_heap(self, heap_bytes: int) -> None:
        """Set what the heap may hold."""
        self._racer.set_hard_memory_limit(heap_bytes)

    def heap_exceeded(self) -> bool:
        """Whether the limit ended a call."""
        return bool(self._racer.was_hard_memory_limit_reached())

    def evaluate(self, source: bytes, deadline: Deadline | None = None) -> Any:
        """Run ``source`` as a script and give its completion value (see ``Isolate.evaluate``)."""
        text = source.decode()
        value = self._run(lambda: self._racer.eval_cancelable(text), deadline)
        handle = self._value(value)
        if isinstance(value, self._module.JSArray) and len(value) <= _MOST_ARGUMENTS:
            self._arguments[id(handle)] = [value[index] for index in range(len(value))]
        return handle

    def call(
        self,
        function: Handle,
        arguments: Handle,
        deadline: Deadline | None = None,
        *,
        receiver: bytes | Handle | None = None,
        most: int | None = None,
    ) -> Any:
        """Call ``function`` with what was set in ``arguments`` (see ``Isolate.call``)."""
        values = self._arguments.get(id(arguments), [])
        this = self._given(receiver)
        answer = self._value(self._run(lambda: function.raw.cancelable()(*values, this=this), deadline))
        if most is not None and isinstance(answer, bytes) and len(answer) > most:
            return TextTooLong(len(answer))
        return answer

    def set_item(self, array: Handle, index: int, value: Any) -> None:
        """Write one argument; the array inside V8 stays as it is."""
        items = self._arguments.setdefault(id(array), [])
        items += [0] * (index + 1 - len(items))
        items[index] = self._given(value)

    def _given(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, Handle):
            return value.raw
        if value is None:
            return self._module.JSUndefined
        if isinstance(value, int) and not -_HIGHEST_INTEGER <= value < _HIGHEST_INTEGER:
            return float(value)
        return value

    def memory(self, buffer: Handle) -> memoryview:
        """The bytes of a buffer."""
        return memoryview(buffer.raw)

    def release(self, handle: Handle) -> None:
        """Let go of a handle."""
        handle.raw = None

    def close(self) -> None:
        """Free the heap; may be called twice."""
        self._arguments.clear()
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.__exit__(None, None, None)

    def _run(self, begin: Callable[[], Awaitable[Any]], deadline: Deadline | None) -> Any:
        future = asyncio.run_coroutine_threadsafe(self._watched(begin, deadline), self._loop)
        try:
            return future.result()
        except self._module.JSOOMException as error:
            raise ScriptStoppedError(ValueType.MEMORY_EXCEPTION, str(error)) from error
        except self._module.JSParseException as error:
            raise ScriptStoppedError(ValueType.PARSE_EXCEPTION, str(error)) from error
        except self._module.JSEvalException as error:
            kind = ValueType.MEMORY_EXCEPTION if self.heap_exceeded() else ValueType.EXECUTE_EXCEPTION
            raise ScriptStoppedError(kind, str(error)) from error

    async def _watched(self, begin: Callable[[], Awaitable[Any]], deadline: Deadline | None) -> Any:
        task = asyncio.ensure_future(begin())
        while not task.done():
            left = _FIRST_TRY if deadline is None else deadline()
            if left <= 0:
                await self._end(task)
            await asyncio.wait({task}, timeout=left)
        return task.result()

    async def _end(self, task: "asyncio.Future[Any]") -> None:
        # Cancelling tells V8 to end; the next call into the isolate is answered only when it has.
        task.cancel()
        await asyncio.wait({task})
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await self._racer.eval_cancelable("0")
        except TimeoutError:
            raise EngineStuckError from None
        except self._module.JSEvalException:
            pass
        raise ScriptStoppedError(ValueType.TIMEOUT_EXCEPTION, "")

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.encode(errors="surrogatepass")
        if isinstance(value, self._module.JSFunction):
            return Handle(value, ValueType.FUNCTION)
        if isinstance(value, memoryview):
            return Handle(value, ValueType.ARRAY_BUFFER)
        if isinstance(value, self._module.JSObject):
            return Handle(value, ValueType.OBJECT)
        return None if value is self._module.JSUndefined else value


class PublicV8Engine(V8Engine):
    """``V8Engine`` over ``PublicLibrary``."""

    def _load(self, flags: Sequence[str]) -> Any:
        return PublicLibrary(flags)
