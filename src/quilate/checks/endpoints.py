"""Addresses of running services: read, refused where hostile, shown without what may be secret.

A binding's URL is hostile input: only ``http`` and ``https`` are spoken, user and password have no place in it, and
addresses that no service of a project has (link-local ones, where clouds answer with credentials, multicast and the
unspecified address) are refused before anything is sent.
"""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError

MAX_URL_LENGTH = 2048
"""Longer URLs are refused."""

_MAX_AUTHORITIES_BYTES = 4 << 20
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MEND = "mend the binding in quilate.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address that was read from a binding.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Host name or IP address, lower case, without brackets.
        port: From one to 65535.
        path: Path with ``/`` in front.
        query: Query without ``?``; may hold a secret, so it is never shown.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The address as findings name it: without query."""
        return self.origin + self.path

    @property
    def url(self) -> str:
        """The address as it is asked for, query included."""
        return f"{self.shown}?{self.query}" if self.query else self.shown


def parse_endpoint(url: str, *, schemes: tuple[str, ...] = ("http", "https"), default_scheme: str = "") -> Endpoint:
    """Read a URL, or ``host:port`` where ``default_scheme`` is given.

    Raises:
        EvidenceError: It is no address that may be asked.
    """
    if len(url) > MAX_URL_LENGTH or any(character <= " " or character == "\x7f" for character in url):
        raise EvidenceError("the URL is too long or has blanks or control characters", next_step=_MEND)
    text = f"{default_scheme}://{url}" if default_scheme and "://" not in url else url
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise EvidenceError(f"not a URL: {error}", next_step=_MEND) from error
    if parts.scheme not in schemes:
        raise EvidenceError(f"the URL must begin with {' or '.join(f'{name}://' for name in schemes)}", next_step=_MEND)
    if not parts.hostname or port == 0:
        raise EvidenceError("the URL has no host or no valid port", next_step=_MEND)
    if parts.username is not None or parts.password is not None:
        raise EvidenceError(
            "the URL holds a user or a password", next_step="bind credentials under `secret_headers` instead"
        )
    return _endpoint_of(parts, port)


def _endpoint_of(parts: SplitResult, port: int | None) -> Endpoint:
    return Endpoint(
        scheme=parts.scheme,
        host=(parts.hostname or "").lower(),
        port=port or _DEFAULT_PORTS[parts.scheme],
        path=parts.path or "/",
        query=parts.query,
    )


def require_reachable_address(endpoint: Endpoint) -> None:
    """Look the host up and refuse addresses that no service of a project has.

    Raises:
        EvidenceError: The name has no address, or one that is link-local, multicast or unspecified.
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EvidenceError(
            f"the host {endpoint.host!r} has no address", next_step="start the service or mend its URL in quilate.yaml"
        ) from error
    for entry in found:
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        judged = getattr(address, "ipv4_mapped", None) or address
        if judged.is_link_local or judged.is_multicast or judged.is_unspecified:
            raise EvidenceError(
                f"{endpoint.host!r} is a link-local, multicast or unspecified address, which is never asked",
                next_step=_MEND,
            )


def is_listening(endpoint: Endpoint, timeout: float) -> bool:
    """Return whether a connection can be had within ``timeout`` seconds, before anything heavy is loaded for it."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=timeout):
            return True
    except OSError:
        return False


def failure_reason(error: BaseException) -> str:
    """Return why a connection failed, in words without addresses or secrets."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ConnectionError):
        return "the connection was closed"
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__


def read_authorities(workspace: Workspace, ca_file: str) -> str:
    """Return the PEM text of a file of trusted authorities, or an empty string where none is bound.

    Raises:
        EvidenceError: It is not inside the workspace or holds no certificates.
    """
    if not ca_file:
        return ""
    try:
        text = workspace.read_bytes(ca_file, limit=_MAX_AUTHORITIES_BYTES).decode("ascii")
        ssl.create_default_context(cadata=text)
    except (UnicodeDecodeError, ssl.SSLError, ValueError) as error:
        raise EvidenceError(
            f"{ca_file!r} holds no certificates in PEM form", next_step="bind a PEM file as `ca_file`"
        ) from error
    return text
