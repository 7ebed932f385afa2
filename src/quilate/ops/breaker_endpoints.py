"""The route of the circuit breakers."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, Principal
from quilate.kit.circuit_breaker import BreakerState
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.ops.breakers import BreakerService


class BreakerView(BaseModel):
    """A circuit breaker."""

    target: str = Field(description="The external system.")
    state: BreakerState = Field(description="Closed: calls go through. Open: none does. Half-open: one tries.")
    failures: int = Field(description="Failures in a row.")
    openings: int = Field(description="How often in a row it opened without a success between.")
    changed_at: datetime = Field(description="When the state changed last.")
    retry_at: datetime | None = Field(description="When a call may try again.")


class BreakerPage(BaseModel):
    """A page of circuit breakers."""

    items: list[BreakerView] = Field(description="In the order of their targets.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


def make_router(service: BreakerService, access: Access) -> APIRouter:
    """Return the route, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=["operations"])

    @router.get(
        "/circuit-breakers",
        operation_id="list_circuit_breakers",
        summary="List circuit breakers",
        responses=problem_responses(401, 403, 422),
    )
    async def list_circuit_breakers(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[Principal, Depends(access.instance(Permission.INSTANCE_ADMIN))],  # noqa: ARG001 - who may
        request: Request,
        response: Response,
        state: Annotated[BreakerState | None, Query(description="Only of this state.")] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> BreakerPage:
        """Which external systems are left alone after failures, for those who run the installation."""
        place = decode_cursor(cursor, tuple[str])
        rows = await service.listed(state=state, after=place[0] if place else "", limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.target,))
        response.headers.update(next_link(request, page.cursor))
        items = [
            BreakerView(
                target=row.target,
                state=row.state,
                failures=row.failures,
                openings=row.openings,
                changed_at=row.changed_at,
                retry_at=row.retry_at,
            )
            for row in page.items
        ]
        return BreakerPage(items=items, next_cursor=page.cursor)

    return router
