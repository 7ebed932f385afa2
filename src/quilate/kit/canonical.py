"""Canonical JSON (RFC 8785) and the digests taken over it."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import rfc8785


def to_document(value: Any) -> Any:
    """Return ``value`` (dataclasses, enums, dates, decimals) as plain JSON types; decimals become strings."""
    return msgspec.to_builtins(value, str_keys=True)


def canonical_json(value: Any) -> bytes:
    """Return the one byte string that stands for ``value`` by RFC 8785.

    Raises:
        rfc8785.CanonicalizationError: ``value`` holds a NaN, an infinity or an integer beyond 2**53.
    """
    return rfc8785.dumps(to_document(value))


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
    """Return the shortest plain spelling of ``number``: ``0.80`` and ``8E-1`` both give ``0.8``."""
    if number == 0:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
