"""Replaces values by tokens: the same value gives the same token within a project, and nothing leads back.

Source: HMAC-SHA-256 (RFC 2104), cut to 128 bits (RFC 2104, section 5): two values share a token once in 2^64.
"""

import base64
import hmac
import json
import re
from typing import Any

PREFIX = "tok"
_TOKEN_BYTES = 16
_NAME = re.compile(r"\A[a-z][a-z0-9_]{0,31}\Z")
_LARGEST_CACHE = 100_000


def is_domain(name: str) -> bool:
    """Tell whether a name may stand in tokens: ``"x-tokenise": "customer"`` joins with its like only."""
    return bool(_NAME.match(name))


def text_of(value: Any) -> str:
    """Return what of a value is tokenised: texts and numbers of the same signs are the same."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Tokeniser:
    """Makes the tokens of one project.

    Args:
        key: The project's own, 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made: dict[tuple[str, str], str] = {}

    def token(self, value: Any, domain: str = "") -> str:
        """Return ``tok_`` or ``tok_DOMAIN_`` and 26 letters and digits."""
        text = text_of(value)
        found = self._made.get((domain, text))
        if found is None:
            digest = self._digest(b"token\0" + domain.encode() + b"\0", text)
            word = base64.b32encode(digest).rstrip(b"=").decode().lower()
            found = f"{PREFIX}_{domain}_{word}" if domain else f"{PREFIX}_{word}"
            if len(self._made) >= _LARGEST_CACHE:
                self._made.clear()
            self._made[domain, text] = found
        return found

    def subject(self, value: Any) -> bytes:
        """Return the 16 bytes by which the index of subjects knows somebody; blanks around a text do not count."""
        return self._digest(b"subject\0", text_of(value).strip())

    def _digest(self, purpose: bytes, text: str) -> bytes:
        message = purpose + text.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")[:_TOKEN_BYTES]
