"""Transport security of an endpoint: protocol versions, cipher suites and certificate.

Why: A service that still accepts an old protocol version or a weak cipher suite can be talked down to it, and a
certificate that runs out takes the service down with it; both are seen only by asking the running server.

Input: Binding ``url`` (``https://host:port`` or ``host:port``), ``ca_file`` (PEM file in the workspace that replaces
the system's trust store), ``server_name`` (sent and checked instead of the host). Handshakes only; no request is sent.

Facts: ``tls_version`` and ``cipher`` (chosen when everything is offered), ``tls_versions_accepted`` (separated by
blanks), ``certificate_days_left`` (whole days, negative once expired), ``certificate_key_bits``,
``certificate_chain_valid``.

Limits: ``min_version``, ``min_days_valid`` (days), ``min_rsa_bits``, ``min_elliptic_curve_bits``,
``forbidden_ciphers`` (patterns over OpenSSL's names), ``require_valid_chain``, ``require_refusal_proof`` (a version
that the local OpenSSL cannot offer leaves the check undecided instead of giving a note). Key and signature are judged
on the server's own certificate; those of its issuers by the local OpenSSL's verification.

Findings: ``QL-TLS-001`` old version accepted, ``QL-TLS-002`` forbidden cipher suite accepted, ``QL-TLS-003`` chain
not valid, ``QL-TLS-004`` certificate for another name, ``QL-TLS-005`` certificate out of its validity, ``QL-TLS-006``
certificate runs out soon, ``QL-TLS-007`` key too small, ``QL-TLS-008`` weak signature hash, ``QL-TLS-009``
discouraged cipher suite (static RSA or finite-field key exchange, block chaining without authentication).

Raises: EvidenceError when nobody answers, the answer is not TLS, or the binding is no usable address.

Source: RFC 9325 sections 3.1.1 (versions), 4.1 and 4.2 (cipher suites), 4.5 (key sizes, signature hashes); RFC 9525
(names); NIST SP 800-131A r3 draft (Triple DES disallowed). ``min_days_valid`` 14 is our own: two weeks to renew.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.endpoints import Endpoint, parse_endpoint, read_authorities, require_reachable_address
from quilate.checks.security.probing.certificates import Certificate, read_certificate
from quilate.checks.security.probing.tls import (
    VERSIONS,
    Answer,
    CipherSuite,
    Handshake,
    TlsProbe,
    offered_suites,
)
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Evidence,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    boolean_fact,
    number_fact,
    text_fact,
)
from quilate.kit.words import counted

_WEAK_HASHES = frozenset({"md5", "sha1"})
_MIN_STRENGTH_BITS = 128
_DISCOURAGED_KEY_EXCHANGES = frozenset({"kx-rsa", "kx-dhe"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPolicyParameters:
    """The blueprint's keys; bits and days as whole numbers."""

    min_version: Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    min_days_valid: int
    min_rsa_bits: int
    min_elliptic_curve_bits: int
    forbidden_ciphers: tuple[str, ...]
    require_valid_chain: bool
    require_refusal_proof: bool
    handshake_timeout_seconds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPolicyBinding:
    """The project file's keys: where the endpoint is and who vouches for it."""

    url: str
    ca_file: str = ""
    server_name: str = ""


class TlsPolicy:
    """Asks an endpoint by handshakes and judges versions, cipher suites and certificate."""

    parameters: ClassVar[type] = TlsPolicyParameters
    binding: ClassVar[type] = TlsPolicyBinding
    type: ClassVar[str] = "TLS_POLICY"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.SECURITY
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "severity_threshold": "medium",
            "min_version": "TLSv1.2",
            "min_days_valid": 14,
            "min_rsa_bits": 2048,
            "min_elliptic_curve_bits": 224,
            "forbidden_ciphers": (
                *("*NULL*", "*RC4*", "*RC2*", "*IDEA*", "*SEED*", "*DES-CBC*", "EXP-*", "*-EXP*", "*MD5*"),
                *("ADH-*", "AECDH-*"),
            ),
            "require_valid_chain": True,
            "require_refusal_proof": False,
            "handshake_timeout_seconds": Decimal(5),
        }
    )

    def produces(self, parameters: TlsPolicyParameters) -> tuple[FactSpec, ...]:
        """Return the facts of the handshake and of the certificate."""
        del parameters
        text, number = FactType.TEXT, FactType.NUMBER
        return (
            FactSpec(name="tls_version", type=text, description="the version chosen when all are offered"),
            FactSpec(name="cipher", type=text, description="the cipher suite chosen when all are offered"),
            FactSpec(name="tls_versions_accepted", type=text, description="all versions that the server speaks"),
            FactSpec(name="certificate_days_left", type=number, description="whole days until it expires"),
            FactSpec(name="certificate_key_bits", type=number, unit="count", description="size of the public key"),
            FactSpec(name="certificate_chain_valid", type=FactType.BOOLEAN, description="leads to a trusted authority"),
        )

    def inputs(self, parameters: TlsPolicyParameters, binding: TlsPolicyBinding) -> Inputs:
        """Return that it asks a running service and reads the authorities' file."""
        del parameters
        return Inputs(files=(binding.ca_file,) if binding.ca_file else (), endpoint=True)

    def run(self, context: Context) -> Evidence:
        """Shake hands until every question is answered."""
        parameters: TlsPolicyParameters = context.parameters
        binding: TlsPolicyBinding = context.binding
        endpoint = parse_endpoint(binding.url, schemes=("https",), default_scheme="https")
        require_reachable_address(endpoint)
        probe = TlsProbe(
            endpoint,
            server_name=binding.server_name or endpoint.host,
            authorities=read_authorities(context.workspace, binding.ca_file),
            timeout=min(float(parameters.handshake_timeout_seconds), context.timeout),
        )
        handshake = probe.best_handshake()
        certificate = read_certificate(handshake.certificate)
        answers = probe.version_answers()
        judge = _Judge(parameters, endpoint, datetime.now(UTC))
        chain_error = probe.chain_error(ignore_time=not judge.in_validity(certificate))
        findings = (
            *judge.versions(answers),
            *judge.ciphers(handshake, probe.accepted_ciphers(judge.unwanted(offered_suites()))),
            *judge.chain(chain_error),
            *judge.name(probe.host_name_matches(handshake.certificate), binding.server_name or endpoint.host),
            *judge.certificate(certificate),
        )
        days_left = judge.days_left(certificate)
        return Evidence(
            summary=f"{handshake.version}, certificate {counted(days_left, 'day')}",
            facts=(
                text_fact("tls_version", handshake.version),
                text_fact("cipher", handshake.cipher),
                text_fact("tls_versions_accepted", " ".join(_names(answers, Answer.ACCEPTED))),
                number_fact("certificate_days_left", days_left),
                number_fact("certificate_key_bits", certificate.key_bits, unit="count"),
                boolean_fact("certificate_chain_valid", value=not chain_error and judge.in_validity(certificate)),
            ),
            findings=findings,
            undecided=judge.unproven(answers) if parameters.require_refusal_proof else (),
            notes=_notes(answers),
        )

    def canary(self, directory: Path) -> Canary:
        """Write a self-signed certificate that has expired, and a server that shows it."""
        from quilate.checks.security.probing.canaries import write_tls_canary  # noqa: PLC0415 - canaries only

        return write_tls_canary(directory)


class _Judge:
    """Turns what the handshakes told into findings."""

    def __init__(self, parameters: TlsPolicyParameters, endpoint: Endpoint, now: datetime) -> None:
        self._parameters = parameters
        self._endpoint = endpoint
        self._now = now

    def in_validity(self, certificate: Certificate) -> bool:
        return certificate.not_before <= self._now < certificate.not_after

    def days_left(self, certificate: Certificate) -> int:
        return (certificate.not_after - self._now).days

    def versions(self, answers: Mapping[str, Answer]) -> Iterator[Finding]:
        old = [name for name in _names(answers, Answer.ACCEPTED) if self._too_old(name)]
        if old:
            yield self._finding(
                1,
                Severity.HIGH,
                f"The server accepts {', '.join(old)}",
                measured=", ".join(old),
                limit=f"at least {self._parameters.min_version}",
                fix=f"Set the server's lowest protocol version to {self._parameters.min_version}.",
            )

    def unproven(self, answers: Mapping[str, Answer]) -> tuple[Undecided, ...]:
        return tuple(
            Undecided(
                subject=name,
                reason=f"it is not proven that the server refuses {name}",
                next_step=f"run the check on a machine whose OpenSSL can offer {name}",
            )
            for name in _names(answers, Answer.UNKNOWN)
            if self._too_old(name)
        )

    def _too_old(self, version: str) -> bool:
        return VERSIONS[version] < VERSIONS[self._parameters.min_version]

    def unwanted(self, suites: tuple[CipherSuite, ...]) -> tuple[CipherSuite, ...]:
        return tuple(suite for suite in suites if self._forbidden(suite.name) or _discouraged(suite))

    def _forbidden(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._parameters.forbidden_ciphers)

    def ciphers(self, handshake: Handshake, accepted: tuple[CipherSuite, ...]) -> Iterator[Finding]:
        forbidden = {suite.name for suite in accepted if self._forbidden(suite.name)}
        if self._forbidden(handshake.cipher):
            forbidden.add(handshake.cipher)
        discouraged = {suite.name for suite in accepted} - forbidden
        if forbidden:
            yield self._finding(
                2,
                Severity.HIGH,
                f"The server accepts {len(forbidden)} forbidden cipher suite(s)",
                measured=", ".join(sorted(forbidden)),
                limit="none of " + ", ".join(self._parameters.forbidden_ciphers),
                fix="Restrict the server to ECDHE suites with AES-GCM or ChaCha20-Poly1305.",
            )
        if discouraged:
            yield self._finding(
                9,
                Severity.LOW,
                f"The server accepts {len(discouraged)} discouraged cipher suite(s)",
                measured=", ".join(sorted(discouraged)),
                limit="ECDHE key exchange with authenticated encryption of at least 128 bits (RFC 9325 4.1, 4.2)",
                fix="Restrict the server to ECDHE suites with AES-GCM or ChaCha20-Poly1305.",
            )

    def chain(self, error: str) -> Iterator[Finding]:
        if error and self._parameters.require_valid_chain:
            yield self._finding(
                3,
                Severity.HIGH,
                "The certificate's chain is not valid",
                measured=error,
                limit="a chain to a trusted authority",
                fix="Serve the full chain of a trusted authority, or bind the private authority's `ca_file`.",
            )

    def name(self, matches: bool, expected: str) -> Iterator[Finding]:  # noqa: FBT001 - the one thing judged here
        if not matches:
            yield self._finding(
                4,
                Severity.HIGH,
                "The certificate is for another name",
                measured="none of its alternative names matches",
                limit=f"an alternative name for {expected}",
                fix="Issue a certificate that lists this host among its subject alternative names.",
            )

    def certificate(self, certificate: Certificate) -> Iterator[Finding]:
        yield from self._validity(certificate)
        minimum = {
            "RSA": self._parameters.min_rsa_bits,
            "DSA": self._parameters.min_rsa_bits,
            "elliptic curve": self._parameters.min_elliptic_curve_bits,
        }.get(certificate.key_type, 0)
        if certificate.key_bits < minimum:
            yield self._finding(
                7,
                Severity.HIGH,
                f"The certificate's {certificate.key_type} key is too small",
                measured=f"{certificate.key_bits} bits",
                limit=f"at least {minimum} bits",
                fix="Issue a certificate for a new, larger key.",
            )
        if certificate.signature_hash in _WEAK_HASHES:
            yield self._finding(
                8,
                Severity.HIGH,
                "The certificate is signed over a weak hash",
                measured=certificate.signature_hash.upper(),
                limit="SHA-256 or stronger",
                fix="Have the certificate issued again with SHA-256 or stronger.",
            )

    def _validity(self, certificate: Certificate) -> Iterator[Finding]:
        days, minimum = self.days_left(certificate), self._parameters.min_days_valid
        if not self.in_validity(certificate):
            yield self._finding(
                5,
                Severity.CRITICAL,
                "The certificate is not valid today",
                measured=f"valid from {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}",
                limit=f"valid on {self._now:%Y-%m-%d}",
                fix="Renew the certificate and let the renewal run by itself.",
            )
        elif days < minimum:
            yield self._finding(
                6,
                Severity.MEDIUM,
                "The certificate runs out soon",
                measured=counted(days, "day"),
                limit=f"at least {counted(minimum, 'day')}",
                fix="Renew the certificate and let the renewal run by itself.",
            )

    def _finding(  # noqa: PLR0913 - one argument per column of the finding
        self, number: int, severity: Severity, message: str, *, measured: str, limit: str, fix: str
    ) -> Finding:
        rule = f"QL-TLS-{number:03}"
        return Finding(
            rule=RuleId(rule),
            kind=FindingKind.CONFIGURATION,
            severity=severity,
            message=message,
            location=Location(url=self._endpoint.origin),
            measured=measured,
            limit=limit,
            fix=fix,
            context=rule,
        )


def _discouraged(suite: CipherSuite) -> bool:
    weak = suite.strength_bits < _MIN_STRENGTH_BITS or not suite.authenticated
    return weak or suite.key_exchange in _DISCOURAGED_KEY_EXCHANGES


def _names(answers: Mapping[str, Answer], wanted: Answer) -> list[str]:
    return [name for name, answer in answers.items() if answer is wanted]


def _notes(answers: Mapping[str, Answer]) -> tuple[str, ...]:
    unknown = _names(answers, Answer.UNKNOWN)
    if not unknown:
        return ()
    return (f"not tried: {', '.join(unknown)}, because {ssl.OPENSSL_VERSION} here cannot offer it or got no answer",)
