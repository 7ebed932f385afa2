"""Reading evidence and documents: from their column, or from the artifact of their digest where they are long."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from quilate.evidence.artifacts import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ArtifactStore,
    ArtifactTooLargeError,
)
from quilate.kit.web.problems import Problem
from quilate.runs.api.model import AttemptRow, EvidenceBrief

LARGEST_DOCUMENT_BYTES = 256 << 20
_LARGEST_BRIEF_BYTES = 32 << 20

_BRIEF = msgspec.json.Decoder(EvidenceBrief)


class EvidenceReader:
    """Reads documents that rows refer to."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    async def document(self, column: Any, digest: str | None, limit: int = LARGEST_DOCUMENT_BYTES) -> bytes | None:
        """Return a stored document as it is; ``None`` where there never was one.

        Raises:
            Problem: 410, it has been deleted by retention; 500, it was changed on its disk; 413, it is too long.
        """
        if column is not None:
            return bytes(column)
        if not digest:
            return None
        try:
            return await asyncio.to_thread(self._artifacts.read, digest, limit)
        except ArtifactMissingError as error:
            raise Problem(
                status=410, type="gone", detail=f"{digest} is not kept any more", next_step=error.next_step
            ) from error
        except ArtifactTooLargeError as error:
            raise Problem(status=413, type="too-large", detail=error.message, next_step=error.next_step) from error
        except ArtifactCorruptError as error:
            raise Problem(status=500, type="corrupt", detail=error.message, next_step=error.next_step) from error

    async def brief(self, row: AttemptRow) -> EvidenceBrief:
        """Return the short form of an attempt's evidence; an empty one where it is gone or too long to be read here."""
        try:
            content = await self.document(row["evidence"], row["evidence_digest"], _LARGEST_BRIEF_BYTES)
        except Problem:
            return EvidenceBrief()
        if content is None:
            return EvidenceBrief()
        if row["evidence"] is None:
            return await asyncio.to_thread(_BRIEF.decode, content)
        return _BRIEF.decode(content)

    async def briefs(self, rows: Iterable[AttemptRow]) -> dict[tuple[str, int], EvidenceBrief]:
        """Return the short forms by check and attempt."""
        return {(row["check_id"], row["attempt"]): await self.brief(row) for row in rows}
