"""Routes of deliveries below ``/projects/{project}/deliveries``."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.model import ProjectAccess
from quilate.deliveries.model import DeliveryFilter, DeliveryState
from quilate.deliveries.schemas import DeliveryDetail, DeliveryPage, delivery_detail, delivery_view
from quilate.deliveries.service import ConnectionService
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link

TAG = "deliveries"
BASE = "/projects/{project}/deliveries"

DeliveryId = Annotated[UUID, Path(description="The delivery's id.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def add_delivery_routes(router: APIRouter, service: ConnectionService, reading: AccessTo, replaying: AccessTo) -> None:
    """Add the routes."""

    @router.get(
        BASE,
        operation_id="list_deliveries",
        summary="List deliveries",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_deliveries(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        state: Annotated[DeliveryState | None, Query(description="Only those; `dead` are the dead letters.")] = None,
        connection: Annotated[UUID | None, Query(description="Only those to this connection.")] = None,
        subject: Annotated[
            str | None,
            Query(max_length=500, pattern=r"^[^\x00]*$", description="Only those about `run:ID` or the like."),
        ] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> DeliveryPage:
        """One for each event and connection."""
        place = decode_cursor(cursor, tuple[UUID])
        wanted = DeliveryFilter(state=state, connection=connection, subject=subject)
        rows = await service.deliveries(granted, wanted, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row["id"],))
        response.headers.update(next_link(request, page.cursor))
        return DeliveryPage(items=[delivery_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{delivery}}",
        operation_id="get_delivery",
        summary="Read a delivery with its attempts",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_delivery(granted: Annotated[ProjectAccess, Depends(reading)], delivery: DeliveryId) -> DeliveryDetail:
        """What was tried, when, and how it ended."""
        return delivery_detail(await service.delivery(granted, delivery))

    @router.post(
        f"{BASE}/{{delivery}}/replay",
        operation_id="replay_delivery",
        summary="Let a dead letter be tried again",
        tags=[TAG],
        status_code=202,
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def replay_delivery(
        granted: Annotated[ProjectAccess, Depends(replaying)], delivery: DeliveryId
    ) -> DeliveryDetail:
        """With the event id that it always had, so that the receiver knows a repetition."""
        return delivery_detail(await service.replay(granted, delivery))
