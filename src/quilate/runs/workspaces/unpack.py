"""Unpack an uploaded archive: the program of a child process, whose memory and time are bounded from its first line.

``python -m quilate.runs.workspaces.unpack ARCHIVE TARGET LIMITS``: prints one JSON document, ``{"left_out": [...]}`` or
``{"refused": message, "next_step": text}``. Nothing of the archive is executed and no file is written through a link.
"""

import gzip
import json
import lzma
import resource
import stat
import sys
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from quilate.domain.errors import QuilateError
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.limits import TreeLimits
from quilate.runs.workspaces.tree_writer import TreeWriter, shown, too_large

MEMORY_BYTES = 1 << 30
_PIECE = 1 << 18
_FREE_OF_RATIO = 16 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP = b"\x1f\x8b"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_XZ = b"\xfd7zXZ\x00"
_BZIP2 = b"BZh"
_TAR_BLOCK = 512
_ENCRYPTED = 0x1
_ZIP_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_LONGEST_TARGET = 4096
_NEVER_TAKEN = frozenset({".git", ".quilate"})
"""A second repository would be asked for its own configuration, a result cache would answer for its own checks."""

_UNWRITTEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, surrogates and line breaks. Odd spaces stay: macOS writes them itself."""


class _Unpacking:
    """Writes the entries of one archive."""

    def __init__(self, target: Path, limits: TreeLimits) -> None:
        self.writer = TreeWriter(target, limits, refuse_case_collisions=True)
        self.limits = limits
        self.left_out: set[str] = set()

    def taken(self, name: str) -> str:
        """Return the path of an entry, or nothing for one that is left out.

        Raises:
            SourceRefusedError: The name leads out of the tree, or holds what no name should.
        """
        path = name.removeprefix("./").rstrip("/")
        if path in {"", "."}:
            return ""
        if "\\" in path or not _UNWRITTEN.isdisjoint(map(unicodedata.category, path)):
            raise SourceRefusedError(
                f"the archive holds the name {shown(path)}",
                next_step="use names without backslashes, line breaks and control characters",
            )
        parts = self.writer.parts_of(path)
        for number, part in enumerate(parts, start=1):
            if part.casefold() in _NEVER_TAKEN:
                self.left_out.add("/".join(parts[:number]))
                return ""
        return path

    def finish(self) -> list[str]:
        """Make the links.

        Raises:
            SourceRefusedError: One leads out of the tree.
        """
        out = self.writer.finish()
        if out:
            raise SourceRefusedError(
                f"the link {shown(out[0])} leads out of the archive", next_step="make the archive again without it"
            )
        return sorted(self.left_out)


class _Bounded:
    """What a compressed stream becomes, bounded in length and in ratio to the archive's own length."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, archive_bytes: int, limits: TreeLimits) -> None:
        self._stream = stream
        self._limits = limits
        # A tar rounds each entry up and gives it a header, so it may be somewhat longer than its files.
        self._most = limits.total_bytes + limits.files * 4 * _TAR_BLOCK
        self._by_ratio = max(archive_bytes * limits.ratio, _FREE_OF_RATIO)
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise SourceRefusedError("the archive is not valid", next_step="make it again")
        piece = self._stream.read(size)
        self._read += len(piece)
        if self._read > self._by_ratio:
            raise _bomb(self._limits)
        if self._read > self._most:
            raise too_large("the archive", self._limits)
        return piece


def _bomb(limits: TreeLimits) -> SourceRefusedError:
    return SourceRefusedError(
        f"the archive becomes more than {limits.ratio} times its length", next_step="upload what is judged and no more"
    )


def unpack(archive: Path, target: Path, limits: TreeLimits) -> list[str]:
    """Unpack a tar, tar.gz or zip; return the paths that were left out.

    Raises:
        SourceRefusedError: It is none of them, damaged, hostile, or larger than allowed.
    """
    unpacking = _Unpacking(target, limits)
    with archive.open("rb") as stream:
        head = stream.read(_TAR_BLOCK)
        stream.seek(0)
        size = archive.stat().st_size
        try:
            if head.startswith(_ZIP):
                _unpack_zip(stream, size, unpacking)
            elif head.startswith(_GZIP):
                _unpack_tar(_Bounded(gzip.GzipFile(fileobj=stream), size, limits), unpacking)
            elif head[257:262] == b"ustar":
                _unpack_tar(_Bounded(stream, size, limits), unpacking)
            else:
                raise _unknown(head)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise _damaged() from error
        except (gzip.BadGzipFile, NotImplementedError, UnicodeError, OverflowError) as error:
            raise _damaged() from error
    return unpacking.finish()


def _damaged() -> SourceRefusedError:
    return SourceRefusedError("the archive is damaged or cut off", next_step="make it again and upload it whole")


def _unknown(head: bytes) -> SourceRefusedError:
    kinds = {_ZSTANDARD: "zstandard", _XZ: "xz", _BZIP2: "bzip2"}
    kind = next((name for magic, name in kinds.items() if head.startswith(magic)), "")
    found = f"it is compressed with {kind}" if kind else "it is none of them"
    return SourceRefusedError(
        f"an archive is a tar, a tar.gz or a zip, and {found}",
        next_step="make it with `git archive --format=tar.gz`, `tar czf` or `zip -r`",
    )


def _unpack_tar(stream: _Bounded, unpacking: _Unpacking) -> None:
    # A stream: each entry is read once, in order, and nothing is looked up by its place.
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", errorlevel=2) as tar:
        for member in tar:
            path = unpacking.taken(member.name)
            # The list of members would grow with each entry.
            tar.members = []  # type: ignore[attr-defined]  # documented by its use in the library, not in the stubs
            if not path:
                continue
            _write_member(tar, member, path, unpacking)


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, unpacking: _Unpacking) -> None:
    if member.isdir():
        unpacking.writer.folder(path)
    elif member.issym():
        unpacking.writer.link(path, member.linkname)
    elif member.islnk():
        original = unpacking.taken(member.linkname)
        if original:
            unpacking.writer.copy(path, original)
    elif member.isreg() and not member.issparse():
        _require_fits(path, member.size, unpacking.limits)
        stream = tar.extractfile(member)
        assert stream is not None  # noqa: S101 - a regular file, told to the type checker
        unpacking.writer.file(path, _pieces(stream, member.size), executable=bool(member.mode & 0o111))
    else:
        raise SourceRefusedError(
            f"{shown(path)} is no file, folder or link", next_step="make the archive again without it"
        )


def _unpack_zip(stream: IO[bytes], size: int, unpacking: _Unpacking) -> None:
    limits = unpacking.limits
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        if len(entries) > limits.files:
            raise SourceRefusedError(
                f"the archive holds more than {limits.files} files", next_step="leave out what is not judged"
            )
        announced = sum(entry.file_size for entry in entries)
        if announced > limits.total_bytes:
            raise too_large("the archive", limits)
        if announced > max(size * limits.ratio, _FREE_OF_RATIO):
            raise _bomb(limits)
        for entry in entries:
            # zipfile cuts a name at a NUL and knows no other difference to what the archive says.
            if entry.orig_filename != entry.filename:
                raise SourceRefusedError("the archive holds a name with a NUL", next_step="make it again")
            path = unpacking.taken(entry.filename)
            if path:
                _write_entry(archive, entry, path, unpacking)


def _write_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, unpacking: _Unpacking) -> None:
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _ZIP_METHODS:
        raise SourceRefusedError(
            f"{shown(path)} is encrypted or compressed in a way that is not read",
            next_step="make the archive with `zip -r` and no password",
        )
    if entry.is_dir() or kind == stat.S_IFDIR:
        unpacking.writer.folder(path)
        return
    if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
        raise SourceRefusedError(
            f"{shown(path)} is no file, folder or link", next_step="make the archive again without it"
        )
    _require_fits(path, entry.file_size, unpacking.limits)
    with archive.open(entry) as stream:
        if kind == stat.S_IFLNK:
            target = stream.read(_LONGEST_TARGET + 1)
            unpacking.writer.link(path, target.decode("utf-8", "surrogateescape"))
        else:
            unpacking.writer.file(path, _pieces(stream, entry.file_size), executable=bool(mode & 0o111))


def _require_fits(path: str, size: int, limits: TreeLimits) -> None:
    if size > limits.file_bytes:
        raise too_large(shown(path), limits)


def _pieces(stream: IO[bytes], announced: int) -> Iterator[bytes]:
    read = 0
    while piece := stream.read(_PIECE):
        read += len(piece)
        if read > announced:
            raise _damaged()
        yield piece
    if read != announced:
        raise _damaged()


def main(arguments: list[str]) -> int:
    """Unpack as the arguments say; the exit status is zero whenever a document was printed."""
    archive, target, limits_text = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limits = TreeLimits(**json.loads(limits_text))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes + 1, limits.file_bytes + 1))
    try:
        document: dict[str, object] = {"left_out": unpack(Path(archive), Path(target), limits)}
    except SourceRefusedError as error:
        document = {"refused": error.message, "next_step": error.next_step}
    except QuilateError as error:
        document = {"unavailable": error.message, "next_step": error.next_step}
    except MemoryError:
        document = {
            "refused": "the archive needs more memory than allowed",
            "next_step": "make it with smaller headers",
        }
    sys.stdout.write(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
