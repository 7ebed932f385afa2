"""Files by the digest of their content: written once, verified whenever they are read, shared by all processes.

A digest names a content, it does not permit to see it: who asks for one needs a row that refers to it, in the slice
that keeps it. Every method but ``put_stream`` blocks and belongs in a thread where an event loop runs.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from quilate.domain.errors import ConfigurationError, QuilateError
from quilate.domain.ids import Digest

_DIGEST = re.compile(r"\Asha256:[0-9a-f]{64}\Z")
_HEX, _PIECE = 64, 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OBJECT_STORES = frozenset({"s3", "gs", "az"})


class ArtifactMissingError(QuilateError):
    """No artifact of that digest is kept, or its digest is not one."""


class ArtifactCorruptError(QuilateError):
    """What is kept under a digest is no longer the content that it names."""


class ArtifactTooLargeError(QuilateError):
    """A content is longer than its caller allows.

    Attributes:
        limit: The most bytes allowed.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"the content is longer than {limit} bytes", next_step="send less, or have the limit raised")
        self.limit = limit


class ArtifactStorageError(QuilateError):
    """The store cannot be written to, most often because its disk is full."""


class ArtifactStore(Protocol):
    """Keeps contents by their digests; ``tests/evidence/test_artifacts.py`` says what each implementation owes."""

    def put_bytes(self, data: bytes) -> Digest:
        """Keep ``data``; the same content twice is one artifact.

        Raises:
            ArtifactStorageError: It cannot be written; nothing of it is left.
        """
        ...

    def put_file(self, path: Path, limit: int | None = None) -> Digest:
        """Keep a copy of a file's content.

        Raises:
            ArtifactTooLargeError: It is longer than ``limit`` bytes.
            ArtifactStorageError: It cannot be written; nothing of it is left.
        """
        ...

    async def put_stream(self, pieces: AsyncIterator[bytes], limit: int) -> tuple[Digest, int]:
        """Keep a content that arrives piece by piece; return its digest and size in bytes.

        Raises:
            ArtifactTooLargeError: It is longer than ``limit`` bytes; the rest is not read.
            ArtifactStorageError: It cannot be written; nothing of it is left.
        """
        ...

    def open(self, digest: str) -> BinaryIO:
        """Return the content, verified, to read from its beginning; the caller closes it.

        Raises:
            ArtifactMissingError: There is none.
            ArtifactCorruptError: It is not what its digest says.
        """
        ...

    def read(self, digest: str, limit: int) -> bytes:
        """Return the content, verified.

        Raises:
            ArtifactTooLargeError: It is longer than ``limit`` bytes.
            ArtifactMissingError: There is none.
            ArtifactCorruptError: It is not what its digest says.
        """
        ...

    def copy_to(self, digest: str, path: Path, mode: int = 0o444) -> int:
        """Write the content, verified, to a file that must not exist; return its size in bytes.

        Raises:
            ArtifactMissingError: There is none.
            ArtifactCorruptError: It is not what its digest says; no file is left.
            ArtifactStorageError: The file cannot be written; none is left.
        """
        ...

    def exists(self, digest: str) -> bool:
        """Tell whether there is such an artifact."""
        ...

    def size(self, digest: str) -> int:
        """Return the length in bytes.

        Raises:
            ArtifactMissingError: There is none.
        """
        ...

    def delete_unreferenced(self, is_referenced: Callable[[Digest], bool], older_than_seconds: float) -> int:
        """Delete artifacts that nothing refers to and that were not put lately; return how many.

        The age leaves time for the transaction that refers to an artifact after it was put.
        """
        ...


def require_digest(digest: str) -> Digest:
    """Return ``digest`` if it is one.

    Raises:
        ArtifactMissingError: It is not ``sha256:`` and 64 lower-case hexadecimal characters.
    """
    if not _DIGEST.match(digest):
        raise ArtifactMissingError("that is no digest", next_step="give sha256: and 64 hexadecimal characters")
    return Digest(digest)


class DirectoryArtifactStore:
    """Artifacts as files below a directory that only this user may enter: ``ab/cd/<64 hexadecimal characters>``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            root.chmod(0o700)
            self._partial = root / "partial"
            self._partial.mkdir(mode=0o700, exist_ok=True)
            self._lock = root / "lock"
            self._lock.touch(mode=0o600)
        except OSError as error:
            raise _storage_error(error) from error

    def put_bytes(self, data: bytes) -> Digest:
        """See ``ArtifactStore``."""
        with self._writer() as writer:
            writer.write(data)
            return self._keep(writer)

    def put_file(self, path: Path, limit: int | None = None) -> Digest:
        """See ``ArtifactStore``."""
        with path.open("rb") as stream, self._writer(limit) as writer:
            while piece := stream.read(_PIECE):
                writer.write(piece)
            return self._keep(writer)

    async def put_stream(self, pieces: AsyncIterator[bytes], limit: int) -> tuple[Digest, int]:
        """See ``ArtifactStore``."""
        with self._writer(limit) as writer:
            waiting = bytearray()
            async for piece in pieces:
                waiting += piece
                if len(waiting) >= _PIECE:
                    await asyncio.to_thread(writer.write, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(writer.write, bytes(waiting))
            return await asyncio.to_thread(self._keep, writer), writer.size

    def open(self, digest: str) -> BinaryIO:
        """See ``ArtifactStore``."""
        stream = self._open(digest)
        try:
            for _ in _verified(stream, digest):
                pass
            stream.seek(0)
        except BaseException:
            stream.close()
            raise
        return stream

    def read(self, digest: str, limit: int) -> bytes:
        """See ``ArtifactStore``."""
        with self._open(digest) as stream:
            if os.fstat(stream.fileno()).st_size > limit:
                raise ArtifactTooLargeError(limit)
            return b"".join(_verified(stream, digest))

    def copy_to(self, digest: str, path: Path, mode: int = 0o444) -> int:
        """See ``ArtifactStore``."""
        with self._open(digest) as stream:
            size = 0
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            except OSError as error:
                raise _storage_error(error) from error
            try:
                with os.fdopen(descriptor, "wb") as target:
                    for piece in _verified(stream, digest):
                        size += target.write(piece)
            except BaseException as error:
                path.unlink(missing_ok=True)
                if isinstance(error, OSError):
                    raise _storage_error(error) from error
                raise
        return size

    def exists(self, digest: str) -> bool:
        """See ``ArtifactStore``."""
        return self._path(require_digest(digest)).is_file()

    def size(self, digest: str) -> int:
        """See ``ArtifactStore``."""
        try:
            return self._path(require_digest(digest)).stat().st_size
        except FileNotFoundError as error:
            raise _missing(digest) from error

    def delete(self, digest: str, older_than_seconds: float) -> bool:
        """Delete an artifact unless it was put lately; tell whether it is gone."""
        path = self._path(require_digest(digest))
        return not path.exists() or self._delete_if(path, time.time() - older_than_seconds, lambda _: False)

    def delete_unreferenced(self, is_referenced: Callable[[Digest], bool], older_than_seconds: float) -> int:
        """See ``ArtifactStore``."""
        before = time.time() - older_than_seconds
        deleted = sum(self._delete_if(path, before, is_referenced) for path in self._all())
        for left in self._partial.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < before:
                    left.unlink()
        return deleted

    def _delete_if(self, path: Path, before: float, is_referenced: Callable[[Digest], bool]) -> bool:
        with contextlib.suppress(FileNotFoundError):
            # Asked without the lock, which others wait for; the age is looked at again with it.
            if path.stat().st_mtime >= before or is_referenced(Digest(f"sha256:{path.name}")):
                return False
            with self._locked(fcntl.LOCK_EX):
                if path.stat().st_mtime < before:
                    path.unlink()
                    return True
        return False

    def _all(self) -> Iterator[Path]:
        return (path for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*") if len(path.name) == _HEX)

    def _path(self, digest: Digest) -> Path:
        name = digest.removeprefix("sha256:")
        return self.root / name[:2] / name[2:4] / name

    def _open(self, digest: str) -> BinaryIO:
        try:
            return self._path(require_digest(digest)).open("rb")
        except FileNotFoundError as error:
            raise _missing(digest) from error

    @contextlib.contextmanager
    def _writer(self, limit: int | None = None) -> Iterator["_Writer"]:
        try:
            descriptor, name = tempfile.mkstemp(dir=self._partial)
        except OSError as error:
            raise _storage_error(error) from error
        with contextlib.ExitStack() as stack:
            stack.callback(Path(name).unlink, missing_ok=True)
            # A stream that could not be flushed raises again when it is closed; nothing is lost by that here.
            stream = os.fdopen(descriptor, "wb", buffering=0)
            stack.callback(stream.close)
            yield _Writer(Path(name), stream, limit)

    def _keep(self, writer: "_Writer") -> Digest:
        """Move what was written to its place; the same content put before is made young instead."""
        digest = writer.digest()
        path = self._path(digest)
        try:
            with self._locked(fcntl.LOCK_SH):
                if path.is_file() and path.stat().st_size == writer.size:
                    os.utime(path)
                    return digest
            writer.finish()
            for parent in (path.parent.parent, path.parent):
                if not parent.is_dir():
                    parent.mkdir(mode=0o700, exist_ok=True)
                    _sync_directory(parent.parent)
            writer.path.replace(path)
            _sync_directory(path.parent)
        except OSError as error:
            raise _storage_error(error) from error
        return digest

    @contextlib.contextmanager
    def _locked(self, operation: int) -> Iterator[None]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            yield
        finally:
            os.close(descriptor)


class _Writer:
    """A file that is not yet an artifact."""

    def __init__(self, path: Path, stream: IO[bytes], limit: int | None) -> None:
        self.path = path
        self.size = 0
        self._stream = stream
        self._limit = limit
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        if self._limit is not None and self.size + len(data) > self._limit:
            raise ArtifactTooLargeError(self._limit)
        view = memoryview(data)
        try:
            while view:
                view = view[self._stream.write(view) :]
        except OSError as error:
            raise _storage_error(error) from error
        self.size += len(data)
        self._hash.update(data)

    def digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest())

    def finish(self) -> None:
        """Bring the content to the disk, for good and for reading only."""
        os.fchmod(self._stream.fileno(), 0o400)
        os.fsync(self._stream.fileno())


def _verified(stream: IO[bytes], digest: str) -> Iterator[bytes]:
    digester = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digester.update(piece)
        yield piece
    if "sha256:" + digester.hexdigest() != digest:
        raise ArtifactCorruptError(
            f"the artifact {digest} has been changed on its disk",
            next_step="restore it from a backup; nothing is read from it until then",
        )


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _missing(digest: str) -> ArtifactMissingError:
    return ArtifactMissingError(f"there is no artifact {digest}", next_step="it may have been deleted by retention")


def _storage_error(error: OSError) -> ArtifactStorageError:
    if error.errno in _FULL:
        return ArtifactStorageError("the artifact store is full", next_step="free space on its disk or enlarge it")
    return ArtifactStorageError(
        f"the artifact store cannot be written: {error.strerror}", next_step="see that its directory is writable"
    )


def free_bytes(root: Path) -> int:
    """Return the room on a directory's disk, in bytes."""
    return shutil.disk_usage(root).free


def open_artifact_store(url: str) -> ArtifactStore:
    """Return the store of an address: ``file:///var/lib/quilate/artifacts``.

    Raises:
        ConfigurationError: The address is not one of a store, or of a kind whose package is not installed.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return DirectoryArtifactStore(Path(unquote(parts.path)))
    if parts.scheme in _OBJECT_STORES:
        raise ConfigurationError(
            f"no client for {parts.scheme}:// addresses is installed",
            next_step="give file:// and the path of a directory that all processes share",
        )
    raise ConfigurationError(
        f"{parts.scheme or 'an address without a scheme'} is no kind of artifact store",
        next_step="give file:///, followed by the path of a directory",
    )
