"""Routes of waivers below ``/projects/{project}/waivers``."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.waivers.requests.model import WaiverState
from quilate.waivers.requests.schemas import (
    DecisionBody,
    ReasonBody,
    WaiverBody,
    WaiverPage,
    WaiverView,
    waiver_view,
)
from quilate.waivers.requests.service import WaiverService

TAG = "waivers"
BASE = "/projects/{project}/waivers"

WaiverId = Annotated[UUID, Path(description="The waiver's id.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def make_router(service: WaiverService, access: Access) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    _add_requesting(router, service, access.project(Permission.WAIVER_REQUEST))
    _add_reading(router, service, access.project(Permission.PROJECT_READ))
    _add_deciding(router, service, access.project(Permission.WAIVER_APPROVE))
    return router


def _add_requesting(router: APIRouter, service: WaiverService, requesting: AccessTo) -> None:
    @router.post(
        BASE,
        status_code=201,
        response_model=WaiverView,
        operation_id="request_waiver",
        summary="Ask for a waiver",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def request_waiver(
        granted: Annotated[ProjectAccess, Depends(requesting)],
        request: Request,
        body: WaiverBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """It counts once another person has approved it."""

        async def handle(_: KeyClaim | None) -> Response:
            waiver = await service.request(granted, body.wish())
            location = f"/api/v1/projects/{granted.project.slug}/waivers/{waiver.id}"
            return json_answer(waiver_view(waiver), status=201, headers={"Location": location})

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.post(
        f"{BASE}/{{waiver}}/revoke",
        operation_id="revoke_waiver",
        summary="Revoke a waiver",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def revoke_waiver(
        granted: Annotated[ProjectAccess, Depends(requesting)], waiver: WaiverId, body: ReasonBody
    ) -> WaiverView:
        """Its owner ends it or takes the request back; so may whoever approves waivers."""
        return waiver_view(await service.revoke(granted, waiver, body.reason))


def _add_reading(router: APIRouter, service: WaiverService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_waivers",
        summary="List waivers",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_waivers(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        state: Annotated[WaiverState | None, Query(description="Only of this state.")] = None,
        rule: Annotated[
            str | None, Query(max_length=500, pattern=r"^[^\x00]*$", description="Only of exactly this rule.")
        ] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> WaiverPage:
        """Every waiver stays in the list, whatever became of it."""
        place = decode_cursor(cursor, tuple[UUID])
        before = place[0] if place else None
        rows = await service.listed(granted, state=state, rule=rule, before=before, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.id,))
        response.headers.update(next_link(request, page.cursor))
        return WaiverPage(items=[waiver_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{waiver}}",
        operation_id="get_waiver",
        summary="Read a waiver",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_waiver(granted: Annotated[ProjectAccess, Depends(reading)], waiver: WaiverId) -> WaiverView:
        """Who asked, who decided, how it ended."""
        return waiver_view(await service.get(granted, waiver))


def _add_deciding(router: APIRouter, service: WaiverService, approving: AccessTo) -> None:
    @router.post(
        f"{BASE}/{{waiver}}/approve",
        operation_id="approve_waiver",
        summary="Approve a waiver",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def approve_waiver(
        granted: Annotated[ProjectAccess, Depends(approving)], waiver: WaiverId, body: DecisionBody
    ) -> WaiverView:
        """From now to its last day it counts in every decision. Its owner cannot approve it."""
        return waiver_view(await service.approve(granted, waiver, body.comment))

    @router.post(
        f"{BASE}/{{waiver}}/reject",
        operation_id="reject_waiver",
        summary="Reject a waiver",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def reject_waiver(
        granted: Annotated[ProjectAccess, Depends(approving)], waiver: WaiverId, body: ReasonBody
    ) -> WaiverView:
        """It stays in the list and never counts. Its owner cannot reject it, only revoke it."""
        return waiver_view(await service.reject(granted, waiver, body.reason))
