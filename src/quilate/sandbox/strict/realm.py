"""A machine as ``quilate.sandbox.columns`` sees an isolate: the same code builds rows in all engines."""

from typing import TYPE_CHECKING

from quilate.sandbox.strict.machine import Cell
from quilate.sandbox.v8_library import Deadline, Handle, Isolate, Value, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable

    from quilate.sandbox.strict.machine import Machine

_MOST_TEXT = 1 << 31


class Realm(Isolate):
    """A machine as an isolate. Time and memory are the machine's own limits, so deadlines are not looked at."""

    def __init__(self, machine: "Machine", compiled: "Callable[[bytes], bytes]") -> None:
        """Takes a machine.

        Args:
            machine: With the prelude.
            compiled: Byte code of a source, for which the machine has paid.
        """
        self._machine = machine
        self._compiled = compiled
        self._items: dict[Cell, dict[int, tuple[Cell, bool]]] = {}

    def evaluate(self, source: bytes, deadline: Deadline | None = None) -> Value:  # noqa: ARG002 - see the class
        """See ``Isolate.evaluate``; raises what a machine raises."""
        return self._taken(self._machine.run(self._compiled(source)))

    def call(
        self,
        function: Handle,
        arguments: Handle,
        deadline: Deadline | None = None,  # noqa: ARG002 - see the class
        *,
        receiver: bytes | Handle | None = None,  # noqa: ARG002 - no function of the columns has one
        most: int | None = None,  # noqa: ARG002 - rows and columns are limited by the machine's memory
    ) -> Value:
        """See ``Isolate.call``; raises what a machine raises."""
        items = self._items[arguments.raw]
        return self._taken(self._machine.call(function.raw, *(items[index][0] for index in sorted(items))))

    def set_item(self, array: Handle, index: int, value: "bytes | float | Handle | None") -> None:
        """See ``Isolate.set_item``: kept on this side until the call."""
        items = self._items.setdefault(array.raw, {})
        machine = self._machine
        old, ours = items.get(index, (Cell(), False))
        if ours:
            machine.free(old)
        match value:
            case Handle():
                items[index] = value.raw, False
            case bytes():
                items[index] = machine.string(value), True
            case None:
                items[index] = machine.undefined(), True
            case _:
                items[index] = machine.number(value), False

    def memory(self, buffer: Handle) -> memoryview:
        """See ``Isolate.memory``; valid until the machine runs again."""
        return self._machine.buffer(buffer.raw)

    def release(self, handle: Handle) -> None:
        """See ``Isolate.release``."""
        self._machine.free(handle.raw)

    def close(self) -> None:
        """The machine is closed by its session."""

    def _taken(self, cell: Cell) -> Value:
        machine = self._machine
        if machine.is_string(cell):
            text = machine.text(cell, _MOST_TEXT)
            machine.free(cell)
            return text
        if machine.is_number(cell):
            number = machine.value(cell)
            machine.free(cell)
            return number
        return Handle(cell, ValueType.OBJECT)
