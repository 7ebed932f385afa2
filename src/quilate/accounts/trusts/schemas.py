"""Trusts and the exchange of tokens on the wire."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.accounts.errors import invalid
from quilate.accounts.machines.schemas import MachineName, MachineRequest
from quilate.accounts.model import Permission, Role
from quilate.accounts.oidc.issuers import LONGEST_ISSUER
from quilate.accounts.oidc.verification import LONGEST_TOKEN
from quilate.accounts.schemas import NO_NUL, SLUG_PATTERN
from quilate.accounts.trusts.exchange import Exchanged
from quilate.accounts.trusts.model import (
    DEFAULT_ISSUERS,
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    LONGEST_VALUE,
    MOST_BINDINGS,
    Binding,
    Match,
    Provider,
    Trust,
    TrustWish,
)

Audience = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]


class BindingBody(BaseModel):
    """What one claim of the token has to say."""

    model_config = ConfigDict(extra="forbid")

    claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")] = Field(
        description="Its name.", examples=["repository"]
    )
    value: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_VALUE, pattern=NO_NUL)] = Field(
        description="What it has to say, upper and lower case as they are.", examples=["example/service"]
    )
    match: Match = Field(
        default=Match.EXACT,
        description="`exact`, or `glob`: `*` stands for anything between two slashes, `**` for anything.",
    )


class TrustRequest(MachineRequest):
    """A trust to create."""

    name: MachineName = Field(description="What it is for, for people.", examples=["deploy workflow"])
    provider: Provider = Field(description="Whose tokens: it decides which claims say what ran.")
    issuer: Annotated[str, StringConstraints(max_length=LONGEST_ISSUER, pattern=NO_NUL)] = Field(
        default="",
        description="Exactly as the tokens say it in `iss`; by default github.com's or gitlab.com's.",
    )
    audience: Audience = Field(description="What the job asks its token for.", examples=["https://quilate.example.org"])
    bindings: list[BindingBody] = Field(
        min_length=1, max_length=MOST_BINDINGS, description="All of them have to hold; one says which repository."
    )
    pull_requests: bool = Field(
        default=False, description="Take tokens of pull and merge requests too, whose code nobody has approved yet."
    )
    lifetime_seconds: int = Field(
        default=DEFAULT_LIFETIME, ge=60, le=LONGEST_LIFETIME, description="Of the tokens that are given."
    )

    def wish(self) -> TrustWish:
        """Return what the service takes.

        Raises:
            Problem: 422.
        """
        issuer = self.issuer or DEFAULT_ISSUERS.get(self.provider, "")
        if not issuer:
            raise invalid("the issuer is missing", next_step="give it exactly as the tokens say it in iss")
        return TrustWish(
            name=self.name.strip(),
            provider=self.provider,
            issuer=issuer,
            audience=self.audience,
            bindings=tuple(Binding(claim=each.claim, value=each.value, match=each.match) for each in self.bindings),
            pull_requests=self.pull_requests,
            grant=self.grant(),
            lifetime_seconds=self.lifetime_seconds,
        )


class TrustView(BaseModel):
    """A trust."""

    id: UUID = Field(description="Its id.")
    actor: str = Field(description="As the audit log names who acts under it.")
    name: str = Field(description="What it is for.")
    provider: Provider = Field(description="Whose tokens.")
    issuer: str = Field(description="Their `iss`.")
    audience: str = Field(description="Their `aud`.")
    bindings: list[BindingBody] = Field(description="What their claims have to say.")
    pull_requests: bool = Field(description="Whether those of pull and merge requests are taken.")
    role: Role | None = Field(description="What it gives, where that is a role.")
    scopes: list[Permission] = Field(description="What it gives.")
    lifetime_seconds: int = Field(description="Of the tokens that are given.")
    created_by: str = Field(description="Who created it.")
    created_at: datetime = Field(description="When.")
    last_used_on: date | None = Field(description="The last day (UTC) on which a token was exchanged.")


def trust_view(trust: Trust) -> TrustView:
    """Return a trust on the wire."""
    wish = trust.wish
    bindings = [BindingBody(claim=each.claim, value=each.value, match=each.match) for each in wish.bindings]
    return TrustView(
        id=trust.id,
        actor=f"workload:{trust.id}",
        name=wish.name,
        provider=wish.provider,
        issuer=wish.issuer,
        audience=wish.audience,
        bindings=bindings,
        pull_requests=wish.pull_requests,
        role=wish.grant.role,
        scopes=sorted(wish.grant.scopes),
        lifetime_seconds=wish.lifetime_seconds,
        created_by=trust.created_by,
        created_at=trust.created_at,
        last_used_on=trust.last_used_on,
    )


class TrustPage(BaseModel):
    """Trusts, a page of them."""

    items: Sequence[TrustView] = Field(description="In the order of their creation.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class ExchangeRequest(BaseModel):
    """A token of the CI system, to be exchanged; the members are those of RFC 8693."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    project: Annotated[str, StringConstraints(max_length=64, pattern=SLUG_PATTERN)] = Field(
        description="Slug of the project."
    )
    subject_token: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TOKEN, pattern=NO_NUL)] = Field(
        description="The token that the CI system gave to the job."
    )
    subject_token_type: Literal["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"] = (
        Field(default="urn:ietf:params:oauth:token-type:id_token", description="What it is.")
    )
    grant_type: Literal["urn:ietf:params:oauth:grant-type:token-exchange"] = Field(
        default="urn:ietf:params:oauth:grant-type:token-exchange", description="Always this."
    )


class ExchangeView(BaseModel):
    """What a token was exchanged for; keep it secret."""

    access_token: str = Field(description="Goes into `Authorization: Bearer`.")
    issued_token_type: str = Field(default="urn:ietf:params:oauth:token-type:access_token", description="Always this.")
    token_type: str = Field(default="Bearer", description="Always `Bearer`.")
    expires_in: int = Field(description="Seconds for which it is good.")
    scope: str = Field(description="What it may do, with spaces between.")
    trust: UUID = Field(description="The trust that has taken the token.")


def exchange_view(exchanged: Exchanged) -> ExchangeView:
    """Return the answer to an exchange."""
    return ExchangeView(
        access_token=exchanged.token,
        expires_in=exchanged.expires_in,
        scope=" ".join(sorted(exchanged.scopes)),
        trust=exchanged.trust_id,
    )
