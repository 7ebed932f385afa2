"""Identity providers and logins by them on the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.accounts.federation.identities import LinkedIdentity
from quilate.accounts.federation.model import IdentityProvider
from quilate.accounts.oidc.issuers import LONGEST_ISSUER
from quilate.accounts.schemas import NO_NUL, NOT_BLANK, SLUG_PATTERN, Credential

Domain = Annotated[
    str, StringConstraints(max_length=186, pattern=r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]*[a-z0-9])+$")
]
Slug = Annotated[str, StringConstraints(max_length=64, pattern=SLUG_PATTERN)]
ProviderName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NOT_BLANK)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]
ClientSecret = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]
_DOMAINS = "Domains whose verified e-mail addresses make a user who was not invited; none by default."


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ProviderRequest(_Request):
    """An identity provider to add."""

    slug: Slug = Field(description="Its name in addresses; it never changes.", examples=["company"])
    name: ProviderName = Field(description="Its name for people.")
    issuer: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ISSUER, pattern=NO_NUL)] = Field(
        description="Exactly as its tokens say it in `iss`; it never changes.", examples=["https://login.example.org"]
    )
    client_id: ClientId = Field(description="As the provider names this service.")
    client_secret: ClientSecret = Field(default="", description="Kept encrypted; empty for a public client.")
    auto_create_domains: list[Domain] = Field(default_factory=list, max_length=50, description=_DOMAINS)
    enabled: bool = Field(default=True, description="Whether people can log in by it.")


class ProviderChange(_Request):
    """What changes of a provider; what is left out stays."""

    name: ProviderName | None = Field(default=None, description="Its name for people.")
    client_id: ClientId | None = Field(default=None, description="As the provider names this service.")
    client_secret: ClientSecret | None = Field(default=None, description="Another one; empty takes it away.")
    auto_create_domains: list[Domain] | None = Field(default=None, max_length=50, description=_DOMAINS)
    enabled: bool | None = Field(default=None, description="Whether people can log in by it.")

    def changes(self) -> dict[str, Any]:
        """Return what was given, by name."""
        return self.model_dump(exclude_none=True)


class ProviderView(BaseModel):
    """An identity provider; its client secret is never shown."""

    id: UUID = Field(description="Its id, as the audit log names it.")
    slug: str = Field(description="Its name in addresses.")
    name: str = Field(description="Its name for people.")
    issuer: str = Field(description="Its `iss`.")
    client_id: str = Field(description="As it names this service.")
    has_client_secret: bool = Field(description="Whether a client secret is kept.")
    auto_create_domains: list[str] = Field(description="Domains whose addresses make a user.")
    enabled: bool = Field(description="Whether people can log in by it.")
    created_at: datetime = Field(description="When it was added.")
    version: int = Field(description="Number of the state; the ETag.")


def provider_view(provider: IdentityProvider) -> ProviderView:
    """Return a provider on the wire."""
    return ProviderView(
        id=provider.id,
        slug=provider.slug,
        name=provider.name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        has_client_secret=provider.client_secret is not None,
        auto_create_domains=list(provider.auto_create_domains),
        enabled=provider.enabled,
        created_at=provider.created_at,
        version=provider.version,
    )


class ProviderPage(BaseModel):
    """Identity providers, a page of them."""

    items: Sequence[ProviderView] = Field(description="In the order of their creation.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class OfferedProvider(BaseModel):
    """A provider that people can log in by."""

    slug: str = Field(description="Its name in addresses.")
    name: str = Field(description="Its name for people.")
    login: str = Field(description="Where the login begins.")


class OfferedProviders(BaseModel):
    """The providers that people can log in by."""

    items: Sequence[OfferedProvider] = Field(description="By name.")


class RedeemRequest(_Request):
    """A code that a login has ended with."""

    code: Credential = Field(description="As `return_to` was called with it.")
    verifier: Credential = Field(description="The verifier of the challenge that the login began with.")


class IdentityRequest(_Request):
    """A provider to add to the caller's account."""

    provider: Slug = Field(description="Its slug.")


class DepartureView(BaseModel):
    """Where the browser has to go."""

    location: str = Field(description="The provider's page; the cookie of this answer has to stay in the browser.")


class IdentityView(BaseModel):
    """A way in that a user has added."""

    provider: str = Field(description="Slug of the provider.")
    name: str = Field(description="Its name for people.")
    linked_at: datetime = Field(description="Since when.")


class IdentityList(BaseModel):
    """The ways in that a user has added."""

    items: Sequence[IdentityView] = Field(description="By provider; one at each at most.")


def identity_list(identities: Sequence[LinkedIdentity]) -> IdentityList:
    """Return ways in on the wire."""
    return IdentityList(
        items=[IdentityView(provider=each.provider, name=each.name, linked_at=each.linked_at) for each in identities]
    )
