"""Write a tree whose names, sizes and links come from somebody who is not trusted."""

import errno
import os
import shutil
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.limits import TreeLimits

_LONGEST_NAME = 255
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class TreeWriter:
    """Writes files, folders and links below a new directory, and nothing anywhere else.

    Links are made at the end, so that no file is ever written through one; each is judged by where it really leads.
    """

    def __init__(self, root: Path, limits: TreeLimits, *, refuse_case_collisions: bool = False) -> None:
        self.root = Path(os.path.realpath(root))
        self.limits = limits
        self.total_bytes = 0
        self._names: set[str] = set()
        self._folders: set[tuple[str, ...]] = {()}
        self._links: list[tuple[str, str]] = []
        self._fold = refuse_case_collisions

    def parts_of(self, path: str) -> tuple[str, ...]:
        """Return the parts of a relative path.

        Raises:
            SourceRefusedError: It is absolute, leads upwards, or is longer or deeper than allowed.
        """
        parts = tuple(path.split("/"))
        if path.startswith("/") or any(part in {"", ".", ".."} for part in parts) or "\0" in path:
            raise SourceRefusedError(
                f"the path {shown(path)} leads out of the tree", next_step="make the source again without it"
            )
        if len(os.fsencode(path)) > self.limits.path_bytes or len(parts) > self.limits.depth:
            raise SourceRefusedError(
                f"the path {shown(path)} is longer or deeper than allowed", next_step="use shorter paths"
            )
        if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
            raise SourceRefusedError(f"the path {shown(path)} has too long a name", next_step="use shorter names")
        return parts

    def folder(self, path: str) -> None:
        """Make a folder; it may be there already."""
        self._make_folders(self.parts_of(path))

    def file(self, path: str, pieces: Iterable[bytes], *, executable: bool = False) -> None:
        """Write a file.

        Raises:
            SourceRefusedError: Its path is not allowed or there already, or a limit is exceeded.
            SourceUnavailableError: The disk is full.
        """
        parts = self.parts_of(path)
        self._claim(path)
        self._make_folders(parts[:-1])
        target = self.root.joinpath(*parts)
        size = 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(target, flags, 0o700), "wb") as stream:
                for piece in pieces:
                    size += len(piece)
                    self._count(path, size, len(piece))
                    stream.write(piece)
                os.fchmod(stream.fileno(), 0o555 if executable else 0o444)
        except OSError as error:
            raise _write_error(error, path) from error

    def copy(self, path: str, original: str) -> None:
        """Write a file with the content of one that is there already, as a hard link within an archive asks for."""
        source = self.root.joinpath(*self.parts_of(original))
        if source.is_symlink() or not source.is_file():
            raise SourceRefusedError(
                f"{shown(path)} is a hard link to {shown(original)}, which is no file before it",
                next_step="make the archive again without hard links",
            )
        with source.open("rb") as stream:
            executable = bool(os.fstat(stream.fileno()).st_mode & 0o100)
            self.file(path, iter(lambda: stream.read(1 << 20), b""), executable=executable)

    def link(self, path: str, target: str) -> None:
        """Note a symbolic link; ``finish`` makes it."""
        self.parts_of(path)
        self._claim(path)
        self._links.append((path, target))

    def finish(self) -> tuple[str, ...]:
        """Make the links and take away writing; return the paths of the links that lead out, which are not made."""
        made = []
        out = []
        for path, target in self._links:
            parts = self.parts_of(path)
            if not target or target.startswith("/") or "\0" in target or len(os.fsencode(target)) > _MOST_TARGET:
                out.append(path)
                continue
            self._make_folders(parts[:-1])
            full = self.root.joinpath(*parts)
            try:
                full.symlink_to(target)
            except OSError as error:
                raise _write_error(error, path) from error
            made.append((path, full))
        leading_out = [(path, full) for path, full in made if not _stays_inside(full, self.root)]
        for path, full in leading_out:
            full.unlink()
            out.append(path)
        for parent, _, _ in os.walk(self.root, topdown=False):
            os.chmod(parent, 0o555)  # noqa: PTH101, S103 - walk gives strings; below a directory of 0700
        return tuple(sorted(out))

    def _claim(self, path: str) -> None:
        name = unicodedata.normalize("NFC", path).casefold() if self._fold else path
        if name in self._names:
            raise SourceRefusedError(
                f"the path {shown(path)} is there twice"
                + (" on a file system without upper and lower case" if self._fold else ""),
                next_step="make the source again with each path once",
            )
        if len(self._names) >= self.limits.files:
            raise SourceRefusedError(
                f"the source holds more than {self.limits.files} files and folders",
                next_step="leave out what is not judged, or have the limit raised",
            )
        self._names.add(name)

    def _make_folders(self, parts: tuple[str, ...]) -> None:
        for length in range(1, len(parts) + 1):
            folder = parts[:length]
            if folder in self._folders:
                continue
            path = "/".join(folder)
            self._claim(path)
            try:
                self.root.joinpath(*folder).mkdir(mode=0o700)
            except OSError as error:
                raise _write_error(error, path) from error
            self._folders.add(folder)

    def _count(self, path: str, size: int, more: int) -> None:
        self.total_bytes += more
        if size > self.limits.file_bytes or self.total_bytes > self.limits.total_bytes:
            raise too_large(shown(path), self.limits)


_MOST_TARGET = 4096


def too_large(what: str, limits: TreeLimits) -> SourceRefusedError:
    """Return the error for a source that becomes more than is allowed."""
    return SourceRefusedError(
        f"with {what} the source is larger than {limits.file_bytes} bytes a file or {limits.total_bytes} in all",
        next_step="leave out what is not judged, or have the limit raised",
    )


def shown(path: str) -> str:
    """Return a hostile path as it may stand in a message: printable and short."""
    return repr(path if len(path) <= _SHOWN else path[:_SHOWN] + "…")


_SHOWN = 120


def _stays_inside(link: Path, root: Path) -> bool:
    try:
        return Path(os.path.realpath(link)).is_relative_to(root)
    except (OSError, ValueError):
        return False


def _write_error(error: OSError, path: str) -> SourceRefusedError | SourceUnavailableError:
    if error.errno in _FULL:
        return SourceUnavailableError("the worker's disk is full", next_step="free space, or lower the cache's size")
    if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
        return SourceRefusedError(
            f"the path {shown(path)} is there twice, or is a file and a folder",
            next_step="make the source again with each path once",
        )
    return SourceUnavailableError(f"{shown(path)} cannot be written: {error.strerror}", next_step="see the disk")


def remove_tree(path: Path) -> None:
    """Delete a tree whose folders may be read only, or a file."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for parent, _, _ in os.walk(path):
        os.chmod(parent, 0o700)  # noqa: PTH101 - walk gives strings
    shutil.rmtree(path, ignore_errors=True)
