"""Results of parts that are kept, so that a second run calls only for those that failed or never came.

One file that grows: an entry is a line of JSON with the lengths and the digest, then the part's name and its result.
What a process that was killed left half-written at the end is cut off.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

import msgspec

from quilate.sandbox.model import Format, Limits, Program
from quilate.scripts.model import Shape

_FILE: Final = "parts.bin"
_HEADER_BYTES: Final = 256


class _Place(NamedTuple):
    offset: int
    length: int
    records: int


class _Entry(msgspec.Struct, array_like=True):
    name: int
    length: int
    records: int
    digest: str


class PartStore:
    """Results of the parts of one batch, in a directory of its own; several threads may use it.

    Args:
        directory: Made where it is missing.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / _FILE
        self._stream: BinaryIO = self._path.open("a+b")
        self._places: dict[bytes, _Place] = {}
        self._lock = Lock()
        self._load()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the results stay."""
        self._stream.close()

    def bind(self, mark: str) -> None:
        """Say what the results come of; those of anything else are thrown away."""
        name = b"mark:" + mark.encode()
        if name in self._places:
            return
        self._stream.seek(0)
        self._stream.truncate()
        self._places.clear()
        self.put(name, b"", 0)

    def get(self, name: bytes) -> tuple[bytes, int] | None:
        """The result of a part and how many records went into it; ``None`` where there is none."""
        place = self._places.get(name)
        if place is None:
            return None
        with self._lock:
            self._stream.seek(place.offset)
            return self._stream.read(place.length), place.records

    def has(self, name: bytes) -> bool:
        """Whether there is a result of a part."""
        return name in self._places

    def put(self, name: bytes, result: bytes, records: int) -> None:
        """Keep the result of a part."""
        self.put_all([(name, result, records)])

    def put_all(self, results: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Keep the results of several parts: name, result, number of records."""
        with self._lock:
            end = self._stream.seek(0, 2)
            for name, result, records in results:
                digest = hashlib.sha256(name + result).hexdigest()
                header = msgspec.json.encode(_Entry(len(name), len(result), records, digest)) + b"\n"
                self._stream.write(header + name + result)
                begin = end + len(header) + len(name)
                self._places[name] = _Place(begin, len(result), records)
                end = begin + len(result)
            self._stream.flush()

    def _load(self) -> None:
        stream = self._stream
        stream.seek(0)
        good = 0
        while header := stream.readline(_HEADER_BYTES):
            try:
                entry = msgspec.json.decode(header, type=_Entry)
            except msgspec.DecodeError:
                break
            name, offset = stream.read(entry.name), stream.tell()
            digest = hashlib.sha256(name + stream.read(entry.length))
            if digest.hexdigest() != entry.digest:
                break
            good = stream.tell()
            self._places[name] = _Place(offset, entry.length, entry.records)
        stream.truncate(good)


def mark_of(program: Program, shape: Shape, limits: Limits, answer: Format, source: str) -> str:
    """What results depend on: script, shape, limits, the form of the results, and the data.

    Args:
        program: What runs.
        shape: How the data is cut.
        limits: Of each call.
        answer: How results are written.
        source: What tells this data from any other: name, size and time of a file, or a digest.
    """
    described = "\0".join(map(repr, (program, shape, limits, answer, source)))
    return hashlib.sha256(described.encode()).hexdigest()
