"""Encrypts contents of any length, a piece at a time, so that no piece can be changed, moved, left out or cut off.

Source: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance" (CRYPTO 2015), over AES-256-GCM: nonce = number of the piece and whether it is the last.
Each content has a key of its own, so that nonces never meet.
"""

import io
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quilate.evidence.artifacts import ArtifactCorruptError

KEY_BYTES = 32
PIECE = 64 << 10
_TAG = 16
_SEALED_PIECE = PIECE + _TAG


def new_key() -> bytes:
    """Return a key for one content."""
    return secrets.token_bytes(KEY_BYTES)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def seal_bytes(key: bytes, plain: bytes) -> bytes:
    """Return a content sealed."""
    cipher, sealed = AESGCM(key), bytearray()
    pieces = range(0, max(len(plain), 1), PIECE)
    for number, start in enumerate(pieces):
        last = start + PIECE >= len(plain)
        sealed += cipher.encrypt(_nonce(number, last=last), plain[start : start + PIECE], None)
    return bytes(sealed)


async def seal_stream(key: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give a content sealed, while it arrives."""
    cipher, waiting, number = AESGCM(key), bytearray(), 0
    async for piece in pieces:
        waiting += piece
        # The last piece may be full; it is known to be the last only at the end.
        while len(waiting) > PIECE:
            yield cipher.encrypt(_nonce(number, last=False), bytes(waiting[:PIECE]), None)
            del waiting[:PIECE]
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), bytes(waiting), None)


def open_pieces(key: bytes, sealed: IO[bytes]) -> Iterator[bytes]:
    """Give the content of a sealed stream.

    Raises:
        ArtifactCorruptError: It was changed, or cut off.
    """
    cipher, number = AESGCM(key), 0
    piece = sealed.read(_SEALED_PIECE)
    while True:
        following = sealed.read(_SEALED_PIECE)
        try:
            yield cipher.decrypt(_nonce(number, last=not following), piece, None)
        except InvalidTag as error:
            raise ArtifactCorruptError(
                "a sealed content was changed or cut off", next_step="restore it from a backup"
            ) from error
        if not following:
            return
        piece, number = following, number + 1


def open_bytes(key: bytes, sealed: bytes) -> bytes:
    """Return a sealed content.

    Raises:
        ArtifactCorruptError: It was changed, or cut off.
    """
    return b"".join(open_pieces(key, io.BytesIO(sealed)))


class OpenedReader(io.RawIOBase):
    """Reads the content of a sealed file from its beginning; closes the file with itself."""

    def __init__(self, key: bytes, sealed: IO[bytes]) -> None:
        super().__init__()
        self._sealed = sealed
        self._pieces = open_pieces(key, sealed)
        self._left = b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what comes next; return how much, 0 at the end."""
        if not self._left:
            self._left = next(self._pieces, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        """Close the file."""
        self._sealed.close()
        super().close()
