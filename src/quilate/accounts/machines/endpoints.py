"""Routes of service accounts below ``/projects/{project}``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.machines.schemas import (
    MachineTokenPage,
    MachineTokenRequest,
    NewMachineTokenView,
    ServiceAccountChange,
    ServiceAccountPage,
    ServiceAccountRequest,
    ServiceAccountView,
    machine_token_view,
    new_machine_token_view,
    service_account_view,
)
from quilate.accounts.machines.service import ServiceAccounts
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.wire import page_of, place_of, problems
from quilate.kit.database.database import Database
from quilate.kit.web.answers import json_answer
from quilate.kit.web.conditional import IfMatch, etag_of, matched_version
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "service accounts"
_ALL = "/projects/{project}/service-accounts"
_ONE = f"{_ALL}/{{service_account}}"


def make_machine_router(service: ServiceAccounts, access: Access, database: Database) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    _add_accounts(router, service, access, database)
    _add_tokens(router, service, access, database)
    return router


def _add_accounts(router: APIRouter, service: ServiceAccounts, access: Access, database: Database) -> None:
    administrator = Depends(access.project(Permission.PROJECT_ADMIN))

    @router.post(
        _ALL,
        status_code=201,
        operation_id="create_service_account",
        summary="Create a service account",
        response_model=ServiceAccountView,
        responses=problems(404, 409),
    )
    async def create(
        granted: Annotated[ProjectAccess, administrator],
        body: ServiceAccountRequest,
        request: Request,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """It has no password and no person; what it may do, its tokens may, in this project only."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            account = await service.create(granted, name=body.name, grant=body.grant())
            location = f"/api/v1/projects/{granted.project.slug}/service-accounts/{account.id}"
            headers = {"Location": location, "ETag": etag_of(account.version)}
            return json_answer(service_account_view(account), status=201, headers=headers)

        return await idempotent(request, database, str(granted.actor), carry_out)

    @router.get(_ALL, operation_id="list_service_accounts", summary="List service accounts", responses=problems(404))
    async def list_accounts(
        granted: Annotated[ProjectAccess, administrator],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ServiceAccountPage:
        """Those that are disabled included."""
        rows = await service.list(granted, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda account: account.id)
        response.headers.update(next_link(request, page.cursor))
        return ServiceAccountPage(items=[service_account_view(each) for each in page.items], next_cursor=page.cursor)

    @router.get(_ONE, operation_id="get_service_account", summary="Get a service account", responses=problems(404))
    async def get_account(
        granted: Annotated[ProjectAccess, administrator], service_account: UUID, response: Response
    ) -> ServiceAccountView:
        """One service account."""
        account = await service.get(granted, service_account)
        response.headers["ETag"] = etag_of(account.version)
        return service_account_view(account)

    @router.patch(
        _ONE,
        operation_id="change_service_account",
        summary="Change or disable a service account",
        responses=problems(404, 409, 412, 428),
    )
    async def change(
        granted: Annotated[ProjectAccess, administrator],
        service_account: UUID,
        body: ServiceAccountChange,
        response: Response,
        if_match: IfMatch = None,
    ) -> ServiceAccountView:
        """Disabling revokes its tokens for good: at once in this process, everywhere within 5 seconds."""
        changes = body.model_dump(exclude_none=True)
        account = await service.change(granted, service_account, version=matched_version(if_match), changes=changes)
        response.headers["ETag"] = etag_of(account.version)
        return service_account_view(account)


def _add_tokens(router: APIRouter, service: ServiceAccounts, access: Access, database: Database) -> None:
    administrator = Depends(access.project(Permission.PROJECT_ADMIN))

    @router.post(
        f"{_ONE}/tokens",
        status_code=201,
        operation_id="create_service_account_token",
        summary="Create a token of a service account",
        response_model=NewMachineTokenView,
        responses=problems(404, 409),
    )
    async def create_token(
        granted: Annotated[ProjectAccess, administrator],
        service_account: UUID,
        body: MachineTokenRequest,
        request: Request,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """It is shown this once."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            created = await service.create_token(
                granted,
                service_account,
                name=body.name,
                scopes=frozenset(body.scopes),
                days=body.expires_in_days,
            )
            base = f"/api/v1/projects/{granted.project.slug}/service-accounts/{service_account}/tokens"
            headers = {"Location": base, "Cache-Control": "no-store"}
            return json_answer(new_machine_token_view(created), status=201, headers=headers)

        return await idempotent(request, database, str(granted.actor), carry_out, keeps_body=False)

    @router.get(
        f"{_ONE}/tokens",
        operation_id="list_service_account_tokens",
        summary="List the tokens of a service account",
        responses=problems(404),
    )
    async def list_tokens(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, administrator],
        service_account: UUID,
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> MachineTokenPage:
        """Those that are void included."""
        rows = await service.tokens(granted, service_account, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda token: token.id)
        response.headers.update(next_link(request, page.cursor))
        return MachineTokenPage(items=[machine_token_view(each) for each in page.items], next_cursor=page.cursor)

    @router.delete(
        f"{_ONE}/tokens/{{token_id}}",
        status_code=204,
        operation_id="revoke_service_account_token",
        summary="Revoke a token of a service account",
        responses=problems(404),
    )
    async def revoke(granted: Annotated[ProjectAccess, administrator], service_account: UUID, token_id: UUID) -> None:
        """It is void at once in this process, and everywhere within 5 seconds."""
        await service.revoke_token(granted, service_account, token_id)
