"""Routes of identity providers, logins by them, and the ways in that a user has."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.access import SLUG_PATTERN, Access
from quilate.accounts.auth_endpoints import request_device
from quilate.accounts.credentials import LONGEST_CREDENTIAL
from quilate.accounts.federation.identities import Identities, require_login
from quilate.accounts.federation.login import FederatedLogin
from quilate.accounts.federation.model import LONGEST_RETURN
from quilate.accounts.federation.providers import IdentityProviders
from quilate.accounts.federation.schemas import (
    DepartureView,
    IdentityList,
    IdentityRequest,
    OfferedProvider,
    OfferedProviders,
    ProviderChange,
    ProviderPage,
    ProviderRequest,
    ProviderView,
    RedeemRequest,
    identity_list,
    provider_view,
)
from quilate.accounts.model import Permission, Principal
from quilate.accounts.schemas import LoginView, login_view
from quilate.accounts.wire import page_of, place_of, problems, public_problems
from quilate.kit.database.database import Database
from quilate.kit.web.answers import json_answer
from quilate.kit.web.conditional import IfMatch, etag_of, matched_version
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

LOGIN_TAG = "login"
PROVIDER_TAG = "identity providers"
_SECRET = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_COOKIE_SECONDS = 600
_NO_NUL = r"^[^\x00]*$"

ProviderSlug = Annotated[str, Path(pattern=SLUG_PATTERN, max_length=64, description="The provider's slug.")]


class BrowserCookie:
    """The cookie that binds a login under way to its browser.

    Args:
        base_url: Of the service; over https the cookie has the prefix that no other site can set.
    """

    def __init__(self, base_url: str) -> None:
        self._secure = urlsplit(base_url).scheme == "https"
        self._name = "__Host-quilate-login" if self._secure else "quilate-login"

    def read(self, request: Request) -> str:
        """Return the browser's secret; empty where it has none."""
        return request.cookies.get(self._name, "")[:LONGEST_CREDENTIAL]

    def write(self, response: Response, secret: str) -> None:
        """Give the browser a secret; it comes along when the provider sends the browser back (``Lax``)."""
        response.set_cookie(
            self._name,
            secret,
            max_age=_COOKIE_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        """Take the secret away."""
        response.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite="lax")


def make_federation_router(  # noqa: PLR0913, PLR0917 - the parts of the slice
    providers: IdentityProviders,
    login: FederatedLogin,
    identities: Identities,
    access: Access,
    database: Database,
    base_url: str,
) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    cookie = BrowserCookie(base_url)
    _add_login(router, login, providers, cookie)
    _add_identities(router, login, identities, access, cookie)
    _add_providers(router, providers, access, database)
    _add_one_provider(router, providers, access)
    return router


def _add_login(router: APIRouter, login: FederatedLogin, providers: IdentityProviders, cookie: BrowserCookie) -> None:
    @router.get(
        "/auth/oidc/providers",
        tags=[LOGIN_TAG],
        operation_id="list_offered_providers",
        summary="List by which providers people can log in",
        responses=public_problems(),
    )
    async def offered() -> OfferedProviders:
        """What a login page shows."""
        items = [
            OfferedProvider(slug=slug, name=name, login=f"/api/v1/auth/oidc/{slug}/login")
            for slug, name in await providers.offered()
        ]
        return OfferedProviders(items=items)

    @router.get(
        "/auth/oidc/{provider}/login",
        tags=[LOGIN_TAG],
        operation_id="begin_provider_login",
        summary="Log in by an identity provider",
        status_code=303,
        response_class=Response,
        responses={303: {"description": "To the provider's page."}, **public_problems(404)},
    )
    async def begin(
        provider: ProviderSlug,
        return_to: Annotated[
            str,
            Query(
                max_length=LONGEST_RETURN,
                pattern=_NO_NUL,
                description="Path of this service, or `http://127.0.0.1:PORT/...`, that gets a code for the login.",
            ),
        ] = "",
        challenge: Annotated[
            str, Query(max_length=64, pattern=_NO_NUL, description="S256 challenge of whoever redeems that code.")
        ] = "",
    ) -> Response:
        """For a browser. Without `return_to` the callback itself answers with the tokens."""
        departure = await login.begin(provider, return_to=return_to, challenge=challenge)
        response = Response(status_code=303, headers={"Location": departure.url, **_SECRET})
        cookie.write(response, departure.browser)
        return response

    @router.get(
        "/auth/oidc/{provider}/callback",
        tags=[LOGIN_TAG],
        operation_id="finish_provider_login",
        summary="Come back from an identity provider",
        response_model=LoginView,
        responses={303: {"description": "To `return_to`, with a code."}, **public_problems(401, 403, 409)},
    )
    async def finish(
        provider: ProviderSlug,
        request: Request,
        code: Annotated[str, Query(max_length=4096, pattern=_NO_NUL, description="The provider's code.")] = "",
        state: Annotated[str, Query(max_length=LONGEST_CREDENTIAL, pattern=_NO_NUL, description="As it began.")] = "",
    ) -> Response:
        """Only the browser that began the login can finish it, once and within 10 minutes."""
        arrival = await login.finish(
            provider, code=code, state=state, browser=cookie.read(request), device=request_device(request)
        )
        if arrival.login is None:
            response = Response(status_code=303, headers={"Location": arrival.redirect, **_SECRET})
        else:
            response = json_answer(login_view(arrival.login), headers=_SECRET)
        cookie.clear(response)
        return response

    @router.post(
        "/auth/oidc/redeem",
        tags=[LOGIN_TAG],
        operation_id="redeem_login_code",
        summary="Redeem the code of a login",
        responses=public_problems(401),
    )
    async def redeem(body: RedeemRequest, request: Request, response: Response) -> LoginView:
        """A code is void after its first use, right or wrong, and after a minute."""
        begun = await login.redeem(code=body.code, verifier=body.verifier, device=request_device(request))
        response.headers.update(_SECRET)
        return login_view(begun)


def _add_identities(
    router: APIRouter, login: FederatedLogin, identities: Identities, access: Access, cookie: BrowserCookie
) -> None:
    caller = Depends(access.principal)

    @router.get(
        "/me/identities",
        tags=["me"],
        operation_id="list_my_identities",
        summary="List by which providers I can log in",
        responses=problems(),
    )
    async def list_own(principal: Annotated[Principal, caller]) -> IdentityList:
        """At most one at each provider."""
        return identity_list(await identities.own(principal))

    @router.post(
        "/me/identities",
        tags=["me"],
        operation_id="add_my_identity",
        summary="Add a provider to log in by",
        response_model=DepartureView,
        responses=problems(404),
    )
    async def add(body: IdentityRequest, principal: Annotated[Principal, caller]) -> Response:
        """Answers where the browser has to go; the provider is added when it comes back."""
        departure = await login.begin(body.provider, user_id=require_login(principal))
        response = json_answer(DepartureView(location=departure.url), headers=_SECRET)
        cookie.write(response, departure.browser)
        return response

    @router.delete(
        "/me/identities/{provider}",
        tags=["me"],
        status_code=204,
        operation_id="remove_my_identity",
        summary="Log in by a provider no longer",
        responses=problems(404, 409),
    )
    async def remove(provider: ProviderSlug, principal: Annotated[Principal, caller]) -> None:
        """Not where it is the only way in."""
        await identities.remove(principal, provider)


def _add_providers(router: APIRouter, providers: IdentityProviders, access: Access, database: Database) -> None:
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.post(
        "/identity-providers",
        tags=[PROVIDER_TAG],
        status_code=201,
        operation_id="create_identity_provider",
        summary="Add an identity provider",
        response_model=ProviderView,
        responses=problems(409),
    )
    async def create(
        body: ProviderRequest,
        request: Request,
        principal: Annotated[Principal, administrator],
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """Register `/api/v1/auth/oidc/{slug}/callback` of this service as redirect address at the provider."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            provider = await providers.create(principal, **body.model_dump())
            headers = {
                "Location": f"/api/v1/identity-providers/{provider.slug}",
                "ETag": etag_of(provider.version),
            }
            return json_answer(provider_view(provider), status=201, headers=headers)

        return await idempotent(request, database, str(principal.actor), carry_out)

    @router.get(
        "/identity-providers",
        tags=[PROVIDER_TAG],
        operation_id="list_identity_providers",
        summary="List identity providers",
        responses=problems(),
    )
    async def list_providers(
        principal: Annotated[Principal, administrator],  # noqa: ARG001 - the permission
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ProviderPage:
        """Those that are not enabled included."""
        rows = await providers.list(after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda provider: provider.id)
        response.headers.update(next_link(request, page.cursor))
        return ProviderPage(items=[provider_view(each) for each in page.items], next_cursor=page.cursor)


def _add_one_provider(router: APIRouter, providers: IdentityProviders, access: Access) -> None:
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.get(
        "/identity-providers/{provider}",
        tags=[PROVIDER_TAG],
        operation_id="get_identity_provider",
        summary="Get an identity provider",
        responses=problems(404),
    )
    async def get_provider(
        provider: ProviderSlug,
        principal: Annotated[Principal, administrator],  # noqa: ARG001 - the permission
        response: Response,
    ) -> ProviderView:
        """One provider."""
        found = await providers.get(provider)
        response.headers["ETag"] = etag_of(found.version)
        return provider_view(found)

    @router.patch(
        "/identity-providers/{provider}",
        tags=[PROVIDER_TAG],
        operation_id="change_identity_provider",
        summary="Change or disable an identity provider",
        responses=problems(404, 412, 428),
    )
    async def change(
        provider: ProviderSlug,
        body: ProviderChange,
        principal: Annotated[Principal, administrator],
        response: Response,
        if_match: IfMatch = None,
    ) -> ProviderView:
        """Slug and issuer never change: the identities of people belong to them."""
        changed = await providers.change(principal, provider, version=matched_version(if_match), changes=body.changes())
        response.headers["ETag"] = etag_of(changed.version)
        return provider_view(changed)

    @router.delete(
        "/identity-providers/{provider}",
        tags=[PROVIDER_TAG],
        status_code=204,
        operation_id="delete_identity_provider",
        summary="Remove an identity provider",
        responses=problems(404),
    )
    async def delete(provider: ProviderSlug, principal: Annotated[Principal, administrator]) -> None:
        """Who people are there is forgotten; their users and open logins stay."""
        await providers.delete(principal, provider)
