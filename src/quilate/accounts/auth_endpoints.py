"""Routes of logins: nobody has to be logged in for them, except to change a password."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.devices import device_of
from quilate.accounts.model import Principal
from quilate.accounts.schemas import (
    LoginRequest,
    LoginView,
    PasswordRequest,
    RefreshRequest,
    SetupRequest,
    login_view,
)
from quilate.accounts.service import AccountsService
from quilate.accounts.wire import problems, public_problems

TAG = "login"
_SECRET = {"Cache-Control": "no-store"}


def client_address(request: Request) -> str:
    """Return the address of the caller, as the server in front of us has established it."""
    return request.client.host if request.client is not None else ""


def request_device(request: Request) -> str:
    """Return what kind of device the caller has."""
    return device_of(request.headers.get("user-agent", ""))


def make_auth_router(service: AccountsService, access: Access) -> APIRouter:
    """Return the routes below ``/auth``."""
    router = APIRouter(tags=[TAG])

    @router.post("/auth/login", operation_id="login", summary="Log in", responses=public_problems(401))
    async def login(body: LoginRequest, request: Request, response: Response) -> LoginView:
        """Every failure has the same answer. After some of them the next attempt has to wait."""
        begun = await service.sessions.login(
            email=body.email, password=body.password, address=client_address(request), device=request_device(request)
        )
        response.headers.update(_SECRET)
        return login_view(begun)

    @router.post(
        "/auth/refresh", operation_id="refresh_login", summary="Continue a login", responses=public_problems(401)
    )
    async def refresh(body: RefreshRequest, response: Response) -> LoginView:
        """A refresh token works once. One that comes twice ends the login, for it may be in a thief's hands."""
        renewed = await service.sessions.refresh(body.refresh_token)
        response.headers.update(_SECRET)
        return login_view(renewed)

    @router.post("/auth/logout", status_code=204, operation_id="logout", summary="Log out", responses=public_problems())
    async def logout(body: RefreshRequest) -> None:
        """End the login that the refresh token belongs to; one that is void already is no error."""
        await service.sessions.logout(body.refresh_token)

    @router.post(
        "/auth/setup",
        operation_id="use_one_time_link",
        summary="Use a one-time link",
        responses=public_problems(409, 410),
    )
    async def setup(body: SetupRequest, request: Request, response: Response) -> LoginView:
        """Choose name and password with the link of an invitation, of the first start, or of a recovery."""
        begun = await service.setup.redeem(
            token=body.token,
            email=body.email,
            name=body.name,
            password=body.password,
            address=client_address(request),
        )
        response.headers.update(_SECRET)
        return login_view(begun)

    @router.post(
        "/auth/password",
        status_code=204,
        operation_id="change_password",
        summary="Change the password",
        responses=problems(),
    )
    async def change_password(
        body: PasswordRequest, request: Request, principal: Annotated[Principal, Depends(access.principal)]
    ) -> None:
        """Every other login of the user ends."""
        await service.sessions.change_password(
            principal, current=body.current_password, new=body.new_password, address=client_address(request)
        )

    return router
