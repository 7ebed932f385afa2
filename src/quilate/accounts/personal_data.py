"""Personal data of a user: its export and its erasure.

Source: Lei 13.709/2018 (LGPD), articles 18 (access, portability, erasure) and 16 (what may be kept).
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.errors import conflict, no_user
from quilate.accounts.model import Principal
from quilate.accounts.passwords import Passwords
from quilate.accounts.records import User, UserStatus, user_from
from quilate.accounts.users import cut_off, keep_an_administrator, locked_user, record
from quilate.kit.database.database import Connection, Database

_MOST_TOKENS = 10_000
_FIRST = UUID(int=0)


class PersonalData:
    """Exports and erases what is known about a person."""

    def __init__(self, database: Database, *, passwords: Passwords, forget: Callable[[], None]) -> None:
        self._database = database
        self._passwords = passwords
        self._forget = forget

    async def export(self, principal: Principal, user_id: UUID) -> dict[str, Any]:
        """Return everything that the installation holds about a user; who asked for it is in the audit log.

        Raises:
            Problem: 404.
        """

        async def work(connection: Connection) -> dict[str, Any]:
            row = await store.one(connection, "user_by_id", id=user_id)
            if row is None:
                raise no_user(user_id)
            user = user_from(row)
            await record(connection, "user.personal-data-exported", principal, user_id, {})
            return {
                "user": {
                    "id": user.id,
                    "email": user.email,
                    "name": user.name,
                    "status": user.status,
                    "instance_admin": user.instance_admin,
                    "auditor": user.auditor,
                    "created_at": user.created_at,
                },
                "memberships": await store.many(connection, "memberships_of_user", id=user_id),
                "sessions": await store.many(connection, "sessions_of_user", id=user_id),
                "identities": await store.many(connection, "identities_of_user", id=user_id),
                "tokens": [
                    {name: row[name] for name in ("name", "prefix", "created_at", "expires_at", "last_used_on")}
                    for row in await store.many(
                        connection, "list_api_tokens", user_id=user_id, after=_FIRST, most=_MOST_TOKENS
                    )
                ],
            }

        return await self._database.run(work)

    async def erase(self, principal: Principal, user_id: UUID) -> User:
        """Erase a person: what stays is the id, by which the audit log keeps its meaning, and a salted slow hash.

        Whoever knows the address can prove with ``was`` whose account it was; nobody can read the address from it.
        An erased user stays erased; erasing again changes nothing.

        Raises:
            Problem: 404 no such user, 409 the last administrator of the installation or of a project.
        """
        before = await self._user(user_id)
        if before.email is None:
            return before
        identity = await self._passwords.hash(before.email)

        async def work(connection: Connection) -> User:
            administrators = {row["id"] for row in await store.many(connection, "administrators")}
            user = await locked_user(connection, user_id)
            if user.status is UserStatus.ERASED:
                return user
            keep_an_administrator(administrators, user_id)
            alone = [row["slug"] for row in await store.many(connection, "projects_with_only_admin", id=user_id)]
            if alone:
                raise conflict(
                    f"{user_id} is the last administrator of {', '.join(alone[:10])}",
                    next_step="make another member of each an administrator first",
                )
            await cut_off(connection, user_id, because="erased")
            await store.execute(connection, "forget_traces_of_user", id=user_id)
            row = await store.one(connection, "erase_user", id=user_id, identity=identity)
            await record(connection, "user.erased", principal, user_id, {})
            return user_from(row) if row is not None else user

        user = await self._database.run(work)
        self._forget()
        return user

    async def was(self, user_id: UUID, email: str) -> bool:
        """Tell whether an erased user had this e-mail address."""
        async with self._database.connection() as connection:
            row = await store.one(connection, "user_by_id", id=user_id)
        identity = row["erased_identity"] if row is not None else None
        return await self._passwords.verify(identity, email.strip().lower())

    async def _user(self, user_id: UUID) -> User:
        async with self._database.connection() as connection:
            row = await store.one(connection, "user_by_id", id=user_id)
        if row is None:
            raise no_user(user_id)
        return user_from(row)
