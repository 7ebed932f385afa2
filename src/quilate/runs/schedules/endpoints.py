"""Routes of schedules below ``/projects/{project}/schedules``."""

from collections.abc import Awaitable, Callable
from datetime import datetime
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
from quilate.runs.schedules.recurrence import LONGEST_CRON
from quilate.runs.schedules.schemas import (
    FiringPage,
    PreviewView,
    ScheduleBody,
    SchedulePage,
    ScheduleView,
    firing_view,
    schedule_view,
)
from quilate.runs.schedules.service import MOST_PREVIEWED, ScheduleService

TAG = "schedules"
BASE = "/projects/{project}/schedules"
_NO_NUL = r"^[^\x00]*$"

ScheduleId = Annotated[UUID, Path(description="The schedule's id.")]
Count = Annotated[int, Query(ge=1, le=MOST_PREVIEWED, description="Moments at most.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def make_router(service: ScheduleService, access: Access) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    reading = access.project(Permission.PROJECT_READ)
    _add_previews(router, service, reading)
    _add_reading(router, service, reading)
    _add_writing(router, service, access.project(Permission.SCHEDULE_EDIT))
    return router


def _add_previews(router: APIRouter, service: ScheduleService, reading: AccessTo) -> None:
    @router.get(
        "/projects/{project}/schedule-preview",
        operation_id="preview_cron",
        summary="Show when a cron expression would fire",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def preview_cron(
        granted: Annotated[ProjectAccess, Depends(reading)],  # noqa: ARG001 - who may ask
        cron: Annotated[str, Query(max_length=LONGEST_CRON, pattern=_NO_NUL, description="Five fields.")],
        time_zone: Annotated[str, Query(max_length=100, pattern=_NO_NUL, description="Name of the IANA base.")] = "UTC",
        count: Count = 10,
    ) -> PreviewView:
        """Before there is a schedule; by the database's clock."""
        return PreviewView(moments=await service.preview(cron, time_zone, count))

    @router.get(
        f"{BASE}/{{schedule}}/preview",
        operation_id="preview_schedule",
        summary="Show when a schedule fires next",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def preview_schedule(
        granted: Annotated[ProjectAccess, Depends(reading)], schedule: ScheduleId, count: Count = 10
    ) -> PreviewView:
        """Also of a schedule that is not enabled."""
        return PreviewView(moments=await service.upcoming(granted, schedule, count))


def _add_reading(router: APIRouter, service: ScheduleService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_schedules",
        summary="List schedules",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_schedules(
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> SchedulePage:
        """Those that are not enabled included."""
        place = decode_cursor(cursor, tuple[UUID])
        rows = await service.listed(granted, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.id,))
        response.headers.update(next_link(request, page.cursor))
        return SchedulePage(items=[schedule_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{schedule}}",
        operation_id="get_schedule",
        summary="Read a schedule",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_schedule(
        granted: Annotated[ProjectAccess, Depends(reading)], response: Response, schedule: ScheduleId
    ) -> ScheduleView:
        """Its `ETag` is what a change names by `If-Match`."""
        found = await service.get(granted, schedule)
        response.headers["ETag"] = etag_of(found.tag)
        return schedule_view(found)

    @router.get(
        f"{BASE}/{{schedule}}/firings",
        operation_id="list_firings",
        summary="List what became of a schedule's firings",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_firings(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        schedule: ScheduleId,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> FiringPage:
        """Runs that it submitted, and firings that were skipped or refused."""
        place = decode_cursor(cursor, tuple[datetime])
        before = place[0] if place else None
        rows = await service.firings(granted, schedule, before=before, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.fire_at,))
        response.headers.update(next_link(request, page.cursor))
        return FiringPage(items=[firing_view(row) for row in page.items], next_cursor=page.cursor)


def _add_writing(router: APIRouter, service: ScheduleService, editing: AccessTo) -> None:
    @router.post(
        BASE,
        status_code=201,
        response_model=ScheduleView,
        operation_id="create_schedule",
        summary="Create a schedule",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def create_schedule(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: ScheduleBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """It fires first at its first moment from now on."""

        async def handle(_: KeyClaim | None) -> Response:
            created = await service.create(granted, body.wish())
            location = f"/api/v1/projects/{granted.project.slug}/schedules/{created.id}"
            headers = {"Location": location, "ETag": etag_of(created.tag)}
            return json_answer(schedule_view(created), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.put(
        f"{BASE}/{{schedule}}",
        operation_id="update_schedule",
        summary="Change a schedule",
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def update_schedule(
        granted: Annotated[ProjectAccess, Depends(editing)],
        response: Response,
        schedule: ScheduleId,
        body: ScheduleBody,
        if_match: IfMatch = None,
    ) -> ScheduleView:
        """Replace all of it. Firings that were missed before are not made up for."""
        changed = await service.update(granted, schedule, body.wish(), named_tag(if_match))
        response.headers["ETag"] = etag_of(changed.tag)
        return schedule_view(changed)

    @router.delete(
        f"{BASE}/{{schedule}}",
        status_code=204,
        operation_id="delete_schedule",
        summary="Delete a schedule",
        responses=problem_responses(401, 403, 404, 412, 422, 428),
    )
    async def delete_schedule(
        granted: Annotated[ProjectAccess, Depends(editing)], schedule: ScheduleId, if_match: IfMatch = None
    ) -> None:
        """Its runs stay."""
        await service.delete(granted, schedule, named_tag(if_match))
