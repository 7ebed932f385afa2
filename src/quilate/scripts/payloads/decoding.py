"""Undoes the compression of a stream piece by piece, with bounds on what it may become.

Sources: RFC 9110 section 8.4.1 (gzip, x-gzip), RFC 7932 (br), RFC 8878 and RFC 9659 (zstd: a window of 8 MiB at most).
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any, Protocol

from quilate.scripts.payloads.errors import malformed, refused, too_large, unsupported
from quilate.scripts.payloads.model import PayloadLimits

ENCODINGS = ("gzip", "br", "zstd", "identity")
SUFFIXES = {".gz": "gzip", ".br": "br", ".zst": "zstd"}
"""Ends of names that say how a file was compressed."""

_PIECE = 1 << 18
_GZIP_WINDOW = 31
_ZSTD_WINDOW = 8 << 20
_ZSTD_SLICE = 512
"""A block of 4 bytes may become 128 KiB (RFC 8878, 3.1.1.2): so much goes in that at most 16 MiB come out at once."""


class Decoder(Protocol):
    """Undoes one compression."""

    def decode(self, piece: bytes) -> Iterator[bytes]:
        """Give what a further piece becomes, in parts of bounded length."""
        ...

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            Problem: 400, the stream was cut.
        """
        ...


def encoding_of(text: str) -> str:
    """Return the name of a ``Content-Encoding``.

    Raises:
        Problem: 415, it is not understood, or there are several.
    """
    name = text.strip().lower() or "identity"
    name = {"x-gzip": "gzip"}.get(name, name)
    if name not in ENCODINGS:
        raise unsupported("the Content-Encoding is not understood", ENCODINGS, "Accept-Encoding")
    return name


async def decoded(pieces: AsyncIterator[bytes], encoding: str, limits: PayloadLimits) -> AsyncIterator[bytes]:
    """Give a stream's content, its compression undone.

    Args:
        pieces: As they were sent.
        encoding: One of ``ENCODINGS``.
        limits: On what was sent, on what it becomes and on the ratio of both.

    Raises:
        Problem: 400, it is broken; 413, it is too long; 422, it is a bomb.
    """
    decoder = _decoder(encoding)
    sent = plain = 0
    async for piece in pieces:
        sent += len(piece)
        if sent > limits.sent_bytes:
            raise too_large("the body", limits.sent_bytes)
        for part in decoder.decode(piece) if decoder is not None else (piece,):
            plain += len(part)
            _require(sent, plain, limits)
            if part:
                yield part
    if decoder is not None:
        decoder.end()


def _require(sent: int, plain: int, limits: PayloadLimits) -> None:
    if plain > limits.plain_bytes:
        raise too_large("the content", limits.plain_bytes)
    if plain > limits.ratio_from_bytes and plain > sent * limits.ratio:
        raise refused(
            f"the body becomes more than {limits.ratio} times as long when its compression is undone",
            "send it without compression",
        )


def _decoder(encoding: str) -> Decoder | None:
    match encoding:
        case "gzip":
            return _Gzip()
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstandard()
        case _:
            return None


def _broken(encoding: str) -> Exception:
    return malformed(f"the body is not whole or not compressed as {encoding}", "compress it again, or send it plain")


class _Gzip:
    """One member or several (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False

    def decode(self, piece: bytes) -> Iterator[bytes]:
        waiting = piece
        while waiting:
            if self._inner.eof:
                self._inner = zlib.decompressobj(_GZIP_WINDOW)
            self._begun = True
            try:
                part = self._inner.decompress(waiting, _PIECE)
            except zlib.error as error:
                raise _broken("gzip") from error
            waiting = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
            yield part

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise _broken("gzip")


class _Brotli:
    def __init__(self) -> None:
        # It has no types of its own, and is loaded only where a body is compressed that way.
        brotli: Any = import_module("brotli")
        self._error: type[Exception] = brotli.error
        self._inner = brotli.Decompressor()
        self._begun = False

    def decode(self, piece: bytes) -> Iterator[bytes]:
        self._begun = True
        try:
            yield self._inner.process(piece, output_buffer_limit=_PIECE)
            while not self._inner.can_accept_more_data():
                yield self._inner.process(b"", output_buffer_limit=_PIECE)
        except self._error as error:
            raise _broken("br") from error

    def end(self) -> None:
        if self._begun and not self._inner.is_finished():
            raise _broken("br")


class _Zstandard:
    """One frame or several, skippable ones included (RFC 8878, 3.1)."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - only where a body is compressed that way

        self._error: type[Exception] = zstandard.ZstdError
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._inner = self._context.decompressobj()
        self._begun = False

    def decode(self, piece: bytes) -> Iterator[bytes]:
        for start in range(0, len(piece), _ZSTD_SLICE):
            waiting = piece[start : start + _ZSTD_SLICE]
            while waiting:
                if self._inner.eof:
                    self._inner = self._context.decompressobj()
                self._begun = True
                try:
                    part = self._inner.decompress(waiting)
                except self._error as error:
                    raise _broken("zstd") from error
                waiting = self._inner.unused_data if self._inner.eof else b""
                for place in range(0, len(part), _PIECE):
                    yield part[place : place + _PIECE]

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise _broken("zstd")
