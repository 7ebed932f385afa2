"""Routes of trusts, and the exchange of tokens."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trusts.exchange import TokenExchange
from quilate.accounts.trusts.schemas import (
    ExchangeRequest,
    ExchangeView,
    TrustPage,
    TrustRequest,
    TrustView,
    exchange_view,
    trust_view,
)
from quilate.accounts.trusts.service import Trusts
from quilate.accounts.wire import page_of, place_of, problems, public_problems
from quilate.kit.database.database import Database
from quilate.kit.web.answers import json_answer
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "trusts"
_ALL = "/projects/{project}/trusts"
_ONE = f"{_ALL}/{{trust}}"


def make_trust_router(trusts: Trusts, exchange: TokenExchange, access: Access, database: Database) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    administrator = Depends(access.project(Permission.PROJECT_ADMIN))

    @router.post(
        "/auth/oidc/exchange",
        operation_id="exchange_token",
        summary="Exchange a token of a CI job",
        responses=public_problems(401, 403),
    )
    async def exchange_token(body: ExchangeRequest, response: Response) -> ExchangeView:
        """The job proves by its CI system's token what it is; no secret has to lie in the CI system.

        Each token of the CI system is taken once. What it is exchanged for ends within the hour.
        """
        exchanged = await exchange.exchange(slug=body.project, subject_token=body.subject_token)
        response.headers["Cache-Control"] = "no-store"
        return exchange_view(exchanged)

    @router.post(
        _ALL,
        status_code=201,
        operation_id="create_trust",
        summary="Trust an issuer of a CI system",
        response_model=TrustView,
        responses=problems(404, 409),
    )
    async def create(
        granted: Annotated[ProjectAccess, administrator],
        body: TrustRequest,
        request: Request,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """A trust never changes: to have another one, create it and delete this one."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            trust = await trusts.create(granted, body.wish())
            headers = {"Location": f"/api/v1/projects/{granted.project.slug}/trusts/{trust.id}"}
            return json_answer(trust_view(trust), status=201, headers=headers)

        return await idempotent(request, database, str(granted.actor), carry_out)

    @router.get(_ALL, operation_id="list_trusts", summary="List trusts", responses=problems(404))
    async def list_trusts(
        granted: Annotated[ProjectAccess, administrator],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> TrustPage:
        """In the order of their creation."""
        rows = await trusts.list(granted, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda trust: trust.id)
        response.headers.update(next_link(request, page.cursor))
        return TrustPage(items=[trust_view(each) for each in page.items], next_cursor=page.cursor)

    @router.get(_ONE, operation_id="get_trust", summary="Get a trust", responses=problems(404))
    async def get_trust(granted: Annotated[ProjectAccess, administrator], trust: UUID) -> TrustView:
        """One trust."""
        return trust_view(await trusts.get(granted, trust))

    @router.delete(
        _ONE, status_code=204, operation_id="delete_trust", summary="Trust no longer", responses=problems(404)
    )
    async def delete(granted: Annotated[ProjectAccess, administrator], trust: UUID) -> None:
        """Every token that was given under it is void: at once in this process, everywhere within 5 seconds."""
        await trusts.delete(granted, trust)

    return router
