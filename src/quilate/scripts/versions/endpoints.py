"""Routes of scripts below ``/projects/{project}/scripts``."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.tags import named_tag
from quilate.scripts.versions.answer_schemas import CreatedView, created_view
from quilate.scripts.versions.schemas import (
    ScriptBody,
    ScriptPage,
    ScriptPatch,
    ScriptView,
    script_view,
)
from quilate.scripts.versions.service import VersionService
from quilate.scripts.versions.state_endpoints import add_states
from quilate.scripts.versions.trial_endpoints import add_trials
from quilate.scripts.versions.version_endpoints import add_versions

TAG = "scripts"
BASE = "/projects/{project}/scripts"
_NO_NUL = r"^[^\x00]*$"

ScriptId = Annotated[UUID, Path(description="The script's id.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def make_router(service: VersionService, access: Access) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    reading, editing = access.project(Permission.PROJECT_READ), access.project(Permission.SCRIPT_EDIT)
    # Before the routes of single scripts: `test` is no id.
    add_trials(router, service, editing)
    _add_reading(router, service, reading)
    _add_writing(router, service, editing)
    add_versions(router, service, reading, editing)
    add_states(router, service, editing, access.project(Permission.SCRIPT_APPROVE))
    return router


def _add_reading(router: APIRouter, service: VersionService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_scripts",
        summary="List scripts",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_scripts(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        name: Annotated[
            str | None, Query(min_length=1, max_length=255, pattern=_NO_NUL, description="Part of the name, any case.")
        ] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ScriptPage:
        """Without those that were deleted."""
        place = decode_cursor(cursor, tuple[UUID])
        rows = await service.listed(granted, name=name, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.script.id,))
        response.headers.update(next_link(request, page.cursor))
        return ScriptPage(items=[script_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{script}}",
        operation_id="get_script",
        summary="Read a script",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_script(
        granted: Annotated[ProjectAccess, Depends(reading)], response: Response, script: ScriptId
    ) -> ScriptView:
        """Its `ETag` is what a change names by `If-Match`."""
        found = await service.get(granted, script)
        response.headers["ETag"] = etag_of(found.tag)
        return script_view(found)


def _add_writing(router: APIRouter, service: VersionService, editing: AccessTo) -> None:
    @router.post(
        BASE,
        status_code=201,
        response_model=CreatedView,
        operation_id="create_script",
        summary="Create a script",
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )
    async def create_script(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: ScriptBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """With `source` also its first version; what the validation refuses creates nothing."""

        async def handle(_: KeyClaim | None) -> Response:
            record, pushed = await service.create(
                granted, name=body.name, description=body.description, first=body.first()
            )
            location = f"/api/v1/projects/{granted.project.slug}/scripts/{record.script.id}"
            headers = {"Location": location, "ETag": etag_of(record.tag)}
            return json_answer(created_view(record, pushed), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.patch(
        f"{BASE}/{{script}}",
        operation_id="update_script",
        summary="Change a script's name or description",
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def update_script(
        granted: Annotated[ProjectAccess, Depends(editing)],
        response: Response,
        script: ScriptId,
        body: ScriptPatch,
        if_match: IfMatch = None,
    ) -> ScriptView:
        """What the script does is changed by pushing a version."""
        changed = await service.update(
            granted, script, named_tag(if_match), name=body.name, description=body.description
        )
        response.headers["ETag"] = etag_of(changed.tag)
        return script_view(changed)

    @router.delete(
        f"{BASE}/{{script}}",
        status_code=204,
        operation_id="delete_script",
        summary="Delete a script",
        responses=problem_responses(401, 403, 404, 412, 422),
    )
    async def delete_script(
        granted: Annotated[ProjectAccess, Depends(editing)], script: ScriptId, if_match: IfMatch = None
    ) -> None:
        """Its executions keep their versions; its name is free again."""
        await service.delete(granted, script, None if if_match is None else named_tag(if_match))
