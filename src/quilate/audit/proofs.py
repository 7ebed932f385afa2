"""Proofs that an entry is in the log, as text that is verified offline.

Source: C2SP tlog-proof.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quilate.audit.checkpoints import SignedCheckpoint, parse_checkpoint, verify_signature
from quilate.audit.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from quilate.audit.notes import VerifierKey, decode_base64

HEADER = "c2sp.org/tlog-proof@v1"
_MOST_HASHES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """An entry, its place, the hashes that lead from it to a root, and the checkpoint that has this root."""

    leaf: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """Return the proof without the entry."""
        hashes = [base64.b64encode(each).decode() for each in self.hashes]
        return "\n".join([HEADER, f"index {self.index}", *hashes, "", self.checkpoint])

    def document(self) -> dict[str, Any]:
        """Return the proof with its entry as plain JSON."""
        return {"leaf": base64.b64encode(self.leaf).decode(), "index": self.index, "proof": self.text()}


def read_document(document: Mapping[str, Any]) -> LogProof:
    """Return the proof that a document holds.

    Raises:
        ValueError: It holds none.
    """
    leaf, text = document.get("leaf"), document.get("proof")
    if not isinstance(leaf, str) or not isinstance(text, str):
        raise ValueError("the proof has no entry or no text")  # noqa: TRY004 - one kind of error for all that is wrong
    return parse_proof(text, decode_base64(leaf))


def parse_proof(text: str, leaf: bytes) -> LogProof:
    """Return the proof of an entry; a line of extra data is skipped, as nothing vouches for it.

    Raises:
        ValueError: It is none.
    """
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != HEADER:
        raise ValueError(f"it is no {HEADER}")
    if len(lines) > 1 and lines[1].startswith("extra "):
        del lines[1]
    number = lines[1].removeprefix("index ") if len(lines) > 1 else ""
    if not (number.isascii() and number.isdecimal()) or f"index {int(number[:20])}" != lines[1]:
        raise ValueError("the proof names no entry")
    hashes = tuple(map(decode_base64, lines[2:]))
    if len(hashes) > _MOST_HASHES or any(len(each) != HASH_BYTES for each in hashes):
        raise ValueError("the proof holds something else than hashes")
    return LogProof(leaf=leaf, index=int(number), hashes=hashes, checkpoint=checkpoint)


def verify_proof(proof: LogProof, keys: Sequence[VerifierKey]) -> SignedCheckpoint:
    """Return the checkpoint that a proof leads to, once a trusted key's signature and the proof itself hold.

    Args:
        proof: From anybody.
        keys: The log's trusted public keys. Where a key of the checkpoint's origin is among them all its signatures
            must be right, and there must be at least one.

    Raises:
        ValueError: What does not hold.
    """
    signed = parse_checkpoint(proof.checkpoint)
    lines = [(key, line) for key in keys for line in signed.note.signatures if line.is_by(key)]
    if not any(key.name == signed.checkpoint.origin for key, _ in lines):
        raise ValueError(f"no trusted key signed the checkpoint of {signed.checkpoint.origin}")
    if any(verify_signature(key, signed, line) is None for key, line in lines):
        raise ValueError("a signature of the checkpoint is wrong: it was changed after it was signed")
    head = signed.checkpoint
    if not verify_inclusion(proof.index, head.size, leaf_hash(proof.leaf), proof.hashes, head.root):
        raise ValueError("the entry is not in the log that the checkpoint is about")
    return signed
