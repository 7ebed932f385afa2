"""Which files a run judges, and their digests."""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quilate.checks.workspace import Workspace
from quilate.domain.errors import ConfigurationError
from quilate.evidence.safe_text import unicode_text
from quilate.kit.canonical import file_digest, sha256_of
from quilate.kit.git import git_files
from quilate.runs.globs import compile_globs

NEVER_JUDGED = frozenset({".git", ".hg", ".svn", ".quilate", ".venv", "__pycache__", "node_modules", ".tox", ".nox"})
"""Directories that hold no work of the team; in a git repository git's own ignore rules come on top."""

WAIVER_MARKER = b"quilate: waive"

UNREADABLE = "unreadable"
"""Stands for the digest of a file that is there but cannot be read."""

_SHOWN_PATHS = 3

_CHECKSUM_BYTES = hashlib.sha256().digest_size
_RACY_SECONDS = 2
"""A file changed this shortly before it was digested may change again within the same time stamp."""


def list_workspace(root: Path, exclude: Iterable[str], nested_projects: Iterable[str] = ()) -> Workspace:
    """Return the judged files of the project at ``root``.

    In a git repository these are the tracked and the untracked, not ignored files; elsewhere all files outside
    ``NEVER_JUDGED``. Symbolic links that lead out of ``root`` are left out and reported.

    Raises:
        ConfigurationError: ``root`` is no directory, or its repository holds a ``.quilate``.
    """
    resolved = Path(os.path.realpath(root))
    if not resolved.is_dir():
        raise ConfigurationError(f"{root} is not a directory", next_step="give the path of a project")
    listed = git_files(resolved)
    candidates = _walk(resolved) if listed is None else listed
    if any(path.startswith(".quilate/") for path in listed or ()):
        # Its result cache would let a repository answer for its own checks.
        raise ConfigurationError(
            ".quilate is part of the git repository",
            next_step="`git rm -r --cached .quilate` and remove the directory: it is for this machine only",
        )
    excluded = compile_globs(exclude)
    nested = tuple(f"{name.strip('/')}/" for name in nested_projects)
    found: dict[str, list[str]] = {"file": [], "escaping": [], "repository": [], "other": [], "gone": []}
    for path in sorted({name.rstrip("/") for name in candidates}):
        if excluded(path) or f"{path}/".startswith(nested) or not NEVER_JUDGED.isdisjoint(path.split("/")[:-1]):
            continue
        found[_kind_of(resolved, path)].append(path)
    return Workspace(
        root=resolved,
        paths=tuple(found["file"]),
        escaping_links=tuple(found["escaping"]),
        repositories=tuple(found["repository"]),
    )


def _kind_of(root: Path, path: str) -> str:
    full = os.path.join(root, path)  # noqa: PTH118 - thousands of paths: strings are ten times as fast
    try:
        mode = os.lstat(full).st_mode
        if stat.S_ISLNK(mode):
            target = Path(os.path.realpath(full))
            if not target.is_relative_to(root):
                return "escaping"
            mode = target.stat().st_mode
        elif stat.S_ISDIR(mode):
            return "repository"  # Git lists a directory only where another repository begins: a submodule, for example.
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except OSError as error:
        raise _unreadable(error, path) from error
    return "file" if stat.S_ISREG(mode) else "other"


def _unreadable(error: OSError, path: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path!r} cannot be read: {error.strerror}",
        next_step="make it readable, or exclude it in quilate.yaml with a reason",
    )


def _walk(root: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise _unreadable(error, os.path.relpath(error.filename or root, root)) from error

    for parent, directories, names in os.walk(root, onerror=refuse):
        directories[:] = [name for name in directories if name not in NEVER_JUDGED]
        relative = os.path.relpath(parent, root)
        prefix = "" if relative == "." else relative.replace(os.sep, "/") + "/"
        for name in names:
            yield prefix + name
        for name in directories:
            if os.path.islink(os.path.join(parent, name)):  # noqa: PTH114, PTH118 - strings are ten times as fast
                yield prefix + name


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What is known of a file: enough to tell that it did not change, its digest, and whether it holds a waiver."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    digest: str
    waiver: bool

    def is_still(self, status: os.stat_result) -> bool:
        """Return whether a file's status is the one that it had when it was read.

        The time of the last change of status counts too: anybody can set back the time of modification.
        """
        return (self.size, self.modified_ns, self.changed_ns, self.inode) == (
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
        )


_ABSENT = FileRecord(0, 0, 0, 0, "absent", waiver=False)


class FileIndex:
    """Digests of files, remembered by size, times of modification and change, and inode between runs."""

    def __init__(self, root: Path, store: Path) -> None:
        self._root = root
        self._store = store
        self._opened = time.time()
        self._known = self._load()
        self._seen: dict[str, FileRecord] = {}

    def _load(self) -> dict[str, FileRecord]:
        try:
            content = self._store.read_bytes() if self._store.is_file() else b""
            if content[:_CHECKSUM_BYTES] != hashlib.sha256(content[_CHECKSUM_BYTES:]).digest():
                return {}
            return msgspec.msgpack.decode(content[_CHECKSUM_BYTES:], type=dict[str, FileRecord])
        except (OSError, ValueError):
            return {}

    def record(self, path: str) -> FileRecord:
        """Return what is known of a workspace path (an absolute path is taken as it is)."""
        seen = self._seen.get(path)
        if seen is None:
            seen = self._read(path)
            self._seen[path] = seen
        return seen

    def _read(self, path: str) -> FileRecord:
        full = os.path.join(self._root, path)  # noqa: PTH118 - thousands of paths: strings are ten times as fast
        try:
            status = os.stat(full)  # noqa: PTH116 - as above
        except (OSError, ValueError):
            return _ABSENT
        if not stat.S_ISREG(status.st_mode):
            return FileRecord(0, 0, 0, 0, "no file", waiver=False)  # Reading a pipe or a device might never end.
        known = self._known.get(path)
        if known and known.is_still(status):
            return known
        waiver = False
        try:
            if status.st_size <= 4 << 20:
                content = Path(full).read_bytes()
                digest = sha256_of(content)
                waiver = WAIVER_MARKER in content
            else:
                digest = file_digest(Path(full))
        except OSError:
            return FileRecord(0, 0, 0, 0, UNREADABLE, waiver=False)
        return FileRecord(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest=digest, waiver=waiver
        )

    def changed(self) -> tuple[str, ...]:
        """Return the files whose content is no longer what was recorded, in the order of their paths."""
        return tuple(path for path, record in sorted(self._seen.items()) if self._is_changed(path, record))

    def _is_changed(self, path: str, record: FileRecord) -> bool:
        try:
            if record.is_still(os.stat(os.path.join(self._root, path))):  # noqa: PTH116, PTH118 - as above
                return False
        except (OSError, ValueError):
            return record is not _ABSENT
        try:
            return self._read(path).digest != record.digest
        except OSError:
            return True

    def save(self, now_seconds: float) -> None:
        """Keep what was seen, but for files changed so shortly before reading that a later change could hide."""
        settled_ns = int((min(now_seconds, self._opened) - _RACY_SECONDS) * 1e9)
        kept = {
            path: record
            for path, record in self._seen.items()
            if record.inode
            and max(record.modified_ns, record.changed_ns) < settled_ns
            # A name that is not UTF-8 cannot be written; its file is digested again in every run.
            and (path.isascii() or unicode_text(path) == path)
        }
        if kept == self._known:
            return
        self._store.parent.mkdir(parents=True, exist_ok=True)
        partial = self._store.with_suffix(f".{os.getpid()}")
        content = msgspec.msgpack.encode(kept)
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        partial.replace(self._store)


def some_paths(paths: tuple[str, ...]) -> str:
    """Return the first few of many paths, for a message."""
    more = f" and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else ""
    return ", ".join(paths[:_SHOWN_PATHS]) + more
