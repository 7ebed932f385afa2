"""Who may be addressed, and from where: allowed hosts; in the single-user mode no page of another site."""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.problems import Problem

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"", "none", "same-origin"})
_HEALTH = "/health"


_NEXT = {
    False: "; operators set QUILATE_ALLOWED_HOSTS",
    True: ": the single-user mode answers to this machine's own names only",
}


class HostGuard:
    """Refuses requests for other hosts, and what a browser sends on behalf of another site.

    Args:
        app: The application.
        writer: Writes the refusals.
        hosts: Names without a port; ``*`` stands for any.
        local: Single-user mode: without a login a page of any site could act for the user, so nothing of another
            site is let through, not even a read.
    """

    def __init__(self, app: ASGIApp, *, writer: ProblemWriter, hosts: Sequence[str], local: bool = False) -> None:
        self._app = app
        self._writer = writer
        self._hosts = frozenset(host.lower() for host in hosts)
        self._any = "*" in self._hosts
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "http":
            problem = self._refusal(scope)
            if problem is not None:
                await self._writer.send(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        host = origin = site = cookie = b""
        hosts = 0
        for name, value in scope["headers"]:
            if name == b"host":
                host, hosts = value, hosts + 1
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"cookie":
                cookie = value
        named = host.decode("latin-1").lower()
        if hosts > 1:
            return Problem(status=400, type="malformed", detail="the request names several hosts")
        if not self._is_allowed(named, scope["path"]):
            return Problem(
                status=421,
                type="unknown-host",
                detail="the service does not answer under this host name",
                next_step="use the address that the service printed" + _NEXT[self._local],
            )
        # Elsewhere a login is needed, which a foreign page cannot send, cookies apart.
        guarded = self._local or (cookie and scope["method"] not in _SAFE_METHODS)
        if guarded and not _is_own_site(named, origin.decode("latin-1"), site.decode("latin-1")):
            return Problem(
                status=403,
                type="cross-site",
                detail="requests of other sites are refused",
                next_step="call the service from its own pages or from a program",
            )
        return None

    def _is_allowed(self, host: str, path: str) -> bool:
        if self._any and not self._local:
            return True
        # Probes of an orchestrator name the address of the machine.
        if not self._local and (path == _HEALTH or path.startswith(_HEALTH + "/")):
            return True
        return host_name(host) in self._hosts


@lru_cache(maxsize=256)
def host_name(host: str) -> str:
    """Return the name within a ``Host`` header, without port and brackets; empty where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        return "" if "@" in host or parts.path or parts.query or parts.fragment else (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_own_site(host: str, origin: str, site: str) -> bool:
    if site.lower() not in _OWN_SITES:
        return False
    if not origin:
        return True
    # Another port of this machine is another origin: any program may serve a page there.
    return origin.lower().partition("://")[2] == host
