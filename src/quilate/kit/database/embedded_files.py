"""The files beside the embedded server's data: locks, password, sockets, the server's own record of itself."""

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from quilate.domain.errors import ConfigurationError
from quilate.kit.database.embedded_place import MAJOR_VERSION, Place, candidates_of

SOCKET_NAME = ".s.PGSQL.5432"
_MOST_SOCKET_BYTES = 107 if sys.platform == "linux" else 103
"""Longest path of a Unix socket (``sun_path`` without its closing NUL)."""
_LONGEST_LOG = 16 << 20
_STATUS_LINE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """What ``postmaster.pid`` says: the process, its socket directory, and whether it takes connections."""

    pid: int
    sockets: str
    ready: bool


def read_record(data: Path) -> ServerRecord | None:
    """Return the server's record of itself, which may be a dead server's."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        return ServerRecord(
            pid=int(lines[0]),
            sockets=lines[4] if len(lines) > 4 else "",  # noqa: PLR2004 - the file's fifth line
            ready=len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready",
        )
    except (OSError, ValueError, IndexError):
        return None


def is_server(pid: int, data: Path) -> bool:
    """Return whether a process is a PostgreSQL over ``data``: process ids are given again, after a restart soonest."""
    if sys.platform != "linux":
        return _is_listed(pid, data)
    try:
        # The server works in its data directory.
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False


def _is_listed(pid: int, data: Path) -> bool:
    argv = ["ps", "-p", str(pid), "-o", "command="]
    listed = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - fixed system command
    return "postgres" in listed.stdout and str(data) in listed.stdout


def make_password(place: Place) -> Path:
    """Return the file with the password, made where it is missing."""
    path = place.directory / "password"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if os.geteuid() != place.user:
                os.fchown(descriptor, place.user, place.user)
            os.write(descriptor, secrets.token_urlsafe(32).encode())
        finally:
            os.close(descriptor)
    return path


def read_password(directory: Path) -> str:
    """Return the password.

    Raises:
        ConfigurationError: Its file is missing or empty.
    """
    path = directory / "password"
    try:
        password = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        password = ""
    if not password:
        raise ConfigurationError(
            f"the database's password cannot be read from {path}", next_step="put the file back from a backup"
        )
    return password


def socket_directory(place: Place) -> Path:
    """Return a directory for the sockets that only the server's user may enter, short enough for a socket."""
    beside = place.directory / "socket"
    short = Path(tempfile.gettempdir())
    if len(os.fsencode(short)) > _MOST_SOCKET_BYTES // 2:
        short = Path("/tmp")  # noqa: S108 - the directory made in it is checked for its owner
    name = f"quilate-{os.geteuid()}-{hashlib.sha256(os.fsencode(place.directory)).hexdigest()[:16]}"
    for path in (beside, short / name):
        if len(os.fsencode(path / SOCKET_NAME)) <= _MOST_SOCKET_BYTES and _is_private(path, place.user):
            return path
    # Somebody else took the name: any other will do.
    path = Path(tempfile.mkdtemp(prefix="quilate-", dir=short))
    os.chown(path, place.user, -1)
    return path


def _is_private(path: Path, user: int) -> bool:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        os.chown(path, user, -1)
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o077


def forget_sockets(sockets: Path) -> None:
    """Remove what a dead server left in its socket directory."""
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (sockets / name).unlink(missing_ok=True)


def remove_sockets(sockets: Path) -> None:
    """Remove a socket directory."""
    shutil.rmtree(sockets, ignore_errors=True)


def server_address(password: str, sockets: Path | str) -> str:
    """Return the address of the embedded server's database."""
    return f"postgresql://quilate:{quote(password, safe='')}@/postgres?host={quote(str(sockets), safe='')}"


def refuse_other_version(data: Path) -> None:
    """Refuse a data directory of another major version of PostgreSQL.

    Raises:
        ConfigurationError: It is one.
    """
    try:
        found = (data / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return
    if found != MAJOR_VERSION:
        raise ConfigurationError(
            f"the data in {data} were written by PostgreSQL {found}, this program has {MAJOR_VERSION}",
            next_step=f"run the Quilate that wrote them, `quilate admin backup`, and restore with PostgreSQL"
            f" {MAJOR_VERSION}; docs/service.md says how",
        )


def log_end(log: Path, most: int = 600) -> str:
    """Return the last words of a log."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-most:].strip()
    except OSError:
        return ""


def rotate_log(log: Path) -> None:
    """Put a long log aside; one older is kept."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))


def running_address(directory: Path) -> str | None:
    """Return the address of the embedded server that runs for ``directory``, ``None`` where none does."""
    for candidate in candidates_of(directory.resolve()):
        record = read_record(candidate / "data")
        if record is not None and record.ready and is_server(record.pid, candidate / "data"):
            return server_address(read_password(candidate), record.sockets)
    return None
