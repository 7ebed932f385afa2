"""Canonical JSON (RFC 8785) and the digests taken over it."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import rfc8785

_MAX_PLAIN_EXPONENT = 1000

_LARGEST_INTEGER = 2**53 - 1
"""Beyond it, integers are no longer exact as the doubles that RFC 8785 prescribes."""


def to_document(value: Any) -> Any:
    """Return ``value`` (dataclasses, enums, dates, decimals) as plain JSON types; decimals become strings."""
    return msgspec.to_builtins(value, str_keys=True)


def canonical_json(value: Any) -> bytes:
    """Return the one byte string that stands for ``value`` by RFC 8785.

    Without floats, large integers and keys beyond ASCII, compact JSON with sorted keys is canonical already, and
    msgspec writes it at native speed; a property test holds both ways against each other.

    Raises:
        rfc8785.CanonicalizationError: ``value`` holds a NaN, an infinity or an integer beyond 2**53.
    """
    document = to_document(value)
    if _is_plain(document):
        return msgspec.json.encode(document, order="sorted")
    return rfc8785.dumps(document)


def _is_plain(document: Any) -> bool:
    """Tell whether compact JSON with sorted keys is the canonical form of ``document``."""
    kind = type(document)
    if kind is dict:
        return _is_plain_object(document)
    if kind is list or kind is tuple:
        return all(map(_is_plain, document))
    if kind is str:
        # What cannot be encoded is left to the library, whose error names it.
        return document.isascii() or not any("\ud800" <= character <= "\udfff" for character in document)
    if kind is int:
        return bool(-_LARGEST_INTEGER <= document <= _LARGEST_INTEGER)
    return document is None or kind is bool


def _is_plain_object(document: dict[str, Any]) -> bool:
    for key, inner in document.items():
        if not key.isascii():
            return False
        # Most members are plain text: they are told without a call of their own.
        if not (type(inner) is str and inner.isascii()) and not _is_plain(inner):
            return False
    return True


def sha256_of(data: bytes) -> str:
    """Return ``sha256:`` and the hexadecimal digest of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Return the digest of the canonical JSON of ``value``."""
    return sha256_of(canonical_json(value))


def file_digest(path: Path) -> str:
    """Return the digest of a file's content, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return "sha256:" + digest.hexdigest()


def decimal_text(number: Decimal) -> str:
    """Return the shortest plain spelling of ``number``: ``0.80`` and ``8E-1`` both give ``0.8``.

    Beyond a thousand places it stays as it is: whoever writes ``1e999999999`` must not make us write a gigabyte.
    """
    if number == 0:
        return "0"
    if not number.is_finite() or abs(number.adjusted()) > _MAX_PLAIN_EXPONENT:
        return str(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
