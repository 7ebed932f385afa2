"""Login by an identity provider: authorization code with PKCE, bound to the browser that began it.

Source: OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE); RFC 9700, 2.1 and 4.7 (login CSRF); RFC 9207 is not needed, as
each provider has a callback of its own.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

from quilate.accounts.addresses import normal_email
from quilate.accounts.credentials import LONGEST_CREDENTIAL, hash_of, new_secret
from quilate.accounts.errors import invalid, not_found, unauthenticated
from quilate.accounts.federation.identities import user_of
from quilate.accounts.federation.model import (
    Flow,
    Identity,
    IdentityProvider,
    SecretKeeper,
    challenge_of,
    derived,
    is_challenge,
    is_safe_return,
    provider_from,
)
from quilate.accounts.federation.providers import STATEMENTS, find_provider
from quilate.accounts.oidc.errors import IssuerFaultError, RefusedTokenError, issuer_is_away
from quilate.accounts.oidc.issuers import Endpoints, Issuers
from quilate.accounts.oidc.verification import Claims, audiences_of, verified_claims
from quilate.accounts.sessions import Login, Sessions, begin_session
from quilate.domain.errors import QuilateError
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.outgoing.http import OutgoingError
from quilate.kit.web.problems import Problem

_LONGEST_NAME = 200
_LONGEST_SUBJECT = 255
_SERVER_FAULT = 500
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where a browser goes, and the secret that it keeps meanwhile."""

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody came back: they are logged in, or sent on with a code to whoever asked for them."""

    login: Login | None = None
    redirect: str = ""


class FederatedLogin:
    """Begins and finishes logins by identity providers.

    Args:
        database: Where logins under way are kept, by hashes.
        issuers: Endpoints and keys of the providers.
        sessions: Makes the tokens of a session.
        secrets: Opens client secrets.
        base_url: Where the providers send people back to.
    """

    def __init__(
        self,
        database: Database,
        *,
        issuers: Issuers,
        sessions: Sessions,
        secrets: SecretKeeper | None,
        base_url: str,
    ) -> None:
        self._database = database
        self._issuers = issuers
        self._sessions = sessions
        self._secrets = secrets
        self._base_url = base_url.rstrip("/")

    async def begin(
        self, slug: str, *, return_to: str = "", challenge: str = "", user_id: UUID | None = None
    ) -> Departure:
        """Send somebody to a provider.

        Args:
            slug: Of the provider.
            return_to: Where the browser goes afterwards with a code; a path of ours, or a program on its machine.
            challenge: S256 challenge of whoever redeems that code.
            user_id: Who adds the provider to their account, if that is what happens.

        Raises:
            Problem: 404 no such provider, 422 ``return_to`` leads elsewhere, 503 the provider is away.
        """
        if bool(return_to) != bool(challenge):
            raise invalid("return_to and challenge belong together")
        if return_to and not (is_safe_return(return_to) and is_challenge(challenge)):
            raise invalid(
                "return_to leads to another site, or challenge is no S256 challenge",
                next_step="name a path of this service, or http://127.0.0.1:PORT/...",
            )
        async with self._database.connection() as connection:
            provider = await find_provider(connection, slug)
        if not provider.enabled:
            raise not_found(f"there is no identity provider {slug!r}")
        endpoints = await self._endpoints(provider)
        state, browser = new_secret(), new_secret()

        async def work(connection: Connection) -> None:
            await STATEMENTS.execute(
                connection,
                "insert_flow",
                state_hash=state.hash,
                browser_hash=browser.hash,
                provider_id=provider.id,
                user_id=user_id,
                return_to=return_to,
                challenge=challenge,
            )

        await self._database.run(work)
        words = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._callback(provider),
            "scope": "openid email profile",
            "state": state.text,
            "nonce": derived(browser.text, "nonce"),
            "code_challenge": challenge_of(derived(browser.text, "verifier")),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in endpoints.authorization else "?"
        return Departure(url=f"{endpoints.authorization}{joint}{urlencode(words)}", browser=browser.text)

    async def finish(self, slug: str, *, code: str, state: str, browser: str, device: str) -> Arrival:
        """Take in somebody who comes back.

        Raises:
            Problem: 401 the login was not begun by this browser, or the provider's answer does not count; 403 nobody
                was invited; 409 the identity is another user's; 503 the provider is away.
        """
        flow = await self._taken(slug, state, browser)
        if not code:
            raise unauthenticated(
                "the identity provider has not let you in", next_step="try again, or ask whoever runs the provider"
            )
        identity = await self._identity(flow.provider, code, browser)
        new_user_id, session_id, refresh, one_time = uuid7(), uuid7(), new_secret(), new_secret()

        async def work(connection: Connection) -> UUID:
            user_id = await user_of(connection, flow, identity, new_user_id=new_user_id)
            if flow.return_to:
                await STATEMENTS.execute(
                    connection, "insert_code", code_hash=one_time.hash, challenge=flow.challenge, user_id=user_id
                )
            else:
                await begin_session(
                    connection,
                    session_id=session_id,
                    user_id=user_id,
                    refresh=refresh,
                    device=device,
                    method="provider",
                )
            return user_id

        user_id = await self._database.run(work)
        if flow.return_to:
            return Arrival(redirect=f"{flow.return_to}?{urlencode({'code': one_time.text})}")
        return Arrival(login=await self._sessions.login_of(user_id=user_id, session_id=session_id, refresh=refresh))

    async def redeem(self, *, code: str, verifier: str, device: str) -> Login:
        """Begin the login that a code stands for; a code is void after its first use, right or wrong.

        Raises:
            Problem: 401.
        """
        void = unauthenticated("the code is void", next_step="begin the login again")
        if max(len(code), len(verifier)) > LONGEST_CREDENTIAL:
            raise void
        session_id, refresh = uuid7(), new_secret()

        async def work(connection: Connection) -> UUID | None:
            row = await STATEMENTS.one(connection, "take_code", code_hash=hash_of(code))
            if row is None or not row["valid"] or not hmac.compare_digest(challenge_of(verifier), row["challenge"]):
                return None
            await begin_session(
                connection,
                session_id=session_id,
                user_id=row["user_id"],
                refresh=refresh,
                device=device,
                method="provider",
            )
            return UUID(str(row["user_id"]))

        user_id = await self._database.run(work)
        if user_id is None:
            raise void
        return await self._sessions.login_of(user_id=user_id, session_id=session_id, refresh=refresh)

    async def tidy(self, connection: Connection) -> None:
        """Forget logins that were never finished."""
        await STATEMENTS.execute(connection, "tidy_flows")

    async def _taken(self, slug: str, state: str, browser: str) -> Flow:
        row: Mapping[str, Any] | None = None
        if browser and max(len(state), len(browser)) <= LONGEST_CREDENTIAL:

            async def work(connection: Connection) -> Mapping[str, Any] | None:
                return await STATEMENTS.one(
                    connection, "take_flow", state_hash=hash_of(state), browser_hash=hash_of(browser), slug=slug
                )

            row = await self._database.run(work)
        if row is None:
            raise unauthenticated(
                "this login was not begun by this browser, was finished, or was begun more than 10 minutes ago",
                next_step="begin it again",
            )
        return Flow(
            provider=provider_from(row),
            user_id=row["linking_user_id"],
            return_to=row["return_to"],
            challenge=row["challenge"],
        )

    async def _identity(self, provider: IdentityProvider, code: str, browser: str) -> Identity:
        endpoints = await self._endpoints(provider)
        token = await self._id_token(provider, endpoints, code, derived(browser, "verifier"))
        try:
            claims = await verified_claims(self._issuers, token, issuer=provider.issuer)
            _require_ours(claims, provider.client_id, derived(browser, "nonce"))
        except IssuerFaultError as fault:
            raise issuer_is_away(fault) from fault
        except RefusedTokenError as refusal:
            raise unauthenticated(
                f"the identity provider's answer does not count: {refusal.reason}", next_step="begin the login again"
            ) from refusal
        name, email = claims.get("name"), claims.get("email")
        return Identity(
            subject=claims["sub"],
            email=normal_email(email) if isinstance(email, str) else None,
            # Some providers write it as a text; anything else is not verified.
            email_verified=claims.get("email_verified") in (True, "true"),
            name=_printable(name) if isinstance(name, str) else "",
        )

    async def _id_token(self, provider: IdentityProvider, endpoints: Endpoints, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback(provider),
            "client_id": provider.client_id,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self._client_credentials(provider)}
        try:
            answer = await self._issuers.http.request(
                "POST", endpoints.token, headers=headers, content=urlencode(form).encode()
            )
            document = answer.json()
        except (OutgoingError, RecursionError) as error:
            reason = error.message if isinstance(error, OutgoingError) else "its answer is nested too deeply"
            raise issuer_is_away(IssuerFaultError(reason)) from error
        if answer.status >= _SERVER_FAULT:
            raise issuer_is_away(IssuerFaultError(f"{urlsplit(endpoints.token).hostname} answered {answer.status}"))
        token = document.get("id_token") if isinstance(document, dict) and answer.status == _OK else None
        if not isinstance(token, str):
            raise unauthenticated(
                "the identity provider has not taken the code",
                next_step="begin the login again; if it goes on, have an administrator look at the client's settings",
            )
        return token

    def _client_credentials(self, provider: IdentityProvider) -> dict[str, str]:
        """Return the header by which the client proves itself (RFC 6749, 2.3.1); none for a public client."""
        if provider.client_secret is None:
            return {}
        if self._secrets is None:
            raise Problem(status=503, type="unavailable", detail="this process cannot open the client's secret")
        try:
            secret = self._secrets.open(provider.client_secret, provider.secret_context)
        except QuilateError as error:
            raise Problem(status=503, type="unavailable", detail=error.message, next_step=error.next_step) from error
        pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def _endpoints(self, provider: IdentityProvider) -> Endpoints:
        try:
            endpoints = await self._issuers.endpoints(provider.issuer)
        except IssuerFaultError as fault:
            raise issuer_is_away(fault) from fault
        schemes = ("https://", "http://") if self._issuers.allow_plain_http else ("https://",)
        if not endpoints.authorization.startswith(schemes) or not endpoints.token.startswith(schemes):
            raise issuer_is_away(IssuerFaultError("its discovery document names no endpoints for a login"))
        return endpoints

    def _callback(self, provider: IdentityProvider) -> str:
        return f"{self._base_url}/api/v1/auth/oidc/{provider.slug}/callback"


def _require_ours(claims: Claims, client_id: str, nonce: str) -> None:
    """Refuse an ID token that is not the answer to our question (OpenID Connect Core 1.0, 3.1.3.7)."""
    audiences = audiences_of(claims)
    if client_id not in audiences:
        raise RefusedTokenError("it is meant for another client")
    party = claims.get("azp")
    if (party is not None or len(audiences) > 1) and party != client_id:
        raise RefusedTokenError("it was given to another client")
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode("utf-8", "surrogatepass"), nonce.encode()):
        raise RefusedTokenError("it belongs to another login")
    if len(claims["sub"]) > _LONGEST_SUBJECT or "\0" in claims["sub"]:
        raise RefusedTokenError("its subject is too long")


def _printable(name: str) -> str:
    return "".join(sign for sign in name if sign.isprintable())[:_LONGEST_NAME].strip()
