"""Routes of datasets, models and source archives below ``/projects/{project}``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.datasets.model import NAME_PATTERN, EntryKind
from quilate.datasets.schemas import (
    ArchiveView,
    EntryChange,
    EntryPage,
    EntryRequest,
    EntryView,
    archive_view,
    entry_view,
)
from quilate.datasets.service import CatalogueService
from quilate.datasets.versions.endpoints import add_versions
from quilate.datasets.wire import address_of, refusals
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, IfNoneMatch, etag_of, is_known, matched_version
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link

Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=128, description="The dataset's or model's name.")]
_ARCHIVE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A tar, a tar.gz or a zip.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def make_router(service: CatalogueService, access: Access) -> APIRouter:
    """Return the slice's routes."""
    router = APIRouter()
    for kind in EntryKind:
        _add_entries(router, service, access, kind)
        add_versions(router, service, access, kind)
    _add_archives(router, service, access)
    return router


def _add_entries(router: APIRouter, service: CatalogueService, access: Access, kind: EntryKind) -> None:
    word, base = kind.value, f"/projects/{{project}}/{kind.value}s"
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]
    writer = Annotated[ProjectAccess, Depends(access.project(Permission.DATASET_WRITE))]

    @router.post(
        base,
        status_code=201,
        operation_id=f"create_{word}",
        summary=f"Create a {word}",
        response_model=EntryView,
        tags=[f"{word}s"],
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def create(
        granted: writer,
        request: Request,
        body: EntryRequest,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """Create a name that versions are registered under."""

        async def handle(_: KeyClaim | None) -> Response:
            entry = await service.create(granted, kind, body.name, body.description)
            headers = {"Location": address_of(granted, kind, entry.name), "ETag": etag_of(entry.revision)}
            return json_answer(entry_view(entry), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.get(
        base,
        operation_id=f"list_{word}s",
        summary=f"List {word}s",
        tags=[f"{word}s"],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_entries(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        request: Request,
        response: Response,
        archived: Annotated[bool, Query(description="Those that are archived too.")] = False,  # noqa: FBT002 - a query
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> EntryPage:
        """In the order of their names."""
        place = decode_cursor(cursor, tuple[str])
        entries = await service.list_entries(
            granted.project, kind, after=place[0] if place else "", limit=limit + 1, archived=archived
        )
        page = cut_page(entries, limit, lambda entry: (entry.name,))
        response.headers.update(next_link(request, page.cursor))
        return EntryPage(items=[entry_view(entry) for entry in page.items], next_cursor=page.cursor)

    @router.get(
        f"{base}/{{name}}",
        operation_id=f"get_{word}",
        summary=f"Get a {word}",
        tags=[f"{word}s"],
        response_model=EntryView,
        responses={304: {"description": "It is as the caller has it."}, **problem_responses(401, 403, 404, 422)},
    )
    async def get_entry(
        granted: reader,
        name: Name,
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> EntryView | Response:
        """One name with the number of its newest version."""
        entry = await service.get(granted.project, kind, name)
        if is_known(if_none_match, etag_of(entry.revision)):
            return Response(status_code=304, headers={"ETag": etag_of(entry.revision)})
        response.headers["ETag"] = etag_of(entry.revision)
        return entry_view(entry)

    @router.patch(
        f"{base}/{{name}}",
        operation_id=f"change_{word}",
        summary=f"Change a {word}'s description, or archive it",
        tags=[f"{word}s"],
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def change(
        granted: writer,
        name: Name,
        body: EntryChange,
        response: Response,
        if_match: IfMatch = None,
    ) -> EntryView:
        """Versions stay as they are; an archived name takes no new ones."""
        entry = await service.change(
            granted,
            kind,
            name,
            description=body.description,
            archived=body.archived,
            revision=matched_version(if_match),
        )
        response.headers["ETag"] = etag_of(entry.revision)
        return entry_view(entry)


def _add_archives(router: APIRouter, service: CatalogueService, access: Access) -> None:
    submitter = Annotated[ProjectAccess, Depends(access.project(Permission.RUN_SUBMIT))]

    @router.post(
        "/projects/{project}/archives",  # noqa: FAST003 - the dependency on access takes it
        status_code=201,
        operation_id="upload_source_archive",
        summary="Upload an archive of files to be judged",
        tags=["runs"],
        responses=problem_responses(401, 403, 404, 409, 413, 422),
        openapi_extra=_ARCHIVE_BODY,
    )
    async def upload_archive(
        granted: submitter,
        request: Request,
    ) -> ArchiveView:
        """Name its digest as the source of a run. It is unpacked, and judged, when a run uses it."""
        with refusals():
            return archive_view(await service.archives.keep(granted, request.stream()))
