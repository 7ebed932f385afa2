"""Append audit entries: they exist if and only if the change that they tell of was committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from quilate.audit.sql import QUERIES
from quilate.kit.canonical import canonical_json
from quilate.kit.database.database import Connection
from quilate.kit.ids import uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done.

    Attributes:
        action: What was done, ``noun.verb``: ``run.submitted``, ``waiver.approved``.
        actor: Who did it: ``user:<id>``, ``token:<id>``, ``system:quilate``; never a name or an address.
        subject: What it was done to: ``run:<id>``, ``blueprint:<id>@<version>``.
        project_id: In which project, if in one.
        details: Digests, states and ids; no personal data (that would outlive its erasure).
    """

    action: str
    actor: str
    subject: str
    project_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


async def append_entries(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Add entries within the caller's transaction; the sequencer gives them their places in the log."""
    if not entries:
        return
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    ids = [uuid7() for _ in entries]
    leaves = [
        canonical_json(
            {
                "id": str(entry_id),
                "at": at,
                "action": entry.action,
                "actor": entry.actor,
                "subject": entry.subject,
                "project": str(entry.project_id) if entry.project_id else None,
                "details": entry.details,
            }
        )
        for entry_id, entry in zip(ids, entries, strict=True)
    ]
    await connection.execute(
        QUERIES["append_entries"],
        {"ids": ids, "projects": [entry.project_id for entry in entries], "leaves": leaves},
    )
