"""What is kept about users, tokens, projects and members."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from quilate.accounts.model import Permission, ProjectReference, Role


class UserStatus(StrEnum):
    """Whether a user can log in."""

    INVITED = "invited"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ERASED = "erased"


class LinkPurpose(StrEnum):
    """What a one-time link is good for."""

    FIRST_ADMIN = "first-admin"
    RECOVERY = "recovery"
    INVITATION = "invitation"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person. ``email`` is ``None`` and ``name`` empty once they were erased.

    ``federated``: an identity provider lets them in.
    """

    id: UUID
    email: str | None
    name: str
    password_hash: str | None
    instance_admin: bool
    auditor: bool
    active: bool
    version: int
    created_at: datetime
    erased_at: datetime | None
    federated: bool = False

    @property
    def status(self) -> UserStatus:
        """Whether they can log in."""
        if self.erased_at is not None:
            return UserStatus.ERASED
        if not self.active:
            return UserStatus.INACTIVE
        return UserStatus.ACTIVE if self.password_hash is not None or self.federated else UserStatus.INVITED


def user_from(row: Mapping[str, Any]) -> User:
    """Return the user of a row."""
    return User(**{name: row[name] for name in User.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """An API token as it may be shown: its secret is known to nobody any more.

    ``project`` is the slug of the one project that it is limited to, if any.
    """

    id: UUID
    name: str
    prefix: str
    scopes: frozenset[Permission]
    project: str | None
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None
    revoked_at: datetime | None


def api_token_from(row: Mapping[str, Any]) -> ApiToken:
    """Return the token of a row."""
    values = {name: row[name] for name in ApiToken.__dataclass_fields__}
    return ApiToken(**{**values, "scopes": known_scopes(row["scopes"])})


def known_scopes(names: list[str]) -> frozenset[Permission]:
    """Return the scopes of a token; one that this version no longer knows grants nothing."""
    return frozenset(each for each in Permission if each.value in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """What a project's administrators decide.

    Attributes:
        name: For people.
        repository_url: Where its code is, if it has any.
        protected_branch: The branch whose blueprint and waivers bind.
        default_blueprint: Reference of the blueprint for runs that name none.
        max_concurrent_runs: Runs at a time; ``None`` for the installation's limit. Set by instance administrators.
        max_queued_runs: Waiting runs; ``None`` for the installation's limit. Set by instance administrators.
        archived: It can be read and changes no more.
    """

    name: str
    repository_url: str | None = None
    protected_branch: str = "main"
    default_blueprint: str | None = None
    max_concurrent_runs: int | None = None
    max_queued_runs: int | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project with its settings."""

    id: UUID
    slug: str
    settings: ProjectSettings
    version: int
    created_at: datetime

    @property
    def reference(self) -> ProjectReference:
        """The project as other slices need it."""
        return ProjectReference(id=self.id, slug=self.slug, name=self.settings.name, archived=self.settings.archived)


def project_from(row: Mapping[str, Any]) -> Project:
    """Return the project of a row."""
    settings = ProjectSettings(**{name: row[name] for name in ProjectSettings.__dataclass_fields__})
    return Project(
        id=row["id"], slug=row["slug"], settings=settings, version=row["version"], created_at=row["created_at"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user in a project."""

    user_id: UUID
    role: Role
    name: str
    email: str | None
    active: bool
    version: int
    added_at: datetime


def member_from(row: Mapping[str, Any]) -> Member:
    """Return the member of a row."""
    values = {name: row[name] for name in Member.__dataclass_fields__}
    return Member(**{**values, "role": Role(row["role"])})
