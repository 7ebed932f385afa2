"""Logins: password, short access token, refresh tokens that work once, lockout.

Source: RFC 9700 (OAuth 2.0 Security Best Current Practice), 4.14.2: rotation with detection of reuse.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.credentials import LONGEST_CREDENTIAL, Secret, hash_of, new_secret
from quilate.accounts.errors import forbidden, invalid, unauthenticated
from quilate.accounts.model import SYSTEM, Actor, ActorKind, Principal
from quilate.accounts.passwords import LONGEST, Passwords, fault_of_password
from quilate.accounts.records import User, user_from
from quilate.accounts.signing import LIFETIME, AccessTokens
from quilate.accounts.throttle import Attempt, LoginThrottle
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

SESSION_LIFETIME = timedelta(days=30)
REFRESH_LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a client gets from a login or a refresh: both tokens are secret."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    user_id: UUID

    @property
    def expires_in(self) -> int:
        """Seconds for which the access token is good."""
        return int(LIFETIME.total_seconds())


class _Refresh(Enum):
    """What became of a refresh token."""

    VOID = auto()
    REUSED = auto()
    RENEWED = auto()


def actor_of(user_id: UUID) -> str:
    """Return a user as the audit log names one."""
    return str(Actor(kind=ActorKind.USER, id=str(user_id)))


def wrong_login() -> Exception:
    """Return the one answer to every login that fails, whatever the reason."""
    return unauthenticated(
        "the e-mail address or the password is wrong",
        next_step="try again, or ask an administrator of the installation for a new link",
    )


class Sessions:
    """Begins, continues and ends logins."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: AccessTokens,
        throttle: LoginThrottle,
        forget: Callable[[], None],
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._throttle = throttle
        self._forget = forget

    async def login(self, *, email: str, password: str, address: str, device: str = "") -> Login:
        """Begin a login.

        An unknown address, one without password and a wrong password take the same work and get the same answer.

        Raises:
            Problem: 401 wrong, 429 too many failures, 503 too many logins wait.
        """
        email = email.strip().lower()
        attempt = await self._throttle.admit(email=email, address=address)
        user = await self._user_by_email(email)
        stored = user.password_hash if user is not None and user.active else None
        right = await self._passwords.verify(stored, password[: LONGEST + 1])
        if not right or user is None or stored is None:
            await self._throttle.failed(user.id if user is not None else None)
            raise wrong_login()
        renewed = await self._passwords.hash(password) if self._passwords.is_outdated(stored) else None
        hashes = stored, renewed
        login = await self._begin(user.id, attempt, hashes=hashes, device=device)
        if login is None:
            raise wrong_login()
        return login

    async def _user_by_email(self, email: str) -> User | None:
        async with self._database.connection() as connection:
            row = await store.one(connection, "user_by_email", email=email)
        return user_from(row) if row is not None else None

    async def _begin(
        self, user_id: UUID, attempt: Attempt, *, hashes: tuple[str, str | None], device: str
    ) -> Login | None:
        stored, renewed = hashes
        session_id, refresh = uuid7(), new_secret()

        async def work(connection: Connection) -> bool:
            # Locked: a password that is changed or a user who is deactivated at this moment leaves no session behind.
            row = await store.one(connection, "lock_user", id=user_id)
            if row is None or not row["active"] or row["password_hash"] not in {stored, renewed}:
                return False
            if renewed is not None:
                await store.execute(connection, "renew_password_hash", id=user_id, password_hash=renewed, before=stored)
            await self._throttle.succeeded(connection, attempt, user_id=user_id)
            await begin_session(connection, session_id=session_id, user_id=user_id, refresh=refresh, device=device)
            return True

        if not await self._database.run(work):
            return None
        return await self.login_of(user_id=user_id, session_id=session_id, refresh=refresh)

    async def login_of(self, *, user_id: UUID, session_id: UUID, refresh: Secret) -> Login:
        """Return both tokens of a session that exists."""
        access = await self._tokens.sign(user_id=user_id, session_id=session_id)
        return Login(access_token=access, refresh_token=refresh.text, user_id=user_id)

    async def refresh(self, token: str) -> Login:
        """Continue a login: the refresh token is void afterwards, and another takes its place.

        One that comes a second time is in two hands: the whole login ends.

        Raises:
            Problem: 401, it is unknown, void or expired.
        """
        if len(token) > LONGEST_CREDENTIAL:
            raise _void_refresh()
        before, successor = hash_of(token), new_secret()

        async def work(connection: Connection) -> tuple[_Refresh, UUID, UUID]:
            return await _refresh(connection, before, successor)

        outcome, user_id, session_id = await self._database.run(work)
        if outcome is _Refresh.REUSED:
            self._forget()
        if outcome is not _Refresh.RENEWED:
            raise _void_refresh()
        return await self.login_of(user_id=user_id, session_id=session_id, refresh=successor)

    async def logout(self, token: str) -> None:
        """End the login of a refresh token; one that is unknown or has ended is no error."""
        if len(token) > LONGEST_CREDENTIAL:
            return

        async def work(connection: Connection) -> None:
            row = await store.one(connection, "lock_refresh_token", token_hash=hash_of(token))
            if row is not None:
                await _revoke(connection, row["session_id"], row["user_id"], because="logout")

        await self._database.run(work)
        self._forget()

    async def change_password(self, principal: Principal, *, current: str, new: str, address: str) -> None:
        """Set another password; every other login of the user ends.

        Raises:
            Problem: 401 the current one is wrong, 403 not by a login, 422 the new one is not accepted, 429 and 503 as
                for a login.
        """
        if principal.session_id is None or principal.user_id is None:
            raise forbidden("a password is changed by a login, not by a token", next_step="log in and try again")
        user = await self._user(principal.user_id)
        fault = fault_of_password(new, email=user.email or "")
        if fault is not None:
            raise invalid(f"the password {fault.value}")
        if new == current:
            raise invalid("the new password is the current one")
        attempt = await self._throttle.admit(email=user.email or "", address=address)
        stored = user.password_hash
        if not await self._passwords.verify(stored, current[: LONGEST + 1]):
            await self._throttle.failed(user.id)
            raise unauthenticated("the current password is wrong", next_step="try again")
        hashed = await self._passwords.hash(new)

        async def work(connection: Connection) -> bool:
            row = await store.one(connection, "lock_user", id=user.id)
            if row is None or row["password_hash"] not in {stored, hashed} or not row["active"]:
                return False
            await store.execute(connection, "set_password", id=user.id, password_hash=hashed)
            await store.execute(
                connection,
                "revoke_sessions_of_user",
                user_id=user.id,
                kept=principal.session_id,
                because="password-changed",
            )
            await self._throttle.succeeded(connection, attempt, user_id=user.id)
            entry = AuditEntry(action="user.password-changed", actor=str(principal.actor), subject=f"user:{user.id}")
            await append_entries(connection, [entry])
            return True

        if not await self._database.run(work):
            raise unauthenticated("the current password is wrong", next_step="try again")
        self._forget()

    async def _user(self, user_id: UUID) -> User:
        async with self._database.connection() as connection:
            row = await store.one(connection, "user_by_id", id=user_id)
        if row is None:
            raise unauthenticated()
        return user_from(row)


def _void_refresh() -> Exception:
    return unauthenticated("the refresh token is void", next_step="log in again")


async def begin_session(  # noqa: PLR0913 - the parts of a session
    connection: Connection,
    *,
    session_id: UUID,
    user_id: UUID,
    refresh: Secret,
    device: str = "",
    method: str = "password",
) -> None:
    """Add a login with its first refresh token and its audit entry, within the caller's transaction.

    Args:
        connection: The caller's.
        session_id: Of the new session.
        user_id: Who has logged in.
        refresh: The first refresh token.
        device: What kind of device, as ``devices.device_of`` says it.
        method: ``password``, ``link`` or ``provider``.
    """
    created = await store.one(
        connection,
        "insert_session",
        id=session_id,
        user_id=user_id,
        lifetime=SESSION_LIFETIME,
        device=device,
        method=method,
    )
    if created is None:
        return  # The transaction is repeated after a COMMIT that had counted.
    await store.execute(
        connection, "insert_refresh_token", token_hash=refresh.hash, session_id=session_id, lifetime=REFRESH_LIFETIME
    )
    entry = AuditEntry(
        action="login.succeeded",
        actor=actor_of(user_id),
        subject=f"session:{session_id}",
        details={} if method == "password" else {"method": method},
    )
    await append_entries(connection, [entry])


async def _refresh(connection: Connection, before: bytes, successor: Secret) -> tuple[_Refresh, UUID, UUID]:
    row = await store.one(connection, "lock_refresh_token", token_hash=before)
    if row is None:
        return _Refresh.VOID, UUID(int=0), UUID(int=0)
    user_id, session_id = row["user_id"], row["session_id"]
    if row["successor_hash"] is not None and row["successor_hash"] != successor.hash:
        await _revoke(connection, session_id, user_id, because="reuse")
        return _Refresh.REUSED, user_id, session_id
    if not row["valid"]:
        return _Refresh.VOID, user_id, session_id
    await store.execute(connection, "replace_refresh_token", token_hash=before, successor=successor.hash)
    await store.execute(connection, "note_use_of_session", id=session_id)
    await store.execute(
        connection, "insert_refresh_token", token_hash=successor.hash, session_id=session_id, lifetime=REFRESH_LIFETIME
    )
    return _Refresh.RENEWED, user_id, session_id


async def _revoke(connection: Connection, session_id: UUID, user_id: UUID, *, because: str) -> None:
    if await store.one(connection, "revoke_session", id=session_id, because=because) is None:
        return
    # Whoever presents a token twice may be its thief, so the user is not named as the one who did it.
    actor = str(SYSTEM) if because == "reuse" else actor_of(user_id)
    entry = AuditEntry(
        action="session.revoked", actor=actor, subject=f"session:{session_id}", details={"because": because}
    )
    await append_entries(connection, [entry])
