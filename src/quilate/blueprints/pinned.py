"""Fetch a blueprint over https and believe it only once its digest fits."""

import hashlib
import hmac
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from quilate.blueprints.yaml_positions import MAX_BYTES, shown
from quilate.domain.errors import ConfigurationError

TIMEOUT_SECONDS = 20.0
CACHE = Path(".quilate", "cache", "blueprints")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Refuses to be sent from https to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:  # noqa: PLR0913, PLR0917 - urllib's signature
        if not newurl.startswith("https://"):
            raise ConfigurationError(f"the blueprint's server redirects to {shown(newurl)!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def pinned_content(url: str, digest: str, root: Path) -> bytes:
    """Return the content with the SHA-256 ``digest`` (hexadecimal), from the project's cache or from ``url``.

    Raises:
        ConfigurationError: It cannot be fetched, is too large, or is not what was pinned.
    """
    cached = root / CACHE / f"{digest}.yaml"
    try:
        content = cached.read_bytes() if cached.stat().st_size <= MAX_BYTES else b""
        if _fits(content, digest):
            return content
    except OSError:
        pass  # Not cached: it is fetched below.
    content = _fetch(url)
    if not _fits(content, digest):
        found = hashlib.sha256(content).hexdigest()
        raise ConfigurationError(
            f"{shown(url)} has changed: its SHA-256 is {found}, pinned is {digest}",
            next_step="read what changed before you pin the new digest",
        )
    _keep(cached, content)
    return content


def _fits(content: bytes, digest: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(content).hexdigest(), digest)


def _fetch(url: str) -> bytes:
    opener = urllib.request.build_opener(_HttpsOnly)
    request = urllib.request.Request(url, headers={"User-Agent": "quilate", "Accept": "*/*"})  # noqa: S310 - https only, by the reference's form
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            content: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigurationError(
            f"{shown(url)} cannot be fetched: {shown(str(reason))}",
            next_step="a blueprint that was fetched once is kept in .quilate/cache and needs no network",
        ) from error
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{shown(url)} has more than 1 MiB")
    return content


def _keep(cached: Path, content: bytes) -> None:
    """Write the cache entry whole or not at all; a project that cannot be written to goes without."""
    partial = cached.with_suffix(f".{os.getpid()}")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(cached)
    except OSError:
        return
