"""Random secrets that are shown once and stored as their hash only.

A hash without salt and work factor is right for them: with 256 random bits there is nothing to guess
(source: OWASP Application Security Verification Standard 5.0, 6.5 and 7.2).
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

_API_TOKEN = re.compile(r"ql_([0-9a-f]{10})_([0-9a-f]{64})")
LONGEST_CREDENTIAL = 2048
"""Characters of a credential at most; an access token has about 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret and its hash; only ``hash`` is stored."""

    text: str = field(repr=False)
    hash: bytes = field(repr=False)
    prefix: str = ""


def hash_of(secret: str) -> bytes:
    """Return the SHA-256 of a secret, by which it is looked up."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_secret() -> Secret:
    """Return 256 random bits for a link or a refresh token."""
    text = secrets.token_urlsafe(32)
    return Secret(text=text, hash=hash_of(text))


def new_api_token() -> Secret:
    """Return a token ``ql_<prefix>_<secret>``: its form lets scanners of repositories find it where it leaks."""
    prefix = secrets.token_hex(5)
    text = f"ql_{prefix}_{secrets.token_hex(32)}"
    return Secret(text=text, hash=hash_of(text), prefix=prefix)


def is_api_token(text: str) -> bool:
    """Tell whether a credential has the form of an API token."""
    return _API_TOKEN.fullmatch(text) is not None
