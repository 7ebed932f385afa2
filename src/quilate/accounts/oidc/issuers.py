"""What an issuer publishes: its endpoints and its keys, remembered for minutes, asked for within bounds.

Source: OpenID Connect Discovery 1.0, section 4; RFC 7517 (JWK).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from quilate.accounts.oidc.errors import IssuerFaultError
from quilate.kit.outgoing.http import OutgoingError, OutgoingHttp

if TYPE_CHECKING:
    from jwt import PyJWK

KEYS_SECONDS = 600.0
"""So long keys are believed without another look: a key that an issuer withdraws stops to count within this time."""
STALE_SECONDS = 3600.0
"""So long they are believed while the issuer cannot be asked."""
REFRESH_SECONDS = 60.0
"""An unknown key makes us look again at most this often, or anybody could make us flood an issuer."""
RETRY_SECONDS = 5.0
"""After a failure the issuer is left alone for so long."""

LONGEST_ISSUER = 500
_MOST_ISSUERS = 256
_MOST_KEYS = 100
_LARGEST_DOCUMENT = 512 << 10
_TIMEOUT_SECONDS = 10.0
_SMALLEST_RSA_BITS = 2048
_OK = 200
_KINDS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}

ALGORITHMS = frozenset(_KINDS.values())
"""All asymmetric: a public key can never be taken for the secret of a signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where an issuer answers, as its discovery document says."""

    issuer: str
    keys: str
    authorization: str = ""
    token: str = ""


@dataclass(slots=True)
class _Known:
    """What is remembered of one issuer; times are those of a monotonic clock."""

    endpoints: Endpoints | None = None
    keys: Mapping[str, "PyJWK"] = field(default_factory=dict)
    read_at: float = -STALE_SECONDS
    failed_at: float = -RETRY_SECONDS
    fault: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def issuer_fault(issuer: str, *, allow_plain_http: bool = False) -> str | None:
    """Return what is wrong with the address of an issuer, ``None`` where nothing is."""
    try:
        parts = urlsplit(issuer)
        _ = parts.port
    except ValueError:
        return "cannot be read"
    schemes = {"https", "http"} if allow_plain_http else {"https"}
    if len(issuer) > LONGEST_ISSUER or not issuer.isascii() or not issuer.isprintable() or " " in issuer:
        return "is too long or holds characters that no address has"
    if parts.scheme not in schemes or not parts.hostname:
        return "does not begin with https://"
    if "?" in issuer or "#" in issuer or "@" in parts.netloc:
        return "holds a query, a fragment or a user"
    return None


class Issuers:
    """Asks issuers for endpoints and keys; one for each process.

    Args:
        http: Sends the requests; its policy decides which addresses may be reached.
        clock: Monotonic seconds.
    """

    def __init__(self, http: OutgoingHttp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    @property
    def allow_plain_http(self) -> bool:
        """Whether an issuer may be reached without encryption."""
        return self._http.policy.allow_plain_http

    @property
    def http(self) -> OutgoingHttp:
        """What sends the requests."""
        return self._http

    async def endpoints(self, issuer: str) -> Endpoints:
        """Return where an issuer answers.

        Raises:
            IssuerFaultError: It cannot be asked, or its document is not usable.
        """
        known = await self._current(issuer)
        if known.endpoints is None:
            raise IssuerFaultError(known.fault)
        return known.endpoints

    async def key(self, issuer: str, kid: str) -> "PyJWK | None":
        """Return a key of an issuer, ``None`` where it has none of that id.

        Raises:
            IssuerFaultError: It cannot be asked, or its documents are not usable.
        """
        known = await self._current(issuer)
        if kid not in known.keys and self._clock() - known.read_at >= REFRESH_SECONDS:
            await self._read(issuer, known, younger_than=REFRESH_SECONDS)
        return known.keys.get(kid)

    async def _current(self, issuer: str) -> _Known:
        known = self._known.get(issuer)
        if known is None:
            known = self._known[issuer] = _Known()
            while len(self._known) > _MOST_ISSUERS:
                self._known.popitem(last=False)
        self._known.move_to_end(issuer)
        await self._read(issuer, known, younger_than=KEYS_SECONDS)
        if self._clock() - known.read_at >= STALE_SECONDS:
            raise IssuerFaultError(known.fault or "it did not answer")
        return known

    async def _read(self, issuer: str, known: _Known, *, younger_than: float) -> None:
        """Read the documents again unless what is known is young enough, or the issuer has just failed."""
        async with known.lock:
            now = self._clock()
            if now - known.read_at < younger_than or now - known.failed_at < RETRY_SECONDS:
                return
            try:
                endpoints = await self._discover(issuer)
                keys = _keys_of(await self._document(endpoints.keys))
            except IssuerFaultError as fault:
                known.failed_at, known.fault = now, fault.reason
                return
            known.endpoints, known.keys, known.read_at, known.fault = endpoints, keys, now, ""

    async def _discover(self, issuer: str) -> Endpoints:
        document = await self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise IssuerFaultError("its discovery document is that of another issuer")
        keys = document.get("jwks_uri")
        if not isinstance(keys, str) or not keys:
            raise IssuerFaultError("its discovery document names no keys")
        named = {
            name: value if isinstance(value := document.get(f"{name}_endpoint"), str) else ""
            for name in ("authorization", "token")
        }
        return Endpoints(issuer=issuer, keys=keys, **named)

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._http.request("GET", url, timeout=_TIMEOUT_SECONDS)
            if answer.status != _OK or len(answer.content) > _LARGEST_DOCUMENT:
                raise IssuerFaultError(f"{urlsplit(url).hostname} answered {answer.status}")
            document = answer.json()
        except OutgoingError as error:
            raise IssuerFaultError(error.message) from error
        except RecursionError as error:
            raise IssuerFaultError("its document is nested too deeply") from error
        if not isinstance(document, dict):
            raise IssuerFaultError("its document is no JSON object")
        return document


def _keys_of(document: Mapping[str, Any]) -> dict[str, "PyJWK"]:
    """Return the usable keys of a JWK set by their ids; those of other kinds are left out, as RFC 7517 asks."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise IssuerFaultError("its keys are no list, or too many")
    found: dict[str, PyJWK] = {}
    for each in listed:
        key = _key_of(each)
        if key is not None and key.key_id is not None:
            found[key.key_id] = key
    return found


def _key_of(values: Any) -> "PyJWK | None":
    import jwt  # noqa: PLC0415 - only the service loads it

    if not isinstance(values, dict) or not isinstance(values.get("kid"), str):
        return None
    algorithm = _KINDS.get(str(values.get("kty")))
    if algorithm is None or values.get("use", "sig") != "sig" or values.get("alg", algorithm) != algorithm:
        return None
    if algorithm != "RS256" and values.get("crv") not in {"P-256", "Ed25519"}:
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in values.items() if name != "d"}, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    size = getattr(key.key, "key_size", _SMALLEST_RSA_BITS)
    return key if algorithm != "RS256" or size >= _SMALLEST_RSA_BITS else None
