"""The module in a worker: what it may ask of us, which is the clock that we set, and new instances of it."""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quilate.sandbox.strict import module
from quilate.sandbox.strict.machine import EXPORTS, NEVER, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    import wasmtime

PREPARING_FUEL = 1 << 40
PREPARING_BYTES = 64 << 20
"""Of memory before a script is there."""
_SUCCESS, _BAD_DESCRIPTOR, _NOT_SUPPORTED = 0, 8, 52


@dataclass(slots=True)
class Clock:
    """What every machine of an engine reads as the time: it stands still while a script runs."""

    milliseconds: int = 0


class Loader:
    """The module and what its imports do; makes machines. One a process: ``instantiate_pre`` once, then 0.3 ms each."""

    def __init__(self, compiled_code: bytes) -> None:
        """Reads code that ``module.compile_module`` has made.

        Raises:
            wasmtime.WasmtimeError: It was made with other settings, by another version or for another processor.
        """
        import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine

        self.engine = module.make_engine()
        self.clock = Clock()
        loaded = wasmtime.Module.deserialize(self.engine, compiled_code)
        linker = wasmtime.Linker(self.engine)
        for wanted in loaded.imports:
            if isinstance(wanted.type, wasmtime.FuncType):
                linker.define_func(wanted.module, str(wanted.name), wanted.type, *self._import(str(wanted.name)))
        self._prepared = linker.instantiate_pre(loaded)

    def machine(self) -> "Machine":
        """A machine with an empty memory; ``Machine.limit`` says how far it may grow."""
        import wasmtime  # noqa: PLC0415 - see above

        store = wasmtime.Store(self.engine)
        store.set_limits(memory_size=PREPARING_BYTES, instances=1, memories=1, tables=1)
        store.set_fuel(PREPARING_FUEL)
        store.set_epoch_deadline(NEVER)
        instance = self._prepared.instantiate(store)
        names = wasmtime.Linker(self.engine)
        names.define_instance(store, "", instance)
        return Machine(store, {name: names.get(store, "", name) for name in EXPORTS})

    def _import(self, name: str) -> "tuple[Callable[..., Any], bool]":
        """What the module calls under this name, and whether it wants the caller: all deny but clock and randomness."""
        told: dict[str, Callable[..., Any]] = {
            "clock_time_get": self._tell_time,
            "random_get": _give_zeros,
            "fd_write": _swallow,
        }
        if name in told:
            return told[name], True
        if name == "host_promise_rejection":
            return (lambda *_: None), False
        # A zero: UTC, not interrupted, no function, no module.
        return (lambda *_: 0 if name.startswith("host_") else _BAD_DESCRIPTOR), False

    def _tell_time(self, caller: "wasmtime.Caller", _clock: int, _precision: int, address: int) -> int:
        _put(caller, address, struct.pack("<Q", (self.clock.milliseconds * 1_000_000) & 0xFFFF_FFFF_FFFF_FFFF))
        return _SUCCESS


def _give_zeros(caller: "wasmtime.Caller", address: int, length: int) -> int:
    """The C library's seed: the same always. ``Math.random`` is ours."""
    _put(caller, address, bytes(length))
    return _SUCCESS


def _swallow(caller: "wasmtime.Caller", _descriptor: int, _vectors: int, _count: int, written: int) -> int:
    """QuickJS's own messages about itself; a script cannot cause any."""
    _put(caller, written, struct.pack("<I", 0))
    return _NOT_SUPPORTED


def _put(caller: "wasmtime.Caller", address: int, content: bytes) -> None:
    memory: Any = caller["memory"]
    memory.write(caller, bytearray(content), address & 0xFFFF_FFFF)
