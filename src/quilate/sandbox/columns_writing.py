"""Arrow IPC streams written with the standard library alone: what a script's rows become behind the wall.

Source: Apache Arrow columnar format 1.5, ``Message.fbs``/``Schema.fbs``; FlatBuffers binary format.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from quilate.sandbox.columns_reading import CONTINUATION, Header, Kind

_METADATA_VERSION: Final = 4
_DOUBLE_PRECISION: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A column to write.

    Attributes:
        name: Of the column.
        kind: ``NULL``, ``BOOL``, ``FLOAT`` (64 bits), ``TEXT``, ``LIST`` or ``STRUCT``.
        length: Number of values.
        nulls: How many of them are null.
        validity: Bits, 1 for a value; empty where none is null.
        offsets: 32-bit offsets of texts and lists, ``length + 1``.
        values: Doubles, bits, bytes of texts; 32-bit indexes where there is a dictionary.
        children: Of a list or a struct.
        dictionary: Texts that the indexes mean.
    """

    name: str
    kind: Kind
    length: int
    nulls: int = 0
    validity: bytes = b""
    offsets: bytes = b""
    values: bytes = b""
    children: tuple["Written", ...] = ()
    dictionary: "Written | None" = None


class _Flat:
    """A FlatBuffer written front to back: whatever is referred to comes after what refers to it."""

    def __init__(self) -> None:
        self.data = bytearray(4)

    def pad(self, width: int, ahead: int = 0) -> None:
        self.data.extend(bytes(-(len(self.data) + ahead) % width))

    def point(self, place: int) -> None:
        """Let the reference at ``place`` mean what is written next."""
        struct.pack_into("<I", self.data, place, len(self.data) - place)

    def table(self, place: int, slots: Sequence[tuple[str, int] | None]) -> list[int]:
        """Write a table that the reference at ``place`` means; return the places of its fields."""
        offsets, size = [0] * len(slots), 4
        for index, slot in enumerate(slots):
            if slot is not None:
                width = struct.calcsize("<" + slot[0])
                size += -size % width
                offsets[index] = size
                size += width
        listing = struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), size, *offsets)
        self.pad(8, len(listing))
        self.data.extend(listing)
        start = len(self.data)
        self.point(place)
        self.data.extend(struct.pack("<i", len(listing)) + bytes(size - 4))
        for offset, slot in zip(offsets, slots, strict=True):
            if slot is not None:
                struct.pack_into("<" + slot[0], self.data, start + offset, slot[1])
        return [start + offset for offset in offsets]

    def text(self, place: int, value: str) -> None:
        self.pad(4)
        self.point(place)
        content = value.encode("utf-8", "replace")
        self.data.extend(struct.pack("<I", len(content)) + content + b"\0")

    def references(self, place: int, count: int) -> range:
        self.pad(4)
        self.point(place)
        start = len(self.data) + 4
        self.data.extend(struct.pack("<I", count) + bytes(4 * count))
        return range(start, start + 4 * count, 4)

    def pairs(self, place: int, values: Sequence[tuple[int, int]]) -> None:
        self.pad(8, 4)
        self.point(place)
        self.data.extend(struct.pack("<I", len(values)))
        for first, second in values:
            self.data.extend(struct.pack("<qq", first, second))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a column stands in a schema."""

    name: str
    kind: Kind
    children: tuple["_Shape", ...]
    dictionary: bool


def _shape(column: Written) -> _Shape:
    return _Shape(column.name, column.kind, tuple(map(_shape, column.children)), column.dictionary is not None)


_REFERENCE: Final = ("I", 0)


def _write_field(flat: _Flat, place: int, column: _Shape, numbers: Iterator[int]) -> None:
    encoding = _REFERENCE if column.dictionary else None
    slots = [_REFERENCE, ("B", 1), ("B", int(column.kind)), _REFERENCE, encoding, _REFERENCE]
    places = flat.table(place, slots)
    flat.text(places[0], column.name)
    flat.table(places[3], [("h", _DOUBLE_PRECISION)] if column.kind is Kind.FLOAT else [])
    if encoding is not None:
        described = flat.table(places[4], [("q", next(numbers)), _REFERENCE])
        flat.table(described[1], [("i", 32), ("B", 1)])
    for child_place, child in zip(flat.references(places[5], len(column.children)), column.children, strict=True):
        _write_field(flat, child_place, child, numbers)


def _message(flat: _Flat, body: bytes) -> bytes:
    flat.pad(8)
    return struct.pack("<II", CONTINUATION, len(flat.data)) + flat.data + body


def _begin(header: Header, body_length: int) -> tuple[_Flat, int]:
    flat = _Flat()
    slots = [("h", _METADATA_VERSION), ("B", int(header)), _REFERENCE, ("q", body_length)]
    return flat, flat.table(0, slots)[2]


@lru_cache(maxsize=8)
def _schema(columns: tuple[_Shape, ...]) -> bytes:
    flat, place = _begin(Header.SCHEMA, 0)
    places = flat.table(place, [None, _REFERENCE])
    numbers = iter(range(1 << 30))
    for field_place, column in zip(flat.references(places[1], len(columns)), columns, strict=True):
        _write_field(flat, field_place, column, numbers)
    return _message(flat, b"")


class _Parts:
    """Nodes and buffers of a batch, in the order that its schema demands."""

    def __init__(self) -> None:
        self.nodes: list[tuple[int, int]] = []
        self.buffers: list[tuple[int, int]] = []
        self.body = bytearray()

    def add(self, column: Written) -> None:
        self.nodes.append((column.length, column.length if column.kind is Kind.NULL else column.nulls))
        if column.kind is Kind.NULL:
            return
        self._buffer(column.validity)
        if column.dictionary is None and column.kind in (Kind.TEXT, Kind.LIST):
            self._buffer(column.offsets)
        if column.kind not in (Kind.LIST, Kind.STRUCT):
            self._buffer(column.values)
        for child in column.children:
            self.add(child)

    def _buffer(self, content: bytes) -> None:
        self.buffers.append((len(self.body), len(content)))
        self.body.extend(content)
        self.body.extend(bytes(-len(content) % 8))


def _write_batch(flat: _Flat, place: int, length: int, parts: _Parts) -> None:
    places = flat.table(place, [("q", length), _REFERENCE, _REFERENCE])
    flat.pairs(places[1], parts.nodes)
    flat.pairs(places[2], parts.buffers)


def _dictionaries(columns: Sequence[Written]) -> Iterator[Written]:
    for column in columns:
        if column.dictionary is not None:
            yield column.dictionary
        yield from _dictionaries(column.children)


def write_stream(columns: Sequence[Written], length: int) -> bytes:
    """Write one record batch as a whole stream.

    Args:
        columns: Of the rows, each as long as ``length``.
        length: Number of rows.
    """
    pieces = [_schema(tuple(map(_shape, columns)))]
    for number, dictionary in enumerate(_dictionaries(columns)):
        parts = _Parts()
        parts.add(dictionary)
        flat, place = _begin(Header.DICTIONARY, len(parts.body))
        places = flat.table(place, [("q", number), _REFERENCE])
        _write_batch(flat, places[1], dictionary.length, parts)
        pieces.append(_message(flat, bytes(parts.body)))
    parts = _Parts()
    for column in columns:
        parts.add(column)
    flat, place = _begin(Header.BATCH, len(parts.body))
    _write_batch(flat, place, length, parts)
    pieces.append(_message(flat, bytes(parts.body)))
    pieces.append(struct.pack("<II", CONTINUATION, 0))
    return b"".join(pieces)
