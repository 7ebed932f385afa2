"""TLS handshakes that tell what a server accepts: versions, cipher suites, chain and host name.

Every question is a handshake of its own, with a context that asks nothing else, so that one fault never hides another:
an expired certificate is still checked against its authority, an unknown authority still against the host name.
"""

import socket
import ssl
import warnings
from dataclasses import dataclass
from enum import StrEnum

from quilate.checks.endpoints import Endpoint, failure_reason
from quilate.domain.errors import EvidenceError

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
"""The versions that are tried, oldest first. SSL 2 and 3 are in no OpenSSL that Python is built with today."""

_LOCAL_REASONS = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "UNSUPPORTED_SSL_VERSION"})
_HOST_NAME_ERRORS = frozenset({62, 63, 64})
_IGNORE_TIME = 0x200000
_PARTIAL_CHAIN = 0x80000
_MAX_CIPHER_HANDSHAKES = 64


class Answer(StrEnum):
    """What a server said to an offer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One handshake that came about.

    Attributes:
        version: OpenSSL's name, for example ``TLSv1.3``.
        cipher: OpenSSL's name of the cipher suite.
        certificate: The server's own certificate as DER.
    """

    version: str
    cipher: str
    certificate: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CipherSuite:
    """A cipher suite of TLS 1.2 or older that the local OpenSSL can offer."""

    name: str
    strength_bits: int
    authenticated: bool
    key_exchange: str


class TlsProbe:
    """Asks one server. ``authorities`` is PEM text that replaces the system's trust store, or empty."""

    def __init__(self, endpoint: Endpoint, *, server_name: str, authorities: str, timeout: float) -> None:
        self._endpoint = endpoint
        self._server_name = server_name
        self._authorities = authorities
        self._timeout = timeout

    def best_handshake(self) -> Handshake:
        """Return what the server chooses when everything is offered, nothing verified.

        Raises:
            EvidenceError: Nobody listens, or what listens does not speak TLS.
        """
        try:
            with self._handshake(_unverified()) as connection:
                return _describe(connection)
        except ssl.SSLError as error:
            reason = (error.reason or "unknown").lower().replace("_", " ")
            raise EvidenceError(
                f"{self._endpoint.origin} gave no TLS handshake: {reason}",
                next_step="bind the port on which the service speaks TLS",
            ) from error
        except OSError as error:
            raise EvidenceError(
                f"{self._endpoint.origin} could not be reached: {failure_reason(error)}",
                next_step="start the service, or mend its URL in quilate.yaml",
            ) from error

    def version_answers(self) -> dict[str, Answer]:
        """Return for each TLS version whether the server speaks it."""
        return {name: self._answer_to_version(version) for name, version in VERSIONS.items()}

    def _answer_to_version(self, version: ssl.TLSVersion) -> Answer:
        try:
            context = _unverified(version, version)
        except (ValueError, ssl.SSLError):
            return Answer.UNKNOWN
        return self._answer(context)

    def accepted_ciphers(self, suites: tuple[CipherSuite, ...]) -> tuple[CipherSuite, ...]:
        """Return which of the suites the server accepts; each handshake strikes one from the offer."""
        left = {suite.name: suite for suite in suites}
        accepted = []
        for _ in range(_MAX_CIPHER_HANDSHAKES):
            if not left:
                break
            context = _unverified(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(f"{':'.join(left)}:@SECLEVEL=0")
            try:
                with self._handshake(context) as connection:
                    chosen = left.pop(_describe(connection).cipher, None)
            except OSError:
                break
            if chosen is None:
                break
            accepted.append(chosen)
        return tuple(accepted)

    def chain_error(self, *, ignore_time: bool) -> str:
        """Return why the chain is not valid, or an empty string. The host name is not looked at."""
        context = ssl.create_default_context(cadata=self._authorities or None)
        context.check_hostname = False
        if ignore_time:
            context.verify_flags = ssl.VerifyFlags(context.verify_flags | _IGNORE_TIME)
        return self._verification_error(context)[1]

    def host_name_matches(self, certificate: bytes) -> bool:
        """Return whether the certificate is for this server name; only alternative names count (RFC 9525)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.hostname_checks_common_name = False
        context.load_verify_locations(cadata=certificate)
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _IGNORE_TIME | _PARTIAL_CHAIN)
        return self._verification_error(context)[0] not in _HOST_NAME_ERRORS

    def _verification_error(self, context: ssl.SSLContext) -> tuple[int, str]:
        try:
            with self._handshake(context):
                return 0, ""
        except ssl.SSLCertVerificationError as error:
            return error.verify_code, error.verify_message
        except ssl.SSLError as error:
            return -1, (error.reason or "the handshake failed").lower().replace("_", " ")
        except OSError as error:
            raise EvidenceError(
                f"{self._endpoint.origin} stopped answering: {failure_reason(error)}",
                next_step="run again when the service is steady",
            ) from error

    def _answer(self, context: ssl.SSLContext) -> Answer:
        try:
            with self._handshake(context):
                return Answer.ACCEPTED
        except ssl.SSLError as error:
            return Answer.UNKNOWN if error.reason in _LOCAL_REASONS else Answer.REFUSED
        except ConnectionRefusedError:
            return Answer.UNKNOWN
        except ConnectionError:
            return Answer.REFUSED
        except OSError:
            return Answer.UNKNOWN

    def _handshake(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        raw = socket.create_connection((self._endpoint.host, self._endpoint.port), timeout=self._timeout)
        try:
            return context.wrap_socket(raw, server_hostname=self._server_name)
        except BaseException:
            raw.close()
            raise


def offered_suites() -> tuple[CipherSuite, ...]:
    """Return every cipher suite up to TLS 1.2 that the local OpenSSL can offer without a shared secret."""
    context = _unverified()
    return tuple(
        CipherSuite(
            name=str(suite["name"]),
            strength_bits=int(suite["strength_bits"]),
            authenticated=bool(suite["aead"]),
            key_exchange=str(suite["kea"]),
        )
        for suite in context.get_ciphers()
        if suite["protocol"] != "TLSv1.3" and not str(suite["kea"]).endswith(("psk", "srp"))
    )


def _unverified(
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = minimum
        context.maximum_version = maximum
    return context


def _describe(connection: ssl.SSLSocket) -> Handshake:
    cipher = connection.cipher()
    return Handshake(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate=connection.getpeercert(binary_form=True) or b"",
    )
