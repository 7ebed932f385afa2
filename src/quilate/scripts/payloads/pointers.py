"""Data that a submission only points to: files, web addresses, objects, dataset versions, each within what is allowed.

Everything that is not a dataset version is copied while it is read: what an execution ran on stays what it was. The
digest that a pointer asks for is that of what lies at its address; content is never looked at.
"""

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.accounts.trail.recording import AccessTrail
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService
from quilate.kit.outgoing.http import OutgoingError, OutgoingHttp, OutgoingStream
from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.contents import PayloadStore, read_pieces
from quilate.scripts.payloads.decoding import decoded, encoding_of
from quilate.scripts.payloads.errors import refused, source_refused, too_large
from quilate.scripts.payloads.formats import encoding_of_name, format_of_name, format_of_part, genuine
from quilate.scripts.payloads.model import CATALOGUE, PayloadLimits, Pointer, Provenance, StoredPayload
from quilate.scripts.payloads.object_stores import SCHEMES as OBJECTS
from quilate.scripts.payloads.object_stores import ObjectStores

KINDS = ("file", "https", "s3", "gs", "az", "dataset")
LONGEST_URL = 4096
_DIGEST = re.compile(r"\A(?:sha256:)?([0-9a-f]{64})\Z")
_OK = 200
_BUSY = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerParts:
    """What pointers are read with.

    Attributes:
        store: Keeps what was read.
        catalogue: Dataset versions.
        http: Requests to public addresses; private ones as its policy allows.
        objects: Object stores that the installation allows.
        data_roots: Directories below which files may be read; ``{project}`` stands for the slug.
        trail: Takes down who has read which dataset version.
    """

    store: PayloadStore
    catalogue: CatalogueService
    http: OutgoingHttp
    objects: ObjectStores
    data_roots: Sequence[str] = ()
    trail: AccessTrail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What lies at an address: its bytes as they are there, how they are compressed, what they hold."""

    kind: str
    address: str
    pieces: AsyncIterator[bytes]
    encoding: str
    format: FileFormat


class PointerReader:
    """Reads what pointers point to."""

    def __init__(self, parts: PointerParts) -> None:
        self._parts = parts

    async def fetch(
        self, pointer: Pointer, access: ProjectAccess, *, seal: bool = False, limits: PayloadLimits | None = None
    ) -> StoredPayload:
        """Return what a pointer points to, kept.

        Args:
            pointer: Where it lies.
            access: Who asks: a project's files, objects and datasets are its own.
            seal: Encrypt it at rest.
            limits: What it may cost; the store's own where nothing is said.

        Raises:
            Problem: 422, it may not be read, is not there, is too long or not what its digest says; 413, 415 and 400
                as for a body; 503, whoever keeps it does not answer now.
        """
        allowed = limits or self._parts.store.limits
        wanted = _wanted_digest(pointer)
        scheme = _scheme(pointer.url)
        if scheme == "dataset":
            return await self._dataset(pointer, access, wanted, seal=seal, limits=allowed)
        if scheme == "file":
            return await self._file(pointer, access, wanted, seal=seal, limits=allowed)
        if scheme in OBJECTS:
            self._parts.objects.require(pointer.url, access.project.slug)
            source = _Source(
                kind=scheme,
                address=pointer.url,
                pieces=self._parts.objects.read(pointer.url, project=access.project.slug, limit=allowed.sent_bytes),
                encoding=encoding_of_name(pointer.url),
                format=pointer.format or _format_of(pointer.url),
            )
            return await self._keep(source, access, wanted, seal=seal, limits=allowed)
        return await self._web(pointer, access, wanted, seal=seal, limits=allowed)

    async def _keep(
        self, source: _Source, access: ProjectAccess, wanted: str, *, seal: bool, limits: PayloadLimits
    ) -> StoredPayload:
        told = hashlib.sha256()

        async def as_it_lies() -> AsyncIterator[bytes]:
            async for piece in source.pieces:
                told.update(piece)
                yield piece
            if wanted and told.hexdigest() != wanted:
                raise refused("the content is not the one that sha256 names", "see whether it was changed")

        content = genuine(decoded(as_it_lies(), source.encoding, limits), source.format)
        return await self._parts.store.keep(
            content,
            source.format,
            seal_for=access.project.id if seal else None,
            provenance=Provenance(kind=source.kind, address=source.address),
            limits=limits,
        )

    # Files ----------------------------------------------------------------------------------------------------------

    async def _file(
        self, pointer: Pointer, access: ProjectAccess, wanted: str, *, seal: bool, limits: PayloadLimits
    ) -> StoredPayload:
        parts = urlsplit(pointer.url)
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise _no_such_file()
        path = unquote(parts.path)
        roots = [root.replace("{project}", access.project.slug) for root in self._parts.data_roots if root]
        descriptor = await asyncio.to_thread(_opened_below, roots, path)
        with os.fdopen(descriptor, "rb") as stream:
            source = _Source(
                kind="file",
                address=f"file://{path}",
                pieces=read_pieces(stream),
                encoding=encoding_of_name(path),
                format=pointer.format or _format_of(path),
            )
            return await self._keep(source, access, wanted, seal=seal, limits=limits)

    # Web addresses --------------------------------------------------------------------------------------------------

    async def _web(
        self, pointer: Pointer, access: ProjectAccess, wanted: str, *, seal: bool, limits: PayloadLimits
    ) -> StoredPayload:
        try:
            # What is compressed for the way is decompressed here, and a file that is compressed is one.
            headers = {"accept-encoding": "gzip, br, zstd, identity;q=0.5"}
            async with self._parts.http.stream(pointer.url, headers=headers) as answer:
                source = _web_source(pointer, answer, limits)
                return await self._keep(source, access, wanted, seal=seal, limits=limits)
        except OutgoingError as error:
            if error.permanent:
                raise source_refused(error.message, error.next_step) from error
            raise _away(error.message) from error

    # Dataset versions -----------------------------------------------------------------------------------------------

    async def _dataset(
        self, pointer: Pointer, access: ProjectAccess, wanted: str, *, seal: bool, limits: PayloadLimits
    ) -> StoredPayload:
        if not access.may(Permission.PROJECT_READ):
            raise Problem(status=403, type="forbidden", detail="reading a dataset needs the permission project:read")
        name, number, path = _dataset_address(pointer.url)
        version = await self._parts.catalogue.find_version(access.project, EntryKind.DATASET, name, number)
        if version is None:
            raise source_refused("the project has no such dataset version", "name one, or latest")
        if path:
            file = await self._parts.catalogue.file(version, path)
        else:
            found = await self._parts.catalogue.files(version, after="", limit=2)
            if len(found) != 1:
                raise source_refused("the dataset version has several files", "name one: dataset://name/version/path")
            file = found[0]
        address = f"dataset://{name}/{version.number}/{file.path}"
        if self._parts.trail is not None:
            subject = f"dataset:{name}@{version.number}/{file.path}"
            await self._parts.trail.record_route("script pointer", access, AccessKind.DATA, subject)
        if wanted and file.digest != f"sha256:{wanted}":
            raise refused("the content is not the one that sha256 names", "see whether it was changed")
        format_ = pointer.format or format_of_name(file.path)
        if format_ is None:
            raise source_refused("the dataset's file is none that scripts read", "name a table of it")
        if not seal and encoding_of_name(file.path) == "identity":
            if file.size_bytes > limits.plain_bytes:
                raise too_large("the content", limits.plain_bytes)
            origin = Provenance(kind="dataset", address=address, digest=file.digest)
            return StoredPayload(
                digest=file.digest,
                size=file.size_bytes,
                format=format_,
                reference=f"{CATALOGUE}{file.digest}",
                provenance=origin,
            )
        with await self._parts.catalogue.open_file(file) as stream:
            source = _Source(
                kind="dataset",
                address=address,
                pieces=read_pieces(stream),
                encoding=encoding_of_name(file.path),
                format=format_,
            )
            return await self._keep(source, access, "", seal=seal, limits=limits)


def _scheme(url: str) -> str:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme == "http":
        scheme = "https"
    if scheme not in KINDS or len(url) > LONGEST_URL or "\0" in url:
        raise source_refused("that is no address that data is read from", f"take one of {', '.join(KINDS)}")
    return scheme


def _wanted_digest(pointer: Pointer) -> str:
    if not pointer.sha256:
        return ""
    found = _DIGEST.match(pointer.sha256.lower())
    if found is None:
        raise source_refused("sha256 is no digest", "give 64 hexadecimal characters")
    return found[1]


def _format_of(name: str) -> FileFormat:
    found = format_of_name(urlsplit(name).path)
    if found is None:
        raise source_refused("the end of the name says no format", "give format: json, ndjson, parquet, arrow or csv")
    return found


def _web_source(pointer: Pointer, answer: OutgoingStream, limits: PayloadLimits) -> _Source:
    parts = urlsplit(answer.url)
    # Without its query: signed addresses have their signature there.
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if answer.status != _OK:
        detail = f"{parts.scheme}://{parts.netloc} answered {answer.status}"
        raise _away(detail) if answer.status in _BUSY else source_refused(detail, "see that the address is right")
    length = answer.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > limits.sent_bytes:  # noqa: PLR2004 - digits of 2^64
        raise too_large("what lies at the address", limits.sent_bytes)
    transfer = encoding_of(answer.headers.get("content-encoding", ""))
    named = encoding_of_name(parts.path)
    # A server that sends a .gz file may call its compression that of the way, or its type; it is one either way.
    return _Source(
        kind="https",
        address=address,
        pieces=answer.pieces,
        encoding=transfer if transfer != "identity" else named,
        format=pointer.format or format_of_part(answer.headers.get("content-type", ""), parts.path),
    )


def _dataset_address(url: str) -> tuple[str, int | None, str]:
    parts = urlsplit(url)
    number, _, path = parts.path.removeprefix("/").partition("/")
    right = number in {"", "latest"} or (number.isascii() and number.isdigit() and 0 < len(number) < 10)  # noqa: PLR2004 - digits of the largest version
    if not right or parts.query or parts.fragment:
        raise source_refused("that is no dataset version", "write dataset://name/3/path or dataset://name/latest/path")
    return parts.netloc, int(number) if number.isdigit() else None, unquote(path)


def _opened_below(roots: Sequence[str], text: str) -> int:
    """Return a descriptor of a regular file below one of the directories, links followed and judged by where they end.

    Raises:
        Problem: 422, there is none; the same words whatever is the reason.
    """
    if not text.startswith("/") or "\0" in text:
        raise _no_such_file()
    path = Path(os.path.realpath(text))
    if not any(path.is_relative_to(os.path.realpath(root)) for root in roots):
        raise _no_such_file()
    try:
        # The file may have become a link, or a pipe that blocks, since it was looked at.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _no_such_file() from error
    # A folder on the way may have become a link since: what was opened says where it lies.
    real = Path(os.path.realpath(f"/proc/self/fd/{descriptor}")) if Path("/proc/self/fd").is_dir() else path
    if real != path or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_such_file()
    return descriptor


def _no_such_file() -> Problem:
    return source_refused(
        "no data may be read from that path",
        "upload it, or ask the installation's administrator to allow its directory with QUILATE_DATA_ROOTS",
    )


def _away(detail: str) -> Problem:
    return Problem(
        status=503,
        type="unavailable",
        detail=detail,
        next_step="try again a little later",
        headers={"Retry-After": "30"},
    )
