"""Checkpoints: signed tree heads, and the cosignatures of witnesses.

Source: C2SP tlog-checkpoint (note text), tlog-cosignature (``cosignature/v1``, ``subtree/v1``).
"""

import base64
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from quilate.audit.merkle import HASH_BYTES
from quilate.audit.notes import (
    LONGEST_NAME,
    NoteSignature,
    SignatureType,
    SignedNote,
    VerifierKey,
    decode_base64,
    parse_note,
)
from quilate.domain.errors import ConfigurationError

_LARGEST_SIZE = 2**63 - 1
_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a log says about itself: how many entries it has and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer(Protocol):
    """A private key, wherever it lives: in a file, a key management service or a hardware module."""

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the plain signature (Ed25519 or ML-DSA-44 without context) of a message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with whatever signatures came with it; none of them is verified yet."""

    checkpoint: Checkpoint
    note: SignedNote


def parse_checkpoint(content: str) -> SignedCheckpoint:
    """Return the checkpoint of a signed note.

    Raises:
        ValueError: It is none.
    """
    note = parse_note(content)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):  # noqa: PLR2004 - origin, size and root
        raise ValueError("a checkpoint has at least three lines: origin, size and root")
    if len(lines[0].encode()) > LONGEST_NAME:
        raise ValueError("the checkpoint's origin is too long")
    size = lines[1]
    if not (size.isascii() and size.isdecimal()) or str(int(size[:20])) != size or int(size) > _LARGEST_SIZE:
        raise ValueError("the checkpoint's size is no number")
    root = decode_base64(lines[2])
    if len(root) != HASH_BYTES:
        raise ValueError("the checkpoint's root is no hash")
    return SignedCheckpoint(checkpoint=Checkpoint(origin=lines[0], size=int(size), root=root), note=note)


def signed_message(key: VerifierKey, text: str, checkpoint: Checkpoint, timestamp: int) -> bytes:
    """Return the bytes that a key of its type signs for a checkpoint.

    Args:
        key: The key; its type decides.
        text: The note's text, with extension lines if there are any.
        checkpoint: What it says.
        timestamp: Seconds since 1970; not part of plain Ed25519 signatures.
    """
    if key.type is SignatureType.ED25519:
        return text.encode()
    if key.type is SignatureType.COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(name)]) + name,
            _TIME.pack(timestamp),
            bytes([len(origin)]) + origin,
            _TIME.pack(0),
            _TIME.pack(checkpoint.size),
            checkpoint.root,
        )
    )


def sign_checkpoint(checkpoint: Checkpoint, signers: Iterable[Signer], timestamp: int) -> SignedNote:
    """Return a note with one signature of each signer."""
    text = checkpoint.text()
    return SignedNote(text=text, signatures=tuple(cosign(checkpoint, signer, timestamp) for signer in signers))


def cosign(checkpoint: Checkpoint, signer: Signer, timestamp: int) -> NoteSignature:
    """Return a signer's signature of a checkpoint; witnesses make theirs with keys of a cosignature type."""
    key = signer.verifier
    signature = signer.sign(signed_message(key, checkpoint.text(), checkpoint, timestamp))
    if key.type is not SignatureType.ED25519:
        signature = _TIME.pack(timestamp) + signature
    return NoteSignature(name=key.name, key_id=key.key_id, signature=signature)


def verify_raw(key: VerifierKey, message: bytes, signature: bytes) -> bool:
    """Tell whether a plain signature is a key's.

    Raises:
        ConfigurationError: The installed library lacks ML-DSA-44.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - only proofs need it

    try:
        if key.type is SignatureType.COSIGNATURE_ML_DSA_44:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415 - as above

            MLDSA44PublicKey.from_public_bytes(key.public_key).verify(signature, message)
        else:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

            Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    except (ImportError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            "this installation cannot verify ML-DSA-44 signatures", next_step="install a newer cryptography"
        ) from error
    return True


def verify_signature(key: VerifierKey, signed: SignedCheckpoint, signature: NoteSignature) -> int | None:
    """Return the time of a key's signature in seconds since 1970 (0 where it has none), ``None`` where it is wrong."""
    if not signature.is_by(key):
        return None
    content, timestamp = signature.signature, 0
    if key.type is not SignatureType.ED25519:
        if len(content) <= _TIME.size:
            return None
        timestamp, content = _TIME.unpack(content[: _TIME.size])[0], content[_TIME.size :]
        if timestamp > _LARGEST_SIZE:
            return None
    message = signed_message(key, signed.note.text, signed.checkpoint, timestamp)
    return timestamp if verify_raw(key, message, content) else None


def is_signed_by(keys: Sequence[VerifierKey], signed: SignedCheckpoint) -> bool:
    """Tell whether every one of these keys signed; a log that has two keys must use both."""
    return bool(keys) and all(
        any(verify_signature(key, signed, signature) is not None for signature in signed.note.signatures)
        for key in keys
    )
