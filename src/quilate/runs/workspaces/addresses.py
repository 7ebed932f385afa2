"""Which repositories may be cloned: the address, the path and the network behind it."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quilate.kit.outgoing.addresses import address_literal, is_public
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.limits import WorkspaceSettings

_LONGEST = 2048
_HOST = re.compile(r"\A(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z")
_HTTPS_PORT = 443
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRepository:
    """A repository on this machine, its path without links."""

    path: Path

    @property
    def address(self) -> str:
        """What git is given."""
        return str(self.path)

    @property
    def protocol(self) -> str:
        """The only transport that git may use."""
        return "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsRepository:
    """A repository behind ``https://``."""

    url: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """What git is given."""
        return self.url

    @property
    def protocol(self) -> str:
        """The only transport that git may use."""
        return "https"


Repository = LocalRepository | HttpsRepository


def parse_repository(location: str, project: str, settings: WorkspaceSettings) -> Repository:
    """Return the repository of an address; nothing is asked of the network.

    Args:
        location: A path, a ``file://`` or an ``https://`` address.
        project: Slug of the project that asks.
        settings: What is allowed.

    Raises:
        SourceRefusedError: Another kind of address, one with a user name or password, a path outside the allowed
            directories, or a host that is not allowed. The message holds nothing of a password.
    """
    if not location or len(location) > _LONGEST or not location.isprintable() or "\\" in location:
        raise SourceRefusedError(
            "the repository's address is empty, too long or holds a character that no address holds",
            next_step="give an https:// address, or the path of a repository on the server",
        )
    if location.startswith("/"):
        return _local(location, project, settings)
    scheme, separator, _ = location.partition("://")
    if separator and scheme.lower() == "file":
        parts = urlsplit(location)
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise _kind_refused()
        return _local(unquote(parts.path), project, settings)
    if separator and scheme.lower() == "https":
        return _https(location, settings)
    raise _kind_refused()


def _kind_refused() -> SourceRefusedError:
    return SourceRefusedError(
        "only https:// addresses, file:// addresses and absolute paths are cloned",
        next_step="give the repository's https:// address",
    )


def _https(location: str, settings: WorkspaceSettings) -> HttpsRepository:
    try:
        parts = urlsplit(location)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port or _HTTPS_PORT
    except ValueError as error:
        raise SourceRefusedError("the repository's address is not valid", next_step="correct it") from error
    if "@" in parts.netloc:
        raise SourceRefusedError(
            "the repository's address holds a user name or a password",
            next_step="leave it out, and have the project's credential for this host set by its administrator",
        )
    if parts.query or parts.fragment:
        raise SourceRefusedError(
            "the repository's address holds a query or a fragment", next_step="leave out ? and # and what follows"
        )
    address = address_literal(host)
    if address is None and not _HOST.match(host):
        raise SourceRefusedError("the repository's address has no valid host", next_step="correct it")
    if settings.allowed_hosts and host not in settings.allowed_hosts:
        raise SourceRefusedError(
            f"repositories at {host} are not allowed here", next_step="ask the installation's administrator"
        )
    if address is not None and not settings.allow_private_networks:
        _require_public(host, [str(address)])
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port == _HTTPS_PORT else f":{port}"
    return HttpsRepository(url=f"https://{shown}{suffix}{parts.path}", host=host, port=port)


def resolve_host(repository: HttpsRepository, settings: WorkspaceSettings) -> tuple[str, ...]:
    """Return the addresses that the connection is bound to, so that a second look-up cannot lead elsewhere.

    Behind a proxy, which looks up names itself, there are none.

    Raises:
        SourceRefusedError: The name leads into a network that is not allowed.
        SourceUnavailableError: The name is not known.
    """
    if any(os.environ.get(name) for name in _PROXIES):
        return ()
    try:
        found = socket.getaddrinfo(repository.host, repository.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceUnavailableError(
            f"the host {repository.host} is not known", next_step="correct the address, or run again later"
        ) from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not settings.allow_private_networks:
        _require_public(repository.host, addresses)
    return addresses


def _require_public(host: str, addresses: "list[str] | tuple[str, ...]") -> None:
    if not all(is_public(address) for address in addresses):
        raise SourceRefusedError(
            f"{host} leads into a private network",
            next_step="have the installation's administrator allow private networks, if it shall",
        )


def allowed_roots(project: str, settings: WorkspaceSettings) -> tuple[Path, ...]:
    """Return the directories below which a project may have repositories cloned by path, without links."""
    return tuple(
        Path(os.path.realpath(root.replace("{project}", project))) for root in settings.allowed_local_roots if root
    )


def _local(text: str, project: str, settings: WorkspaceSettings) -> LocalRepository:
    if not text.startswith("/") or "\0" in text:
        raise _kind_refused()
    roots = allowed_roots(project, settings)
    path = Path(os.path.realpath(text))
    if not any(path.is_relative_to(root) for root in roots):
        # The same words whether it is there or not: nobody learns what else is on this machine.
        raise _outside()
    directory = _git_directory(path)
    for part in (directory, *_reachable_stores(directory)):
        if not any(part.is_relative_to(root) for root in roots):
            raise _outside()
    return LocalRepository(path=path)


def _outside() -> SourceRefusedError:
    return SourceRefusedError(
        "no repository may be cloned from that path",
        next_step="ask the installation's administrator to allow its directory",
    )


def _git_directory(path: Path) -> Path:
    """Return where a repository keeps its objects and branches, a ``.git`` file followed.

    Raises:
        SourceRefusedError: It is no repository.
    """
    inner = path / ".git"
    candidate = path
    if inner.is_file():
        candidate = path / _one_line(inner).removeprefix("gitdir:").strip()
    elif inner.is_dir():
        candidate = inner
    candidate = Path(os.path.realpath(candidate))
    if not (candidate / "HEAD").exists():
        raise SourceRefusedError("there is no repository at that path", next_step="correct the path")
    return candidate


def _reachable_stores(directory: Path) -> set[Path]:
    """Return every place that git would read for a repository: shared directories, links, alternate objects."""
    found = {Path(os.path.realpath(directory / name)) for name in ("HEAD", "objects", "refs", "packed-refs", "config")}
    common = directory
    if (directory / "commondir").is_file():
        common = Path(os.path.realpath(directory / _one_line(directory / "commondir")))
        found |= {common, Path(os.path.realpath(common / "objects")), Path(os.path.realpath(common / "refs"))}
    waiting, known = [Path(os.path.realpath(common / "objects"))], set[Path]()
    while waiting and len(known) < _MOST_ALTERNATES:
        objects = waiting.pop()
        known.add(objects)
        found |= {objects} | _linked_entries(objects)
        alternates = objects / "info" / "alternates"
        lines = alternates.read_text("utf-8", "surrogateescape").splitlines() if alternates.is_file() else []
        if any(line.startswith('"') for line in lines):
            raise _outside()  # A quoted name: git would read another path than the one that is judged here.
        named = {Path(os.path.realpath(objects / line)) for line in lines if line and not line.startswith("#")}
        waiting += sorted(named - known)
    if waiting:
        raise SourceRefusedError("the repository borrows objects from too many others", next_step="repack it: git gc")
    return found


_MOST_ALTERNATES = 16


def _linked_entries(objects: Path) -> set[Path]:
    """Return where symbolic links among a repository's objects lead."""
    found = set()
    for parent, directories, names in os.walk(objects):
        for name in (*directories, *names):
            path = os.path.join(parent, name)  # noqa: PTH118 - a repository may hold many thousand loose objects
            if os.path.islink(path):  # noqa: PTH114 - as above
                found.add(Path(os.path.realpath(path)))
    return found


def _one_line(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.read(4096).decode("utf-8", "surrogateescape").strip()
