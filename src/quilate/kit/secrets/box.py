"""Texts that must not lie in the database as they are: AES-256-GCM, each bound to the row that it belongs to.

A key file holds one key on each line, base64 of 32 bytes: the first one seals, all of them open, so that a key is
rotated by writing a new first line. Losing the file loses the secrets, never anything else.

Source of the mode and of its limits: NIST SP 800-38D; random nonces of 96 bits are good for 2^32 texts of one key.
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quilate.domain.errors import ConfigurationError, QuilateError

FILE_NAME = "secrets.key"
_VERSION = b"\x01"
_KEY_BYTES, _NAME_BYTES, _NONCE_BYTES = 32, 8, 12
_HEAD_BYTES = 1 + _NAME_BYTES + _NONCE_BYTES
_MOST_KEYS = 16
_LONGEST_FILE = 8192


class SecretUnreadableError(QuilateError):
    """A sealed text cannot be opened: its key is gone, or it was changed or moved."""

    def __init__(self) -> None:
        super().__init__(
            "a stored secret cannot be read with the keys that are here",
            next_step="restore the key file that it was sealed with, or set the secret again",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretBox:
    """Seals and opens texts.

    Attributes:
        keys: By their names, which are no secrets; the first one seals.
    """

    keys: Mapping[bytes, bytes] = field(repr=False)

    def seal(self, plain: str, context: str) -> bytes:
        """Return a text sealed for one place, for example ``connections:ID:token``."""
        name, key = next(iter(self.keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        head = _VERSION + name + nonce
        return head + AESGCM(key).encrypt(nonce, plain.encode(), _bound(context))

    def open(self, sealed: bytes, context: str) -> str:
        """Return the text that was sealed for this place.

        Raises:
            SecretUnreadableError: It cannot be opened.
        """
        key = self.keys.get(sealed[1 : 1 + _NAME_BYTES])
        if sealed[:1] != _VERSION or len(sealed) <= _HEAD_BYTES or key is None:
            raise SecretUnreadableError
        nonce = sealed[1 + _NAME_BYTES : _HEAD_BYTES]
        try:
            return AESGCM(key).decrypt(nonce, sealed[_HEAD_BYTES:], _bound(context)).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise SecretUnreadableError from error

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that only whoever has the first key can make, for example to sign short-lived links."""
        key = next(iter(self.keys.values()))
        return hashlib.blake2b(purpose.encode(), key=key, digest_size=32, person=b"quilate-derived").digest()


def _bound(context: str) -> bytes:
    return b"quilate-secret\0" + context.encode()


def box_of(*keys: bytes) -> SecretBox:
    """Return a box with keys of 32 bytes, the sealing one first.

    Raises:
        ConfigurationError: There are none, too many, or one has another length.
    """
    if not 1 <= len(keys) <= _MOST_KEYS or any(len(key) != _KEY_BYTES for key in keys):
        raise ConfigurationError(
            f"a key file of secrets holds 1 to {_MOST_KEYS} keys of {_KEY_BYTES} bytes",
            next_step="write one key, as base64, on each line",
        )
    named = {hashlib.sha256(b"quilate-key-name" + key).digest()[:_NAME_BYTES]: key for key in keys}
    return SecretBox(keys=MappingProxyType(named))


def open_box(path: Path) -> SecretBox:
    """Return the box of a key file; the first process that needs it makes the file.

    Raises:
        ConfigurationError: The file cannot be made or read, others may read it, or it holds no keys.
    """
    try:
        if not path.exists():
            _make(path)
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(_LONGEST_FILE)
    except OSError as error:
        raise ConfigurationError(
            f"the key file of secrets cannot be used: {error.strerror}", next_step=f"let this user read {path}"
        ) from error
    if mode & 0o077:
        raise ConfigurationError(f"others may read {path}", next_step=f"chmod 600 {path}, and rotate the key")
    try:
        return box_of(*(base64.b64decode(line, validate=True) for line in content.split() if line))
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"{path} holds no keys", next_step="restore it from a backup") from error


def _make(path: Path) -> None:
    """Make the file whole or not at all; where another process was faster its file stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
