"""What a one-time link leads to: a person chooses a password."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.addresses import normal_email
from quilate.accounts.credentials import LONGEST_CREDENTIAL, Secret, new_secret
from quilate.accounts.errors import conflict, invalid, link_is_void
from quilate.accounts.links import OpenLink, find_link
from quilate.accounts.passwords import Passwords, fault_of_password
from quilate.accounts.records import LinkPurpose
from quilate.accounts.sessions import Login, Sessions, actor_of, begin_session
from quilate.accounts.throttle import LoginThrottle
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What the person wrote into the form, and what is made of it."""

    email: str = field(repr=False)
    name: str = field(repr=False)
    password_hash: str = field(repr=False)
    new_user_id: UUID
    session_id: UUID
    refresh: Secret = field(repr=False)


class Setup:
    """Redeems one-time links."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        sessions: Sessions,
        throttle: LoginThrottle,
        forget: Callable[[], None],
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._sessions = sessions
        self._throttle = throttle
        self._forget = forget

    async def purpose(self, token: str) -> LinkPurpose | None:
        """Return what a link is for while it opens, which the question does not use up; nothing where it does not."""
        if len(token) > LONGEST_CREDENTIAL:
            return None
        async with self._database.connection() as connection:
            link = await find_link(connection, token)
        return link.purpose if link is not None else None

    async def redeem(self, *, token: str, email: str, name: str, password: str, address: str) -> Login:
        """Use a link: set the password, begin a login, and end every pause after failed logins.

        Raises:
            Problem: 410 the link does not open for this e-mail address, 422 the password or the address is not
                accepted, 409 an administrator exists meanwhile.
        """
        # Before any costly work: without a link nobody makes the service hash.
        if await self.purpose(token) is None:
            raise link_is_void()
        own_email = normal_email(email)
        if own_email is None:
            raise invalid("this is no e-mail address", next_step="write it as name@example.org")
        fault = fault_of_password(password, email=own_email)
        if fault is not None:
            raise invalid(f"the password {fault.value}", next_step="choose a longer one that nobody would guess")
        choice = _Choice(
            email=own_email,
            name=name.strip(),
            password_hash=await self._passwords.hash(password),
            new_user_id=uuid7(),
            session_id=uuid7(),
            refresh=new_secret(),
        )

        async def work(connection: Connection) -> UUID:
            link = await find_link(connection, token, lock=True)
            if link is None:
                raise link_is_void()
            await store.execute(connection, "use_link", id=link.id)
            if link.purpose is LinkPurpose.FIRST_ADMIN:
                user_id = await _first_administrator(connection, choice)
            else:
                user_id = await _existing_user(connection, link, choice)
            await self._throttle.forgive(connection, user_id=user_id, email=choice.email, address=address)
            await begin_session(
                connection,
                session_id=choice.session_id,
                user_id=user_id,
                refresh=choice.refresh,
                method="link",
            )
            return user_id

        user_id = await self._database.run(work)
        self._forget()
        return await self._sessions.login_of(user_id=user_id, session_id=choice.session_id, refresh=choice.refresh)


async def _first_administrator(connection: Connection, choice: _Choice) -> UUID:
    if await store.many(connection, "administrators"):
        raise conflict("there is an administrator already", next_step="ask them for an invitation")
    # A person who was recorded before, without a password, becomes the administrator: nobody else has the link.
    await store.one(
        connection,
        "insert_user",
        id=choice.new_user_id,
        email=choice.email,
        name=choice.name,
        instance_admin=True,
        auditor=False,
    )
    row = await store.one(connection, "user_by_email", email=choice.email)
    if row is None:
        raise link_is_void()
    await _settle(connection, row["id"], choice, administrator=True, action="user.first-admin-created")
    return UUID(str(row["id"]))


async def _existing_user(connection: Connection, link: OpenLink, choice: _Choice) -> UUID:
    row = await store.one(connection, "lock_user", id=link.user_id)
    recovers = link.purpose is LinkPurpose.RECOVERY
    if row is None or row["email"] != choice.email or not (row["active"] or recovers):
        raise link_is_void()
    action = {
        LinkPurpose.RECOVERY: "user.recovered",
        LinkPurpose.INVITATION: "user.invitation-accepted",
    }.get(link.purpose, "user.password-reset")
    await _settle(connection, row["id"], choice, administrator=recovers or row["instance_admin"], action=action)
    return UUID(str(row["id"]))


async def _settle(connection: Connection, user_id: UUID, choice: _Choice, *, administrator: bool, action: str) -> None:
    row = await store.one(connection, "lock_user", id=user_id)
    if row is None:
        raise link_is_void()
    await store.one(
        connection,
        "change_user",
        id=user_id,
        name=choice.name or row["name"],
        instance_admin=administrator,
        auditor=row["auditor"],
        active=True,
    )
    await store.execute(connection, "set_password", id=user_id, password_hash=choice.password_hash)
    await store.execute(connection, "revoke_sessions_of_user", user_id=user_id, kept=None, because="password-reset")
    entry = AuditEntry(action=action, actor=actor_of(user_id), subject=f"user:{user_id}")
    await append_entries(connection, [entry])
