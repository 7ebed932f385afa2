"""Service accounts on the wire."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.accounts.machines.grants import Grant, grant_of
from quilate.accounts.machines.model import MachineToken, NewMachineToken, ServiceAccount
from quilate.accounts.model import Permission, Role
from quilate.accounts.schemas import NOT_BLANK
from quilate.accounts.tokens import LONGEST_DAYS

MachineName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NOT_BLANK)]


class MachineRequest(BaseModel):
    """What a machine is given: a role, or single scopes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role: Role | None = Field(default=None, description="`viewer` or `developer`; or name `scopes` instead.")
    scopes: list[Permission] = Field(
        default_factory=list, max_length=len(Permission), description="Single permissions, in place of a role."
    )

    def grant(self) -> Grant:
        """Return what is given.

        Raises:
            Problem: 422.
        """
        return grant_of(self.role, frozenset(self.scopes))


class ServiceAccountRequest(MachineRequest):
    """A service account to create."""

    name: MachineName = Field(description="What it is for, for people.", examples=["nightly export"])


class ServiceAccountChange(BaseModel):
    """What changes of a service account; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: MachineName | None = Field(default=None, description="What it is for.")
    enabled: bool | None = Field(default=None, description="False revokes every token of it at once.")


class ServiceAccountView(BaseModel):
    """A service account."""

    id: UUID = Field(description="Its id.")
    actor: str = Field(description="As the audit log names it.")
    name: str = Field(description="What it is for.")
    role: Role | None = Field(description="What it was given, where that was a role.")
    scopes: list[Permission] = Field(description="What it may do in this project.")
    enabled: bool = Field(description="Whether its tokens count.")
    created_by: str = Field(description="Who created it.")
    created_at: datetime = Field(description="When.")
    version: int = Field(description="Number of the state; the ETag.")


def service_account_view(account: ServiceAccount) -> ServiceAccountView:
    """Return a service account on the wire."""
    return ServiceAccountView(
        id=account.id,
        actor=f"service:{account.id}",
        name=account.name,
        role=account.grant.role,
        scopes=sorted(account.grant.scopes),
        enabled=account.enabled,
        created_by=account.created_by,
        created_at=account.created_at,
        version=account.version,
    )


class ServiceAccountPage(BaseModel):
    """Service accounts, a page of them."""

    items: Sequence[ServiceAccountView] = Field(description="In the order of their creation.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class MachineTokenRequest(BaseModel):
    """A token to create for a service account."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: MachineName = Field(description="Where it is used, for people.")
    scopes: list[Permission] = Field(
        default_factory=list,
        max_length=len(Permission),
        description="What it is limited to; empty for everything that the account may.",
    )
    expires_in_days: int = Field(ge=1, le=LONGEST_DAYS, description="Days for which it is good.")


class MachineTokenView(BaseModel):
    """A token of a service account; its secret is not kept."""

    id: UUID = Field(description="Its id.")
    name: str = Field(description="Where it is used.")
    prefix: str = Field(description="The part of it that may be shown: it begins with `ql_` and this.")
    scopes: list[Permission] = Field(description="What it is limited to.")
    created_at: datetime = Field(description="When it was created.")
    expires_at: datetime = Field(description="When it ends by itself.")
    last_used_on: date | None = Field(description="The last day (UTC) on which it was used.")
    revoked_at: datetime | None = Field(description="When it was revoked, if it was.")


class NewMachineTokenView(MachineTokenView):
    """A token in the one moment in which it is shown."""

    token: str = Field(description="The token itself. It is not shown again.")


def _values(token: MachineToken) -> dict[str, Any]:
    values = {name: getattr(token, name) for name in MachineToken.__dataclass_fields__}
    return {**values, "scopes": sorted(token.scopes)}


def machine_token_view(token: MachineToken) -> MachineTokenView:
    """Return a token on the wire."""
    return MachineTokenView(**_values(token))


def new_machine_token_view(created: NewMachineToken) -> NewMachineTokenView:
    """Return a token with its secret on the wire."""
    return NewMachineTokenView(**_values(created.token), token=created.secret)


class MachineTokenPage(BaseModel):
    """Tokens, a page of them."""

    items: Sequence[MachineTokenView] = Field(description="In the order of their creation.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")
