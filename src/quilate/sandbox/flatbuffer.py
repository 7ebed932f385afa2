"""Tables of a FlatBuffer, read in place. The bytes are hostile: whatever points out of them is refused.

Source: FlatBuffers, "Internals" (tables, vectors, strings), as Arrow's messages use them.
"""

import struct
from collections.abc import Iterator


class Table:
    """A table: its fields are found by their places in its list of offsets.

    Args:
        data: The whole buffer.
        position: Of the table.

    Raises:
        ValueError: It lies outside of the buffer; also raised by each method.
        struct.error: As above.
    """

    __slots__ = ("_data", "_position", "_slots")

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self._position = position
        offsets = position - struct.unpack_from("<i", data, position)[0]
        if offsets < 0:
            raise ValueError("a table lies before its buffer")
        size = struct.unpack_from("<H", data, offsets)[0]
        self._slots = struct.unpack_from(f"<{max(size - 4, 0) // 2}H", data, offsets + 4)

    def _place(self, slot: int) -> int:
        offset = self._slots[slot] if slot < len(self._slots) else 0
        return self._position + offset if offset else 0

    def number(self, slot: int, code: str, default: int = 0) -> int:
        """A number, by its code in the notation of ``struct``."""
        place = self._place(slot)
        return int(struct.unpack_from("<" + code, self._data, place)[0]) if place else default

    def _target(self, slot: int) -> int:
        place = self._place(slot)
        return place + struct.unpack_from("<I", self._data, place)[0] if place else 0

    def table(self, slot: int) -> "Table | None":
        """A table, where there is one."""
        target = self._target(slot)
        return Table(self._data, target) if target else None

    def tables(self, slot: int) -> "Iterator[Table]":
        """A list of tables."""
        start, count = self._vector(slot, 4)
        for place in range(start, start + 4 * count, 4):
            yield Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])

    def text(self, slot: int) -> str:
        """A text; empty where there is none."""
        start, count = self._vector(slot, 1)
        return bytes(self._data[start : start + count]).decode("utf-8", "replace")

    def pairs(self, slot: int) -> list[tuple[int, int]]:
        """A list of structures of two 64-bit integers."""
        start, count = self._vector(slot, 16)
        return list(struct.iter_unpack("<qq", self._data[start : start + 16 * count]))

    def _vector(self, slot: int, width: int) -> tuple[int, int]:
        target = self._target(slot)
        if not target:
            return 0, 0
        count = struct.unpack_from("<I", self._data, target)[0]
        if target + 4 + count * width > len(self._data):
            raise ValueError("a list is longer than its buffer")
        return target + 4, count
