"""Directories that processes of one machine share: made once, leased while used, the longest unused deleted first.

A lease is a lock on an open file, so the death of its process ends it. What a process left half made is never taken
for whole: directories are renamed to their place when everything is in them.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from quilate.domain.errors import InternalError
from quilate.runs.workspaces.tree_writer import remove_tree

TREES = "trees"
MIRRORS = "mirrors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is remembered of a finished directory: its length in bytes, its state, and its maker's own words."""

    size_bytes: int
    state: str = ""
    notes: Any = None


class Lease:
    """A directory that is not deleted until ``close``."""

    def __init__(self, path: Path, entry: Entry, descriptor: int) -> None:
        self.path = path
        self.entry = entry
        self._descriptor = descriptor

    def close(self) -> None:
        """Let the directory be deleted when room is needed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class DirectoryCache:
    """Trees and mirrors below one directory that only this user may enter."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root = Path(os.path.realpath(root))
        self._limit = limit_bytes
        for name in ("", TREES, MIRRORS, "partial", "locks", "entries"):
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        # Whoever looks upwards from a tree for a repository ends here, and not at one that this directory lies in.
        (self.root / ".git").touch(mode=0o400)

    def lease_tree(self, key: str, make: Callable[[Path], Any]) -> Lease:
        """Return a lease on a tree; ``make`` fills an empty directory where there is none yet.

        A tree whose files changed since it was made is made again: a program that ran beside it may have written
        to it.
        """
        descriptor = self._lock(self._lease_file(TREES, key), fcntl.LOCK_SH)
        try:
            path = self.root / TREES / key
            with self._held(f"{TREES}.{key}.make"):
                entry = self._entry(TREES, key)
                made = entry is None or not path.is_dir() or entry.state != state_of(path)
                if entry is None or made:
                    self._throw_away(TREES, key)
                    entry = self._make(key, path, make)
            os.utime(descriptor)
            lease = Lease(path, entry, descriptor)
            descriptor = -1
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        if made:
            self.prune()
        return lease

    @contextlib.contextmanager
    def mirror(self, key: str) -> Iterator[Path]:
        """Give a mirror's directory, to this thread alone among all processes."""
        descriptor = self._lock(self._lease_file(MIRRORS, key), fcntl.LOCK_EX)
        path = self.root / MIRRORS / key
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            yield path
            self._remember(MIRRORS, key, Entry(size_bytes=length_of(path)))
            os.utime(descriptor)
        finally:
            os.close(descriptor)

    def drop_mirror(self, key: str) -> None:
        """Delete a mirror that is held by the caller."""
        self._throw_away(MIRRORS, key)

    def prune(self) -> int:
        """Delete what nobody uses, the longest unused first, until the rest has room; return how many were deleted."""
        self._clear_partial()
        present = []
        for file in (self.root / "entries").iterdir():
            kind, _, key = file.name.partition(".")
            entry = self._entry(kind, key)
            with contextlib.suppress(FileNotFoundError):
                used = self._lease_file(kind, key).stat().st_mtime
                present.append((used, kind, key, entry.size_bytes if entry else 0))
        total = sum(size for *_, size in present)
        deleted = 0
        for _, kind, key, size in sorted(present):
            if total <= self._limit:
                break
            if self._delete_unused(kind, key):
                total -= size
                deleted += 1
        return deleted

    def _delete_unused(self, kind: str, key: str) -> bool:
        file = self._lease_file(kind, key)
        try:
            descriptor = self._lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            self._throw_away(kind, key)
            file.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        return True

    def _make(self, key: str, path: Path, make: Callable[[Path], Any]) -> Entry:
        partial = self.root / "partial" / f"{TREES}.{key}.{secrets.token_hex(8)}"
        partial.mkdir(mode=0o700)
        try:
            notes = make(partial)
            entry = Entry(size_bytes=length_of(partial), state=state_of(partial), notes=notes)
            # Renaming a folder asks for the right to write to it, for its own entry `..`.
            partial.chmod(0o700)
            partial.rename(path)
            path.chmod(0o555)
        except BaseException:
            remove_tree(partial)
            raise
        self._remember(TREES, key, entry)
        return entry

    def _throw_away(self, kind: str, key: str) -> None:
        (self.root / "entries" / f"{kind}.{key}").unlink(missing_ok=True)
        path = self.root / kind / key
        if path.is_dir():
            path.chmod(0o700)
            gone = self.root / "partial" / f"{kind}.{key}.{secrets.token_hex(8)}"
            path.rename(gone)
            remove_tree(gone)

    def _clear_partial(self) -> None:
        """Delete what processes that died have left half made."""
        for path in (self.root / "partial").iterdir():
            kind, key, _ = path.name.split(".")
            try:
                descriptor = self._lock(self.root / "locks" / f"{kind}.{key}.make", fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            try:
                remove_tree(path)
            finally:
                os.close(descriptor)

    def _remember(self, kind: str, key: str, entry: Entry) -> None:
        file = self.root / "entries" / f"{kind}.{key}"
        partial = self.root / "locks" / f"{kind}.{key}.{secrets.token_hex(8)}"
        partial.write_bytes(msgspec.json.encode(entry))
        partial.replace(file)

    def _entry(self, kind: str, key: str) -> Entry | None:
        try:
            return msgspec.json.decode((self.root / "entries" / f"{kind}.{key}").read_bytes(), type=Entry)
        except (OSError, msgspec.MsgspecError):
            return None

    def _lease_file(self, kind: str, key: str) -> Path:
        return self.root / "locks" / f"{kind}.{key}"

    @contextlib.contextmanager
    def _held(self, name: str) -> Iterator[None]:
        descriptor = self._lock(self.root / "locks" / name, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self, file: Path, operation: int) -> int:
        """Return a locked descriptor of ``file`` as it is now: who waited for a deleted one waits for the new one."""
        for _ in range(1000):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, operation)
                with contextlib.suppress(FileNotFoundError):
                    if file.stat().st_ino == os.fstat(descriptor).st_ino:
                        kept, descriptor = descriptor, -1
                        return kept
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        raise InternalError("a lock of the workspace cache was deleted over and over", next_step="report this")


def length_of(path: Path) -> int:
    """Return the length of all files of a tree, in bytes, a block for each beside."""
    return sum(status.st_size + 4096 for _, status in _entries(path))


def state_of(path: Path) -> str:
    """Return a digest over name, kind, length, times and inode of everything in a tree.

    The time of the last change of status cannot be set back without privileges, so writing to a file and making it look
    as before shows. The tree's own folder does not count: renaming it changes it.
    """
    digest = hashlib.sha256()
    for name, status in _entries(path):
        digest.update(os.fsencode(name) + b"\0")
        if stat.S_ISDIR(status.st_mode):
            digest.update(b"folder\n")
        else:
            times = (status.st_mtime_ns, status.st_ctime_ns)
            digest.update(repr((status.st_mode, status.st_size, status.st_ino, *times)).encode() + b"\n")
    return digest.hexdigest()


def _entries(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    for parent, directories, names in os.walk(path):
        directories.sort()
        for name in sorted((*directories, *names)):
            full = os.path.join(parent, name)  # noqa: PTH118 - a tree may hold a hundred thousand files
            yield os.path.relpath(full, path), os.lstat(full)
