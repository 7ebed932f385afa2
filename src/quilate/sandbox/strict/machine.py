"""One QuickJS in one WebAssembly instance: memory, fuel, values by address.

The functions of the module are those of quickjs-wasi 3.6 (``c/interface.c`` in its repository): values cross as
addresses of eight-byte cells in the instance's memory. A machine is used by one thread at a time.
"""

import contextlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import wasmtime

HOST_CALL_FUEL = 500_000
"""Cost of each call from outside that a script can cause: such a call takes time outside of WebAssembly too."""
STACK_SPACE_BYTES = 1 << 20
"""Of the module's own stack in its memory; QuickJS takes half of it as its limit at most."""
FIXED_BYTES = 4 << 20
"""Of an instance's memory beside the script's heap: the module's stack, its tables, allocations of our own."""
NEVER = 1 << 40
"""An epoch that is never reached."""

_INTRINSICS_ALL = 0xFFFFFFFF
_EVAL, _WEAK_REFERENCES, _PERFORMANCE, _DOM_EXCEPTION, _BASE64 = 1 << 1, 1 << 9, 1 << 10, 1 << 11, 1 << 12
INTRINSICS = _INTRINSICS_ALL & ~(_EVAL | _WEAK_REFERENCES | _PERFORMANCE | _DOM_EXCEPTION | _BASE64) & 0x1FFF
"""Of the machines that run scripts: without a compiler, so that no text ever becomes code there."""
COMPILING_INTRINSICS = INTRINSICS | _EVAL
_STRICT_MODE = 1 << 3

EXPORTS = (
    "memory",
    "_initialize",
    "qjs_init2",
    "qjs_set_max_stack_size",
    "qjs_set_memory_limit",
    "qjs_compile",
    "qjs_eval_bytecode",
    "qjs_call",
    "qjs_is_exception",
    "qjs_is_number",
    "qjs_is_function",
    "qjs_is_string",
    "qjs_get_exception",
    "qjs_get_prop_string",
    "qjs_get_array_buffer",
    "qjs_get_float64",
    "qjs_get_undefined",
    "qjs_get_string_len",
    "qjs_free_cstring",
    "qjs_free_value",
    "qjs_new_string",
    "qjs_new_number",
    "qjs_is_job_pending",
    "qjs_execute_pending_job",
    "wasm_malloc",
    "wasm_free",
)


class OutOfMemoryError(Exception):
    """The instance's memory has no room for what we want to put there."""


class ThrownError(Exception):
    """The script threw; ``address`` is the cell with what it threw."""

    def __init__(self, address: int) -> None:
        """Keeps the address."""
        super().__init__("the script threw")
        self.address = Cell(address)


class Cell(int):
    """The address of a cell with a value, in one machine's memory."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The memory of a machine at rest, from which others begin.

    Attributes:
        size: Of the memory, in bytes.
        pieces: Those parts that are not zero, with their addresses.
        host: The prelude's function; nothing in an image without a prelude.
        numbers: Cells with numbers that every call needs.
    """

    size: int
    pieces: tuple[tuple[int, bytearray], ...]
    host: "Cell"
    numbers: "dict[float, Cell]"


class Machine:
    """QuickJS in an instance: memory, fuel, values by address.

    Every method that runs a script's code raises ``wasmtime.Trap`` where fuel, time or stack ends; the machine is of no
    use afterwards, only its memory can still be read.
    """

    def __init__(self, store: "wasmtime.Store", exports: "dict[str, Any]") -> None:
        """Takes an instance as it is."""
        self._store = store
        self._exports = exports
        self._memory = exports["memory"]
        self._numbers: dict[float, Cell] = {}
        self._limits = (0, 0)

    # Beginning

    def begin(self, intrinsics: int) -> None:
        """Makes runtime and context in an empty memory."""
        self._call("_initialize")
        if self._call("qjs_init2", intrinsics) != 0:
            raise OutOfMemoryError

    def image(self, host: int = 0, numbers: "Iterable[float]" = ()) -> Image:
        """The memory as it is now; only between two calls."""
        known = {number: self.number(number) for number in numbers}
        size, page = self._memory.data_len(self._store), 4096
        content = bytes(self._memory.read(self._store, 0, size))
        zeros = bytes(page)
        kept = [start for start in range(0, size, page) if content[start : start + page] != zeros]
        pieces: list[tuple[int, bytes]] = []
        for start in kept:
            if pieces and pieces[-1][0] + len(pieces[-1][1]) == start:
                pieces[-1] = (pieces[-1][0], pieces[-1][1] + content[start : start + page])
            else:
                pieces.append((start, content[start : start + page]))
        return Image(
            size=size,
            pieces=tuple((start, bytearray(piece)) for start, piece in pieces),
            host=Cell(host),
            numbers=known,
        )

    def restore(self, image: Image) -> None:
        """Takes the image's memory. The instance is new: what the image does not name is zero or of the module."""
        missing = image.size - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // 65536))
        for address, content in image.pieces:
            self._memory.write(self._store, content, address)
        self._numbers = dict(image.numbers)

    def limit(self, *, heap_bytes: int, stack_bytes: int) -> None:
        """Sets QuickJS's own limits, which a script meets as exceptions, and a little above it that of the instance."""
        if self._limits == (heap_bytes, stack_bytes):
            return
        self._limits = heap_bytes, stack_bytes
        self._store.set_limits(memory_size=heap_bytes + FIXED_BYTES, instances=1, memories=1, tables=1)
        self._call("qjs_set_memory_limit", heap_bytes)
        self._call("qjs_set_max_stack_size", min(stack_bytes, STACK_SPACE_BYTES // 2))

    def close(self) -> None:
        """Gives the memory back at once, whoever still knows this machine; it cannot be used again."""
        self._store.close()
        self._exports = {}

    # Fuel and time

    @property
    def fuel(self) -> int:
        """What is left."""
        return self._store.get_fuel()

    @fuel.setter
    def fuel(self, amount: int) -> None:
        self._store.set_fuel(amount)

    def end_after(self, epochs: int) -> None:
        """The engine's epoch after so many from now ends what runs here; 0 does at once."""
        self._store.set_epoch_deadline(epochs)

    @property
    def memory_bytes(self) -> int:
        """Size of the memory."""
        return int(self._memory.data_len(self._store))

    # Code and values

    def compile(self, source: bytes, filename: bytes) -> bytes:
        """Byte code of a script in strict mode.

        Raises:
            ThrownError: It has a syntax error.
            OutOfMemoryError: It does not fit.
        """
        with self._text(source) as code, self._text(filename) as name, self._text(bytes(4)) as length:
            address = self._call("qjs_compile", code, len(source), name, _STRICT_MODE, 0, length)
            if not address:
                raise ThrownError(self._call("qjs_get_exception"))
            result = self.read(address, self._word(length))
            self._call("wasm_free", address)
            return result

    def run(self, byte_code: bytes) -> Cell:
        """Runs what ``compile`` made by a machine of the same module; the address of what its last statement gave."""
        with self._text(byte_code) as code:
            return self._value(self._call("qjs_eval_bytecode", code, len(byte_code)))

    def call(self, function: Cell, *arguments: Cell) -> Cell:
        """Calls a function value; the address of its result."""
        # Where a function is called without an object, a number serves: ours take none.
        with self._text(struct.pack(f"<{len(arguments)}I", *arguments)) as list_address:
            return self._value(self._call("qjs_call", function, self.number(0), len(arguments), list_address))

    def run_jobs(self) -> None:
        """Runs what promises have left to do, each job at a price.

        Raises:
            ThrownError: A job threw where nothing could catch it.
        """
        while self._call("qjs_is_job_pending"):
            self.fuel = max(self.fuel - HOST_CALL_FUEL, 0)
            if self._call("qjs_execute_pending_job") < 0:
                raise ThrownError(self._call("qjs_get_exception"))

    def string(self, content: bytes) -> Cell:
        """A JavaScript string of UTF-8."""
        with self._text(content) as address:
            return self._value(self._call("qjs_new_string", address, len(content)))

    def number(self, value: float) -> Cell:
        """A JavaScript number; the machine keeps its cell, so it is not to be given back."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = self._cell(self._call("qjs_new_number", float(value)))
        return known

    def member(self, value: Cell, name: str) -> Cell:
        """The address of a property's value."""
        with self._text(name.encode()) as text:
            return self._value(self._call("qjs_get_prop_string", value, text))

    def is_function(self, value: Cell) -> bool:
        """It can be called."""
        return bool(self._call("qjs_is_function", value))

    def is_string(self, value: Cell) -> bool:
        """It is a string."""
        return bool(self._call("qjs_is_string", value))

    def is_number(self, value: Cell) -> bool:
        """It is a number."""
        return bool(self._call("qjs_is_number", value))

    def text(self, value: Cell, most: int) -> bytes | None:
        """A value as UTF-8 text; ``None`` where it is longer than ``most`` bytes.

        Raises:
            ThrownError: It cannot be made text, or there is no room for the UTF-8 beside it.
        """
        with self._text(bytes(4)) as length:
            address = self._call("qjs_get_string_len", value, length)
            if not address:
                raise ThrownError(self._call("qjs_get_exception"))
            size = self._word(length)
            result = self.read(address, size) if size <= most else None
        self._call("qjs_free_cstring", address)
        return result

    def free(self, value: Cell) -> None:
        """Gives a value back."""
        self._call("qjs_free_value", value)

    def undefined(self) -> Cell:
        """``undefined``; to be given back."""
        return self._cell(self._call("qjs_get_undefined"))

    def value(self, value: Cell) -> float:
        """What a number is."""
        return float(self._call("qjs_get_float64", value))

    def buffer(self, value: Cell) -> memoryview:
        """The bytes of an ``ArrayBuffer`` where they lie; valid until the machine runs again.

        Raises:
            IndexError: They lie outside of the memory.
        """
        with self._text(bytes(4)) as length:
            address = self._call("qjs_get_array_buffer", value, length)
            size = self._word(length)
        if address + size > self.memory_bytes:
            raise IndexError
        return memoryview(self._memory.get_buffer_ptr(self._store, size, address)).cast("B")

    def read(self, address: int, length: int) -> bytes:
        """Bytes of the memory; fewer where it ends."""
        return bytes(self._memory.read(self._store, address, address + length))

    # Inside

    def _call(self, name: str, *arguments: float) -> Any:
        result = self._exports[name](self._store, *arguments)
        return result & 0xFFFF_FFFF if isinstance(result, int) and name not in _SIGNED else result

    def _value(self, address: int) -> Cell:
        """The address of a value.

        Raises:
            OutOfMemoryError: There was no room for its cell.
            ThrownError: It is an exception.
        """
        cell = self._cell(address)
        if self._call("qjs_is_exception", cell):
            raise ThrownError(self._call("qjs_get_exception"))
        return cell

    def _cell(self, address: int) -> Cell:
        if not address:
            raise OutOfMemoryError
        return Cell(address)

    def _word(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    @contextlib.contextmanager
    def _text(self, content: bytes) -> "Iterator[int]":
        """The content in the instance's memory, with a zero after it, for the length of a block."""
        address = self._call("wasm_malloc", len(content) + 1)
        if not address:
            raise OutOfMemoryError
        self._memory.write(self._store, bytearray(content) + b"\0", address)
        try:
            yield address
        except (ThrownError, OutOfMemoryError):
            # Not after a trap: the instance is of no use then.
            self._call("wasm_free", address)
            raise
        self._call("wasm_free", address)


_SIGNED = frozenset({"qjs_execute_pending_job", "qjs_get_float64"})
