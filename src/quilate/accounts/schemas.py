"""Accounts on the wire."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from quilate.accounts.addresses import EMAIL_PATTERN, LONGEST_EMAIL
from quilate.accounts.credentials import LONGEST_CREDENTIAL
from quilate.accounts.model import Permission, Principal, Role
from quilate.accounts.passwords import LONGEST, SHORTEST
from quilate.accounts.records import ApiToken, Member, Project, ProjectSettings, User, UserStatus
from quilate.accounts.sessions import Login
from quilate.accounts.tokens import LONGEST_DAYS, NewApiToken
from quilate.accounts.users import Invitation

NO_NUL = r"^[^\x00]*$"
NOT_BLANK = r"^[^\x00]*[^\x00\s][^\x00]*$"
SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"

Email = Annotated[str, StringConstraints(max_length=LONGEST_EMAIL, pattern=EMAIL_PATTERN)]
AnyPassword = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST, pattern=NO_NUL)]
NewPassword = Annotated[str, StringConstraints(min_length=SHORTEST, max_length=LONGEST, pattern=NO_NUL)]
Credential = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CREDENTIAL, pattern=NO_NUL)]
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NOT_BLANK)]
Quota = Annotated[int, Field(ge=1, le=10_000)]
QueueLength = Annotated[int, Field(ge=1, le=10_000_000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginRequest(_Request):
    """E-mail address and password."""

    # Any text, so that what is no address gets the same answer as an address that is not known.
    email: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EMAIL, pattern=NO_NUL)] = Field(
        description="The user's e-mail address."
    )
    password: AnyPassword = Field(description="The user's password.")


class RefreshRequest(_Request):
    """The refresh token of a login."""

    refresh_token: Credential = Field(description="The newest one of the login.")


class SetupRequest(_Request):
    """What a person with a one-time link chooses."""

    token: Credential = Field(description="The token of the link.")
    email: Email = Field(description="The e-mail address for which the link was made.")
    name: PersonName = Field(description="The person's name.")
    password: NewPassword = Field(description="The password to log in with from now on.")


class PasswordRequest(_Request):
    """A change of password."""

    current_password: AnyPassword = Field(description="The present one.")
    new_password: NewPassword = Field(description="The one from now on.")


class LoginView(BaseModel):
    """Both tokens of a login; keep them secret."""

    access_token: str = Field(description="Goes into `Authorization: Bearer`.")
    token_type: str = Field(default="Bearer", description="Always `Bearer`.")
    expires_in: int = Field(description="Seconds for which the access token is good.")
    refresh_token: str = Field(description="Gives the next pair, once.")
    user_id: UUID = Field(description="Who logged in.")


def login_view(login: Login) -> LoginView:
    """Return a login on the wire."""
    return LoginView(
        access_token=login.access_token,
        expires_in=login.expires_in,
        refresh_token=login.refresh_token,
        user_id=login.user_id,
    )


class MeView(BaseModel):
    """Who asks, and what they may do."""

    actor: str = Field(description="As the audit log names the caller.")
    user_id: UUID | None = Field(description="The user behind it; none in the single-user mode.")
    email: str | None = Field(description="The user's e-mail address; only for a login.")
    name: str | None = Field(description="The user's name; only for a login.")
    instance_admin: bool = Field(description="Administers the installation.")
    auditor: bool = Field(description="Reads everything, changes nothing.")
    scopes: list[Permission] | None = Field(description="What the token is limited to; none for a login.")
    roles: dict[UUID, Role] = Field(description="Role in each project, by the project's id.")


def me_view(principal: Principal, user: User | None) -> MeView:
    """Return the caller on the wire."""
    return MeView(
        actor=str(principal.actor),
        user_id=principal.user_id,
        email=user.email if user is not None else None,
        name=user.name if user is not None else None,
        instance_admin=principal.instance_admin,
        auditor=principal.auditor,
        scopes=sorted(principal.scopes) if principal.scopes is not None else None,
        roles={
            project: role
            for project, role in principal.roles.items()
            if principal.project_scope is None or principal.project_scope == project
        },
    )


class TokenRequest(_Request):
    """An API token to create."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NOT_BLANK)] = Field(
        description="What it is for, for people."
    )
    scopes: list[Permission] = Field(
        min_length=1, max_length=len(Permission), description="What it is limited to, within what you may do."
    )
    expires_in_days: int = Field(ge=1, le=LONGEST_DAYS, description="Days for which it is good.")
    project: Annotated[str, StringConstraints(max_length=64, pattern=SLUG_PATTERN)] | None = Field(
        default=None, description="Slug of the one project that it is limited to, if any."
    )


class TokenView(BaseModel):
    """An API token; its secret is not kept."""

    id: UUID = Field(description="Its id, as the audit log names it.")
    name: str = Field(description="What it is for.")
    prefix: str = Field(description="The part of it that may be shown: it begins with `ql_` and this.")
    scopes: list[Permission] = Field(description="What it is limited to.")
    project: str | None = Field(description="The one project that it is limited to, if any.")
    created_at: datetime = Field(description="When it was created.")
    expires_at: datetime = Field(description="When it ends by itself.")
    last_used_on: date | None = Field(description="The last day (UTC) on which it was used.")
    revoked_at: datetime | None = Field(description="When it was revoked, if it was.")


class NewTokenView(TokenView):
    """An API token in the one moment in which it is shown."""

    token: str = Field(description="The token itself. It is not shown again.")


def _token_values(token: ApiToken) -> dict[str, Any]:
    values = {name: getattr(token, name) for name in ApiToken.__dataclass_fields__}
    return {**values, "scopes": sorted(token.scopes)}


def token_view(token: ApiToken) -> TokenView:
    """Return a token on the wire."""
    return TokenView(**_token_values(token))


def new_token_view(created: NewApiToken) -> NewTokenView:
    """Return a token with its secret on the wire."""
    return NewTokenView(**_token_values(created.token), token=created.secret)


class TokenPage(BaseModel):
    """Tokens, a page of them."""

    items: Sequence[TokenView] = Field(description="In the order of their creation.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class InvitationRequest(_Request):
    """A user to invite."""

    email: Email = Field(description="Their e-mail address.", examples=["ana@example.org"])
    name: Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)] = Field(
        default="", description="Their name; they can correct it."
    )
    instance_admin: bool = Field(default=False, description="Administers the installation.")
    auditor: bool = Field(default=False, description="Reads everything, changes nothing.")


class UserChange(_Request):
    """What changes of a user; what is left out stays."""

    name: PersonName | None = Field(default=None, description="Their name.")
    instance_admin: bool | None = Field(default=None, description="Administers the installation.")
    auditor: bool | None = Field(default=None, description="Reads everything, changes nothing.")
    active: bool | None = Field(default=None, description="False ends every login and every token of theirs at once.")


class UserView(BaseModel):
    """A user."""

    id: UUID = Field(description="Their id, as the audit log names them.")
    email: str | None = Field(description="Their e-mail address; none once erased.")
    name: str = Field(description="Their name; empty once erased.")
    status: UserStatus = Field(description="Whether they can log in.")
    instance_admin: bool = Field(description="Administers the installation.")
    auditor: bool = Field(description="Reads everything, changes nothing.")
    created_at: datetime = Field(description="When they were recorded.")
    version: int = Field(description="Number of the state; the ETag.")


def user_view(user: User) -> UserView:
    """Return a user on the wire."""
    return UserView(**{name: getattr(user, name) for name in UserView.model_fields})


class InvitationView(BaseModel):
    """A user and a link for them."""

    user: UserView = Field(description="The user.")
    link: str = Field(description="Opens once, within 24 hours. It is not shown again.")


def invitation_view(invitation: Invitation) -> InvitationView:
    """Return an invitation on the wire."""
    return InvitationView(user=user_view(invitation.user), link=invitation.link)


class UserPage(BaseModel):
    """Users, a page of them."""

    items: Sequence[UserView] = Field(description="In the order in which they were recorded.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


Branch = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=NO_NUL)]
BlueprintReference = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]


class ProjectRequest(_Request):
    """A project to create."""

    slug: Annotated[str, StringConstraints(max_length=64, pattern=SLUG_PATTERN)] = Field(
        description="Its name in addresses; it never changes.", examples=["ml-service-123"]
    )
    name: PersonName = Field(description="Its name for people.")
    repository_url: Address | None = Field(default=None, description="Where its code is: https.")
    protected_branch: Branch = Field(default="main", description="The branch whose blueprint and waivers bind.")
    default_blueprint: BlueprintReference | None = Field(
        default=None, description="Reference of the blueprint for runs that name none."
    )
    max_concurrent_runs: Quota | None = Field(default=None, description="Runs at a time; none: the installation's.")
    max_queued_runs: QueueLength | None = Field(default=None, description="Waiting runs; none: the installation's.")

    def settings(self) -> ProjectSettings:
        """Return what the service takes."""
        return ProjectSettings(**self.model_dump(exclude={"slug"}))


class ProjectChange(_Request):
    """What changes of a project; what is left out stays, `null` takes away."""

    name: PersonName = Field(default="", description="Its name for people.")
    repository_url: Address | None = Field(default=None, description="Where its code is: https.")
    protected_branch: Branch = Field(default="", description="The branch whose blueprint and waivers bind.")
    default_blueprint: BlueprintReference | None = Field(
        default=None, description="Reference of the blueprint for runs that name none."
    )
    max_concurrent_runs: Quota | None = Field(
        default=None, description="Runs at a time; set by administrators of the installation."
    )
    max_queued_runs: QueueLength | None = Field(
        default=None, description="Waiting runs; set by administrators of the installation."
    )
    archived: bool = Field(default=False, description="Archived: it can be read and changes no more.")

    def changes(self) -> dict[str, Any]:
        """Return what was given, by name."""
        return self.model_dump(exclude_unset=True)


class ProjectView(BaseModel):
    """A project."""

    id: UUID = Field(description="Its id, as the audit log names it.")
    slug: str = Field(description="Its name in addresses.")
    name: str = Field(description="Its name for people.")
    repository_url: str | None = Field(description="Where its code is.")
    protected_branch: str = Field(description="The branch whose blueprint and waivers bind.")
    default_blueprint: str | None = Field(description="The blueprint for runs that name none.")
    max_concurrent_runs: int | None = Field(description="Runs at a time; none: the installation's.")
    max_queued_runs: int | None = Field(description="Waiting runs; none: the installation's.")
    archived: bool = Field(description="It can be read and changes no more.")
    created_at: datetime = Field(description="When it was created.")
    version: int = Field(description="Number of the state; the ETag.")


def project_view(project: Project) -> ProjectView:
    """Return a project on the wire."""
    settings = {name: getattr(project.settings, name) for name in ProjectSettings.__dataclass_fields__}
    return ProjectView(
        id=project.id, slug=project.slug, created_at=project.created_at, version=project.version, **settings
    )


class ProjectPage(BaseModel):
    """Projects, a page of them."""

    items: Sequence[ProjectView] = Field(description="In the order of their creation.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class MemberRequest(_Request):
    """A user to add to a project, named by id or by e-mail address."""

    user_id: UUID | None = Field(default=None, description="The user's id.")
    email: Email | None = Field(default=None, description="The user's whole e-mail address.")
    role: Role = Field(description="What they may do here.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.user_id is None) == (self.email is None):
            raise ValueError("give either user_id or email")
        return self


class MemberChange(_Request):
    """Another role for a member."""

    role: Role = Field(description="What they may do here.")


class MemberView(BaseModel):
    """A member of a project."""

    user_id: UUID = Field(description="The user's id.")
    role: Role = Field(description="What they may do here.")
    name: str = Field(description="The user's name.")
    email: str | None = Field(description="The user's e-mail address; only administrators see it.")
    active: bool = Field(description="Whether the user can log in.")
    added_at: datetime = Field(description="When they were added.")
    version: int = Field(description="Number of the state; the ETag.")


def member_view(member: Member, *, with_email: bool) -> MemberView:
    """Return a member on the wire."""
    values = {name: getattr(member, name) for name in MemberView.model_fields}
    return MemberView(**{**values, "email": member.email if with_email else None})


class MemberPage(BaseModel):
    """Members, a page of them."""

    items: Sequence[MemberView] = Field(description="In the order of the users' ids.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")
