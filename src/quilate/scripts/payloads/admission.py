"""Lets inputs in and outputs out by their schemas: checked, rewritten, sealed (A10, A18)."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import IO, Any
from uuid import UUID

import msgspec

from quilate.kit.masking import MASK
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.columns import batches_of, records_of
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.errors import MOST_VIOLATIONS, too_large
from quilate.scripts.payloads.input_schema import InputSchema, compiled_schema
from quilate.scripts.payloads.json_guard import BrokenJsonError, decode, decode_document, lines_of
from quilate.scripts.payloads.looking import Look
from quilate.scripts.payloads.model import Admitted, PayloadLimits, StoredPayload
from quilate.scripts.payloads.sensitive import TextMasker, masked, sensitive_texts
from quilate.scripts.payloads.tokens import Tokeniser
from quilate.scripts.payloads.vault import DataVault

_AT_ONCE = 32 << 10
"""So much is looked at without a thread of its own: the switch would take longer."""
_SEALED_COLUMNS = 4
"""Sealed Parquet is read from memory: so many times the longest document."""
_PREVIEW_BYTES = 4 << 20


class Admission:
    """Checks payloads of any project.

    Args:
        store: Where they lie.
        vault: Keys of tokens.
    """

    def __init__(self, store: PayloadStore, vault: DataVault) -> None:
        self._store = store
        self._vault = vault

    async def admit(
        self, project_id: UUID, schema: bytes | None, payload: StoredPayload, limits: PayloadLimits | None = None
    ) -> Admitted:
        """Check an input by its version's schema, and return what the script gets.

        Args:
            project_id: Whose it is.
            schema: Canonical JSON of the version's input schema; without one nothing is looked at.
            payload: As it was received, sealed already where the schema asks for it (``protection_of``).
            limits: What looking may cost; the store's own where nothing is said.

        Raises:
            ConfigurationError: The schema is none.
            Problem: 413, it is too long to be checked; 422, it cannot be read as what it says.
            ArtifactMissingError: It is gone.
        """
        if schema is None:
            return Admitted(payload=payload)
        compiled = await _compiled(schema)
        protection = compiled.protection
        tokeniser = await self._vault.tokeniser(project_id) if protection.sealed else Tokeniser(b"")
        look = Look(schema=compiled, tokeniser=tokeniser, limits=limits or self._store.limits)
        document = await self._first(look, payload, project_id)
        kept = payload
        if not look.violations:
            kept = await self._kept(look, payload, project_id, document, seal=protection.sealed)
        return Admitted(
            payload=kept,
            violations=tuple(look.violations[:MOST_VIOLATIONS]),
            truncated=look.full,
            subjects=tuple(sorted(look.subjects)),
            records=look.records,
        )

    async def check_output(self, project_id: UUID, schema: bytes | None, payload: StoredPayload) -> Admitted:
        """Check an output by its version's schema; it is not rewritten. Raises as ``admit``."""
        if schema is None:
            return Admitted(payload=payload)
        compiled, limits = await _compiled(schema), self._store.limits
        look = Look(schema=compiled, tokeniser=Tokeniser(b""), limits=limits, nulls_are_missing=True)
        await self._first(look, payload, project_id)
        found = tuple(look.violations[:MOST_VIOLATIONS])
        return Admitted(payload=payload, violations=found, truncated=look.full, records=look.records)

    async def _first(self, look: Look, payload: StoredPayload, project_id: UUID) -> bytes | None:
        with await self._opened(payload, project_id, look.limits) as stream:
            if payload.size <= _AT_ONCE and payload.reference is None:
                return look.first(stream, payload.format, payload.size)
            return await asyncio.to_thread(look.first, stream, payload.format, payload.size)

    async def _kept(
        self, look: Look, payload: StoredPayload, project_id: UUID, document: bytes | None, *, seal: bool
    ) -> StoredPayload:
        seal_for = project_id if seal else None
        if document is not None:
            return await self._store.keep_bytes(
                document, payload.format, seal_for=seal_for, provenance=payload.provenance
            )
        if look.rewritten and payload.format is not FileFormat.JSON:
            with await self._opened(payload, project_id, look.limits) as stream:
                again = Look(schema=look.schema, tokeniser=look.tokeniser, limits=look.limits)
                pieces = _threaded(again.second(stream, payload.format))
                return await self._store.keep(
                    pieces, payload.format, seal_for=seal_for, provenance=payload.provenance, limits=look.limits
                )
        if seal and not payload.sealed:
            # Whoever received it did not know yet what its schema asks for.
            pieces = self._store.stream(payload, project_id)
            return await self._store.keep(pieces, payload.format, seal_for=seal_for, provenance=payload.provenance)
        return payload

    async def _opened(self, payload: StoredPayload, project_id: UUID, limits: PayloadLimits) -> IO[bytes]:
        stream = await self._store.open(payload, project_id)
        if payload.format is not FileFormat.PARQUET or stream.seekable():
            return stream
        with stream:
            most = _SEALED_COLUMNS * limits.document_bytes
            if payload.size > most:
                raise too_large("Parquet that is encrypted at rest and whose schema is checked", most)
            return io.BytesIO(await asyncio.to_thread(stream.read))

    # Showing --------------------------------------------------------------------------------------------------------

    async def masker(self, project_id: UUID, schema: bytes | None, payload: StoredPayload) -> TextMasker | None:
        """Return what takes an input's sensitive values out of console lines and messages; raises as ``admit``.

        Returns:
            ``None`` without a schema that marks any.
        """
        if schema is None:
            return None
        compiled = await _compiled(schema)
        if not compiled.protection.sealed:
            return None
        with await self._opened(payload, project_id, self._store.limits) as stream:
            return await asyncio.to_thread(TextMasker, _texts(compiled, stream, payload.format, self._store.limits))

    async def preview(
        self, project_id: UUID, schema: bytes | None, payload: StoredPayload, records: int = 20
    ) -> bytes | None:
        """Return the first records, or a short document, as JSON with sensitive fields masked.

        Returns:
            ``None`` where it is too long for a preview or cannot be read. Raises as ``admit``.
        """
        compiled = await _compiled(schema) if schema is not None else None
        if payload.format is FileFormat.JSON and payload.size > _PREVIEW_BYTES:
            return None
        with await self._opened(payload, project_id, self._store.limits) as stream:
            return await asyncio.to_thread(_preview, compiled, stream, payload.format, records, self._store.limits)


async def _compiled(schema: bytes) -> InputSchema:
    # The first time it takes a while; later it is known.
    return compiled_schema(schema) if len(schema) < _AT_ONCE else await asyncio.to_thread(compiled_schema, schema)


async def _threaded(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _values(stream: IO[bytes], format_: FileFormat, limits: PayloadLimits) -> Iterator[Any]:
    """Give the records of lines or columns, or the one value of a document."""
    match format_:
        case FileFormat.JSON:
            yield decode_document(stream.read(), limits.depth)
        case FileFormat.NDJSON:
            yield from (decode(line, limits.depth) for _, _, line in lines_of(stream, limits))
        case _:
            for batch in batches_of(stream, format_):
                yield from records_of(batch).values


def _texts(schema: InputSchema, stream: IO[bytes], format_: FileFormat, limits: PayloadLimits) -> Iterator[str]:
    place = schema.marks.root if format_ is FileFormat.JSON else schema.record_place
    try:
        for value in _values(stream, format_, limits):
            yield from sensitive_texts(value, schema.marks, place)
    except BrokenJsonError:
        # What is no JSON has no fields; a script never sees it.
        return


def _preview(
    schema: InputSchema | None, stream: IO[bytes], format_: FileFormat, records: int, limits: PayloadLimits
) -> bytes | None:
    try:
        shown = _shown(_values(stream, format_, limits), format_, records)
    except BrokenJsonError:
        return None if schema is not None else msgspec.json.encode(MASK)
    return msgspec.json.encode(masked(shown, schema.marks, schema.marks.root) if schema is not None else shown)


def _shown(values: Iterator[Any], format_: FileFormat, records: int) -> Any:
    if format_ is FileFormat.JSON:
        value = next(values)
        return value[:records] if isinstance(value, list) else value
    shown: Sequence[Any] = [value for value, _ in zip(values, range(records), strict=False)]
    return shown
