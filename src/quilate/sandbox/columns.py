"""Columns into a V8 isolate as plain objects, and plain objects out of it as columns (A21).

One copy brings a record batch's buffers into an ``ArrayBuffer``; texts follow as one string that is split inside. A
function is written for each shape of rows and kept, so that a session pays for it once. All of it runs inside the
worker, behind the wall, with the standard library alone. The mapping of types stands in ``docs/large-data.md``.

``ColumnBridge.rows`` gives the array for ``process``; ``ColumnBridge.stream`` takes what ``process`` returned.
"""

import json
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from quilate.sandbox.columns_building import SEPARATOR, Prepared, extractor, prepare
from quilate.sandbox.columns_reading import ColumnsError, Kind, read_stream
from quilate.sandbox.columns_writing import Written, write_stream
from quilate.sandbox.v8_library import Deadline, Handle, Isolate, Value

__all__ = [
    "ColumnBridge",
    "ColumnsError",
    "OutputTooLargeError",
    "ResultError",
]

_MOST_FUNCTIONS: Final = 64
_UNBOUNDED: Final = 2**40
_TOO_LARGE: Final = "output"


class ResultError(Exception):
    """What the script returned does not fit columns.

    Attributes:
        record: Index of the result's record at which that shows.
    """

    def __init__(self, message: str, record: int | None) -> None:
        super().__init__(message)
        self.record = record


class OutputTooLargeError(Exception):
    """The columns would be larger than the limit."""


@cache
def source() -> bytes:
    """The part that is written in JavaScript. Call it once before a worker is locked in."""
    return (Path(__file__).parent / "columns.js").read_bytes()


class ColumnBridge:
    """Both directions, for one isolate; made before the script is evaluated, as it keeps the built-ins of that time.

    Args:
        isolate: Where rows are built.
    """

    def __init__(self, isolate: Isolate) -> None:
        self._isolate = isolate
        self._dispatch = _handle(isolate.evaluate(source()))
        self._arguments = _handle(isolate.evaluate(b"[0,0,0,0]"))
        self._builders: dict[bytes, int] = {}
        self._learned: set[str] = set()
        self._input: Handle | None = None
        self._input_bytes = 0
        self._output: Handle | None = None

    def rows(self, data: bytes | memoryview, deadline: Deadline | None = None) -> Handle:
        """Build an array of plain objects from an Arrow IPC stream.

        Raises:
            ColumnsError: The stream is broken, or holds what JavaScript cannot.
            ScriptStoppedError: Memory or time are used up.
        """
        _types, batches = read_stream(data)
        if not batches:
            return _handle(self._isolate.evaluate(b"[]", deadline))
        first, *others = batches
        rows = self._read(prepare(first), deadline)
        for batch in others:
            more = self._read(prepare(batch), deadline)
            self._call(b"append", rows, more, deadline=deadline)
            self._isolate.release(more)
        return rows

    def stream(self, result: Handle, most: int | None = None, deadline: Deadline | None = None) -> bytes:
        """Take an array of objects apart into an Arrow IPC stream.

        Args:
            result: What ``process`` returned.
            most: Longest stream, in bytes.
            deadline: Of each call.

        Raises:
            ResultError: It is no array of objects, or a field has several types.
            OutputTooLargeError: The stream would be longer than ``most``.
            ScriptStoppedError: A getter threw, or memory or time are used up.
        """
        limit = _UNBOUNDED if most is None else most
        answer = self._call(b"write", result, limit, deadline=deadline)
        if not isinstance(answer, str | bytes):
            message = "the result cannot be described"
            raise ResultError(message, None)
        content = answer.encode() if isinstance(answer, str) else answer
        if len(content) > 2 * limit + (1 << 20):
            raise OutputTooLargeError
        description, _, texts = content.partition(SEPARATOR)
        described = json.loads(description)
        self._refuse(described)
        stream = self._assemble(described, texts, deadline)
        if len(stream) > limit:
            raise OutputTooLargeError
        return stream

    @staticmethod
    def _refuse(described: dict[str, Any]) -> None:
        if (refused := described.get("refused")) is None:
            return
        if refused == _TOO_LARGE:
            raise OutputTooLargeError
        raise ResultError(refused, described["record"])

    def _assemble(self, described: dict[str, Any], texts: bytes, deadline: Deadline | None) -> bytes:
        words = texts.split(SEPARATOR) if described["words"] else []
        if len(words) != described["words"]:
            quoted = self._call(b"quoted", deadline=deadline)
            assert isinstance(quoted, str | bytes)  # noqa: S101 - our own function gives a text
            words = [word.encode("utf-8", "replace") for word in json.loads(quoted)]
        if described["fresh"] or self._output is None:
            self._swap_output(_handle(self._call(b"output", deadline=deadline)))
        assert self._output is not None  # noqa: S101 - it was swapped in just now, or before
        node = described["node"]
        reader = _Reader(self._isolate.memory(self._output), words)
        self._learn(described["wanted"], deadline)
        return write_stream(reader.children(node), node["n"])

    def _swap_output(self, handle: Handle) -> None:
        if self._output is not None:
            self._isolate.release(self._output)
        self._output = handle

    def _learn(self, signatures: Sequence[str], deadline: Deadline | None) -> None:
        for signature in signatures:
            if signature not in self._learned and len(self._learned) < _MOST_FUNCTIONS:
                self._learned.add(signature)
                factory = _handle(self._isolate.evaluate(extractor(signature), deadline))
                self._call(b"learn", signature.encode(), factory, deadline=deadline)
                self._isolate.release(factory)

    def _read(self, prepared: Prepared, deadline: Deadline | None) -> Handle:
        number = self._builder(prepared.source, deadline)
        memory = self._isolate.memory(self._allocated(prepared.size, deadline))
        for offset, region in prepared.regions:
            memory[offset : offset + len(region)] = region
        return _handle(self._call(b"read", number, prepared.meta, prepared.words, deadline=deadline))

    def _allocated(self, size: int, deadline: Deadline | None) -> Handle:
        if self._input is not None and size <= self._input_bytes:
            return self._input
        if self._input is not None:
            self._isolate.release(self._input)
        self._input_bytes = size + size // 4
        self._input = _handle(self._call(b"allocate", self._input_bytes, deadline=deadline))
        return self._input

    def _builder(self, code: bytes, deadline: Deadline | None) -> int:
        known = self._builders.get(code)
        if known is not None:
            return known
        factory = _handle(self._isolate.evaluate(code, deadline))
        self._call(b"build", factory, deadline=deadline)
        self._isolate.release(factory)
        self._builders[code] = len(self._builders)
        return self._builders[code]

    def _call(self, action: bytes, *arguments: Handle | bytes | int, deadline: Deadline | None) -> Value:
        isolate = self._isolate
        isolate.set_item(self._arguments, 0, action)
        for index in range(3):
            isolate.set_item(self._arguments, index + 1, arguments[index] if index < len(arguments) else None)
        answer = isolate.call(self._dispatch, self._arguments, deadline)
        return answer if not hasattr(answer, "length") else None


def _handle(value: Value) -> Handle:
    if not isinstance(value, Handle):
        message = "the isolate gave a value where an object is expected"
        raise ColumnsError(message)
    return value


class _Reader:
    """Turns the description of a result, its memory and its texts into columns."""

    def __init__(self, memory: memoryview, words: list[bytes]) -> None:
        self._memory = memory
        self._words = words

    def children(self, node: dict[str, Any]) -> tuple[Written, ...]:
        pairs = zip(node["names"], node["children"], strict=True)
        return tuple(self._column(name, child) for name, child in pairs)

    def _column(self, name: str, node: dict[str, Any]) -> Written:
        length, kind = node["n"], node["kind"]
        if kind == "null":
            return Written(name=name, kind=Kind.NULL, length=length)
        validity = self._piece(node, "validity", (length + 7) // 8)
        nulls = node["nulls"]
        if kind == "number":
            values = self._piece(node, "values", 8 * length)
            return Written(name=name, kind=Kind.FLOAT, length=length, nulls=nulls, validity=validity, values=values)
        if kind == "boolean":
            values = self._piece(node, "values", (length + 7) // 8)
            return Written(name=name, kind=Kind.BOOL, length=length, nulls=nulls, validity=validity, values=values)
        if kind == "text":
            return self._text(name, node, validity)
        if kind == "list":
            offsets = self._piece(node, "offsets", 4 * (length + 1))
            children: tuple[Written, ...] = (self._column("item", node["items"]),)
            return Written(
                name=name,
                kind=Kind.LIST,
                length=length,
                nulls=nulls,
                validity=validity,
                offsets=offsets,
                children=children,
            )
        children = self.children(node)
        return Written(name=name, kind=Kind.STRUCT, length=length, nulls=nulls, validity=validity, children=children)

    def _text(self, name: str, node: dict[str, Any], validity: bytes) -> Written:
        length, at = node["n"], node["texts"]
        count = node.get("words")
        written = self._words_of(name, at, length if count is None else count)
        if count is None:
            return Written(
                name=name,
                kind=Kind.TEXT,
                length=length,
                nulls=node["nulls"],
                validity=validity,
                offsets=written.offsets,
                values=written.values,
            )
        return Written(
            name=name,
            kind=Kind.TEXT,
            length=length,
            nulls=node["nulls"],
            validity=validity,
            values=self._piece(node, "values", 4 * length),
            dictionary=written,
        )

    def _words_of(self, name: str, at: int, count: int) -> Written:
        words = self._words[at : at + count]
        offsets = array("i", accumulate(map(len, words), initial=0))
        return Written(name=name, kind=Kind.TEXT, length=count, offsets=offsets.tobytes(), values=b"".join(words))

    def _piece(self, node: dict[str, Any], key: str, length: int) -> bytes:
        place = node.get(key)
        return b"" if place is None else bytes(self._memory[place : place + length])
