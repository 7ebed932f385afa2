"""Reading the certificate that a server shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quilate.domain.errors import EvidenceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is judged of a server's own certificate.

    Attributes:
        not_before: Beginning of its validity, UTC.
        not_after: End of its validity, UTC.
        key_type: ``RSA``, ``DSA``, ``elliptic curve`` or the name of an Edwards-curve key's class.
        key_bits: Size of the public key.
        signature_hash: Lower-case name of the hash that its issuer signed, or empty where there is none (Ed25519).
    """

    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int
    signature_hash: str


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate from DER.

    Raises:
        EvidenceError: It is damaged or of a kind that nobody here knows.
    """
    from cryptography import x509  # noqa: PLC0415 - heavy, and only this check's own process needs it
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa  # noqa: PLC0415 - as above

    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        hash_algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceError("the server's certificate cannot be read") from error
    kinds: tuple[tuple[type, str], ...] = (
        (rsa.RSAPublicKey, "RSA"),
        (dsa.DSAPublicKey, "DSA"),
        (ec.EllipticCurvePublicKey, "elliptic curve"),
    )
    return Certificate(
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_type=next((name for kind, name in kinds if isinstance(key, kind)), type(key).__name__),
        key_bits=int(getattr(key, "key_size", 0)) or 8 * len(_raw(key)),
        signature_hash=hash_algorithm.name if hash_algorithm else "",
    )


def _raw(key: Any) -> bytes:
    """Return the bytes of an Edwards-curve key, whose size has no attribute of its own."""
    raw: bytes = key.public_bytes_raw() if hasattr(key, "public_bytes_raw") else b""
    return raw
