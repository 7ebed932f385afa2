"""Routes of versions: register, list, look at, download."""

from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.datasets.model import LARGEST_VERSION, NAME_PATTERN, EntryKind
from quilate.datasets.schemas import (
    NO_NUL,
    FilePage,
    ImportRequest,
    VersionPage,
    VersionView,
    file_view,
    version_view,
)
from quilate.datasets.service import CatalogueService, Registration
from quilate.datasets.uploads import received_files
from quilate.datasets.wire import address_of, refusals
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.conditional import IfNoneMatch, etag_of, is_known
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link

_PIECE = 1 << 18
_PlaceNumber = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_VERSION)]
Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=128, description="The dataset's or model's name.")]
Number = Annotated[int, Path(ge=1, le=LARGEST_VERSION, description="The version's number.")]
Parent = Annotated[
    int | None, Query(ge=1, le=LARGEST_VERSION, description="The version it was made from; the newest if left out.")
]
Comment = Annotated[str, Query(max_length=4000, pattern=NO_NUL, description="What changed, for people.")]
FileName = Annotated[
    str, Query(max_length=512, pattern=NO_NUL, description="The file's name, where the body is the file itself.")
]
_BINARY = {"type": "string", "format": "binary"}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": "One file as the body, or any number of them as parts named `file` with their paths as names.",
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "array", "items": _BINARY}}}
            },
        },
    }
}


def add_versions(router: APIRouter, service: CatalogueService, access: Access, kind: EntryKind) -> None:
    """Add the routes of one kind's versions."""
    _add_registration(router, service, access, kind)
    _add_versions(router, service, access, kind)
    _add_content(router, service, access, kind)


def _add_registration(router: APIRouter, service: CatalogueService, access: Access, kind: EntryKind) -> None:
    word, base = kind.value, f"/projects/{{project}}/{kind.value}s/{{name}}/versions"
    writer = Annotated[ProjectAccess, Depends(access.project(Permission.DATASET_WRITE))]
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "It was there already.", "model": VersionView},
        **problem_responses(401, 403, 404, 409, 413, 422),
    }

    async def registered(
        granted: ProjectAccess, name: str, registration: Registration, response: Response
    ) -> VersionView:
        version, new = await service.register(granted, kind, name, registration)
        response.status_code = 201 if new else 200
        response.headers["Location"] = f"{address_of(granted, kind, name)}/versions/{version.number}"
        response.headers["ETag"] = etag_of(version.digest)
        return version_view(version)

    @router.post(
        base,
        status_code=201,
        operation_id=f"register_{word}_version",
        summary=f"Register a version of a {word} by upload",
        tags=[f"{word}s"],
        responses=answers,
        openapi_extra=_UPLOAD_BODY,
    )
    async def register(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: writer,
        name: Name,
        request: Request,
        response: Response,
        file_name: FileName = "",
        parent: Parent = None,
        comment: Comment = "",
    ) -> VersionView:
        """The same files as a version that is there are that version: 200 instead of 201."""
        with refusals():
            # Asked before anything is received.
            await service.get(granted.project, kind, name)
            files = await received_files(service, request.headers, request.stream(), file_name)
            return await registered(granted, name, Registration(files=files, parent=parent, comment=comment), response)

    @router.post(
        f"{base}/import",
        status_code=201,
        operation_id=f"import_{word}_version",
        summary=f"Register a version of a {word} from the server's disk",
        tags=[f"{word}s"],
        responses=answers,
    )
    async def import_version(
        granted: writer,
        name: Name,
        body: ImportRequest,
        response: Response,
    ) -> VersionView:
        """The file, or every file of the directory; only below directories that the installation allows."""
        with refusals():
            await service.get(granted.project, kind, name)
            files = await service.collect(granted.project, body.path)
            return await registered(
                granted, name, Registration(files=files, parent=body.parent, comment=body.comment), response
            )


def _add_versions(router: APIRouter, service: CatalogueService, access: Access, kind: EntryKind) -> None:
    word, base = kind.value, f"/projects/{{project}}/{kind.value}s/{{name}}/versions"
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]

    @router.get(
        base,
        operation_id=f"list_{word}_versions",
        summary=f"List a {word}'s versions",
        tags=[f"{word}s"],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_versions(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        name: Name,
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> VersionPage:
        """The newest first."""
        place = decode_cursor(cursor, tuple[_PlaceNumber])
        before = place[0] if place else LARGEST_VERSION
        versions = await service.versions(granted.project, kind, name, before=before, limit=limit + 1)
        page = cut_page(versions, limit, lambda version: (version.number,))
        response.headers.update(next_link(request, page.cursor))
        return VersionPage(items=[version_view(version) for version in page.items], next_cursor=page.cursor)

    @router.get(
        f"{base}/{{number}}",
        operation_id=f"get_{word}_version",
        summary=f"Get a version of a {word}",
        tags=[f"{word}s"],
        response_model=VersionView,
        responses={304: {"description": "It is as the caller has it."}, **problem_responses(401, 403, 404, 422)},
    )
    async def get_version(
        granted: reader,
        name: Name,
        number: Number,
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> VersionView | Response:
        """A version never changes."""
        version = await service.version(granted.project, kind, name, number)
        tag = etag_of(version.digest)
        if is_known(if_none_match, tag):
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return version_view(version)


def _add_content(router: APIRouter, service: CatalogueService, access: Access, kind: EntryKind) -> None:
    word, base = kind.value, f"/projects/{{project}}/{kind.value}s/{{name}}/versions/{{number}}"
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]

    @router.get(
        f"{base}/files",
        operation_id=f"list_{word}_files",
        summary=f"List the files of a version of a {word}",
        tags=[f"{word}s"],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_files(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        name: Name,
        number: Number,
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> FilePage:
        """In the order of their paths."""
        version = await service.version(granted.project, kind, name, number)
        place = decode_cursor(cursor, tuple[str])
        files = await service.files(version, after=place[0] if place else "", limit=limit + 1)
        page = cut_page(files, limit, lambda file: (file.path,))
        response.headers.update(next_link(request, page.cursor))
        return FilePage(items=[file_view(file) for file in page.items], next_cursor=page.cursor)

    @router.get(
        f"{base}/content",
        operation_id=f"download_{word}_file",
        summary=f"Download a file of a version of a {word}",
        tags=[f"{word}s"],
        response_class=StreamingResponse,
        responses={
            200: {"description": "The file.", "content": {"application/octet-stream": {"schema": _BINARY}}},
            304: {"description": "It is as the caller has it."},
            **problem_responses(401, 403, 404, 410, 422),
        },
    )
    async def download(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        name: Name,
        number: Number,
        request: Request,
        path: Annotated[str, Query(min_length=1, max_length=512, pattern=NO_NUL, description="The file's path.")],
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """The content, verified against its digest before its first byte is sent."""
        version = await service.version(granted.project, kind, name, number)
        file = await service.file(version, path)
        tag = etag_of(file.digest)
        if is_known(if_none_match, tag):
            return Response(status_code=304, headers={"ETag": tag})
        with refusals():
            stream = await service.open_file(file)
        try:
            await access.record(request, granted, AccessKind.DATA, f"{word}:{name}@{number}/{file.digest}")
        except BaseException:
            stream.close()
            raise
        headers = {
            "ETag": tag,
            "Content-Length": str(file.size_bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2], safe='')}",
            "X-Content-Type-Options": "nosniff",
        }
        return StreamingResponse(_pieces(stream), media_type="application/octet-stream", headers=headers)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece
