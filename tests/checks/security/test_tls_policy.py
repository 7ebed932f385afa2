"""TLS_POLICY against real TLS servers on loopback, each with one fault (C16)."""

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from quilate.checks.endpoints import parse_endpoint
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.evidence.model import Evidence
from quilate.runs.canaries import run_canary
from tests.support.check_runner import fact_values, rules_of, run_check

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def issue(
    issuer: Authority | None,
    *,
    key: PrivateKey | None = None,
    days: float = 90,
    name: str = "127.0.0.1",
    authority: bool = False,
) -> Authority:
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quilate test")])
    now = datetime.now(UTC)
    alternative: x509.GeneralName
    try:
        alternative = x509.IPAddress(IPv4Address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if authority else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]))
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    )
    signer = issuer.key if issuer else own
    return Authority(own, builder.sign(signer, hashes.SHA256()))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return issue(None, authority=True, days=365)


Start = Callable[..., str]


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start TLS servers that shake hands and hang up; they have ended after the test."""
    with contextlib.ExitStack() as stack:

        def start(server: Authority, configure: Callable[[ssl.SSLContext], None] = lambda _: None) -> str:
            folder = tmp_path_factory.mktemp("server")
            private = server.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            (folder / "server.pem").write_bytes(private + server.pem)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.load_cert_chain(folder / "server.pem")
            configure(context)
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=_accept, args=(listener, context), daemon=True).start()
            return f"https://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def _accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.settimeout(5)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)


def probe(directory: Path, authority: Authority, url: str, **options: Any) -> Evidence:
    (directory / "ca.pem").write_bytes(authority.pem)
    binding = {"url": url, "ca_file": "ca.pem"} | options.pop("binding", {})
    return run_check("TLS_POLICY", directory, parameters=options, binding=binding)


def modern(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM")


def old(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")


def test_a_sound_endpoint_has_no_findings(tmp_path: Path, authority: Authority, serve: Start) -> None:
    evidence = probe(tmp_path, authority, serve(issue(authority), modern))
    assert evidence.findings == ()
    assert fact_values(evidence) == {
        "tls_version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "tls_versions_accepted": "TLSv1.2 TLSv1.3",
        "certificate_days_left": "89",
        "certificate_key_bits": "256",
        "certificate_chain_valid": True,
    }


def test_old_protocol_versions_are_found_although_the_best_one_is_new(
    tmp_path: Path, authority: Authority, serve: Start
) -> None:
    evidence = probe(tmp_path, authority, serve(issue(authority), old))
    (finding,) = [finding for finding in evidence.findings if finding.rule == "QL-TLS-001"]
    assert finding.measured == "TLSv1, TLSv1.1"
    assert fact_values(evidence)["tls_version"] == "TLSv1.3"


def test_block_chaining_is_discouraged_and_a_blueprint_can_forbid_it(
    tmp_path: Path, authority: Authority, serve: Start
) -> None:
    def block_chaining(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")

    url = serve(issue(authority), block_chaining)
    (low,) = probe(tmp_path, authority, url).findings
    assert (low.rule, low.severity, low.measured) == ("QL-TLS-009", "low", "ECDHE-ECDSA-AES128-SHA256")
    (high,) = probe(tmp_path, authority, url, forbidden_ciphers=["*-SHA256"]).findings
    assert (high.rule, high.severity) == ("QL-TLS-002", "high")
    assert high.measured == "ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES128-SHA256"


def test_cipher_without_encryption_is_found(tmp_path: Path, authority: Authority, serve: Start) -> None:
    def naked(context: ssl.SSLContext) -> None:
        context.set_ciphers("ECDHE-ECDSA-NULL-SHA:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0")

    findings = probe(tmp_path, authority, serve(issue(authority), naked)).findings
    assert ("QL-TLS-002", "ECDHE-ECDSA-NULL-SHA") in [(finding.rule, finding.measured) for finding in findings]


def test_unknown_authority_is_the_only_finding(tmp_path: Path, authority: Authority, serve: Start) -> None:
    stranger = issue(None, authority=True)
    evidence = probe(tmp_path, authority, serve(issue(stranger), modern))
    assert rules_of(evidence) == ["QL-TLS-003"]
    assert fact_values(evidence)["certificate_chain_valid"] is False
    assert probe(tmp_path, authority, serve(issue(stranger), modern), require_valid_chain=False).findings == ()


def test_certificate_for_another_name(tmp_path: Path, authority: Authority, serve: Start) -> None:
    url = serve(issue(authority, name="scoring.example"), modern)
    assert rules_of(probe(tmp_path, authority, url)) == ["QL-TLS-004"]
    assert rules_of(probe(tmp_path, authority, url, binding={"server_name": "scoring.example"})) == []


def test_expired_certificate_is_one_finding_and_its_authority_still_checked(
    tmp_path: Path, authority: Authority, serve: Start
) -> None:
    evidence = probe(tmp_path, authority, serve(issue(authority, days=-1), modern))
    assert rules_of(evidence) == ["QL-TLS-005"]
    assert fact_values(evidence)["certificate_days_left"] in {"-1", "-2"}
    stranger = issue(None, authority=True)
    evidence = probe(tmp_path, authority, serve(issue(stranger, days=-1), modern))
    assert rules_of(evidence) == ["QL-TLS-003", "QL-TLS-005"]


def test_short_lived_certificate_says_how_many_days_are_left(
    tmp_path: Path, authority: Authority, serve: Start
) -> None:
    url = serve(issue(authority, days=3.5), modern)
    (finding,) = probe(tmp_path, authority, url).findings
    assert (finding.rule, finding.measured, finding.limit) == ("QL-TLS-006", "3 days", "at least 14 days")
    assert probe(tmp_path, authority, url, min_days_valid=2).findings == ()


def test_small_key_is_found(tmp_path: Path, authority: Authority, serve: Start) -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the fault under test
    evidence = probe(tmp_path, authority, serve(issue(authority, key=small), lambda _: None))
    (finding,) = [finding for finding in evidence.findings if finding.rule == "QL-TLS-007"]
    assert (finding.measured, finding.limit) == ("1024 bits", "at least 2048 bits")


def test_signature_over_sha1_is_found(tmp_path: Path, serve: Start) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issuer = issue(None, key=key, authority=True, days=365)
    sound = issue(issuer)
    der = sound.certificate.public_bytes(serialization.Encoding.DER)
    sha256_with_rsa, sha1_with_rsa = (bytes.fromhex(f"06092a864886f70d0101{last}") for last in ("0b", "05"))
    weak = Authority(sound.key, x509.load_der_x509_certificate(der.replace(sha256_with_rsa, sha1_with_rsa)))
    assert "QL-TLS-008" in rules_of(probe(tmp_path, issuer, serve(weak)))


def test_a_minimum_that_the_server_does_not_meet(tmp_path: Path, authority: Authority, serve: Start) -> None:
    evidence = probe(tmp_path, authority, serve(issue(authority), modern), min_version="TLSv1.3")
    assert [(finding.rule, finding.measured) for finding in evidence.findings] == [("QL-TLS-001", "TLSv1.2")]


def test_nobody_listening_is_no_evidence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EvidenceError, match="could not be reached: the connection was refused"):
        run_check("TLS_POLICY", tmp_path, binding={"url": f"https://127.0.0.1:{port}"})


def test_silent_listener_is_no_evidence(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(EvidenceError, match="no answer in time"),
    ):
        run_check(
            "TLS_POLICY",
            tmp_path,
            parameters={"handshake_timeout_seconds": "0.2"},
            binding={"url": f"127.0.0.1:{listener.getsockname()[1]}"},
        )


def test_something_else_than_tls_is_no_evidence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(1024)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(EvidenceError, match="gave no TLS handshake"):
            run_check("TLS_POLICY", tmp_path, binding={"url": f"127.0.0.1:{listener.getsockname()[1]}"})
        thread.join(5)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("https://user:word@host.example", "holds a user or a password"),
        ("https://127.0.0.1:99999", "not a URL"),
        ("https://", "has no host"),
        ("https://host .example", "blanks or control characters"),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://[::ffff:169.254.169.254]", "link-local"),
        ("https://0.0.0.0", "unspecified"),
        ("https://no-such-host.invalid", "has no address"),
    ],
)
def test_hostile_addresses_are_refused_before_anything_is_sent(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(EvidenceError, match=reason) as caught:
        run_check("TLS_POLICY", tmp_path, binding={"url": url})
    assert "word" not in str(caught.value).replace("password", "")


def test_authorities_must_be_pem_inside_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"\xff\xfe no certificates")
    for ca_file, reason in (("ca.pem", "no certificates in PEM form"), ("../ca.pem", "leads out")):
        with pytest.raises(EvidenceError, match=reason):
            run_check("TLS_POLICY", tmp_path, binding={"url": "127.0.0.1:9", "ca_file": ca_file})


def test_unknown_versions_are_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="min_version"):
        run_check("TLS_POLICY", tmp_path, parameters={"min_version": "TLSv9"}, binding={"url": "127.0.0.1:9"})


def test_an_address_is_shown_without_its_query() -> None:
    endpoint = parse_endpoint("https://API.example/v1?token=hidden")
    assert (endpoint.shown, endpoint.url) == (
        "https://api.example:443/v1",
        "https://api.example:443/v1?token=hidden",
    )


def test_its_canary_is_red() -> None:
    assert run_canary("TLS_POLICY", "").red
