"""Keeps contents and gives them back: short ones with their execution, long ones as artifacts, both sealed where asked.

What lies in a row (``StoredPayload.inline``) is either the plain content, or an envelope: five bytes that no content
begins with, the content's own key sealed by its project's key, and the sealed content, unless that is an artifact.
So deleting the row erases a sealed content for good, also from copies of the artifacts.
"""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Protocol
from uuid import UUID

from quilate.evidence.artifacts import ArtifactMissingError, ArtifactStore, ArtifactTooLargeError
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.errors import refused, too_large
from quilate.scripts.payloads.model import (
    CATALOGUE,
    ENVELOPE,
    OWN,
    PayloadLimits,
    Provenance,
    StoredPayload,
)
from quilate.scripts.payloads.object_stores import ObjectStores
from quilate.scripts.payloads.sealing import OpenedReader, open_bytes, seal_bytes, seal_stream
from quilate.scripts.payloads.vault import DataVault

_PIECE = 1 << 20
_LENGTH = 2
_SEALED_MORE = 1 << 20
"""What sealing may add, for each 4 GiB: 16 bytes of 64 KiB."""


class DeletingStore(ArtifactStore, Protocol):
    """An artifact store of which single artifacts can be deleted; ``DirectoryArtifactStore`` is one."""

    def delete(self, digest: str, older_than_seconds: float) -> bool:
        """Delete an artifact unless it was put lately; tell whether it is gone."""
        ...


class PayloadStore:
    """Contents of inputs and outputs.

    Args:
        artifacts: Long contents; a store of its own, since nothing but executions refers to it.
        catalogue: The store of dataset versions, of which ``dataset:`` references are read.
        vault: Keys; ``None`` where nothing is ever sealed.
        objects: Object stores that outputs may lie in.
        limits: What a payload may cost where a caller does not say.
    """

    def __init__(
        self,
        artifacts: DeletingStore,
        catalogue: ArtifactStore,
        vault: DataVault | None = None,
        *,
        objects: ObjectStores | None = None,
        limits: PayloadLimits | None = None,
    ) -> None:
        self.artifacts = artifacts
        self.vault = vault
        self.objects = objects
        self.limits = limits or PayloadLimits()
        self._catalogue = catalogue

    # Keeping --------------------------------------------------------------------------------------------------------

    async def keep(
        self,
        pieces: AsyncIterator[bytes],
        format: FileFormat,  # noqa: A002 - the attribute's own word
        *,
        seal_for: UUID | None = None,
        provenance: Provenance | None = None,
        limits: PayloadLimits | None = None,
    ) -> StoredPayload:
        """Keep a content that arrives piece by piece, in bounded memory.

        Args:
            pieces: The plain content.
            format: How it is written.
            seal_for: The project whose key seals it; ``None`` for plain.
            provenance: Where it comes from; its digest is filled in.
            limits: What it may cost.

        Raises:
            Problem: 413, it is longer than allowed.
            ArtifactStorageError: It cannot be written.
        """
        allowed = limits or self.limits
        tap = _Tap(pieces)
        head = await tap.head(allowed.inline_bytes)
        if tap.ended:
            return await self.keep_bytes(head, format, seal_for=seal_for, provenance=provenance)
        envelope, stream = None, tap.all()
        if seal_for is not None:
            key, envelope = await self._new_key(seal_for)
            stream = seal_stream(key, stream)
        try:
            most = allowed.plain_bytes + (_SEALED_MORE * (1 + (allowed.plain_bytes >> 32)) if seal_for else 0)
            artifact, _ = await self.artifacts.put_stream(stream, most)
        except ArtifactTooLargeError as error:
            raise too_large("the content", allowed.plain_bytes) from error
        return StoredPayload(
            digest=tap.digest(),
            size=tap.size,
            format=format,
            inline=envelope,
            reference=f"{OWN}{artifact}",
            provenance=_with_digest(provenance, tap.digest()),
        )

    async def keep_bytes(
        self,
        data: bytes,
        format: FileFormat,  # noqa: A002 - the attribute's own word
        *,
        seal_for: UUID | None = None,
        provenance: Provenance | None = None,
    ) -> StoredPayload:
        """Keep a content that is in memory; see ``keep``."""
        if len(data) > self.limits.inline_bytes:
            return await self.keep(_once(data), format, seal_for=seal_for, provenance=provenance)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        return StoredPayload(
            digest=digest,
            size=len(data),
            format=format,
            inline=await self.sealed(seal_for, data) if seal_for is not None else _plain(data),
            provenance=_with_digest(provenance, digest),
        )

    async def keep_file(
        self,
        path: Path,
        format: FileFormat,  # noqa: A002 - the attribute's own word
        *,
        seal_for: UUID | None = None,
        provenance: Provenance | None = None,
    ) -> StoredPayload:
        """Keep a file's content; see ``keep``."""
        with await asyncio.to_thread(path.open, "rb") as stream:
            pieces = read_pieces(stream)
            return await self.keep(pieces, format, seal_for=seal_for, provenance=provenance)

    # Reading --------------------------------------------------------------------------------------------------------

    async def open(self, payload: StoredPayload, project_id: UUID) -> IO[bytes]:
        """Return the plain content to read from its beginning; the caller closes it. Reading it blocks.

        Raises:
            ArtifactMissingError: It was erased, or has expired.
            ArtifactCorruptError: It is not what its digest says.
            SecretUnreadableError: Its key is gone.
        """
        if payload.reference is None:
            return io.BytesIO(await self.plain(project_id, payload.inline))
        stored: IO[bytes] = await asyncio.to_thread(self._opened, payload.reference)
        if not payload.sealed:
            return stored
        key, _ = await self._opened_key(project_id, payload.inline or b"")
        return io.BufferedReader(OpenedReader(key, stored), 1 << 16)

    async def stream(self, payload: StoredPayload, project_id: UUID) -> AsyncIterator[bytes]:
        """Give the plain content piece by piece; raises as ``open``, and for what an object store refuses."""
        if payload.reference is None:
            yield await self.plain(project_id, payload.inline)
        elif self.objects is not None and self.objects.is_object(payload.reference):
            async for piece in self.objects.read(payload.reference):
                yield piece
        else:
            with await self.open(payload, project_id) as stream:
                async for piece in read_pieces(stream):
                    yield piece

    async def read(self, payload: StoredPayload, project_id: UUID, limit: int | None = None) -> bytes:
        """Return the plain content; raises as ``open``.

        Raises:
            Problem: 413, it is longer than ``limit`` bytes.
        """
        most = self.limits.plain_bytes if limit is None else limit
        if payload.size > most:
            raise too_large("the content", most)
        if payload.reference is None:
            return await self.plain(project_id, payload.inline)
        return b"".join([piece async for piece in self.stream(payload, project_id)])

    async def copy_to(self, payload: StoredPayload, project_id: UUID, path: Path) -> int:
        """Write the plain content to a new file that only this user may read; return its size. Raises as ``open``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = await asyncio.to_thread(os.open, path, flags, 0o600)
        size = 0
        try:
            with os.fdopen(descriptor, "wb") as target:
                async for piece in self.stream(payload, project_id):
                    size += await asyncio.to_thread(target.write, piece)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(path.unlink, missing_ok=True))
            raise
        return size

    # Envelopes ------------------------------------------------------------------------------------------------------

    async def sealed(self, project_id: UUID, plain: bytes) -> bytes:
        """Return a short content, or the lines of a console, in an envelope."""
        key, envelope = await self._new_key(project_id)
        return envelope + seal_bytes(key, plain)

    async def plain(self, project_id: UUID, inline: bytes | None) -> bytes:
        """Return what lies in a row, taken out of its envelope if it is in one.

        Raises:
            ArtifactMissingError: There is nothing: it was erased, or has expired.
            ArtifactCorruptError: It was changed.
            SecretUnreadableError: Its key is gone.
        """
        if inline is None:
            raise ArtifactMissingError("the content is not kept any more", next_step="it was erased or has expired")
        if not inline.startswith(ENVELOPE):
            return inline
        key, sealed = await self._opened_key(project_id, inline)
        return open_bytes(key, sealed)

    async def _new_key(self, project_id: UUID) -> tuple[bytes, bytes]:
        key, wrapped = await self._vault().new_key(project_id)
        return key, ENVELOPE + len(wrapped).to_bytes(_LENGTH, "big") + wrapped

    async def _opened_key(self, project_id: UUID, envelope: bytes) -> tuple[bytes, bytes]:
        begin = len(ENVELOPE) + _LENGTH
        end = begin + int.from_bytes(envelope[len(ENVELOPE) : begin], "big")
        return await self._vault().open_key(project_id, envelope[begin:end]), envelope[end:]

    def _vault(self) -> DataVault:
        if self.vault is None:
            raise RuntimeError("a store without keys was asked to seal")
        return self.vault

    # Artifacts ------------------------------------------------------------------------------------------------------

    def _opened(self, reference: str) -> IO[bytes]:
        if reference.startswith(OWN):
            return self.artifacts.open(reference.removeprefix(OWN))
        if reference.startswith(CATALOGUE):
            return self._catalogue.open(reference.removeprefix(CATALOGUE))
        raise ArtifactMissingError("the content lies elsewhere", next_step="read it from its address")


async def read_pieces(stream: IO[bytes], size: int = _PIECE) -> AsyncIterator[bytes]:
    """Give a file's content; each piece is read in a thread."""
    while piece := await asyncio.to_thread(stream.read, size):
        yield piece


class _Tap:
    """Counts and digests what flows through it; its first bytes can be had before."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._head = bytearray()
        self._hash = hashlib.sha256()
        self.size = 0
        self.ended = False

    async def head(self, most: int) -> bytes:
        """Return all of a content of at most ``most`` bytes, else more than so many of them."""
        while len(self._head) <= most:
            piece = await anext(self._pieces, None)
            if piece is None:
                self.ended = True
                break
            self._head += piece
        return bytes(self._head)

    async def all(self) -> AsyncIterator[bytes]:
        """Give everything, what ``head`` has read included."""
        for piece in self._cut(bytes(self._head)):
            yield piece
        self._head.clear()
        async for piece in self._pieces:
            for part in self._cut(piece):
                yield part

    def _cut(self, piece: bytes) -> Iterator[bytes]:
        self.size += len(piece)
        self._hash.update(piece)
        yield piece

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


def _plain(data: bytes) -> bytes:
    if data.startswith(ENVELOPE):
        raise refused(
            "the content is of none of the formats that are taken", "send JSON, NDJSON, Parquet, Arrow or CSV"
        )
    return data


def _with_digest(provenance: Provenance | None, digest: str) -> Provenance | None:
    if provenance is None or provenance.digest:
        return provenance
    return Provenance(kind=provenance.kind, address=provenance.address, digest=digest)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
