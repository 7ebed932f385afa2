"""Routes of the one who asks: who they are, their API tokens, their personal data."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.errors import forbidden
from quilate.accounts.export_schemas import PersonalDataView
from quilate.accounts.model import Permission, Principal
from quilate.accounts.schemas import (
    MeView,
    NewTokenView,
    TokenPage,
    TokenRequest,
    TokenView,
    me_view,
    new_token_view,
    token_view,
)
from quilate.accounts.service import AccountsService
from quilate.accounts.wire import page_of, place_of, problems
from quilate.kit.web.answers import json_answer
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "me"


def make_me_router(service: AccountsService, access: Access) -> APIRouter:
    """Return the routes below ``/me``."""
    router = APIRouter(tags=[TAG])
    caller = Depends(access.principal)

    @router.get("/me", operation_id="get_me", summary="Who am I", responses=problems())
    async def me(principal: Annotated[Principal, caller]) -> MeView:
        """Name and e-mail address are shown to a login only."""
        user = None
        if principal.session_id is not None and principal.user_id is not None:
            user = await service.users.get(principal.user_id)
        return me_view(principal, user)

    @router.get(
        "/me/personal-data", operation_id="export_my_data", summary="Export my personal data", responses=problems()
    )
    async def export(principal: Annotated[Principal, caller]) -> PersonalDataView:
        """Everything that the installation holds about the person."""
        if principal.session_id is None or principal.user_id is None:
            raise forbidden("personal data is handed out to a login", next_step="log in and try again")
        return PersonalDataView.model_validate(await service.personal_data.export(principal, principal.user_id))

    _add_tokens(router, service, access)
    return router


def _add_tokens(router: APIRouter, service: AccountsService, access: Access) -> None:
    caller = Depends(access.principal)

    @router.post(
        "/me/tokens",
        status_code=201,
        operation_id="create_token",
        summary="Create an API token",
        response_model=NewTokenView,
        responses=problems(404, 409),
    )
    async def create(
        body: TokenRequest,
        request: Request,
        principal: Annotated[Principal, caller],
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """It never gets more than its owner may at the moment of its use. It is shown this once."""
        project = None
        if body.project is not None:
            project = await access.project_by_slug(request, body.project, Permission.PROJECT_READ)

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            created = await service.tokens.create(
                principal,
                name=body.name,
                scopes=frozenset(body.scopes),
                days=body.expires_in_days,
                project=project,
            )
            headers = {"Location": f"/api/v1/me/tokens/{created.token.id}", "Cache-Control": "no-store"}
            return json_answer(new_token_view(created), status=201, headers=headers)

        return await idempotent(request, service.database, str(principal.actor), carry_out, keeps_body=False)

    @router.get("/me/tokens", operation_id="list_tokens", summary="List my API tokens", responses=problems())
    async def list_tokens(
        principal: Annotated[Principal, caller],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> TokenPage:
        """Those that are void are listed too."""
        rows = await service.tokens.list(principal, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda token: token.id)
        response.headers.update(next_link(request, page.cursor))
        return TokenPage(items=[token_view(each) for each in page.items], next_cursor=page.cursor)

    @router.get("/me/tokens/{token_id}", operation_id="get_token", summary="Get an API token", responses=problems(404))
    async def get_token(token_id: UUID, principal: Annotated[Principal, caller]) -> TokenView:
        """Without its secret, which nobody knows any more."""
        return token_view(await service.tokens.get(principal, token_id))

    @router.delete(
        "/me/tokens/{token_id}",
        status_code=204,
        operation_id="revoke_token",
        summary="Revoke an API token",
        responses=problems(404),
    )
    async def revoke(token_id: UUID, principal: Annotated[Principal, caller]) -> None:
        """It is void at once in this process, and everywhere within 5 seconds."""
        await service.tokens.revoke(principal, token_id)
