"""Personal data as it is handed out to the person."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from quilate.accounts.model import Role
from quilate.accounts.records import UserStatus


class MembershipExport(BaseModel):
    """A membership, as it is handed out to the person."""

    slug: str = Field(description="The project.")
    role: Role = Field(description="The role in it.")
    added_at: datetime = Field(description="Since when.")


class SessionExport(BaseModel):
    """A login, as it is handed out to the person."""

    created_at: datetime = Field(description="When it began.")
    expires_at: datetime = Field(description="When it ends by itself.")
    revoked_at: datetime | None = Field(description="When it was ended, if it was.")
    last_used_at: datetime = Field(description="When it was last continued.")
    device: str = Field(description="What kind of device.")
    method: str = Field(description="By what means: `password`, `link` or `provider`.")


class IdentityExport(BaseModel):
    """Who the person is at an identity provider, as it is handed out to them."""

    provider: str = Field(description="The provider.")
    subject: str = Field(description="As the provider names the person.")
    linked_at: datetime = Field(description="Since when.")


class TokenExport(BaseModel):
    """An API token, as it is handed out to the person."""

    name: str = Field(description="What it is for.")
    prefix: str = Field(description="The part of it that may be shown.")
    created_at: datetime = Field(description="When it was created.")
    expires_at: datetime = Field(description="When it ends by itself.")
    last_used_on: date | None = Field(description="The last day on which it was used.")


class UserExport(BaseModel):
    """A user, as it is handed out to the person."""

    id: UUID = Field(description="The id.")
    email: str | None = Field(description="The e-mail address.")
    name: str = Field(description="The name.")
    status: UserStatus = Field(description="Whether they can log in.")
    instance_admin: bool = Field(description="Administers the installation.")
    auditor: bool = Field(description="Reads everything.")
    created_at: datetime = Field(description="When they were recorded.")


class PersonalDataView(BaseModel):
    """Everything that the installation holds about a person."""

    user: UserExport = Field(description="The user.")
    memberships: Sequence[MembershipExport] = Field(description="Their projects.")
    sessions: Sequence[SessionExport] = Field(description="Their logins.")
    identities: Sequence[IdentityExport] = Field(description="Their identity providers.")
    tokens: Sequence[TokenExport] = Field(description="Their API tokens.")
