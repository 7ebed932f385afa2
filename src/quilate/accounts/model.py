"""Roles, permissions and the one who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID


class Role(StrEnum):
    """What a member may be in a project."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    REVIEWER = "reviewer"
    SECURITY = "security"
    ADMIN = "admin"


class Permission(StrEnum):
    """What an operation asks for; also the scopes of an API token."""

    PROJECT_READ = "project:read"
    PROJECT_ADMIN = "project:admin"
    RUN_SUBMIT = "run:submit"
    EVIDENCE_READ = "evidence:read"
    BLUEPRINT_EDIT = "blueprint:edit"
    BLUEPRINT_PUBLISH = "blueprint:publish"
    WAIVER_REQUEST = "waiver:request"
    WAIVER_APPROVE = "waiver:approve"
    SCHEDULE_EDIT = "schedule:edit"
    DATASET_WRITE = "dataset:write"
    SCRIPT_EDIT = "script:edit"
    SCRIPT_EXECUTE = "script:execute"
    SCRIPT_APPROVE = "script:approve"
    DEAD_LETTER_REPLAY = "dead-letter:replay"
    AUDIT_READ = "audit:read"
    INSTANCE_ADMIN = "instance:admin"


_READING = frozenset({Permission.PROJECT_READ, Permission.EVIDENCE_READ})
_DEVELOPING = _READING | {
    Permission.RUN_SUBMIT,
    Permission.BLUEPRINT_EDIT,
    Permission.WAIVER_REQUEST,
    Permission.SCHEDULE_EDIT,
    Permission.DATASET_WRITE,
    Permission.SCRIPT_EDIT,
    Permission.SCRIPT_EXECUTE,
    Permission.DEAD_LETTER_REPLAY,
}
_APPROVING = _DEVELOPING | {Permission.BLUEPRINT_PUBLISH, Permission.WAIVER_APPROVE, Permission.SCRIPT_APPROVE}

PERMISSIONS_OF_ROLE: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.VIEWER: _READING,
        Role.DEVELOPER: _DEVELOPING,
        Role.REVIEWER: _APPROVING,
        Role.SECURITY: _APPROVING | {Permission.AUDIT_READ},
        Role.ADMIN: _APPROVING | {Permission.AUDIT_READ, Permission.PROJECT_ADMIN},
    }
)
"""What each role may do in its project."""

PERMISSIONS_OF_AUDITOR = _READING | {Permission.AUDIT_READ}
"""An auditor reads every project and changes nothing."""

PERMISSIONS_WHEN_ARCHIVED = PERMISSIONS_OF_AUDITOR | {Permission.PROJECT_ADMIN}
"""What is left in an archived project: reading it, and taking it out of the archive."""


class ActorKind(StrEnum):
    """What kind of thing acted, as the audit log names it."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 - the word, not a secret
    SERVICE = "service"
    WORKLOAD = "workload"
    FORGE = "forge"
    SYSTEM = "system"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acted, for records that must never lose their meaning: an id, never a name or an address."""

    kind: ActorKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"


SYSTEM = Actor(kind=ActorKind.SYSTEM, id="quilate")
"""What the service does by itself: schedules, recovery, expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReference:
    """A project as every slice needs it; ``slug`` is its name in addresses, an archived one changes no more."""

    id: UUID
    slug: str
    name: str
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The one who asks.

    Attributes:
        actor: As the audit log names it.
        user_id: The user behind it (a token acts for its owner); ``None`` in the single-user mode.
        roles: Role in each project.
        instance_admin: Administers the installation: users, projects, quotas; admin in every project.
        auditor: Reads everything, changes nothing.
        scopes: What a token is limited to; ``None`` for everything that its owner may.
        project_scope: The one project that a token is limited to, if any.
        session_id: The login behind it; ``None`` for a token and in the single-user mode.
        grants: What a machine may do in each project, by no role of a person.
    """

    actor: Actor
    user_id: UUID | None
    roles: Mapping[UUID, Role] = field(default_factory=dict)
    instance_admin: bool = False
    auditor: bool = False
    scopes: frozenset[Permission] | None = None
    project_scope: UUID | None = None
    session_id: UUID | None = None
    grants: Mapping[UUID, frozenset[Permission]] = field(default_factory=dict)

    @property
    def project_ids(self) -> frozenset[UUID]:
        """Projects that this principal is named in; administrators and auditors reach all others besides."""
        return frozenset(self.roles) | frozenset(self.grants)

    @property
    def person(self) -> str:
        """Who answers for it, whichever token they used: what "another person" is measured by (four eyes)."""
        return f"user:{self.user_id}" if self.user_id is not None else str(self.actor)

    def permissions_in(self, project_id: UUID) -> frozenset[Permission]:
        """Return what this principal may do in a project; empty where it must not even know of it."""
        if self.project_scope is not None and self.project_scope != project_id:
            return frozenset()
        granted = self.grants.get(project_id, frozenset())
        if project_id in self.roles:
            granted |= PERMISSIONS_OF_ROLE[self.roles[project_id]]
        if self.instance_admin:
            granted |= PERMISSIONS_OF_ROLE[Role.ADMIN]
        if self.auditor:
            granted |= PERMISSIONS_OF_AUDITOR
        return granted if self.scopes is None else granted & self.scopes

    def administers(self, project_id: UUID) -> bool:
        """Tell whether the person behind it administers a project, whatever the token that they use is limited to."""
        return self.instance_admin or self.roles.get(project_id) is Role.ADMIN

    def may_instance(self, permission: Permission) -> bool:
        """Tell whether the principal may do something that belongs to no project."""
        granted = frozenset(Permission) if self.instance_admin else frozenset()
        if self.auditor:
            granted |= PERMISSIONS_OF_AUDITOR
        if self.project_scope is not None:
            return False
        return permission in (granted if self.scopes is None else granted & self.scopes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectAccess:
    """A principal within a project, its permission already checked."""

    principal: Principal
    project: ProjectReference

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        return self.principal.actor

    def may(self, permission: Permission) -> bool:
        """Tell whether another permission is there as well."""
        return permission in self.principal.permissions_in(self.project.id)
