"""Identity providers, and what of a login has to be remembered until the person comes back from one."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

LONGEST_RETURN = 500
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PLAIN = re.compile(r"[!-~]+")
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


class SecretKeeper(Protocol):
    """Encrypts what has to be stored and read again; ``kit.secrets.SecretBox`` is one."""

    def seal(self, plain: str, context: str) -> bytes:
        """Return ``plain`` encrypted, bound to ``context``."""
        ...

    def open(self, sealed: bytes, context: str) -> str:
        """Return what was sealed under the same ``context``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """Where people log in by OpenID Connect.

    Attributes:
        slug: Its name in addresses; it never changes, nor does the issuer: identities belong to both.
        client_secret: Encrypted; ``None`` for a public client.
        auto_create_domains: Whose e-mail addresses make a user who was not invited.
    """

    id: UUID
    slug: str
    name: str
    issuer: str
    client_id: str
    client_secret: bytes | None = field(repr=False)
    auto_create_domains: tuple[str, ...]
    enabled: bool
    created_at: datetime
    version: int

    @property
    def secret_context(self) -> str:
        """What the encrypted secret is bound to."""
        return f"identity-provider:{self.id}"


def provider_from(row: Mapping[str, Any]) -> IdentityProvider:
    """Return the provider of a row."""
    values = {name: row[name] for name in IdentityProvider.__dataclass_fields__}
    return IdentityProvider(**{**values, "auto_create_domains": tuple(row["auto_create_domains"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A login under way, as it is stored."""

    provider: IdentityProvider
    user_id: UUID | None
    return_to: str
    challenge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who came back from a provider, verified."""

    subject: str
    email: str | None
    email_verified: bool
    name: str


def derived(browser: str, purpose: str) -> str:
    """Return a value that only the browser's secret leads to: nothing that could be stolen lies in the database."""
    digest = hmac.new(browser.encode(), purpose.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_challenge(text: str) -> bool:
    """Tell whether a text can be an S256 challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def is_safe_return(text: str) -> bool:
    """Tell whether a browser may be sent there with a code: a path of ours, or a program on the same machine.

    A program that waits on the loopback interface is what RFC 8252, 7.3 has command line tools do.
    """
    if len(text) > LONGEST_RETURN or _PLAIN.fullmatch(text) is None or "\\" in text or "#" in text or "?" in text:
        return False
    if text.startswith("/"):
        return not text.startswith("//")
    try:
        parts = urlsplit(text)
        return parts.scheme == "http" and parts.hostname in _LOOPBACK and bool(parts.port) and "@" not in parts.netloc
    except ValueError:
        return False
