"""Arrow IPC streams read with the standard library alone, as views into their bytes.

A sandbox worker must start in milliseconds and hold little memory; the Arrow library alone takes a second and 120 MB.
So this module knows just enough of the format: the schema, dictionaries and record batches of the types that the
callers' side reduces everything to (``quilate.scripts.batch.mapping``). The bytes are hostile: each offset and length
is held against its bounds before anything is read there.

Source: Apache Arrow columnar format 1.5, "Encapsulated message format" and ``Message.fbs``/``Schema.fbs``.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final

from quilate.sandbox.flatbuffer import Table

CONTINUATION: Final = 0xFFFFFFFF
GREATEST_LENGTH: Final = 1 << 31
GREATEST_DEPTH: Final = 32


class ColumnsError(Exception):
    """The bytes are no Arrow stream that this module reads; the message is one sentence for whoever sent them."""


class Header(IntEnum):
    """What a message holds."""

    SCHEMA = 1
    DICTIONARY = 2
    BATCH = 3


class Kind(IntEnum):
    """Types, by their number in ``Schema.fbs``."""

    NULL = 1
    INT = 2
    FLOAT = 3
    TEXT = 5
    BOOL = 6
    LIST = 12
    STRUCT = 13
    LARGE_TEXT = 20
    LARGE_LIST = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A column's type.

    Attributes:
        name: Of the column.
        kind: Of its values.
        code: Of one number in the notation of ``struct`` and ``memoryview.cast``; empty where the kind has none.
        children: Of a list or a struct.
        dictionary: Id of the dictionary that the values stand in; ``None`` where they are written out.
        index_code: Of one index into it.
    """

    name: str
    kind: Kind
    code: str = ""
    children: tuple["Type", ...] = ()
    dictionary: int | None = None
    index_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Values of one column in one batch.

    Attributes:
        type: Its type.
        length: Number of values.
        validity: Bits, 1 for a value and 0 for null, lowest first; ``None`` where there is no null.
        offsets: Of texts and lists: ``length + 1`` integers.
        values: Numbers, bits of booleans, bytes of texts, or indexes into the dictionary.
        children: Of a list or a struct.
        dictionary: Values that the indexes mean.
    """

    type: Type
    length: int
    validity: memoryview | None = None
    offsets: memoryview | None = None
    values: memoryview = field(default_factory=lambda: memoryview(b""))
    children: tuple["Column", ...] = ()
    dictionary: "Column | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A record batch.

    Attributes:
        length: Number of rows.
        columns: Of the rows.
    """

    length: int
    columns: tuple[Column, ...]


_INTEGER_CODES = {
    (8, 1): "b",
    (16, 1): "h",
    (32, 1): "i",
    (64, 1): "q",
    (8, 0): "B",
    (16, 0): "H",
    (32, 0): "I",
    (64, 0): "Q",
}
_FLOAT_CODES = {1: "f", 2: "d"}
_TYPE_NAMES = {4: "binary", 7: "decimal", 8: "date", 9: "time", 10: "timestamp", 14: "union", 16: "fixed size list"}


def _integer_code(table: Table | None) -> str:
    if table is None:
        return "i"
    return _INTEGER_CODES.get((table.number(0, "i"), table.number(1, "B")), "")


def _type_code(kind: Kind, table: Table | None) -> str:
    if kind is Kind.INT:
        return _integer_code(table)
    if kind is Kind.FLOAT and table is not None:
        return _FLOAT_CODES.get(table.number(0, "h"), "")
    return ""


def _read_type(table: Table, depth: int = 0) -> Type:
    name, number = table.text(0), table.number(2, "B")
    if number not in Kind._value2member_map_ or depth > GREATEST_DEPTH:
        described = _TYPE_NAMES.get(number, f"number {number}")
        message = f"the column {name!r} has the Arrow type {described}, which has no JavaScript value of its own"
        raise ColumnsError(message)
    kind = Kind(number)
    code = _type_code(kind, table.table(3))
    encoding = table.table(4)
    if kind in (Kind.INT, Kind.FLOAT) and not code:
        message = f"the column {name!r} has numbers of a width that JavaScript has not"
        raise ColumnsError(message)
    return Type(
        name=name,
        kind=kind,
        code=code,
        children=tuple(_read_type(child, depth + 1) for child in table.tables(5)),
        dictionary=encoding.number(0, "q") if encoding else None,
        index_code=_integer_code(encoding.table(1)) if encoding else "",
    )


def _cast(view: memoryview, code: str) -> memoryview:
    # The stubs know literal codes only.
    found: memoryview = view.cast(code)  # type: ignore[call-overload]
    return found


class _Body:
    """The buffers of one record batch, handed out in the order of its columns."""

    def __init__(self, table: Table, body: memoryview, dictionaries: Mapping[int, Column]) -> None:
        if table.table(3) is not None:
            message = "the Arrow stream is compressed: send it without compression"
            raise ColumnsError(message)
        self.length = table.number(0, "q")
        self._nodes = iter(table.pairs(1))
        self._buffers = iter(table.pairs(2))
        self._body = body
        self._dictionaries = dictionaries

    def _buffer(self, needed: int) -> memoryview:
        offset, length = next(self._buffers)
        if offset < 0 or offset % 8 or length < needed or offset + length > len(self._body):
            message = "the Arrow stream is broken: a buffer is shorter than its values, or lies outside of its batch"
            raise ColumnsError(message)
        return self._body[offset : offset + length]

    def column(self, described: Type) -> Column:
        length, nulls = next(self._nodes)
        if not 0 <= length < GREATEST_LENGTH or nulls > length:
            message = f"the Arrow stream is broken: the column {described.name!r} has {length} values"
            raise ColumnsError(message)
        if described.kind is Kind.NULL and described.dictionary is None:
            return Column(type=described, length=length)
        validity = self._validity(length, nulls)
        if described.dictionary is not None:
            return self._indexed(described, length, validity)
        if described.kind is Kind.STRUCT:
            children = tuple(self.column(child) for child in described.children)
            self._check_children(described, children, length)
            return Column(type=described, length=length, validity=validity, children=children)
        return self._plain(described, length, validity)

    def _validity(self, length: int, nulls: int) -> memoryview | None:
        if nulls:
            return self._buffer((length + 7) // 8)
        next(self._buffers)
        return None

    def _indexed(self, described: Type, length: int, validity: memoryview | None) -> Column:
        values = self._numbers(described.index_code, length)
        dictionary = self._dictionaries.get(described.dictionary or 0)
        if dictionary is None:
            message = f"the Arrow stream is broken: the dictionary of the column {described.name!r} is missing"
            raise ColumnsError(message)
        return Column(type=described, length=length, validity=validity, values=values, dictionary=dictionary)

    def _numbers(self, code: str, length: int) -> memoryview:
        if not code:
            message = "the Arrow stream is broken: a number has no known width"
            raise ColumnsError(message)
        size = struct.calcsize("<" + code) * length
        return _cast(self._buffer(size)[:size], code)

    def _plain(self, described: Type, length: int, validity: memoryview | None) -> Column:
        kind = described.kind
        if kind is Kind.BOOL:
            return Column(type=described, length=length, validity=validity, values=self._buffer((length + 7) // 8))
        if kind in (Kind.INT, Kind.FLOAT):
            values = self._numbers(described.code, length)
            return Column(type=described, length=length, validity=validity, values=values)
        offsets = self._offsets("q" if kind in (Kind.LARGE_TEXT, Kind.LARGE_LIST) else "i", length)
        if kind in (Kind.TEXT, Kind.LARGE_TEXT):
            values = self._buffer(offsets[-1])
            return Column(type=described, length=length, validity=validity, offsets=offsets, values=values)
        children = tuple(self.column(child) for child in described.children)
        if len(children) != 1:
            message = f"the Arrow stream is broken: the list {described.name!r} has {len(children)} kinds of values"
            raise ColumnsError(message)
        self._check_children(described, children, offsets[-1])
        return Column(type=described, length=length, validity=validity, offsets=offsets, children=children)

    def _offsets(self, code: str, length: int) -> memoryview:
        offset, size = next(self._buffers)
        if length == 0 and size == 0:
            return _cast(memoryview(struct.pack("<" + code, 0)), code)
        self._buffers = _put_back((offset, size), self._buffers)
        offsets = self._numbers(code, length + 1)
        if offsets[0] < 0 or offsets[-1] < offsets[0]:
            message = "the Arrow stream is broken: its offsets do not rise"
            raise ColumnsError(message)
        return offsets

    @staticmethod
    def _check_children(described: Type, children: tuple[Column, ...], needed: int) -> None:
        if any(child.length < needed for child in children):
            message = f"the Arrow stream is broken: the column {described.name!r} is longer than what it is made of"
            raise ColumnsError(message)


def _put_back(first: tuple[int, int], rest: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    yield first
    yield from rest


def _messages(data: memoryview) -> Iterator[tuple[Header, memoryview, memoryview]]:
    position = 0
    while position + 8 <= len(data):
        mark, size = struct.unpack_from("<II", data, position)
        if mark != CONTINUATION:
            message = f"no Arrow stream: byte {position} does not begin a message"
            raise ColumnsError(message)
        if size == 0:
            return
        start = position + 8
        metadata = data[start : start + size]
        table = Table(metadata, struct.unpack_from("<I", metadata, 0)[0])
        body_length = table.number(3, "q")
        position = start + size + body_length
        number = table.number(1, "B")
        if len(metadata) < size or body_length < 0 or position > len(data):
            message = "the Arrow stream ends in the middle of a message"
            raise ColumnsError(message)
        if number in Header._value2member_map_:
            yield Header(number), metadata, data[start + size : position]


def _header(metadata: memoryview) -> Table:
    header = Table(metadata, struct.unpack_from("<I", metadata, 0)[0]).table(2)
    if header is None:
        message = "the Arrow stream is broken: a message has no header"
        raise ColumnsError(message)
    return header


@lru_cache(maxsize=8)
def _read_schema(metadata: bytes) -> tuple[Type, ...]:
    """Types of a stream's columns; the streams of one session have the same ones again and again."""
    table = _header(memoryview(metadata))
    if table.number(0, "h") != 0:
        message = "the Arrow stream is big-endian"
        raise ColumnsError(message)
    return tuple(_read_type(one) for one in table.tables(1))


def _dictionary_types(types: tuple[Type, ...]) -> Iterator[tuple[int, Type]]:
    for described in types:
        if described.dictionary is not None:
            values = Type(name=described.name, kind=described.kind, code=described.code, children=described.children)
            yield described.dictionary, values
        yield from _dictionary_types(described.children)


def _read(data: memoryview) -> Iterator[tuple[Type, ...] | Batch]:
    types: tuple[Type, ...] = ()
    dictionary_types: dict[int, Type] = {}
    dictionaries: dict[int, Column] = {}
    for header, metadata, content in _messages(data):
        if header is Header.SCHEMA:
            types = _read_schema(bytes(metadata))
            dictionary_types = dict(_dictionary_types(types))
            yield types
            continue
        table = _header(metadata)
        if header is Header.DICTIONARY:
            identity, values = table.number(0, "q"), table.table(1)
            if identity not in dictionary_types or values is None or table.number(2, "B"):
                message = "the Arrow stream has a dictionary that no column uses, or one that grows"
                raise ColumnsError(message)
            dictionaries[identity] = _Body(values, content, dictionaries).column(dictionary_types[identity])
        else:
            body = _Body(table, content, dictionaries)
            columns = tuple(body.column(described) for described in types)
            _Body._check_children(Type(name="", kind=Kind.STRUCT), columns, body.length)  # noqa: SLF001 - own class
            yield Batch(length=body.length, columns=columns)


def read_stream(data: bytes | memoryview) -> tuple[tuple[Type, ...], list[Batch]]:
    """Read a whole stream; nothing is copied.

    Args:
        data: An Arrow IPC stream, uncompressed, little-endian.

    Raises:
        ColumnsError: It is none, is broken, or has a type that is not in ``Kind``.
    """
    try:
        parts = list(_read(memoryview(data).toreadonly()))
    except (struct.error, StopIteration, RuntimeError, OverflowError, IndexError, TypeError, ValueError) as error:
        message = "the Arrow stream is broken"
        raise ColumnsError(message) from error
    if not parts or not isinstance(parts[0], tuple):
        message = "the Arrow stream has no schema"
        raise ColumnsError(message)
    return parts[0], [part for part in parts[1:] if isinstance(part, Batch)]
