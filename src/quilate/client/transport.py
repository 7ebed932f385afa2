"""Requests over HTTP: the token, repetition where it is safe, errors as exceptions."""

import email.utils
import ipaddress
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import msgspec

from quilate import __version__
from quilate.client.errors import ConnectionFailedError, NotAuthenticatedError, UnexpectedAnswerError, error_of
from quilate.domain.errors import ConfigurationError

API = "/api/v1"
_RETRIED = frozenset({429, 503})
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0

Result = TypeVar("Result")
Body = Callable[[], Iterable[bytes]]
"""Gives a body afresh for each try, so that an upload can be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the service is reached.

    Attributes:
        url: Address of the service, without ``/api/v1``.
        token: API token or access token; empty in the single-user mode.
        timeout_seconds: How long one answer may take to begin.
        patience_seconds: How long a request is repeated while the service is away or asks to come back later.
        certificates: File of certificate authorities instead of the machine's own.
    """

    url: str
    token: str = ""
    timeout_seconds: float = 30.0
    patience_seconds: float = 60.0
    certificates: str = ""


class Transport:
    """Sends requests of one client; safe for threads."""

    def __init__(self, connection: Connection) -> None:
        check_address(connection.url, has_token=bool(connection.token))
        self._connection = connection
        self._tokens = threading.Lock()
        self._access = connection.token
        self._refresh = ""
        self._http = httpx.Client(
            base_url=connection.url.rstrip("/"),
            timeout=httpx.Timeout(connection.timeout_seconds),
            # A redirect would carry the token to wherever it leads.
            follow_redirects=False,
            verify=_verification(connection.certificates),
            headers={"User-Agent": f"quilate/{__version__}", "Accept": "application/json"},
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def require_safe_address(self) -> None:
        """Refuse to send a secret to where it could be read on its way.

        Raises:
            ConfigurationError: It would go over the network unencrypted.
        """
        check_address(self._connection.url, has_token=True)

    def log_in(self, access: str, refresh: str) -> None:
        """Use these tokens from now on."""
        check_address(self._connection.url, has_token=bool(access))
        with self._tokens:
            self._access, self._refresh = access, refresh

    @property
    def refresh_token(self) -> str:
        """The token that keeps a login alive, empty without a login."""
        return self._refresh

    def request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        idempotency_key: str | None = None,
    ) -> httpx.Response:
        """Send a request below ``/api/v1`` and return its answer, repeated where that is safe.

        Raises:
            ServiceError: The service refused it.
            ConnectionFailedError: The service could not be reached within the patience.
        """
        sent = dict(headers or {})
        if method == "POST":
            sent["Idempotency-Key"] = idempotency_key or uuid4().hex
        if json is not None:
            sent["Content-Type"] = "application/json"
        content = msgspec.json.encode(json) if json is not None else None
        words = {name: value for name, value in (query or {}).items() if value is not None}

        def once() -> httpx.Response:
            return self._http.request(
                method,
                API + path,
                params=words,
                content=body() if body is not None else content,
                headers={**sent, **self._authorization()},
            )

        repeatable = method in _SAFE or "Idempotency-Key" in sent
        return self._with_login(lambda: self._repeated(once, repeatable=repeatable), path)

    def convert(self, answer: httpx.Response, form: type[Result]) -> Result:
        """Return an answer's JSON as a dataclass.

        Raises:
            UnexpectedAnswerError: It has another form.
        """
        try:
            return msgspec.json.decode(answer.content, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _unexpected(f"the answer of {answer.request.url.path} is not understood: {error}") from error

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Open an answer that is read piece by piece; one try only.

        Raises:
            ServiceError: The service refused it.
            ConnectionFailedError: The connection could not be made, or broke.
        """
        timeout = httpx.Timeout(self._connection.timeout_seconds, read=max(60.0, self._connection.timeout_seconds))
        try:
            with self._http.stream(
                "GET", API + path, headers={**headers, **self._authorization()}, timeout=timeout
            ) as answer:
                if answer.status_code >= 300:  # noqa: PLR2004 - not a success
                    answer.read()
                    self._raise_for(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def pause(self, number: int, wanted_seconds: float | None = None) -> float:
        """Wait before the next try and return how long it was."""
        seconds = wanted_seconds
        if seconds is None:
            seconds = min(_FIRST_PAUSE_SECONDS * 2**number, _LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret
        time.sleep(min(seconds, _LONGEST_PAUSE_SECONDS))
        return seconds

    @property
    def patience_seconds(self) -> float:
        """How long a broken connection is repeated."""
        return self._connection.patience_seconds

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access}"} if self._access else {}

    def _repeated(self, once: Callable[[], httpx.Response], *, repeatable: bool) -> httpx.Response:
        end = time.monotonic() + self._connection.patience_seconds
        number = 0
        while True:
            wanted = None
            try:
                answer = once()
                if answer.status_code not in _RETRIED or not repeatable:
                    self._raise_for(answer)
                    return answer
                wanted = _retry_after(answer)
                if time.monotonic() + (wanted or 0.0) >= end:
                    self._raise_for(answer)
            except httpx.TransportError as error:
                if not repeatable or time.monotonic() >= end:
                    raise self._unreachable(error) from error
            self.pause(number, wanted)
            number += 1

    def _with_login(self, send: Callable[[], httpx.Response], path: str) -> httpx.Response:
        used = self._access
        try:
            return send()
        except NotAuthenticatedError:
            if path.startswith("/auth/") or not self.renew(used):
                raise
        return send()

    @property
    def access_token(self) -> str:
        """The token that requests carry."""
        return self._access

    def renew(self, used: str) -> bool:
        """Get a new access token in place of the one that was refused; of several threads, the first does it for all.

        Returns:
            Whether there is one; without a login there is none to be had.
        """
        with self._tokens:
            if self._access != used:
                return True
            if not self._refresh:
                return False
            try:
                answer = self._http.post(f"{API}/auth/refresh", json={"refresh_token": self._refresh})
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            if answer.status_code != 200:  # noqa: PLR2004 - it worked
                self._refresh = ""
                return False
            tokens = self.convert(answer, dict[str, Any])
            self._access, self._refresh = str(tokens["access_token"]), str(tokens["refresh_token"])
            return True

    def _raise_for(self, answer: httpx.Response) -> None:
        if answer.status_code < 300 or answer.status_code == 304:  # noqa: PLR2004 - success, or nothing new
            return
        if answer.status_code < 400:  # noqa: PLR2004 - a redirect
            raise _unexpected(f"the service redirects to {answer.headers.get('location', 'nowhere')[:200]}")
        problem: Any = {}
        if "json" in answer.headers.get("content-type", ""):
            try:
                problem = msgspec.json.decode(answer.content)
            except (msgspec.DecodeError, UnicodeDecodeError):
                problem = {}
        raise error_of(answer.status_code, problem if isinstance(problem, dict) else {})

    def _unreachable(self, error: Exception) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self._connection.url} cannot be reached: {error or type(error).__name__}",
            next_step="see that the service runs there and that the address is right",
        )


def path_of(*parts: str) -> str:
    """Return a path below ``/api/v1``; nothing in a part can lead elsewhere."""
    if any(part in {"", ".", ".."} for part in parts):
        raise ConfigurationError(f"{parts!r} names nothing", next_step="give a name that is not empty")
    return "/" + "/".join(quote(part, safe="") for part in parts)


def check_address(url: str, *, has_token: bool) -> None:
    """Refuse an address that is none, or that a token must not be sent to in the clear.

    Raises:
        ConfigurationError: It is no ``http`` or ``https`` address, or a token would go over the network unencrypted.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        right = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
    except ValueError:
        right, host = False, ""
    if not right or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(
            "the service's address is no http:// or https:// address",
            next_step="give an address like https://quilate.example.org",
        )
    if has_token and parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"a token is not sent to {host} over unencrypted HTTP",
            next_step="give the service's https:// address",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _verification(certificates: str) -> Any:
    if not certificates:
        return True
    import ssl  # noqa: PLC0415 - most installations need no certificates of their own

    try:
        return ssl.create_default_context(cafile=certificates)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificates in {certificates} cannot be read", next_step="give a PEM file"
        ) from error


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def _unexpected(message: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(message, next_step="see that this is the address of a Quilate service")
