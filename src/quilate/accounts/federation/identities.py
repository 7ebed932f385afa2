"""Whose user somebody is who comes from an identity provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.addresses import normal_email
from quilate.accounts.errors import conflict, forbidden, not_found
from quilate.accounts.federation.model import Flow, Identity, IdentityProvider
from quilate.accounts.federation.providers import STATEMENTS
from quilate.accounts.model import Principal
from quilate.accounts.records import UserStatus, user_from
from quilate.accounts.sessions import actor_of
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database

_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedIdentity:
    """A way in that a user has added."""

    provider: str
    name: str
    linked_at: datetime


class Identities:
    """Lists and removes the ways in that a user has."""

    def __init__(self, database: Database, *, forget: Callable[[], None]) -> None:
        self._database = database
        self._forget = forget

    async def own(self, principal: Principal) -> Sequence[LinkedIdentity]:
        """Return the caller's.

        Raises:
            Problem: 403, the caller is not a login.
        """
        user_id = require_login(principal)
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(connection, "identities_of_user", user_id=user_id)
        return [LinkedIdentity(provider=row["provider"], name=row["name"], linked_at=row["linked_at"]) for row in rows]

    async def remove(self, principal: Principal, slug: str) -> None:
        """Remove one of the caller's; not the last way in.

        Raises:
            Problem: 403 the caller is not a login, 404 there is none, 409 it is the last way in.
        """
        user_id = require_login(principal)

        async def work(connection: Connection) -> None:
            user = await store.one(connection, "lock_user", id=user_id)
            if await STATEMENTS.one(connection, "delete_identity", slug=slug, user_id=user_id) is None:
                raise not_found(f"you have no identity at {slug!r}")
            left = await STATEMENTS.many(connection, "identities_of_user", user_id=user_id)
            if not left and (user is None or user["password_hash"] is None):
                raise conflict(
                    "it is your only way in", next_step="ask an administrator for a link to a password first"
                )
            await STATEMENTS.execute(connection, "settle_federation", user_id=user_id)
            await _record(connection, "user.identity-removed", user_id, {"provider": slug})

        await self._database.run(work)
        self._forget()


def require_login(principal: Principal) -> UUID:
    """Return the user who has logged in.

    Raises:
        Problem: 403, the caller is not a login.
    """
    if principal.session_id is None or principal.user_id is None:
        raise forbidden("identities are managed by a login, not by a token", next_step="log in and try again")
    return principal.user_id


async def user_of(connection: Connection, flow: Flow, identity: Identity, *, new_user_id: UUID) -> UUID:
    """Return the user of somebody who came back, made or linked where that is allowed, locked.

    A verified e-mail address leads to a user who was invited and has no other way in yet. It never leads into an
    account that somebody uses already: its owner adds the provider themselves.

    Raises:
        Problem: 403 nobody was invited, or the user is not active; 409 the identity is somebody else's.
    """
    known = await STATEMENTS.one(connection, "identity", provider_id=flow.provider.id, subject=identity.subject)
    if flow.user_id is not None:
        if known is None:
            await _link(connection, flow.provider, identity, flow.user_id)
        elif known["user_id"] != flow.user_id:
            raise conflict("that identity belongs to another user", next_step="log in by it instead")
        return await _active(connection, flow.user_id)
    if known is not None:
        return await _active(connection, known["user_id"])
    user_id = await _user_by_email(connection, flow.provider, identity, new_user_id)
    await _active(connection, user_id)
    await _link(connection, flow.provider, identity, user_id)
    return user_id


async def _user_by_email(
    connection: Connection, provider: IdentityProvider, identity: Identity, new_user_id: UUID
) -> UUID:
    email = normal_email(identity.email or "")
    if email is None or not identity.email_verified:
        raise _not_invited()
    row = await store.one(connection, "user_by_email", email=email)
    if row is None:
        return await _created(connection, provider, identity, email, new_user_id)
    user = user_from(row)
    if user.status is UserStatus.ACTIVE:
        raise forbidden(
            "a user with this e-mail address has another way in",
            next_step="log in as before, and add the provider with POST /api/v1/me/identities",
        )
    if user.status is not UserStatus.INVITED:
        raise _not_invited()
    return user.id


async def _created(
    connection: Connection, provider: IdentityProvider, identity: Identity, email: str, new_user_id: UUID
) -> UUID:
    if email.rpartition("@")[2] not in provider.auto_create_domains:
        raise _not_invited()
    await store.one(
        connection,
        "insert_user",
        id=new_user_id,
        email=email,
        name=identity.name,
        instance_admin=False,
        auditor=False,
    )
    await _record(connection, "user.created", new_user_id, {"provider": provider.slug})
    return new_user_id


async def _link(connection: Connection, provider: IdentityProvider, identity: Identity, user_id: UUID) -> None:
    added = await STATEMENTS.one(
        connection, "insert_identity", provider_id=provider.id, subject=identity.subject, user_id=user_id
    )
    if added is None:
        raise conflict(
            "the user has another identity at this provider, or the identity another user",
            next_step="remove the identity that is there first",
        )
    await STATEMENTS.execute(connection, "mark_federated", id=user_id, name=identity.name)
    # An invitation that was never opened must not stay a second way in.
    await store.execute(connection, "remove_unused_links", user_id=user_id, kept=_FIRST)
    await _record(connection, "user.identity-linked", user_id, {"provider": provider.slug})


async def _active(connection: Connection, user_id: UUID) -> UUID:
    row = await store.one(connection, "lock_user", id=user_id)
    if row is None or not row["active"]:
        raise _not_invited()
    return user_id


def _not_invited() -> Exception:
    """Return the one answer to everybody who has no business here, so that nobody learns who has."""
    return forbidden(
        "nobody with a verified e-mail address like this was invited",
        next_step="ask an administrator of the installation for an invitation",
    )


async def _record(connection: Connection, action: str, user_id: UUID, details: dict[str, Any]) -> None:
    entry = AuditEntry(action=action, actor=actor_of(user_id), subject=f"user:{user_id}", details=details)
    await append_entries(connection, [entry])
