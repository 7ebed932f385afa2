"""Which files a run judges, and their digests."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quilate.checks.workspace import Workspace
from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import file_digest, sha256_of
from quilate.kit.git import git_output
from quilate.runs.globs import compile_globs

NEVER_JUDGED = frozenset({".git", ".hg", ".svn", ".quilate", ".venv", "__pycache__", "node_modules", ".tox", ".nox"})
"""Directories that hold no work of the team; in a git repository git's own ignore rules come on top."""

WAIVER_MARKER = b"quilate: waive"

_RACY_SECONDS = 2
"""A file changed this shortly before it was digested may change again within the same time stamp."""


def list_workspace(root: Path, exclude: Iterable[str], nested_projects: Iterable[str] = ()) -> Workspace:
    """Return the judged files of the project at ``root``.

    In a git repository these are the tracked and the untracked, not ignored files; elsewhere all files outside
    ``NEVER_JUDGED``. Symbolic links that lead out of ``root`` are left out and reported.

    Raises:
        ConfigurationError: ``root`` is no directory.
    """
    resolved = Path(os.path.realpath(root))
    if not resolved.is_dir():
        raise ConfigurationError(f"{root} is not a directory", next_step="give the path of a project")
    listed = _git_files(resolved)
    candidates = _walk(resolved) if listed is None else listed
    excluded = compile_globs(exclude)
    nested = tuple(f"{name.strip('/')}/" for name in nested_projects)
    paths, escaping = [], []
    for path in sorted(set(candidates)):
        if excluded(path) or path.startswith(nested) or not NEVER_JUDGED.isdisjoint(path.split("/")[:-1]):
            continue
        kind = _kind_of(resolved, path)
        if kind == "file":
            paths.append(path)
        elif kind == "escaping":
            escaping.append(path)
    return Workspace(root=resolved, paths=tuple(paths), escaping_links=tuple(escaping))


def _kind_of(root: Path, path: str) -> str:
    full = os.path.join(root, path)  # noqa: PTH118 - thousands of paths: strings are ten times as fast
    try:
        mode = os.lstat(full).st_mode
        if stat.S_ISLNK(mode):
            target = Path(os.path.realpath(full))
            if not target.is_relative_to(root):
                return "escaping"
            mode = target.stat().st_mode
    except OSError:
        return "gone"
    return "file" if stat.S_ISREG(mode) else "other"


def _git_files(root: Path) -> list[str] | None:
    """Return git's list of tracked and untracked files, or ``None`` outside a repository."""
    done = git_output(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if done is None:
        return None
    return [name.decode("utf-8", "surrogateescape") for name in done.split(b"\0") if name]


def _walk(root: Path) -> Iterator[str]:
    for parent, directories, names in os.walk(root):
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
    inode: int
    digest: str
    waiver: bool


class FileIndex:
    """Digests of files, remembered by size, modification time and inode between runs."""

    def __init__(self, root: Path, store: Path) -> None:
        self._root = root
        self._store = store
        self._known = self._load()
        self._seen: dict[str, FileRecord] = {}

    def _load(self) -> dict[str, FileRecord]:
        try:
            return msgspec.msgpack.decode(self._store.read_bytes(), type=dict[str, FileRecord])
        except (OSError, msgspec.DecodeError):
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
        except OSError:
            return FileRecord(0, 0, 0, "absent", waiver=False)
        known = self._known.get(path)
        if known and (known.size, known.modified_ns, known.inode) == (
            status.st_size,
            status.st_mtime_ns,
            status.st_ino,
        ):
            return known
        waiver = False
        if status.st_size <= 4 << 20:
            content = Path(full).read_bytes()
            digest = sha256_of(content)
            waiver = WAIVER_MARKER in content
        else:
            digest = file_digest(Path(full))
        return FileRecord(status.st_size, status.st_mtime_ns, status.st_ino, digest, waiver)

    def save(self, now_seconds: float) -> None:
        """Keep what was seen, but for files changed too shortly ago to be told apart from a later change."""
        settled_ns = int((now_seconds - _RACY_SECONDS) * 1e9)
        kept = {path: record for path, record in self._seen.items() if 0 < record.modified_ns < settled_ns}
        if kept == self._known:
            return
        self._store.parent.mkdir(parents=True, exist_ok=True)
        partial = self._store.with_suffix(f".{os.getpid()}")
        partial.write_bytes(msgspec.msgpack.encode(kept))
        partial.replace(self._store)
