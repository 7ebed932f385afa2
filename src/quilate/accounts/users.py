"""Users of the installation; it always keeps an administrator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.addresses import normal_email
from quilate.accounts.errors import changed_since, conflict, invalid, no_user
from quilate.accounts.links import NewLink, new_link, store_link
from quilate.accounts.model import Principal
from quilate.accounts.records import LinkPurpose, User, UserStatus, user_from
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

_FIRST = UUID(int=0)
_CHANGEABLE = ("name", "instance_admin", "auditor", "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A user and the link that is for them; it is shown once."""

    user: User
    link: str = field(repr=False)


class Users:
    """Invites, lists and changes users; the caller is an administrator of the installation."""

    def __init__(self, database: Database, *, base_url: str, forget: Callable[[], None]) -> None:
        self._database = database
        self._base_url = base_url
        self._forget = forget

    async def invite(
        self, principal: Principal, *, email: str, name: str, instance_admin: bool, auditor: bool
    ) -> Invitation:
        """Record a user and return the link by which they choose a password.

        Raises:
            Problem: 409 there is a user with that address, 422 it is no address.
        """
        address = normal_email(email)
        if address is None:
            raise invalid("this is no e-mail address", next_step="write it as name@example.org")
        user_id = uuid7()
        link = new_link(LinkPurpose.INVITATION, user_id)

        async def work(connection: Connection) -> User:
            added = await store.one(
                connection,
                "insert_user",
                id=user_id,
                email=address,
                name=name.strip(),
                instance_admin=instance_admin,
                auditor=auditor,
            )
            row = await store.one(connection, "user_by_email", email=address)
            if row is None or row["id"] != user_id:
                raise conflict("there is a user with that e-mail address already", next_step="look them up in the list")
            if added is not None:
                await store_link(connection, link)
                details = {"instance_admin": instance_admin, "auditor": auditor}
                await record(connection, "user.invited", principal, user_id, details)
            return user_from(row)

        return Invitation(user=await self._database.run(work), link=link.address(self._base_url))

    async def new_link(self, principal: Principal, user_id: UUID) -> Invitation:
        """Return another link for a user: to the first password, or to a new one that ends every login of theirs.

        Raises:
            Problem: 404 no such user, 409 the user is not active.
        """

        async def work(connection: Connection) -> tuple[User, NewLink]:
            user = await locked_user(connection, user_id)
            if user.status not in {UserStatus.ACTIVE, UserStatus.INVITED}:
                raise conflict(f"the user {user_id} is {user.status.value}", next_step="activate the user first")
            purpose = LinkPurpose.RESET if user.status is UserStatus.ACTIVE else LinkPurpose.INVITATION
            link = new_link(purpose, user_id)
            await store_link(connection, link)
            await record(connection, "user.link-created", principal, user_id, {"purpose": purpose.value})
            return user, link

        user, link = await self._database.run(work)
        return Invitation(user=user, link=link.address(self._base_url))

    async def list(self, *, after: UUID | None, most: int) -> Sequence[User]:
        """Return the users in the order in which they were recorded."""
        async with self._database.connection() as connection:
            rows = await store.many(connection, "list_users", after=after or _FIRST, most=most)
        return [user_from(row) for row in rows]

    async def get(self, user_id: UUID) -> User:
        """Return a user.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            row = await store.one(connection, "user_by_id", id=user_id)
        if row is None:
            raise no_user(user_id)
        return user_from(row)

    async def change(
        self, principal: Principal, user_id: UUID, *, version: int | None, changes: dict[str, Any]
    ) -> User:
        """Change name, rights, or whether the user is active.

        A deactivation ends every login and every token of the user; they do not come back with a later activation.

        Raises:
            Problem: 404 no such user, 409 erased or the last administrator, 412 changed meanwhile.
        """

        async def work(connection: Connection) -> User:
            # First the administrators in their one order, then the user: two changes never wait for each other.
            administrators = {row["id"] for row in await store.many(connection, "administrators")}
            user = await locked_user(connection, user_id)
            _require_changeable(user, version)
            before, after, changed = _difference(user, changes)
            if not changed:
                return user
            if not (after["instance_admin"] and after["active"]):
                keep_an_administrator(administrators, user_id)
            row = await store.one(connection, "change_user", id=user_id, **after)
            if before["active"] and not after["active"]:
                await cut_off(connection, user_id, because="deactivated")
            rights = {name: after[name] for name in changed if name != "name"}
            await record(connection, _action(changed, after), principal, user_id, {"changed": changed, **rights})
            return user_from(row) if row is not None else user

        user = await self._database.run(work)
        self._forget()
        return user


def _difference(user: User, changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return what can be changed as it is and as it will be, and the names of what differs."""
    before = {name: getattr(user, name) for name in _CHANGEABLE}
    after = {**before, **changes}
    return before, after, [name for name in _CHANGEABLE if before[name] != after[name]]


def _require_changeable(user: User, version: int | None) -> None:
    if version is not None and version != user.version:
        raise changed_since(user.version)
    if user.status is UserStatus.ERASED:
        raise conflict(f"the user {user.id} was erased")


def _action(changed: Sequence[str], after: dict[str, Any]) -> str:
    if "active" not in changed:
        return "user.changed"
    return "user.activated" if after["active"] else "user.deactivated"


def keep_an_administrator(administrators: set[UUID], user_id: UUID) -> None:
    """Refuse to take away the last administrator.

    Raises:
        Problem: 409.
    """
    if administrators == {user_id}:
        raise conflict(
            f"{user_id} is the last administrator of the installation",
            next_step="make another user an administrator first",
        )


async def locked_user(connection: Connection, user_id: UUID) -> User:
    """Return a user, locked for the caller's transaction.

    Raises:
        Problem: 404.
    """
    row = await store.one(connection, "lock_user", id=user_id)
    if row is None:
        raise no_user(user_id)
    return user_from(row)


async def cut_off(connection: Connection, user_id: UUID, *, because: str) -> None:
    """End every login, token and link of a user within the caller's transaction."""
    await store.execute(connection, "revoke_sessions_of_user", user_id=user_id, kept=None, because=because)
    await store.execute(connection, "revoke_api_tokens_of_user", user_id=user_id)
    await store.execute(connection, "remove_unused_links", user_id=user_id, kept=_FIRST)


async def record(
    connection: Connection, action: str, principal: Principal, user_id: UUID, details: dict[str, Any]
) -> None:
    """Add the audit entry of something that was done to a user."""
    entry = AuditEntry(action=action, actor=str(principal.actor), subject=f"user:{user_id}", details=details)
    await append_entries(connection, [entry])
