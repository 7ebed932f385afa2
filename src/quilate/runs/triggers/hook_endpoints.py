"""Routes of hooks below ``/projects/{project}/hooks``."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.tags import named_tag
from quilate.runs.triggers.hooks import HookService
from quilate.runs.triggers.schemas import (
    HookBody,
    HookPage,
    HookView,
    NewHookView,
    RotationBody,
    hook_view,
    new_hook_view,
)

TAG = "hooks"
BASE = "/projects/{project}/hooks"

HookId = Annotated[UUID, Path(description="The hook's id.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def make_hook_router(service: HookService, access: Access, *, base_url: str) -> APIRouter:
    """Return the routes of hooks, to be mounted below ``/api/v1``.

    Args:
        service: Decides about hooks.
        access: Who may call.
        base_url: Where providers reach the service, without a slash at the end.
    """
    router = APIRouter(tags=[TAG])
    editing = access.project(Permission.PROJECT_ADMIN)
    _add_reading(router, service, access.project(Permission.PROJECT_READ), base_url)
    _add_secrets(router, service, editing, base_url)
    _add_changing(router, service, editing, base_url)
    return router


def _add_reading(router: APIRouter, service: HookService, reading: AccessTo, base_url: str) -> None:
    @router.get(
        BASE,
        operation_id="list_hooks",
        summary="List hooks",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_hooks(
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> HookPage:
        """Without their secrets."""
        place = decode_cursor(cursor, tuple[UUID])
        rows = await service.listed(granted, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.id,))
        response.headers.update(next_link(request, page.cursor))
        return HookPage(items=[hook_view(row, base_url) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{hook}}",
        operation_id="get_hook",
        summary="Read a hook",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_hook(
        granted: Annotated[ProjectAccess, Depends(reading)], response: Response, hook: HookId
    ) -> HookView:
        """Its `ETag` is what a change names by `If-Match`."""
        found = await service.get(granted, hook)
        response.headers["ETag"] = etag_of(found.tag)
        return hook_view(found, base_url)


def _add_secrets(router: APIRouter, service: HookService, editing: AccessTo, base_url: str) -> None:
    @router.post(
        BASE,
        status_code=201,
        response_model=NewHookView,
        operation_id="create_hook",
        summary="Create a hook",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def create_hook(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: HookBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """The secret is shown in this answer only."""

        async def handle(_: KeyClaim | None) -> Response:
            made = await service.create(granted, body.wish())
            headers = {
                "Location": f"/api/v1/projects/{granted.project.slug}/hooks/{made.hook.id}",
                "ETag": etag_of(made.hook.tag),
                "Cache-Control": "no-store",
            }
            return json_answer(new_hook_view(made.hook, made.secret, base_url), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle, keeps_body=False)

    @router.post(
        f"{BASE}/{{hook}}/rotate",
        response_model=NewHookView,
        operation_id="rotate_hook_secret",
        summary="Give a hook a new secret",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def rotate_hook_secret(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        hook: HookId,
        body: RotationBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """The old secret stays good for a while, so that nothing is lost until the provider has the new one."""

        async def handle(_: KeyClaim | None) -> Response:
            made = await service.rotate(granted, hook, body.overlap())
            headers = {"ETag": etag_of(made.hook.tag), "Cache-Control": "no-store"}
            return json_answer(new_hook_view(made.hook, made.secret, base_url), headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle, keeps_body=False)


def _add_changing(router: APIRouter, service: HookService, editing: AccessTo, base_url: str) -> None:
    @router.put(
        f"{BASE}/{{hook}}",
        operation_id="update_hook",
        summary="Change a hook",
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def update_hook(
        granted: Annotated[ProjectAccess, Depends(editing)],
        response: Response,
        hook: HookId,
        body: HookBody,
        if_match: IfMatch = None,
    ) -> HookView:
        """Rename it, pause it, bind it to repositories."""
        changed = await service.update(granted, hook, body.wish(), named_tag(if_match))
        response.headers["ETag"] = etag_of(changed.tag)
        return hook_view(changed, base_url)

    @router.delete(
        f"{BASE}/{{hook}}",
        status_code=204,
        operation_id="delete_hook",
        summary="Delete a hook",
        responses=problem_responses(401, 403, 404, 412, 422, 428),
    )
    async def delete_hook(
        granted: Annotated[ProjectAccess, Depends(editing)], hook: HookId, if_match: IfMatch = None
    ) -> None:
        """Its events stay."""
        await service.delete(granted, hook, named_tag(if_match))
