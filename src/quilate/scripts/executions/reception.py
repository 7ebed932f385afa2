"""From a request to the payload that an execution runs on: its body, or what its body points to."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from quilate.accounts.model import ProjectAccess
from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat, ScriptVersion
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.errors import broken
from quilate.scripts.payloads.formats import media_type
from quilate.scripts.payloads.input_schema import protection_of
from quilate.scripts.payloads.model import Admitted, PayloadLimits, Pointer
from quilate.scripts.payloads.pointers import PointerReader
from quilate.scripts.payloads.receive import receive

POINTER_TYPE = "application/vnd.quilate.pointer+json"
_LONGEST_POINTER = 16 << 10

Text = Annotated[str, msgspec.Meta(max_length=4096, pattern="^[^\\x00]*$")]


class PointerBody(msgspec.Struct, forbid_unknown_fields=True):
    """``{"url": ...}``, or ``{"dataset": ..., "version": ..., "path": ...}``."""

    url: Text = ""
    sha256: Text = ""
    format: FileFormat | None = None
    dataset: Text = ""
    version: Text | int = "latest"
    path: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptionParts:
    """What payloads are received with."""

    store: PayloadStore
    pointers: PointerReader
    admission: Admission
    limits: PayloadLimits


class Reception:
    """Receives the data of executions; nothing that is only passed on is parsed."""

    def __init__(self, parts: ReceptionParts) -> None:
        self._parts = parts

    async def receive(
        self,
        headers: Mapping[str, str],
        stream: AsyncIterator[bytes],
        access: ProjectAccess,
        version: ScriptVersion,
    ) -> Admitted:
        """Return the payload of a request.

        Args:
            headers: Of the request.
            stream: Its body.
            access: Who asks.
            version: What it is for: its schema says whether the data is sealed, and lets it in.

        Raises:
            Problem: 400, 413, 415 or 422, it cannot be taken.
        """
        parts = self._parts
        sealed = protection_of(version.input_schema).sealed
        if media_type(headers.get("content-type", ""))[0] == POINTER_TYPE:
            pointer = await read_pointer(stream)
            payload = await parts.pointers.fetch(pointer, access, seal=sealed, limits=parts.limits)
        else:
            seal_for = access.project.id if sealed else None
            payload = await receive(headers, stream, parts.store, parts.limits, seal_for=seal_for)
        admitted = await parts.admission.admit(access.project.id, version.input_schema, payload, parts.limits)
        if admitted.violations:
            raise broken(admitted.violations, truncated=admitted.truncated)
        return admitted


async def read_pointer(stream: AsyncIterator[bytes]) -> Pointer:
    """Return the pointer of a body.

    Raises:
        Problem: 413, it is too long; 400, it is no JSON; 422, it is none.
    """
    body = bytearray()
    async for piece in stream:
        body += piece
        if len(body) > _LONGEST_POINTER:
            raise Problem(status=413, type="too-large", detail=f"a pointer is longer than {_LONGEST_POINTER} bytes")
    try:
        read = msgspec.json.decode(bytes(body), type=PointerBody)
    except msgspec.ValidationError as error:
        raise _no_pointer(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(
            status=400, type="malformed", detail="the pointer is no JSON", next_step="send one JSON value as UTF-8"
        ) from error
    if bool(read.url) == bool(read.dataset):
        raise _no_pointer("a pointer has a url or a dataset")
    url = read.url or f"dataset://{read.dataset}/{read.version}/{read.path}".rstrip("/")
    return Pointer(url=url, sha256=read.sha256, format=read.format)


def _no_pointer(detail: str) -> Problem:
    return Problem(
        status=422,
        type="invalid-request",
        detail=detail[:500],
        next_step='send {"url": ...} or {"dataset": ..., "version": ...}',
    )
