"""Append audit entries: they exist if and only if the change that they tell of was committed."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from quilate.audit.sql import QUERIES
from quilate.audit.tiles import LARGEST_LEAF
from quilate.kit.canonical import canonical_json, sha256_of
from quilate.kit.database.arrays import bytes_array, text_array, uuid_array
from quilate.kit.ids import uuid7s

if TYPE_CHECKING:
    # Exports are verified where no database's library is installed.
    from quilate.kit.database.database import Connection

_SALT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done.

    Attributes:
        action: What was done, ``noun.verb``: ``run.submitted``, ``waiver.approved``.
        actor: Who did it: ``user:<id>``, ``token:<id>``, ``system:quilate``; never a name or an address.
        subject: What it was done to: ``run:<id>``, ``blueprint:<id>@<version>``.
        project_id: In which project, if in one.
        details: Digests, states and ids; no personal data (that would outlive its erasure).
        personal: Personal data by name. The log holds only a salted hash of each value; value and salt lie beside it
            until ``erase_person`` deletes them.
        person: Whose data that is; the actor by default.
    """

    action: str
    actor: str
    subject: str
    project_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    person: str = ""


def salted_hash(salt: bytes, value: str) -> str:
    """Return what the log holds in place of a personal value (HMAC-SHA-256 under a salt of this value alone)."""
    return "hmac-sha256:" + hmac.new(salt, value.encode(), hashlib.sha256).hexdigest()


async def append_entries(connection: "Connection", entries: Sequence[AuditEntry]) -> None:
    """Add entries within the caller's transaction; the sequencer gives them their places in the log.

    Details that would make an entry longer than the log's formats allow (64 KiB) are replaced by their digest.
    """
    if not entries:
        return
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    ids = uuid7s(len(entries))
    salts = [{name: secrets.token_bytes(_SALT_BYTES) for name in entry.personal} for entry in entries]
    leaves = [leaf_of(entry_id, at, entry, salted) for entry_id, entry, salted in zip(ids, entries, salts, strict=True)]
    await connection.execute(
        QUERIES["append_entries"],
        {
            "ids": uuid_array(ids),
            "projects": uuid_array([entry.project_id for entry in entries]),
            "actions": text_array([storable(entry.action) for entry in entries]),
            "actors": text_array([storable(entry.actor) for entry in entries]),
            "subjects": text_array([storable(entry.subject) for entry in entries]),
            "leaves": bytes_array(leaves),
        },
    )
    if any(salts):
        await _keep_personal(connection, zip(ids, entries, salts, strict=True))


def storable(text: str) -> str:
    """Return a text without the one character that PostgreSQL cannot keep; the leaf keeps it."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def leaf_of(entry_id: UUID, at: str, entry: AuditEntry, salts: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an entry that are hashed: canonical JSON."""
    document = {
        "id": str(entry_id),
        "at": at,
        "action": entry.action,
        "actor": entry.actor,
        "subject": entry.subject,
        "project": str(entry.project_id) if entry.project_id else None,
        "details": entry.details,
    }
    if salts:
        document["personal"] = {name: salted_hash(salt, entry.personal[name]) for name, salt in salts.items()}
    leaf = canonical_json(document)
    if len(leaf) > LARGEST_LEAF:
        details = canonical_json(entry.details)
        leaf = canonical_json({**document, "details": {"digest": sha256_of(details), "bytes": len(details)}})
    if len(leaf) > LARGEST_LEAF:
        raise ValueError(f"an audit entry of {len(leaf)} bytes is too long for the log")
    return leaf


async def _keep_personal(
    connection: "Connection", appended: Iterable[tuple[UUID, AuditEntry, Mapping[str, bytes]]]
) -> None:
    rows = [
        (entry_id, name, entry.person or entry.actor, salt, entry.personal[name])
        for entry_id, entry, salts in appended
        for name, salt in salts.items()
    ]
    columns = zip(*rows, strict=True)
    names = ("entries", "names", "persons", "salts", "values")
    await connection.execute(QUERIES["keep_personal"], dict(zip(names, map(list, columns), strict=True)))


async def erase_person(connection: "Connection", person: str) -> int:
    """Delete what the log keeps about a person beside its hashes, and return how many values that were.

    No entry changes, so every proof stays valid; without its salt a hash tells nothing about the value.
    """
    cursor = await connection.execute(QUERIES["erase_person"], {"person": person})
    return cursor.rowcount
