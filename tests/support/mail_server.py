"""Real SMTP servers on loopback, with certificates that a test makes and trusts."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Security = Literal["tls", "starttls", "none"]
PASSWORD = "password-of-the-sender"  # noqa: S105 - of a server that exists for a test


@dataclass(slots=True, kw_only=True)
class MailServer:
    """A server at ``port`` with what it took.

    Attributes:
        letters: Messages as they were parsed by their receiver.
        envelopes: Senders and recipients of the same.
        logins: Mechanisms of the logins that it took.
        refusals: Answers instead of 250 by recipient.
        data_answer: Answer to a message.
    """

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refusals: Mapping[str, str] = field(default_factory=dict)
    data_answer: str = "250 taken"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Take a message."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.letters.append(message_from_bytes(content, policy=policy.SMTP))
        self.envelopes.append((envelope.mail_from or "", tuple(envelope.rcpt_tos)))
        return self.data_answer

    def authenticated(
        self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, login: object
    ) -> AuthResult:
        """Tell whether a login is right."""
        assert isinstance(login, LoginPassword)
        right = login.password == PASSWORD.encode()
        if right:
            self.logins.append(mechanism)
        return AuthResult(success=right, handled=False)


@contextlib.asynccontextmanager
async def mail_server(
    security: Security = "starttls",
    certificate: "Certificate | None" = None,
    *,
    login: bool = False,
    without: tuple[str, ...] = (),
) -> AsyncIterator[MailServer]:
    """Run a server for the time of the block; ``without`` are the mechanisms of logins that it does not offer."""
    served = MailServer()
    context = certificate.server_context() if certificate is not None else None

    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        options: dict[str, Any] = {"tls_context": context} if security == "starttls" else {}
        if login:
            options |= {
                "authenticator": served.authenticated,
                "auth_required": security == "starttls",
                "auth_require_tls": security == "starttls",
                "auth_exclude_mechanism": list(without),
            }
        return SMTP(served, hostname="mail.test", loop=loop, **options)

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if security == "tls" else None)
    async with server:
        served.port = server.sockets[0].getsockname()[1]
        yield served


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate for names, signed by itself, in files."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def trusted(self) -> ssl.SSLContext:
        """Return a client's context that trusts this certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


def make_certificate(folder: Path, *names: str) -> Certificate:
    """Make a certificate for host names and addresses that is valid today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Quilate's tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = Certificate(certificate=folder / "certificate.pem", key=folder / "key.pem")
    paths.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
