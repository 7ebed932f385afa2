"""Receive files from a request's body, as it is or in parts, within the limit of an upload."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from quilate.datasets.archives import too_large
from quilate.datasets.errors import CatalogueError
from quilate.datasets.model import CatalogueLimits, StoredFile

_PIECE = 1 << 18
_MOST_FIELDS = 16
_ENVELOPE = 64 << 10
"""Room for the lines between the parts of a body."""


class Receiver(Protocol):
    """Keeps one file; ``CatalogueService`` does."""

    limits: CatalogueLimits

    async def receive(self, path: str, pieces: AsyncIterator[bytes], *, room: int) -> StoredFile:
        """Keep a file of at most ``room`` bytes."""
        ...


class _TooLongError(MultiPartException):
    """The parts are longer than allowed; of this class so that the parser closes what it has opened."""


async def received_files(
    receiver: Receiver, headers: Headers, body: AsyncGenerator[bytes, None], file_name: str
) -> list[StoredFile]:
    """Return the files of a request.

    Args:
        receiver: Keeps them.
        headers: Of the request; ``Content-Type`` tells whether the body is one file or has parts.
        body: The request's body, piece by piece.
        file_name: The file's path where the body is the file.

    Raises:
        CatalogueError: There is none, a path is not one, or the parts cannot be read.
        Problem: 413, they are longer than an upload may be.
    """
    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        if not file_name:
            raise CatalogueError("the file has no name", next_step="give it in file_name, for example train.csv")
        return [await receiver.receive(file_name, body, room=receiver.limits.upload_bytes)]
    uploads = await _parts(headers, body, receiver.limits)
    room = receiver.limits.upload_bytes
    received: list[StoredFile] = []
    async with contextlib.AsyncExitStack() as stack:
        for upload in uploads:
            stack.push_async_callback(upload.close)
        for upload in uploads:
            received.append(await receiver.receive(upload.filename or "", _pieces(upload), room=room))
            room -= received[-1].size_bytes
    return received


async def _parts(headers: Headers, body: AsyncGenerator[bytes, None], limits: CatalogueLimits) -> list[UploadFile]:
    most = limits.upload_bytes + _ENVELOPE + limits.files * 1024

    async def bounded() -> AsyncGenerator[bytes, None]:
        total = 0
        async for piece in body:
            total += len(piece)
            if total > most:
                raise _TooLongError("too long")
            yield piece

    parser = MultiPartParser(headers, bounded(), max_files=limits.files, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except _TooLongError as error:
        raise too_large(limits.upload_bytes) from error
    except (MultiPartException, FormParserError, UnicodeError, LookupError) as error:
        raise CatalogueError(
            "the parts of the body cannot be read, or are too many",
            next_step="send multipart/form-data with one part named file for each file",
        ) from error
    return [value for _, value in form.multi_items() if isinstance(value, UploadFile)]


async def _pieces(upload: UploadFile) -> AsyncIterator[bytes]:
    while piece := await upload.read(_PIECE):
        yield piece
