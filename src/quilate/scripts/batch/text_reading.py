"""Records of JSON arrays and of NDJSON, cut apart in blocks: nothing is parsed, and memory does not grow with the file.

A block of a JSON array is cut where a prefix of it is a whole list of values: if ``[`` + prefix + ``]`` is JSON and the
prefix began at a record, it ends at one.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, Final

import msgspec

from quilate.scripts.batch.model import BatchInput, BatchInputError, Settings
from quilate.scripts.model import FileFormat

_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_BYTE: Final = re.compile(r" \(byte (\d+)\)")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\],"]', re.DOTALL)
_MARK: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_GUESSES: Final = 4


def open_source(source: BatchInput) -> BinaryIO:
    """Open the data for reading.

    Raises:
        BatchInputError: There is none.
    """
    if source.data is not None:
        return BytesIO(source.data)
    if source.path is None:
        message = "There is neither a file nor data"
        raise BatchInputError(message)
    try:
        return source.path.open("rb")
    except OSError as error:
        message = f"The file cannot be read: {error.strerror}"
        raise BatchInputError(message) from error


def read_records(source: BatchInput, settings: Settings) -> Iterator[list[bytes]]:
    """Give the texts of the records, some at a time.

    Raises:
        BatchInputError: The text is broken; line and byte are named.
    """
    with open_source(source) as stream:
        reader = _Lines(stream, settings) if source.format is FileFormat.NDJSON else _Array(stream, settings)
        try:
            yield from reader.records()
        except RecursionError:
            raise reader.too_deep() from None


class _Reader:
    """A block at a time, and where it lies in the file."""

    def __init__(self, stream: BinaryIO, settings: Settings) -> None:
        self._stream = stream
        self._settings = settings
        self._rest = b""
        self._ended = False
        self._bytes = 0
        self._lines = 0
        self._column = 0
        while self._more() and len(self._rest) < len(_MARK):
            continue
        if self._rest.startswith(_MARK):
            self._pass(len(_MARK))

    def _more(self) -> bool:
        """Read at least as much again as there is, so that a long record is not looked through too often."""
        block = self._stream.read(max(self._settings.block_bytes, len(self._rest)))
        self._ended = not block
        self._rest += block
        return not self._ended

    def _pass(self, count: int) -> bytes:
        """Take bytes off the front."""
        passed, self._rest = self._rest[:count], self._rest[count:]
        lines = passed.count(b"\n")
        self._lines += lines
        self._bytes += count
        self._column = len(passed) - passed.rfind(b"\n") - 1 if lines else self._column + count
        return passed

    def _broken(self, offset: int, why: str) -> BatchInputError:
        """An error at an offset from the front."""
        before = self._rest[:offset]
        lines = before.count(b"\n")
        column = len(before) - before.rfind(b"\n") - 1 if lines else self._column + len(before)
        place = f"line {self._lines + lines + 1}, column {column + 1} (byte {self._bytes + len(before)})"
        return BatchInputError(f"The JSON is broken at {place}: {why}")

    def too_deep(self) -> BatchInputError:
        """An error of the records that come next."""
        return BatchInputError(f"A record after line {self._lines} (byte {self._bytes}) nests too deep to be read")

    def _too_long(self) -> BatchInputError:
        most = self._settings.record_bytes
        return BatchInputError(f"The record at byte {self._bytes} is longer than {most} bytes")


def _complaint(error: msgspec.DecodeError, end: int) -> tuple[int, str]:
    text = str(error)
    found = _BYTE.search(text)
    why = _BYTE.sub("", text).removeprefix("JSON is malformed: ")
    at = int(found[1]) if found else end
    # Of what follows a value the byte after its first one is named.
    return at - why.startswith("trailing characters"), why[:1].lower() + why[1:]


class _Lines(_Reader):
    def records(self) -> Iterator[list[bytes]]:
        while self._rest or not self._ended:
            end = self._rest.rfind(b"\n") + 1
            if end == 0 and not self._ended:
                if len(self._rest) > self._settings.record_bytes:
                    raise self._too_long()
                self._more()
                continue
            yield self._decoded(end or len(self._rest))
            if not self._ended:
                self._more()

    def _decoded(self, end: int) -> list[bytes]:
        lines = [line for line in self._rest[:end].split(b"\n") if line and not line.isspace()]
        try:
            count = len(_RAW_LIST.decode(b"[" + b",".join(lines) + b"]"))
        except msgspec.DecodeError:
            count = -1
        if count != len(lines):
            self._find_broken(end)
        self._pass(end)
        return lines

    def _find_broken(self, end: int) -> None:
        offset = 0
        for line in self._rest[:end].split(b"\n"):
            if line.strip(_BLANK):
                try:
                    _RAW.decode(line)
                except msgspec.DecodeError as error:
                    at, why = _complaint(error, len(line))
                    raise self._broken(offset + at, why) from None
            offset += len(line) + 1
        raise self._broken(0, "a line holds several values")


class _Array(_Reader):
    def records(self) -> Iterator[list[bytes]]:
        self._open()
        first = True
        while self._more():
            end = self._cut()
            if end == 0:
                if len(self._rest) > self._settings.record_bytes:
                    raise self._too_long()
                continue
            yield self._decoded(end)
            first = False
            self._pass(end + 1)
        yield self._last(first=first)

    def _open(self) -> None:
        while not (blank := self._rest.lstrip(_BLANK)) and not self._ended:
            self._pass(len(self._rest))
            self._more()
        if not blank.startswith(b"["):
            message = "The data is no JSON array, which chunks and groups are made of: use mode whole"
            raise BatchInputError(message)
        self._pass(len(self._rest) - len(blank) + 1)

    def _cut(self) -> int:
        """Offset of a comma between two records; 0 where there is none yet."""
        end = len(self._rest)
        for _ in range(_GUESSES):
            end = self._rest.rfind(b"},", 0, end)
            if end < 0:
                break
            try:
                _RAW_LIST.decode(b"[" + self._rest[: end + 1] + b"]")
            except msgspec.DecodeError:
                continue
            return end + 1
        return self._counted_cut()

    def _counted_cut(self) -> int:
        depth, cut = 0, 0
        for token in _TOKEN.finditer(self._rest):
            sign = token[0]
            if sign in {b"{", b"["}:
                depth += 1
            elif sign in {b"}", b"]"}:
                depth -= 1
                if depth < 0:
                    break
            elif sign == b"," and depth == 0:
                cut = token.start()
            elif sign == b'"':  # A text whose end is not here yet: what follows is inside of it.
                break
        return cut

    def _decoded(self, end: int) -> list[bytes]:
        try:
            found = _RAW_LIST.decode(b"[" + self._rest[:end] + b"]")
        except msgspec.DecodeError as error:
            at, why = _complaint(error, end + 1)
            raise self._broken(at - 1, why) from None
        if not found:
            raise self._broken(end, "a value is missing")
        return [bytes(one) for one in found]

    def _last(self, *, first: bool) -> list[bytes]:
        try:
            found = _RAW_LIST.decode(b"[" + self._rest)
        except msgspec.DecodeError as error:
            at, why = _complaint(error, len(self._rest) + 1)
            raise self._broken(at - 1, why) from None
        if not found and not first:
            raise self._broken(self._rest.find(b"]"), "a value is missing")
        return [bytes(one) for one in found]
