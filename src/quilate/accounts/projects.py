"""Projects: what is theirs to decide, and what is the installation's."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.errors import changed_since, conflict, forbidden, invalid, no_project
from quilate.accounts.model import Permission, Principal, ProjectAccess, Role
from quilate.accounts.records import Project, ProjectSettings, project_from
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.outbox.events import OutgoingEvent, append_events

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_FIRST = UUID(int=0)
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|/\.|@\{))[A-Za-z0-9._/+@-]{1,200}(?<![./])(?<!\.lock)")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_QUOTAS = ("max_concurrent_runs", "max_queued_runs")


class Projects:
    """Creates, lists and changes projects."""

    def __init__(self, database: Database, *, forget: Callable[[], None]) -> None:
        self._database = database
        self._forget = forget

    async def create(self, principal: Principal, *, slug: str, settings: ProjectSettings) -> Project:
        """Create a project; the user who does becomes its first administrator.

        Raises:
            Problem: 409 the slug is taken, 422 a setting is not acceptable.
        """
        _check(settings, principal)
        project_id = uuid7()

        async def work(connection: Connection) -> Project:
            return await create_project(connection, project_id, slug, settings, principal=principal)

        project = await self._database.run(work)
        self._forget()
        if project.id != project_id:
            raise conflict(f"there is a project {slug!r} already", next_step="choose another slug")
        return project

    async def list(self, principal: Principal, *, after: UUID | None, most: int, archived: bool) -> Sequence[Project]:
        """Return the projects that the principal may read, in the order of their creation."""
        everywhere = principal.instance_admin or principal.auditor
        ids = [each for each in principal.project_ids if Permission.PROJECT_READ in principal.permissions_in(each)]
        if principal.project_scope is not None:
            visible = Permission.PROJECT_READ in principal.permissions_in(principal.project_scope)
            everywhere, ids = False, [principal.project_scope] if visible else []
        elif everywhere:
            # Any project would do: what such a principal may does not depend on which one it is.
            everywhere = Permission.PROJECT_READ in principal.permissions_in(_FIRST)
        async with self._database.connection() as connection:
            rows = await store.many(
                connection,
                "list_projects",
                all=everywhere,
                ids=ids,
                archived=archived,
                after=after or _FIRST,
                most=most,
            )
        return [project_from(row) for row in rows]

    async def get(self, access: ProjectAccess) -> Project:
        """Return a project."""
        async with self._database.connection() as connection:
            row = await store.one(connection, "project_by_id", id=access.project.id)
        if row is None:
            raise no_project(access.project.slug)
        return project_from(row)

    async def change(self, access: ProjectAccess, *, version: int | None, changes: dict[str, Any]) -> Project:
        """Change settings.

        Args:
            access: Whose project; the caller has the permission ``project:admin``.
            version: What the caller has seen; ``None`` for whatever it is.
            changes: New values by the names of ``ProjectSettings``.

        Raises:
            Problem: 403 a quota without being an instance administrator, 412 changed meanwhile, 422 not acceptable.
        """

        async def work(connection: Connection) -> Project:
            row = await store.one(connection, "lock_project", id=access.project.id)
            if row is None:
                raise no_project(access.project.slug)
            before = project_from(row)
            if version is not None and version != before.version:
                raise changed_since(before.version)
            after = replace(before.settings, **changes)
            _check_change(before.settings, after, access.principal)
            return await _change(connection, before, after, actor=str(access.actor))

        project = await self._database.run(work)
        self._forget()
        return project


async def create_project(
    connection: Connection, project_id: UUID, slug: str, settings: ProjectSettings, *, principal: Principal
) -> Project:
    """Add a project within the caller's transaction; where the slug is taken, return the project that has it."""
    values = {name: value for name, value in asdict(settings).items() if name != "archived"}
    row = await store.one(connection, "insert_project", id=project_id, slug=slug, **values)
    if row is None:
        taken = await store.one(connection, "project_by_slug", slug=slug)
        if taken is None:
            raise conflict(f"there is a project {slug!r} already")
        return project_from(taken)
    project = project_from(row)
    if principal.user_id is not None:
        await store.one(
            connection, "insert_member", project_id=project_id, user_id=principal.user_id, role=Role.ADMIN.value
        )
    await _record(connection, "project.created", project, actor=str(principal.actor), details={"slug": slug})
    return project


async def _change(connection: Connection, before: Project, after: ProjectSettings, *, actor: str) -> Project:
    if after == before.settings:
        return before
    row = await store.one(connection, "change_project", id=before.id, **asdict(after))
    if row is None:
        raise no_project(before.slug)
    project = project_from(row)
    changed = [name for name, value in asdict(after).items() if value != getattr(before.settings, name)]
    action = "project.changed"
    if "archived" in changed:
        action = "project.archived" if after.archived else "project.unarchived"
    details = {"changed": changed, "version": project.version}
    await _record(connection, action, project, actor=actor, details=details)
    return project


async def _record(
    connection: Connection, action: str, project: Project, *, actor: str, details: dict[str, Any]
) -> None:
    subject = f"project:{project.id}"
    entry = AuditEntry(action=action, actor=actor, subject=subject, project_id=project.id, details=details)
    await append_entries(connection, [entry])
    event = OutgoingEvent(
        type=f"dev.quilate.{action}",
        project_id=project.id,
        subject=subject,
        data={"project": project.slug, "actor": actor, **details},
    )
    await append_events(connection, [event])


def _check_change(before: ProjectSettings, after: ProjectSettings, principal: Principal) -> None:
    quotas = any(getattr(before, name) != getattr(after, name) for name in _QUOTAS)
    if quotas and not principal.may_instance(Permission.INSTANCE_ADMIN):
        raise forbidden(
            "quotas are set by the administrators of the installation", next_step="ask one of them for more"
        )
    if before.repository_url != after.repository_url:
        _check_repository(after.repository_url, principal)
    _check_names(after)


def _check(settings: ProjectSettings, principal: Principal) -> None:
    _check_repository(settings.repository_url, principal)
    _check_names(settings)


def _check_names(settings: ProjectSettings) -> None:
    if not settings.name.strip():
        raise invalid("a project needs a name")
    if _BRANCH.fullmatch(settings.protected_branch) is None:
        raise invalid("the protected branch is no name that git allows")
    if settings.default_blueprint is not None and _CONTROL.search(settings.default_blueprint):
        raise invalid("the blueprint reference holds spaces or control characters")


def _check_repository(url: str | None, principal: Principal) -> None:
    """Refuse what would make the service read its own disk for a tenant, or keep a password."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        password, host = parts.password, parts.hostname
    except ValueError as error:
        raise invalid("the repository URL cannot be read") from error
    if _CONTROL.search(url) or url.startswith("-"):
        raise invalid("the repository URL holds spaces or control characters")
    if password or (parts.scheme in {"http", "https"} and parts.username):
        raise invalid("the repository URL holds a password or a user", next_step="leave it out of the URL")
    if parts.scheme == "https" and host:
        return
    if parts.scheme not in {"file", ""} or not parts.path.startswith("/"):
        raise invalid("the repository URL does not begin with https://")
    # A path names something on the service's own machines, where other tenants' code may lie.
    if not principal.may_instance(Permission.INSTANCE_ADMIN):
        raise forbidden("a repository on the service's own disk is set by the administrators of the installation")
