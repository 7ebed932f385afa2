"""Accesses to evidence: ids only, no names and no addresses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class AccessKind(StrEnum):
    """What was seen."""

    CHECK = "check"
    FINDINGS = "findings"
    EVIDENCE = "evidence"
    ARTIFACT = "artifact"
    DECISION = "decision"
    EXPLANATION = "explanation"
    SEAL = "seal"
    LOG = "log"
    SARIF = "sarif"
    EXPORT = "export"
    DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """One access: ``actor`` saw ``subject`` by ``route``; ``batch_id`` once it was sealed."""

    id: UUID
    project_id: UUID
    actor: str
    kind: AccessKind
    subject: str
    route: str
    at: datetime
    batch_id: UUID | None = None

    def document(self) -> dict[str, str]:
        """Return what the digest of a batch is taken over."""
        return {
            "id": str(self.id),
            "actor": self.actor,
            "kind": self.kind.value,
            "subject": self.subject,
            "route": self.route,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
        }


def record_from(row: Mapping[str, Any]) -> AccessRecord:
    """Return the record of a row."""
    values = {name: row[name] for name in AccessRecord.__dataclass_fields__}
    return AccessRecord(**{**values, "kind": AccessKind(row["kind"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records a list holds; ``None`` stands for any."""

    actor: str | None = None
    kind: AccessKind | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records that were sealed together; their digest is in the audit log."""

    id: UUID
    project_id: UUID
    records: int
    digest: str
    first_at: datetime
    last_at: datetime
    sealed_at: datetime
    expired_at: datetime | None


def batch_from(row: Mapping[str, Any]) -> Batch:
    """Return the batch of a row."""
    return Batch(**{name: row[name] for name in Batch.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBatch:
    """A batch, and whether it still says what the audit log says it did.

    Attributes:
        batch: As it is stored.
        found: Digest of the records as they are now; empty where they have expired.
        logged: Digest in the audit log; empty while the entry has no place there yet.
        expiry_logged: The audit log tells of their removal.
    """

    batch: Batch
    found: str
    logged: str
    expiry_logged: bool = False

    @property
    def intact(self) -> bool | None:
        """Whether nothing was changed; ``None`` where it cannot be told any more, or not yet."""
        if not self.logged or (self.expiry_logged and not self.found):
            return None
        return self.found == self.logged == self.batch.digest
