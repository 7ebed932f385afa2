"""Certificates of the demonstration service, made on the spot; nothing of them is in Quilate's sources."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, Name

AUTHORITY_DAYS = 365
"""How long the demonstration's own authority lives."""


def make_authority(certificate_file: Path, key_file: Path) -> None:
    """Make a certificate authority; its certificate is for all to read, its key for its owner."""
    from cryptography import x509  # noqa: PLC0415 - heavy, and only the demonstration needs it
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above

    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(key, "Credit risk demonstration authority", AUTHORITY_DAYS)
        .issuer_name(_name("Credit risk demonstration authority"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(certificate_file, key_file, certificate, key)


def issue_certificate(authority: tuple[Path, Path], certificate_file: Path, key_file: Path, *, days: int) -> None:
    """Issue a certificate for 127.0.0.1 that expires ``days`` days and half a day from now.

    ``authority`` is the authority's certificate and key.
    """
    from cryptography import x509  # noqa: PLC0415 - heavy, and only the demonstration needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above

    issuer = x509.load_pem_x509_certificate(authority[0].read_bytes())
    issuer_key = serialization.load_pem_private_key(authority[1].read_bytes(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the demonstration's authority has an elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    certificate = (
        _builder(key, "Credit risk service", days + 0.5)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    _write(certificate_file, key_file, certificate, key)


def _name(text: str) -> "Name":
    from cryptography import x509  # noqa: PLC0415 - heavy, and only the demonstration needs it
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - as above

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(key: "EllipticCurvePrivateKey", name: str, days: float) -> "CertificateBuilder":
    from cryptography import x509  # noqa: PLC0415 - heavy, and only the demonstration needs it

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _write(certificate_file: Path, key_file: Path, certificate: "Certificate", key: "EllipticCurvePrivateKey") -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - heavy, and only the demonstration needs it

    certificate_file.parent.mkdir(parents=True, exist_ok=True)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.parent.mkdir(parents=True, exist_ok=True)
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
