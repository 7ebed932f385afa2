"""HTTP requests to addresses that users name: no private networks, no surprises from redirects, bounded in all ways.

A name is looked up once, its addresses are judged, and the connection goes to one of these: a second look-up cannot
lead elsewhere. Certificates are verified against the name. Proxies of the environment are not used.
"""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpcore

from quilate.domain.errors import QuilateError
from quilate.kit.outgoing.addresses import AddressPolicy, AddressRefusedError, address_literal

LONGEST_ANSWER_BYTES = 8 << 20
MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_PLACEHOLDER_STATUS = 202
_FAULTS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)
_PORTS = {"https": 443, "http": 80}


class OutgoingError(QuilateError):
    """A request that brought no answer: the address is refused, nobody answers, or too slowly.

    ``permanent``: sending it again cannot help.
    """

    def __init__(self, message: str, *, next_step: str = "", permanent: bool = False) -> None:
        super().__init__(message, next_step=next_step)
        self.permanent = permanent


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingAnswer:
    """What came back.

    Attributes:
        status: Of the answer.
        headers: With names in lower case; of several of one name the last.
        content: The body.
        url: Where it came from, after redirects.
        recorded: A dry run made it up; nothing was sent.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    recorded: bool = False

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            OutgoingError: It is none; some providers answer with pages.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "nothing that says what it is")
            raise OutgoingError(f"{_shown(self.url)} answered {self.status} with {kind} instead of JSON") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingStream:
    """An answer whose body is still arriving.

    Attributes:
        status: Of the answer; never a redirection.
        headers: With names in lower case; of several of one name the last.
        url: Where it comes from, after redirects.
        pieces: The body as it arrives; raises ``OutgoingError`` where it breaks off or stands still.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request as a dry run recorded it; what headers and the query hold of credentials is masked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class OutgoingHttp:
    """Sends requests; close it when done.

    Attributes:
        policy: Which addresses may be reached.
        timeout: Seconds that a whole request may take, redirects and reading included.
        dry_run: Only ``GET`` and ``HEAD`` are sent; the others are put into ``recorded`` and answered 202 with ``{}``.
        user_agent: What requests call themselves.
    """

    policy: AddressPolicy = field(default_factory=AddressPolicy)
    timeout: float = 30.0
    dry_run: bool = False
    user_agent: str = "quilate"
    verify: ssl.SSLContext | None = None
    recorded: list[SentRequest] = field(default_factory=list)
    _pool: httpcore.AsyncConnectionPool | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json_body: Any = None,
        content: bytes = b"",
        timeout: float | None = None,  # noqa: ASYNC109 - the limit of the whole exchange, redirects included
    ) -> OutgoingAnswer:
        """Return the answer, whatever its status.

        Redirects are followed to the same host only; those of other methods than ``GET`` only where the method stays.

        Raises:
            OutgoingError: There is none.
        """
        sent = {"user-agent": self.user_agent, "accept": "application/json"}
        if json_body is not None:
            # A lone surrogate, from a file's name for example, has no bytes in UTF-8.
            content = json.dumps(json_body, ensure_ascii=False).encode("utf-8", "replace")
            sent["content-type"] = "application/json"
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        if self.dry_run and method not in _SAFE_METHODS:
            self._require_address(url)
            masked = _masked(sent)
            self.recorded.append(SentRequest(method=method, url=_masked_url(url), headers=masked, body=content))
            return OutgoingAnswer(status=_PLACEHOLDER_STATUS, headers={}, content=b"{}", url=url, recorded=True)
        seconds = self.timeout if timeout is None else timeout
        self._require_address(url)
        try:
            async with asyncio.timeout(seconds):
                return await self._followed(method, url, sent, content)
        except TimeoutError as error:
            raise OutgoingError(f"{_shown(url)} did not answer within {seconds:g} s") from error

    async def _followed(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> OutgoingAnswer:
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._exchanged(method, url, headers, content)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            following = _joined(url, target)
            if _origin(following) != _origin(url):
                raise OutgoingError(
                    f"{_shown(url)} sends requests on to {_shown(following)}",
                    next_step="set the address that is meant",
                    permanent=True,
                )
            if method not in _SAFE_METHODS and answer.status not in {301, 307, 308}:
                return answer
            url = following
        raise OutgoingError(f"{_shown(url)} sends requests on and on", next_step="set the address that is meant")

    async def _exchanged(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> OutgoingAnswer:
        self._require_address(url)
        with _as_outgoing(url):
            fields = [(name.encode(), value.encode()) for name, value in headers.items()]
            async with self._connections().stream(
                method, url.encode("ascii"), headers=fields, content=content
            ) as response:
                body = await _bounded(response.aiter_stream(), url)
        received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return OutgoingAnswer(status=response.status, headers=received, content=body, url=url)

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, idle_seconds: float | None = None
    ) -> AsyncIterator[OutgoingStream]:
        """Give the answer to a ``GET`` whose body may be of any length; the caller counts it.

        Redirects are followed to other hosts too, each address judged anew, without the caller's headers there.

        Args:
            url: Where from.
            headers: Sent to the address's own host only.
            idle_seconds: How long nothing may come; ``timeout`` where nothing is said.

        Raises:
            OutgoingError: There is none.
        """
        seconds = self.timeout if idle_seconds is None else idle_seconds
        own = {name.lower(): value for name, value in (headers or {}).items()}
        common = {"user-agent": self.user_agent, "accept": "*/*"}
        first = url
        self._require_address(first)
        for _ in range(MOST_REDIRECTS + 1):
            sent = common | (own if _origin(url) == _origin(first) else {})
            async with self._streamed(url, sent, seconds) as answer:
                target = answer.headers.get("location")
                if answer.status not in _REDIRECTS or not target:
                    yield answer
                    return
            url = _joined(url, target)
        raise OutgoingError(f"{_shown(first)} sends requests on and on", next_step="set the address that is meant")

    @asynccontextmanager
    async def _streamed(self, url: str, headers: Mapping[str, str], seconds: float) -> AsyncIterator[OutgoingStream]:
        self._require_address(url)
        limits = {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}
        with _as_outgoing(url):
            fields = [(name.encode(), value.encode()) for name, value in headers.items()]
            connections = self._connections()
            async with connections.stream(
                "GET", url.encode("ascii"), headers=fields, extensions={"timeout": limits}
            ) as response:
                received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                pieces = _read(response.aiter_stream(), url)
                yield OutgoingStream(status=response.status, headers=received, url=url, pieces=pieces)

    def _require_address(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise _invalid() from error
        if not url.isascii() or not url.isprintable() or " " in url:
            # No request line holds them (RFC 9112, 3.2); ``urlsplit`` reads over some.
            raise _invalid()
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise OutgoingError("only https:// addresses are used", next_step="correct it", permanent=True)
        if parts.scheme == "http" and not self.policy.allow_plain_http:
            raise OutgoingError(f"{_shown(url)} is not encrypted", next_step="use its https:// address", permanent=True)
        if "@" in parts.netloc:
            raise OutgoingError(
                "the address holds a user name", next_step="keep credentials in the connection", permanent=True
            )

    def _connections(self) -> httpcore.AsyncConnectionPool:
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            # A connection can only be used, and closed, in the event loop that opened it.
            self._loop = loop
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=self.verify or ssl.create_default_context(),
                max_connections=64,
                max_keepalive_connections=16,
                keepalive_expiry=15,
                network_backend=_FilteredNetwork(self.policy),
            )
        return self._pool

    async def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            await pool.aclose()


class _FilteredNetwork(httpcore.AsyncNetworkBackend):
    """Looks names up once, judges what they lead to and connects to that."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface has it
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        error: Exception | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error or httpcore.ConnectError(f"{host} has no address")

    async def _addresses(self, host: str, port: int) -> list[str]:
        literal = address_literal(host)
        if literal is not None:
            found = [str(literal)]
        else:
            try:
                entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                raise httpcore.ConnectError(f"{host} is not known") from error
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        self._policy.require(host, found)
        return found

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        del timeout, socket_options
        raise httpcore.ConnectError(f"{path} is no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def _as_outgoing(url: str) -> Iterator[None]:
    """Raise what goes wrong on the way to an address as ``OutgoingError``."""
    try:
        yield
    except AddressRefusedError as error:
        raise OutgoingError(error.message, next_step=error.next_step, permanent=True) from error
    except _FAULTS as error:
        raise OutgoingError(f"{_shown(url)} cannot be reached: {type(error).__name__}") from error
    except (UnicodeEncodeError, httpcore.UnsupportedProtocol) as error:
        raise _invalid() from error


async def _read(stream: AsyncIterator[bytes], url: str) -> AsyncIterator[bytes]:
    with _as_outgoing(url):
        async for piece in stream:
            yield piece


async def _bounded(stream: AsyncIterator[bytes], url: str) -> bytes:
    body = bytearray()
    async for piece in stream:
        body += piece
        if len(body) > LONGEST_ANSWER_BYTES:
            raise OutgoingError(f"{_shown(url)} answered with more than {LONGEST_ANSWER_BYTES >> 20} MiB")
    return bytes(body)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _joined(url: str, target: str) -> str:
    """Return where an answer sends a request on to.

    Raises:
        OutgoingError: To nothing that is an address.
    """
    try:
        following = urljoin(url, target)
        _origin(following)
    except ValueError as error:
        raise OutgoingError(f"{_shown(url)} sends requests on to no valid address", permanent=True) from error
    return following


def _invalid() -> OutgoingError:
    return OutgoingError("the address is not valid", next_step="correct it", permanent=True)


def _shown(url: str) -> str:
    """Return an address without its query, which may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"[:300]


_CREDENTIAL = re.compile(
    r"auth|token|secret|password|credential|cookie|api-?_?key|signature|\Akey\Z|\Asig\Z", re.IGNORECASE
)
_MASK = "***"


def _masked(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _MASK if _CREDENTIAL.search(name) else value for name, value in headers.items()}


def _masked_url(url: str) -> str:
    """Return an address without the values of its query that are credentials by their names."""
    parts = urlsplit(url)
    named = [each.partition("=") for each in parts.query.split("&")]
    query = "&".join(
        name + sign + (_MASK if sign and _CREDENTIAL.search(name) else value) for name, sign, value in named
    )
    return urlunsplit(parts._replace(query=query))
