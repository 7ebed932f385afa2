"""Routes of users, for administrators of the installation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.export_schemas import PersonalDataView
from quilate.accounts.model import Permission, Principal
from quilate.accounts.schemas import (
    InvitationRequest,
    InvitationView,
    UserChange,
    UserPage,
    UserView,
    invitation_view,
    user_view,
)
from quilate.accounts.service import AccountsService
from quilate.accounts.wire import page_of, place_of, problems
from quilate.kit.web.answers import json_answer
from quilate.kit.web.conditional import IfMatch, etag_of, matched_version
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "users"


def make_user_router(service: AccountsService, access: Access) -> APIRouter:
    """Return the routes below ``/users``."""
    router = APIRouter(tags=[TAG])
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.post(
        "/users",
        status_code=201,
        operation_id="invite_user",
        summary="Invite a user",
        response_model=InvitationView,
        responses=problems(409),
    )
    async def invite(
        body: InvitationRequest,
        request: Request,
        principal: Annotated[Principal, administrator],
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """Give the link to the person by a way that you trust: whoever opens it first chooses the password."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            invitation = await service.users.invite(
                principal,
                email=body.email,
                name=body.name,
                instance_admin=body.instance_admin,
                auditor=body.auditor,
            )
            user = invitation.user
            headers = {
                "Location": f"/api/v1/users/{user.id}",
                "ETag": etag_of(user.version),
                "Cache-Control": "no-store",
            }
            return json_answer(invitation_view(invitation), status=201, headers=headers)

        return await idempotent(request, service.database, str(principal.actor), carry_out, keeps_body=False)

    @router.get("/users", operation_id="list_users", summary="List users", responses=problems())
    async def list_users(
        principal: Annotated[Principal, administrator],  # noqa: ARG001 - the permission
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> UserPage:
        """In the order in which they were recorded."""
        rows = await service.users.list(after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda user: user.id)
        response.headers.update(next_link(request, page.cursor))
        return UserPage(items=[user_view(each) for each in page.items], next_cursor=page.cursor)

    _add_one_user(router, service, access)
    _add_personal_data(router, service, access)
    return router


def _add_one_user(router: APIRouter, service: AccountsService, access: Access) -> None:
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.get("/users/{user_id}", operation_id="get_user", summary="Get a user", responses=problems(404))
    async def get_user(
        user_id: UUID,
        principal: Annotated[Principal, administrator],  # noqa: ARG001 - the permission
        response: Response,
    ) -> UserView:
        """One user."""
        user = await service.users.get(user_id)
        response.headers["ETag"] = etag_of(user.version)
        return user_view(user)

    @router.patch(
        "/users/{user_id}",
        operation_id="change_user",
        summary="Change or deactivate a user",
        responses=problems(404, 409, 412, 428),
    )
    async def change(
        user_id: UUID,
        body: UserChange,
        principal: Annotated[Principal, administrator],
        response: Response,
        if_match: IfMatch = None,
    ) -> UserView:
        """A deactivation ends every login and every token at once; the last administrator stays."""
        user = await service.users.change(
            principal, user_id, version=matched_version(if_match), changes=body.model_dump(exclude_none=True)
        )
        response.headers["ETag"] = etag_of(user.version)
        return user_view(user)

    @router.post(
        "/users/{user_id}/link",
        status_code=201,
        operation_id="create_user_link",
        summary="Make another one-time link for a user",
        response_model=InvitationView,
        responses=problems(404, 409),
    )
    async def new_link(
        user_id: UUID,
        request: Request,
        principal: Annotated[Principal, administrator],
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """To the first password, or to a new one; earlier links of the user open no more."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            invitation = await service.users.new_link(principal, user_id)
            headers = {"Location": f"/api/v1/users/{user_id}", "Cache-Control": "no-store"}
            return json_answer(invitation_view(invitation), status=201, headers=headers)

        return await idempotent(request, service.database, str(principal.actor), carry_out, keeps_body=False)


def _add_personal_data(router: APIRouter, service: AccountsService, access: Access) -> None:
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.get(
        "/users/{user_id}/personal-data",
        operation_id="export_personal_data",
        summary="Export the personal data of a user",
        responses=problems(404),
    )
    async def export(user_id: UUID, principal: Annotated[Principal, administrator]) -> PersonalDataView:
        """Everything that the installation holds about the person; that it was exported is in the audit log."""
        return PersonalDataView.model_validate(await service.personal_data.export(principal, user_id))

    @router.delete(
        "/users/{user_id}/personal-data",
        operation_id="erase_personal_data",
        summary="Erase the personal data of a user",
        responses=problems(404, 409),
    )
    async def erase(user_id: UUID, principal: Annotated[Principal, administrator]) -> UserView:
        """For good. The id stays, so that the audit log keeps its meaning, and a salted hash of the address."""
        return user_view(await service.personal_data.erase(principal, user_id))
