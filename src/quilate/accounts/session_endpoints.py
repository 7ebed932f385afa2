"""Routes of open logins: one's own, and for administrators those of a user."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, Principal
from quilate.accounts.session_list import OpenSession, SessionList
from quilate.accounts.wire import page_of, place_of, problems
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "sessions"


class SessionView(BaseModel):
    """A login that is open."""

    id: UUID = Field(description="Its id, as the audit log names it.")
    device: str = Field(description="Program and system on which it began, as far as they are known.")
    method: str = Field(description="By what means: `password`, `link` or `provider`.")
    created_at: datetime = Field(description="When it began.")
    last_used_at: datetime = Field(description="When it was last continued; at most 10 minutes before its last use.")
    expires_at: datetime = Field(description="When it ends by itself.")
    current: bool = Field(description="Whether it is the one that asks.")


class SessionPage(BaseModel):
    """Open logins, a page of them."""

    items: Sequence[SessionView] = Field(description="In the order in which they began.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


def _view(session: OpenSession, principal: Principal) -> SessionView:
    values = {name: getattr(session, name) for name in OpenSession.__dataclass_fields__}
    return SessionView(**values, current=session.id == principal.session_id)


def make_session_router(sessions: SessionList, access: Access) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    _add_own(router, sessions, access)
    _add_of_user(router, sessions, access)
    return router


def _add_own(router: APIRouter, sessions: SessionList, access: Access) -> None:
    caller = Depends(access.principal)

    @router.get("/me/sessions", operation_id="list_my_sessions", summary="List my logins", responses=problems())
    async def list_own(
        principal: Annotated[Principal, caller],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> SessionPage:
        """Those that are open; no addresses are kept."""
        rows = await sessions.own(principal, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda session: session.id)
        response.headers.update(next_link(request, page.cursor))
        return SessionPage(items=[_view(each, principal) for each in page.items], next_cursor=page.cursor)

    @router.delete(
        "/me/sessions",
        status_code=204,
        operation_id="revoke_my_other_sessions",
        summary="End my other logins",
        responses=problems(),
    )
    async def revoke_others(principal: Annotated[Principal, caller]) -> None:
        """All but the one that asks: at once in this process, everywhere within 5 seconds."""
        await sessions.revoke_others(principal)

    @router.delete(
        "/me/sessions/{session_id}",
        status_code=204,
        operation_id="revoke_my_session",
        summary="End one of my logins",
        responses=problems(404),
    )
    async def revoke_own(session_id: UUID, principal: Annotated[Principal, caller]) -> None:
        """At once in this process, everywhere within 5 seconds."""
        await sessions.revoke_own(principal, session_id)


def _add_of_user(router: APIRouter, sessions: SessionList, access: Access) -> None:
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.get(
        "/users/{user_id}/sessions",
        operation_id="list_sessions_of_user",
        summary="List the logins of a user",
        responses=problems(404),
    )
    async def list_of_user(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        user_id: UUID,
        principal: Annotated[Principal, administrator],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> SessionPage:
        """Those that are open."""
        rows = await sessions.of_user(user_id, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda session: session.id)
        response.headers.update(next_link(request, page.cursor))
        return SessionPage(items=[_view(each, principal) for each in page.items], next_cursor=page.cursor)

    @router.delete(
        "/users/{user_id}/sessions",
        status_code=204,
        operation_id="revoke_sessions_of_user",
        summary="End every login of a user",
        responses=problems(404),
    )
    async def revoke_of_user(user_id: UUID, principal: Annotated[Principal, administrator]) -> None:
        """Their API tokens stay; a deactivation ends those too."""
        await sessions.revoke_of_user(principal, user_id)
