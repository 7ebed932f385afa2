"""DSSE envelopes: a payload, its type and signatures over both.

Source: Dead Simple Signing Envelope 1.0, protocol.md (PAE, verification) and envelope.md (JSON form).
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from quilate.kit.canonical import canonical_json
from quilate.seals.strict_json import strict_object

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SIGNATURES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature; ``key_id`` only narrows which keys to try and proves nothing, and may be empty."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload with its signatures; nothing in it is to be believed before one of them is verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def signed_bytes(self) -> bytes:
        """Return what the signatures cover."""
        return pre_authentication_encoding(self.payload_type, self.payload)

    def encode(self) -> bytes:
        """Return the envelope as canonical JSON."""
        return canonical_json(
            {
                "payloadType": self.payload_type,
                "payload": base64.b64encode(self.payload).decode("ascii"),
                "signatures": [
                    {"keyid": signature.key_id, "sig": base64.b64encode(signature.signature).decode("ascii")}
                    for signature in self.signatures
                ],
            }
        )


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return ``PAE(type, body)`` of the DSSE protocol; lengths count bytes."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_envelope(content: bytes) -> Envelope:
    """Return the envelope in ``content``.

    Unknown members are ignored, as DSSE demands. Base64 may be standard or URL-safe, but only in its one canonical
    spelling, so that no byte of a payload or signature can change without notice.

    Raises:
        ValueError: It is no envelope.
    """
    document = strict_object(content)
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise ValueError(f"it does not have 1 to {MAX_SIGNATURES} signatures")
    return Envelope(
        payload_type=_text(document, "payloadType"),
        payload=_decoded(_text(document, "payload")),
        signatures=tuple(map(_signature, signatures)),
    )


def _signature(document: Any) -> Signature:
    if not isinstance(document, dict):
        raise ValueError("a signature is no object")  # noqa: TRY004 - one kind of error for all that is wrong
    key_id = document.get("keyid", "")
    if not isinstance(key_id, str):
        raise ValueError("a key id is no text")  # noqa: TRY004 - as above
    return Signature(key_id=key_id, signature=_decoded(_text(document, "sig")))


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing or no text")  # noqa: TRY004 - as above
    return value


def _decoded(text: str) -> bytes:
    standard = not ("-" in text or "_" in text)
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw, altchars=None if standard else b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("it holds text that is no base64") from error
    if (base64.b64encode(data) if standard else base64.urlsafe_b64encode(data)) != raw:
        raise ValueError("its base64 is not canonical")
    return data
