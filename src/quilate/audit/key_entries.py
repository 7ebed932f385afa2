"""The log's keys as entries of the log itself: its first key, and every rotation signed by the old and the new key."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from quilate.audit.checkpoints import Signer, verify_raw
from quilate.audit.entries import AuditEntry
from quilate.audit.keys import LogKey
from quilate.audit.notes import VerifierKey, decode_base64, parse_verifier_key

CREATED = "audit.key-created"
ROTATED = "audit.key-rotated"
REPLACED = "audit.key-replaced"
KEY_ACTIONS = frozenset({CREATED, ROTATED, REPLACED})
KEY_PREFIX = b'{"action":"audit.key-'
"""How the leaf of every such entry begins: members of canonical JSON are sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key that takes over from the place of its entry on.

    Attributes:
        action: ``audit.key-created``, ``audit.key-rotated``, or ``audit.key-replaced`` when the old key was lost.
        old: The key before; empty for the first one.
        new: The key that signs every checkpoint which covers the entry.
    """

    action: str
    old: tuple[VerifierKey, ...]
    new: tuple[VerifierKey, ...]


class _Signed(msgspec.Struct):
    key: str
    signature: str


class _Details(msgspec.Struct):
    new: list[str]
    old: list[str] = []
    signatures: list[_Signed] = []


class _Leaf(msgspec.Struct):
    action: str
    details: _Details
    subject: str


@dataclass(slots=True)
class KeyChain:
    """Which keys the log says it has, by the places from which each signs.

    Attributes:
        origin: The log.
        keys: ``(first size that it signs, key)``, in order.
        lost: First sizes of keys that no older key vouches for.
    """

    origin: str
    keys: list[tuple[int, tuple[VerifierKey, ...]]] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)

    def at(self, size: int) -> tuple[VerifierKey, ...]:
        """Return the key that signs a checkpoint of this size."""
        return next((key for first, key in reversed(self.keys) if first <= size), ())

    def add(self, index: int, leaf: bytes) -> KeyEntry | None:
        """Take up the key of an entry, if it is a valid one in this place."""
        entry = read_key_entry(leaf, self.origin)
        if entry is None:
            return None
        last = self.keys[-1][1] if self.keys else ()
        if (entry.action == CREATED) != (not self.keys) or entry.old != last:
            return None
        self.keys.append((index + 1, entry.new))
        if entry.action == REPLACED:
            self.lost.add(index + 1)
        return entry


def created_entry(origin: str, key: LogKey) -> AuditEntry:
    """Return the entry of the log's first key, signed by itself."""
    return _entry(CREATED, origin, "system:quilate", (), key.verifiers, key.signers)


def rotated_entry(origin: str, actor: str, old: LogKey, new: LogKey) -> AuditEntry:
    """Return the entry of a rotation, signed by both keys."""
    return _entry(ROTATED, origin, actor, old.verifiers, new.verifiers, (*old.signers, *new.signers))


def replaced_entry(origin: str, actor: str, old: Sequence[VerifierKey], new: LogKey) -> AuditEntry:
    """Return the entry of a key that follows a lost one; verifiers must be told to trust it."""
    return _entry(REPLACED, origin, actor, tuple(old), new.verifiers, new.signers)


def _entry(  # noqa: PLR0913, PLR0917 - the parts of the statement
    action: str,
    origin: str,
    actor: str,
    old: tuple[VerifierKey, ...],
    new: tuple[VerifierKey, ...],
    signers: Iterable[Signer],
) -> AuditEntry:
    statement = _statement(action, origin, old, new)
    signatures = [
        {"key": str(signer.verifier), "signature": base64.b64encode(signer.sign(statement)).decode()}
        for signer in signers
    ]
    details: dict[str, Any] = {"old": list(map(str, old)), "new": list(map(str, new)), "signatures": signatures}
    return AuditEntry(action=action, actor=actor, subject=f"audit:{origin}", details=details)


def read_key_entry(leaf: bytes, origin: str) -> KeyEntry | None:
    """Return the key that an entry brings; ``None`` unless everybody signed it who has to."""
    if not leaf.startswith(KEY_PREFIX):
        return None
    try:
        read = msgspec.json.decode(leaf, type=_Leaf)
        old = tuple(map(parse_verifier_key, read.details.old))
        new = tuple(map(parse_verifier_key, read.details.new))
        signed = {parse_verifier_key(each.key): decode_base64(each.signature) for each in read.details.signatures}
    except (msgspec.MsgspecError, ValueError):
        return None
    if read.action not in KEY_ACTIONS or not new or (read.action == CREATED) == bool(old):
        return None
    needed = new if read.action == REPLACED else (*old, *new)
    statement = _statement(read.action, origin, old, new)
    if any(key.name != origin or not verify_raw(key, statement, signed.get(key, b"")) for key in needed):
        return None
    return KeyEntry(action=read.action, old=old, new=new)


def _statement(action: str, origin: str, old: Sequence[VerifierKey], new: Sequence[VerifierKey]) -> bytes:
    """Return what is signed; its first line keeps it apart from checkpoints and cosignatures."""
    lines = ["quilate-audit-key/v1", action, origin, *(f"old {key}" for key in old), *(f"new {key}" for key in new)]
    return "".join(f"{line}\n" for line in lines).encode()
