"""From a request's body to a kept payload, in bounded memory; what is only passed on is never parsed."""

import re
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.decoding import decoded, encoding_of
from quilate.scripts.payloads.errors import malformed, too_large
from quilate.scripts.payloads.formats import (
    MULTIPART,
    encoding_of_name,
    format_of_part,
    format_of_type,
    genuine,
    media_type,
)
from quilate.scripts.payloads.model import PayloadLimits, Provenance, StoredPayload
from quilate.scripts.payloads.multipart import FileParts

_LENGTH = re.compile(r"\A[0-9]{1,18}\Z")


async def receive(
    headers: Mapping[str, str],
    stream: AsyncIterator[bytes],
    store: PayloadStore,
    limits: PayloadLimits | None = None,
    *,
    seal_for: UUID | None = None,
) -> StoredPayload:
    """Keep a request's body: plain or compressed (gzip, br, zstd), of known length or in chunks, alone or as a part.

    Args:
        headers: Of the request, names in any case where the mapping takes them so, else in lower case.
        stream: The body as it was sent.
        store: Keeps it.
        limits: What it may cost; the store's own where nothing is said.
        seal_for: The project whose key seals it; ``None`` for plain.

    Returns:
        The payload: its provenance is ``body`` or ``multipart``.

    Raises:
        Problem: 400, it is broken; 413, too long; 415, of a type or an encoding that is not taken; 422, a bomb.
    """
    allowed = limits or store.limits
    declared = _declared_length(headers)
    if declared is not None and declared > allowed.sent_bytes:
        raise too_large("the body", allowed.sent_bytes)
    type_ = headers.get("content-type", "")
    parts = media_type(type_)[0] == MULTIPART
    format_ = None if parts else format_of_type(type_)
    encoding = encoding_of(headers.get("content-encoding", ""))
    body = decoded(_as_declared(stream, declared), encoding, allowed)
    if format_ is None:
        return await _receive_part(type_, body, store, allowed, seal_for)
    origin = Provenance(kind="body")
    return await keep_content(body, format_, store, allowed, seal_for=seal_for, provenance=origin)


async def keep_content(  # noqa: PLR0913 - what it is, and how it is kept
    pieces: AsyncIterator[bytes],
    format_: FileFormat,
    store: PayloadStore,
    limits: PayloadLimits,
    *,
    seal_for: UUID | None,
    provenance: Provenance,
) -> StoredPayload:
    """Keep a plain content whose first bytes are those of its format.

    Raises:
        Problem: 413 or 422, as for ``receive``.
    """
    looked_at = genuine(pieces, format_)
    return await store.keep(looked_at, format_, seal_for=seal_for, provenance=provenance, limits=limits)


async def _receive_part(
    type_: str, body: AsyncIterator[bytes], store: PayloadStore, limits: PayloadLimits, seal_for: UUID | None
) -> StoredPayload:
    parts = FileParts(type_, body)
    file = await parts.file()
    origin = Provenance(kind="multipart", address=file.name)
    format_ = format_of_part(file.type, file.name)
    content = decoded(parts.content(), encoding_of_name(file.name), limits)
    kept = await keep_content(content, format_, store, limits, seal_for=seal_for, provenance=origin)
    await parts.end()
    return kept


def _declared_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not _LENGTH.match(text.strip()):
        raise malformed("Content-Length is no number", "leave it out, or send it right")
    if "transfer-encoding" in headers:
        # RFC 9112, 6.1: a body has one of them; both at once are how requests are smuggled.
        raise malformed("a body has a Content-Length or a Transfer-Encoding, not both")
    return int(text)


async def _as_declared(stream: AsyncIterator[bytes], declared: int | None) -> AsyncIterator[bytes]:
    total = 0
    async for piece in stream:
        total += len(piece)
        if declared is not None and total > declared:
            raise _wrong_length()
        if piece:
            yield piece
    if declared is not None and total != declared:
        raise _wrong_length()


def _wrong_length() -> Exception:
    return malformed("the body is not as long as its Content-Length says", "send it again")
