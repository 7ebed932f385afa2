"""Routes of datasets, models and source archives below ``/projects/{project}``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

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
    meaning,
    problems,
)
from quilate.datasets.service import CatalogueService
from quilate.datasets.versions.endpoints import add_versions
from quilate.datasets.wire import address_of, entry_tag, is_known, next_page, place_of, refusals, revision_of

Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=128, description="The dataset's or model's name.")]
Cursor = Annotated[str, Query(max_length=2048, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Entries of a page at most.")]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=256, description="The ETag that was read.")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=1024, description="ETags known already.")]
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
        tags=[f"{word}s"],
        responses=problems(409),
    )
    async def create(
        granted: writer,
        body: EntryRequest,
        response: Response,
    ) -> EntryView:
        """Create a name that versions are registered under."""
        with refusals():
            entry = await service.create(granted, kind, body.name, body.description)
        response.headers["Location"] = address_of(granted, kind, entry.name)
        response.headers["ETag"] = entry_tag(entry)
        return entry_view(entry)

    @router.get(
        base,
        operation_id=f"list_{word}s",
        summary=f"List {word}s",
        tags=[f"{word}s"],
        responses=problems(),
    )
    async def list_entries(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        request: Request,
        response: Response,
        archived: Annotated[bool, Query(description="Those that are archived too.")] = False,  # noqa: FBT002 - a query
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> EntryPage:
        """In the order of their names."""
        entries = await service.list_entries(
            granted.project, kind, after=place_of(cursor), limit=limit + 1, archived=archived
        )
        last = entries[limit - 1].name if len(entries) > limit else ""
        page = EntryPage(items=[entry_view(entry) for entry in entries[:limit]])
        page.next_cursor, link = next_page(request.url.path, request.query_params.multi_items(), last)
        response.headers.update(link)
        return page

    @router.get(
        f"{base}/{{name}}",
        operation_id=f"get_{word}",
        summary=f"Get a {word}",
        tags=[f"{word}s"],
        response_model=EntryView,
        responses={304: meaning(304), **problems()},
    )
    async def get_entry(
        granted: reader,
        name: Name,
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> EntryView | Response:
        """One name with the number of its newest version."""
        entry = await service.get(granted.project, kind, name)
        if is_known(if_none_match, entry_tag(entry)):
            return Response(status_code=304, headers={"ETag": entry_tag(entry)})
        response.headers["ETag"] = entry_tag(entry)
        return entry_view(entry)

    @router.patch(
        f"{base}/{{name}}",
        operation_id=f"change_{word}",
        summary=f"Change a {word}'s description, or archive it",
        tags=[f"{word}s"],
        responses=problems(412),
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
            revision=revision_of(if_match),
        )
        response.headers["ETag"] = entry_tag(entry)
        return entry_view(entry)


def _add_archives(router: APIRouter, service: CatalogueService, access: Access) -> None:
    submitter = Annotated[ProjectAccess, Depends(access.project(Permission.RUN_SUBMIT))]

    @router.post(
        "/projects/{project}/archives",  # noqa: FAST003 - the dependency on access takes it
        status_code=201,
        operation_id="upload_source_archive",
        summary="Upload an archive of files to be judged",
        tags=["runs"],
        responses=problems(413),
        openapi_extra=_ARCHIVE_BODY,
    )
    async def upload_archive(
        granted: submitter,
        request: Request,
    ) -> ArchiveView:
        """Name its digest as the source of a run. It is unpacked, and judged, when a run uses it."""
        with refusals():
            return archive_view(await service.archives.keep(granted, request.stream()))
