"""Logins as their owner and administrators see them: what is open, and how to end it.

Every request by an access token looks its session up (or remembers the answer for 3 seconds), so that a session that
is ended here lets nobody in any more: at once in this process, within 5 seconds in every other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.errors import forbidden, no_user, not_found
from quilate.accounts.model import Principal
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database

_FIRST = UUID(int=0)
BY_OWNER = "revoked"
BY_ADMINISTRATOR = "revoked-by-administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A login that is open."""

    id: UUID
    device: str
    method: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


def open_session_from(row: Mapping[str, Any]) -> OpenSession:
    """Return the session of a row."""
    return OpenSession(**{name: row[name] for name in OpenSession.__dataclass_fields__})


class SessionList:
    """Lists and ends logins."""

    def __init__(self, database: Database, *, forget: Callable[[], None]) -> None:
        self._database = database
        self._forget = forget

    async def own(self, principal: Principal, *, after: UUID | None, most: int) -> Sequence[OpenSession]:
        """Return the caller's open logins.

        Raises:
            Problem: 403, the caller is not a login.
        """
        return await self._list(_owner(principal), after=after, most=most)

    async def of_user(self, user_id: UUID, *, after: UUID | None, most: int) -> Sequence[OpenSession]:
        """Return a user's open logins; the caller administers the installation.

        Raises:
            Problem: 404, there is no such user.
        """
        async with self._database.connection() as connection:
            if await store.one(connection, "user_by_id", id=user_id) is None:
                raise no_user(user_id)
        return await self._list(user_id, after=after, most=most)

    async def _list(self, user_id: UUID, *, after: UUID | None, most: int) -> Sequence[OpenSession]:
        async with self._database.connection() as connection:
            rows = await store.many(connection, "list_sessions", user_id=user_id, after=after or _FIRST, most=most)
        return [open_session_from(row) for row in rows]

    async def revoke_own(self, principal: Principal, session_id: UUID) -> None:
        """End one of the caller's logins, the present one included.

        Raises:
            Problem: 403 the caller is not a login, 404 they have no such open login.
        """
        user_id = _owner(principal)

        async def work(connection: Connection) -> None:
            if await store.one(connection, "open_session", id=session_id, user_id=user_id) is None:
                raise not_found(f"you have no open session {session_id}")
            if await store.one(connection, "revoke_session", id=session_id, because=BY_OWNER) is not None:
                await _record(connection, principal, f"session:{session_id}", BY_OWNER)

        await self._database.run(work)
        self._forget()

    async def revoke_others(self, principal: Principal) -> None:
        """End all of the caller's logins but the present one.

        Raises:
            Problem: 403, the caller is not a login.
        """
        await self._revoke_all(principal, _owner(principal), kept=principal.session_id, because=BY_OWNER)

    async def revoke_of_user(self, principal: Principal, user_id: UUID) -> None:
        """End every login of a user; the caller administers the installation.

        Raises:
            Problem: 404, there is no such user.
        """
        await self._revoke_all(principal, user_id, kept=None, because=BY_ADMINISTRATOR)

    async def _revoke_all(self, principal: Principal, user_id: UUID, *, kept: UUID | None, because: str) -> None:
        async def work(connection: Connection) -> None:
            # Locked, so that a login that begins at this moment comes before or after, and never in between.
            if await store.one(connection, "lock_user", id=user_id) is None:
                raise no_user(user_id)
            ended = await store.execute(
                connection, "revoke_sessions_of_user", user_id=user_id, kept=kept, because=because
            )
            if ended:
                await _record(connection, principal, f"user:{user_id}", because, ended=ended)

        await self._database.run(work)
        self._forget()


def _owner(principal: Principal) -> UUID:
    if principal.session_id is None or principal.user_id is None:
        raise forbidden("sessions are managed by a login, not by a token", next_step="log in and try again")
    return principal.user_id


async def _record(connection: Connection, principal: Principal, subject: str, because: str, *, ended: int = 1) -> None:
    details = {"because": because, "sessions": ended}
    entry = AuditEntry(action="session.revoked", actor=str(principal.actor), subject=subject, details=details)
    await append_entries(connection, [entry])
