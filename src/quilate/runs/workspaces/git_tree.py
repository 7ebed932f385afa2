"""Write the files of one commit from git's objects: no checkout, so no hook, filter or attribute ever counts."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.git_commands import Git
from quilate.runs.workspaces.limits import TreeLimits
from quilate.runs.workspaces.tree_writer import TreeWriter, shown, too_large

_PIECE = 1 << 20
_FILES = frozenset({b"100644", b"100755", b"100664"})
_LINK = b"120000"
_SUBMODULE = b"160000"
_LONGEST_TARGET = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a tree holds and a workspace does not: links that lead out, submodules, and a second repository."""

    links: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _TreeEntry:
    mode: bytes
    oid: bytes
    size: int
    path: str


def write_commit(git: Git, mirror: Path, commit: str, target: Path, limits: TreeLimits) -> LeftOut:
    """Write every file of a commit below ``target``, byte for byte as it is kept in the repository.

    Git LFS files stay the pointers that they are, line ends stay as they are, submodules are left out.

    Raises:
        SourceRefusedError: The tree is hostile or larger than allowed.
        SourceUnavailableError: The objects are incomplete, or the disk is full.
    """
    entries = _list(git, mirror, commit, limits)
    writer = TreeWriter(target, limits)
    with git.stream(f"--git-dir={mirror}", "cat-file", "--batch") as process:
        for entry in entries:
            if entry.mode in _FILES:
                content = _content(process, entry)
                writer.file(entry.path, content, executable=entry.mode == b"100755")
            elif entry.mode == _LINK:
                writer.link(entry.path, b"".join(_content(process, entry)).decode("utf-8", "surrogateescape"))
    links = writer.finish()
    return LeftOut(links=links, submodules=tuple(sorted(entry.path for entry in entries if entry.mode == _SUBMODULE)))


def _list(git: Git, mirror: Path, commit: str, limits: TreeLimits) -> list[_TreeEntry]:
    """Return the entries of a commit's tree, judged before anything is written.

    Trees within trees can name more files than there are atoms in the universe: reading stops at the limit.
    """
    entries: list[_TreeEntry] = []
    total = 0
    arguments = ("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
    with git.stream(f"--git-dir={mirror}", *arguments) as process:
        assert process.stdout is not None  # noqa: S101 - piped, told to the type checker
        for record in _records(process.stdout, limits):
            entry = _parse(record)
            entries.append(entry)
            total += entry.size
            if len(entries) > limits.files:
                raise SourceRefusedError(
                    f"the commit holds more than {limits.files} files",
                    next_step="give a smaller repository, or have the limit raised",
                )
            if entry.size > limits.file_bytes or total > limits.total_bytes:
                raise too_large(shown(entry.path), limits)
            _require_harmless(entry)
        if process.wait() != 0:
            raise _incomplete()
    return entries


def _records(stream: IO[bytes], limits: TreeLimits) -> Iterator[bytes]:
    waiting = b""
    while piece := stream.read(1 << 16):
        *whole, waiting = (waiting + piece).split(b"\0")
        yield from whole
        if len(waiting) > limits.path_bytes + 256:
            raise SourceRefusedError("the commit holds a path that is longer than allowed", next_step="shorten it")


def _parse(record: bytes) -> _TreeEntry:
    head, _, path = record.partition(b"\t")
    fields = head.split()
    if len(fields) != 4 or not path:  # noqa: PLR2004 - mode, type, id, size
        raise _incomplete()
    size = int(fields[3]) if fields[3].isdigit() else 0
    return _TreeEntry(mode=fields[0], oid=fields[2], size=size, path=path.decode("utf-8", "surrogateescape"))


def _require_harmless(entry: _TreeEntry) -> None:
    parts = entry.path.split("/")
    if any(part.casefold() == ".git" for part in parts):
        raise SourceRefusedError(f"the commit holds {shown(entry.path)}, which no commit may", next_step="remove it")
    if ".quilate" in parts:
        raise SourceRefusedError(
            ".quilate is part of the git repository",
            next_step="`git rm -r --cached .quilate` and remove the directory: it is for one machine only",
        )
    if entry.mode == _LINK and entry.size > _LONGEST_TARGET:
        raise SourceRefusedError(f"the link {shown(entry.path)} is longer than allowed", next_step="remove it")


def _content(process: "subprocess.Popen[bytes]", entry: _TreeEntry) -> Iterator[bytes]:
    """Ask for one object and yield its content."""
    assert process.stdin is not None  # noqa: S101 - piped, told to the type checker
    assert process.stdout is not None  # noqa: S101 - as above
    process.stdin.write(entry.oid + b"\n")
    process.stdin.flush()
    head = process.stdout.readline().split()
    if len(head) != 3 or head[1] != b"blob" or int(head[2]) != entry.size:  # noqa: PLR2004 - id, type, size
        raise _incomplete()
    left = entry.size
    while left:
        piece = process.stdout.read(min(left, _PIECE))
        if not piece:
            raise _incomplete()
        left -= len(piece)
        yield piece
    if process.stdout.read(1) != b"\n":
        raise _incomplete()


def _incomplete() -> SourceUnavailableError:
    return SourceUnavailableError("the commit's objects are incomplete or damaged", next_step="run again")
