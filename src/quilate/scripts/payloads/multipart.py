"""The one file of a ``multipart/form-data`` body (RFC 7578), given on while it arrives."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from quilate.scripts.payloads.errors import malformed

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_HEADERS = 16 << 10
_MOST_FIELDS = 16
_LONGEST_FIELDS = 64 << 10
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """What a part says of its file: the name, without folders, and the media type."""

    name: str
    type: str


class FileParts:
    """Finds the file among the parts; other fields are read over.

    Args:
        type_: The body's ``Content-Type``, which holds the boundary.
        body: Its pieces.

    Raises:
        Problem: 400, there is no boundary.
    """

    def __init__(self, type_: str, body: AsyncIterator[bytes]) -> None:
        boundary = parse_options_header(type_)[1].get(b"boundary", b"")
        if not 0 < len(boundary) <= 70:  # noqa: PLR2004 - RFC 2046, 5.1.1
            raise malformed("the multipart body has no boundary", "let the HTTP client write its Content-Type")
        self._body = body
        self._parser = MultipartParser(boundary, self._callbacks())
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._headers_size = self._fields = self._fields_size = 0
        self._found: FilePart | None = None
        self._in_file = self._file_ended = self._whole = False
        self._pieces: deque[bytes] = deque()

    async def file(self) -> FilePart:
        """Return the first file's name and type.

        Raises:
            Problem: 400, the body is broken or holds no file.
        """
        while self._found is None and await self._read():
            pass
        if self._found is None:
            raise malformed("the multipart body holds no file", "send one part with a filename")
        return self._found

    async def content(self) -> AsyncIterator[bytes]:
        """Give the file's content.

        Raises:
            Problem: 400, it is cut off.
        """
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self._file_ended:
                return
            if not await self._read():
                raise malformed("the multipart body is cut off", "send it again")

    async def end(self) -> None:
        """Read what follows the file.

        Raises:
            Problem: 400, there is a second file, or the body is cut off.
        """
        while await self._read():
            pass
        if not self._whole:
            raise malformed("the multipart body is cut off", "send it again")

    async def _read(self) -> bool:
        piece = await anext(self._body, None)
        if piece is None:
            return False
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise malformed("the multipart body is broken", "let the HTTP client write it") from error
        return True

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._headers_size = 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._headers_size += size
        if self._headers_size > _LONGEST_HEADERS:
            raise malformed("a part of the multipart body has too long headers")

    def _on_header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value
        self._field = self._value = b""

    def _on_headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        if disposition != b"form-data" or b"filename" not in options:
            self._fields += 1
            if self._fields > _MOST_FIELDS:
                raise malformed("the multipart body has too many fields", "send the file alone")
            return
        if self._found is not None:
            raise malformed("the multipart body holds several files", "send one file in each request")
        name = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
        type_ = self._headers.get("content-type", b"").decode("latin-1")
        self._found = FilePart(name=_printable(name), type=type_)
        self._in_file = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
            return
        self._fields_size += end - start
        if self._fields_size > _LONGEST_FIELDS:
            raise malformed("the fields beside the file are too long", "send the file alone")

    def _on_part_end(self) -> None:
        self._file_ended = self._file_ended or self._in_file
        self._in_file = False

    def _on_end(self) -> None:
        self._whole = True


def _printable(name: str) -> str:
    return "".join(sign if sign.isprintable() else "_" for sign in name)[-_LONGEST_NAME:]
