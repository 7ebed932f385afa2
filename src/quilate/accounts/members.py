"""Members of a project; a project that had an administrator keeps one."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.addresses import normal_email
from quilate.accounts.errors import changed_since, conflict, not_found
from quilate.accounts.model import ProjectAccess, Role
from quilate.accounts.records import Member, member_from
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.outbox.events import OutgoingEvent, append_events

_FIRST = UUID(int=0)


class Members:
    """Adds, changes and removes members; the caller has checked the permission ``project:admin``."""

    def __init__(self, database: Database, *, forget: Callable[[], None]) -> None:
        self._database = database
        self._forget = forget

    async def list(self, access: ProjectAccess, *, after: UUID | None, most: int) -> Sequence[Member]:
        """Return the members."""
        async with self._database.connection() as connection:
            rows = await store.many(
                connection, "list_members", project_id=access.project.id, after=after or _FIRST, most=most
            )
        return [member_from(row) for row in rows]

    async def get(self, access: ProjectAccess, user_id: UUID) -> Member:
        """Return a member.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            return await _member(connection, access, user_id)

    async def add(self, access: ProjectAccess, *, user_id: UUID | None, email: str | None, role: Role) -> Member:
        """Add a user, named by id or by the whole e-mail address.

        Raises:
            Problem: 404 there is no such user, 409 they are a member already.
        """

        async def work(connection: Connection) -> Member:
            found = await _user_id(connection, user_id, email)
            added = await store.one(
                connection, "insert_member", project_id=access.project.id, user_id=found, role=role.value
            )
            if added is None:
                raise conflict(
                    f"the user {found} is a member already", next_step="change the role of the member instead"
                )
            await _record(connection, "member.added", access, found, {"role": role.value})
            return await _member(connection, access, found)

        member = await self._database.run(work)
        self._forget()
        return member

    async def change(self, access: ProjectAccess, user_id: UUID, *, role: Role, version: int | None) -> Member:
        """Give a member another role.

        Raises:
            Problem: 404 no member, 409 the last administrator, 412 changed meanwhile.
        """

        async def work(connection: Connection) -> Member:
            await store.one(connection, "lock_project", id=access.project.id)
            member = await _member(connection, access, user_id)
            if version is not None and version != member.version:
                raise changed_since(member.version)
            if member.role is role:
                return member
            await _keep_an_administrator(connection, access, member)
            await store.execute(
                connection, "change_member", project_id=access.project.id, user_id=user_id, role=role.value
            )
            details = {"role": role.value, "before": member.role.value}
            await _record(connection, "member.role-changed", access, user_id, details)
            return await _member(connection, access, user_id)

        member = await self._database.run(work)
        self._forget()
        return member

    async def remove(self, access: ProjectAccess, user_id: UUID) -> None:
        """Remove a member.

        Raises:
            Problem: 404 no member, 409 the last administrator.
        """

        async def work(connection: Connection) -> None:
            await store.one(connection, "lock_project", id=access.project.id)
            member = await _member(connection, access, user_id)
            await _keep_an_administrator(connection, access, member)
            await store.one(connection, "remove_member", project_id=access.project.id, user_id=user_id)
            await _record(connection, "member.removed", access, user_id, {"before": member.role.value})

        await self._database.run(work)
        self._forget()


async def _member(connection: Connection, access: ProjectAccess, user_id: UUID) -> Member:
    row = await store.one(connection, "member", project_id=access.project.id, user_id=user_id)
    if row is None:
        raise not_found(f"the project {access.project.slug!r} has no member {user_id}")
    return member_from(row)


async def _user_id(connection: Connection, user_id: UUID | None, email: str | None) -> UUID:
    if user_id is not None:
        row = await store.one(connection, "user_by_id", id=user_id)
    else:
        row = await store.one(connection, "user_by_email", email=normal_email(email or "") or "")
    if row is None or not row["active"]:
        raise not_found("there is no active user like that")
    return UUID(str(row["id"]))


async def _keep_an_administrator(connection: Connection, access: ProjectAccess, member: Member) -> None:
    if member.role is not Role.ADMIN or not member.active:
        return
    row = await store.one(connection, "other_admins", project_id=access.project.id, user_id=member.user_id)
    if row is None or not row["others"]:
        raise conflict(
            f"{member.user_id} is the last administrator of the project",
            next_step="make another member an administrator first",
        )


async def _record(
    connection: Connection, action: str, access: ProjectAccess, user_id: UUID, details: dict[str, Any]
) -> None:
    subject = f"user:{user_id}"
    actor = str(access.actor)
    entry = AuditEntry(action=action, actor=actor, subject=subject, project_id=access.project.id, details=details)
    await append_entries(connection, [entry])
    event = OutgoingEvent(
        type=f"dev.quilate.{action}",
        project_id=access.project.id,
        subject=f"project:{access.project.id}",
        data={"project": access.project.slug, "actor": actor, "member": subject, **details},
    )
    await append_events(connection, [event])
