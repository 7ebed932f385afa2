"""Routes of payloads: how long they stay, whose are erased, what dataset versions were made from."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.datasets.model import LARGEST_VERSION, NAME_PATTERN
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of, matched_version
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.scripts.payloads.outputs import OutputStore
from quilate.scripts.payloads.schemas import (
    ErasureBody,
    ErasurePage,
    ErasureView,
    LineageView,
    RetentionBody,
    RetentionView,
    SubjectBody,
    SubjectView,
    erasure_record,
    erasure_view,
    lineage_view,
    retention_view,
    subject_view,
)
from quilate.scripts.payloads.service import PayloadService

TAG = "executions"
RETENTION = "/projects/{project}/script-retention"
ERASURES = "/projects/{project}/script-erasures"
SEARCHES = "/projects/{project}/script-subject-searches"
LINEAGE = "/projects/{project}/datasets/{name}/versions/{number}/lineage"
Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=128, description="The dataset's name.")]
Number = Annotated[int, Path(ge=1, le=LARGEST_VERSION, description="The version's number.")]


def make_router(service: PayloadService, outputs: OutputStore, access: Access) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    _add_retention(router, service, access)
    _add_subjects(router, service, access)
    _add_erasures(router, service, access)
    _add_lineage(router, outputs, access)
    return router


def _add_retention(router: APIRouter, service: PayloadService, access: Access) -> None:
    @router.get(
        RETENTION,
        operation_id="get_script_retention",
        summary="Read how long contents of executions are kept",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_script_retention(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))], response: Response
    ) -> RetentionView:
        """Its `ETag` is what a change names by `If-Match`."""
        found = await service.retention(granted.project.id)
        response.headers["ETag"] = etag_of(found.revision)
        return retention_view(found)

    @router.put(
        RETENTION,
        operation_id="set_script_retention",
        summary="Change how long contents of executions are kept",
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def set_script_retention(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_ADMIN))],
        response: Response,
        body: RetentionBody,
        if_match: IfMatch = None,
    ) -> RetentionView:
        """A shorter time holds for what is there as well: it is taken away within minutes."""
        changed = await service.set_retention(granted, body.days, matched_version(if_match))
        response.headers["ETag"] = etag_of(changed.revision)
        return retention_view(changed)


def _add_subjects(router: APIRouter, service: PayloadService, access: Access) -> None:
    @router.post(
        SEARCHES,
        operation_id="count_script_subject",
        summary="Count the executions that are about somebody",
        responses=problem_responses(401, 403, 404, 413, 415, 422),
    )
    async def count_script_subject(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_ADMIN))],
        request: Request,
        body: SubjectBody,
    ) -> SubjectView:
        """A POST, so that nobody's name stands in addresses and logs. That there was a search is in the audit log."""
        found = await service.count(granted, body.subject)
        await access.record(request, granted, AccessKind.DATA, "script-subjects:count")
        return subject_view(found)


def _add_erasures(router: APIRouter, service: PayloadService, access: Access) -> None:
    erasing = access.project(Permission.PROJECT_ADMIN)

    @router.post(
        ERASURES,
        status_code=201,
        response_model=ErasureView,
        operation_id="erase_script_subject",
        summary="Erase what executions hold about somebody",
        responses=problem_responses(401, 403, 404, 409, 413, 415, 422),
    )
    async def erase_script_subject(
        granted: Annotated[ProjectAccess, Depends(erasing)],
        request: Request,
        body: ErasureBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """Inputs, outputs and consoles of every execution with a record about them, for good: 410 from then on."""

        async def handle(_: KeyClaim | None) -> Response:
            erased = await service.erase(granted, body.subject, body.reason)
            return json_answer(erasure_view(erased), status=201)

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.get(
        ERASURES,
        operation_id="list_script_erasures",
        summary="List erasures",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_script_erasures(
        granted: Annotated[ProjectAccess, Depends(erasing)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ErasurePage:
        """That there was one, when and why; not whom it was about."""
        place = decode_cursor(cursor, tuple[UUID])
        rows = await service.erasures(granted.project.id, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row["id"],))
        response.headers.update(next_link(request, page.cursor))
        return ErasurePage(items=[erasure_record(row) for row in page.items], next_cursor=page.cursor)


def _add_lineage(router: APIRouter, outputs: OutputStore, access: Access) -> None:
    @router.get(
        LINEAGE,
        operation_id="get_dataset_version_lineage",
        summary="Read which executions gave a dataset version",
        tags=["datasets"],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_dataset_version_lineage(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))], name: Name, number: Number
    ) -> LineageView:
        """Script, version and input of each; empty for a version that no script made."""
        return lineage_view(await outputs.lineage(granted, name, number))
