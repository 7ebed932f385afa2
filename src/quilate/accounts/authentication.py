"""Finds out who asks, on every request.

A principal is remembered for ``CACHE_SECONDS``, so that a token under load costs one hash and one look-up in a
dictionary. Within the process that makes a change the memory is emptied at once; every other process follows within
those seconds. So a deactivation, a revoked token or a changed role binds everywhere within 5 seconds.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.credentials import LONGEST_CREDENTIAL, hash_of, is_api_token
from quilate.accounts.errors import unauthenticated
from quilate.accounts.machines.tokens import machine_principal
from quilate.accounts.model import Actor, ActorKind, Principal, ProjectReference, Role
from quilate.accounts.projects import SLUG, create_project
from quilate.accounts.records import ProjectSettings, known_scopes, project_from
from quilate.accounts.signing import AccessTokens
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

if TYPE_CHECKING:
    from fastapi import Request

CACHE_SECONDS = 3.0
"""Well below the 5 seconds within which a deactivation binds everywhere."""

_MOST_REMEMBERED = 20_000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[Value]):
    value: Value
    until: float


class _Memory(Generic[Value]):
    """Values for a few seconds; those who miss the same one at the same time wait for one answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: OrderedDict[object, _Remembered[Value]] = OrderedDict()
        self._coming: dict[object, asyncio.Task[Value | None]] = {}
        self._age = 0

    def forget(self) -> None:
        """Know nothing any more; an answer that is under way is not remembered."""
        self._age += 1
        self._known.clear()
        self._coming.clear()

    def known(self, key: object) -> Value | None:
        """Return what is remembered and still young enough."""
        found = self._known.get(key)
        return found.value if found is not None and found.until > time.monotonic() else None

    async def get(self, key: object, load: Callable[[], Awaitable[tuple[Value | None, float]]]) -> Value | None:
        """Return a value, loaded where it is not known; what is not there is not remembered.

        Args:
            key: Of the value.
            load: Returns the value and for how many seconds at most it may be remembered.
        """
        found = self.known(key)
        if found is not None:
            return found
        task = self._coming.get(key)
        if task is None:
            task = self._coming[key] = asyncio.create_task(self._load(key, load))
            task.add_done_callback(lambda done: self._arrived(key, done))
        # One caller that hangs up must not take the answer from the others.
        return await asyncio.shield(task)

    def _arrived(self, key: object, task: "asyncio.Task[Value | None]") -> None:
        if self._coming.get(key) is task:
            del self._coming[key]
        if not task.cancelled():
            task.exception()  # Whoever waited has heard it; if all have hung up, nobody needs to.

    async def _load(self, key: object, load: Callable[[], Awaitable[tuple[Value | None, float]]]) -> Value | None:
        age, begun = self._age, time.monotonic()
        value, seconds = await load()
        if value is not None and age == self._age:
            # Counted from before the question: that is how old the answer may be.
            self._known[key] = _Remembered(value, begun + min(seconds, self._seconds))
            self._known.move_to_end(key)
            while len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return value


class DatabaseAuthenticator:
    """Knows principals by access tokens and API tokens, and projects by their slugs.

    Args:
        database: Where users, logins and tokens are.
        cache_seconds: How old an answer may be.
    """

    def __init__(self, database: Database, *, cache_seconds: float = CACHE_SECONDS) -> None:
        self._database = database
        self._tokens = AccessTokens(database)
        self._principals: _Memory[Principal] = _Memory(cache_seconds)
        self._projects: _Memory[ProjectReference] = _Memory(cache_seconds)

    def forget(self) -> None:
        """Let the next request of everybody see what has just changed."""
        self._principals.forget()
        self._projects.forget()

    async def principal(self, request: "Request") -> Principal:
        """Return who asks.

        Raises:
            Problem: 401, nobody or nobody valid.
        """
        header = request.headers.get("authorization", "")
        scheme, _, credential = header.partition(" ")
        if not credential or len(header) > LONGEST_CREDENTIAL or scheme.lower() != "bearer":
            raise unauthenticated()
        key = hash_of(credential)
        found = self._principals.known(key)
        if found is None:
            found = await self._principals.get(key, lambda: self._load(credential, key))
        if found is None:
            raise unauthenticated("the access token or API token is not valid, or not any more")
        return found

    async def project(self, slug: str) -> ProjectReference | None:
        """Return the project of a slug."""
        found = self._projects.known(slug)
        if found is not None or SLUG.fullmatch(slug) is None:
            return found
        return await self._projects.get(slug, lambda: self._load_project(slug))

    async def _load_project(self, slug: str) -> tuple[ProjectReference | None, float]:
        return await find_project(self._database, slug), CACHE_SECONDS

    async def _load(self, credential: str, key: bytes) -> tuple[Principal | None, float]:
        if is_api_token(credential):
            return await self._of_api_token(key)
        return await self._of_session(credential)

    async def _of_api_token(self, key: bytes) -> tuple[Principal | None, float]:
        async with self._database.connection() as connection:
            row = await store.one(connection, "principal_of_api_token", token_hash=key)
            if row is None:
                return await machine_principal(connection, key)
            if row["first_use_today"]:
                await store.execute(connection, "note_use_of_api_token", id=row["token_id"])
        principal = Principal(
            actor=Actor(kind=ActorKind.TOKEN, id=str(row["token_id"])),
            user_id=row["user_id"],
            roles=roles_from(row["roles"]),
            instance_admin=row["instance_admin"],
            auditor=row["auditor"],
            scopes=known_scopes(row["scopes"]),
            project_scope=row["project_scope"],
        )
        return principal, row["remaining_seconds"]

    async def _of_session(self, credential: str) -> tuple[Principal | None, float]:
        claims = await self._tokens.verify(credential)
        if claims is None:
            return None, 0.0
        async with self._database.connection() as connection:
            row = await store.one(
                connection, "principal_of_session", session_id=claims.session_id, user_id=claims.user_id
            )
        if row is None:
            return None, 0.0
        principal = Principal(
            actor=Actor(kind=ActorKind.USER, id=str(row["user_id"])),
            user_id=row["user_id"],
            roles=roles_from(row["roles"]),
            instance_admin=row["instance_admin"],
            auditor=row["auditor"],
            session_id=claims.session_id,
        )
        return principal, claims.expires_at - time.time()


LOCAL_PRINCIPAL = Principal(actor=Actor(kind=ActorKind.LOCAL, id="local"), user_id=None, instance_admin=True)
"""The one user of the single-user mode, who may do everything."""


class LocalAuthenticator:
    """The single-user mode: everybody who reaches the loopback port is the one user; a project exists once named."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._projects: _Memory[ProjectReference] = _Memory(CACHE_SECONDS)

    def forget(self) -> None:
        """Let the next request see what has just changed."""
        self._projects.forget()

    async def principal(self, request: "Request") -> Principal:  # noqa: ARG002 - the protocol's
        """Return the one user."""
        return LOCAL_PRINCIPAL

    async def project(self, slug: str) -> ProjectReference | None:
        """Return the project of a slug, made where it does not exist; ``None`` where it is no slug."""
        if SLUG.fullmatch(slug) is None:
            return None
        return await self._projects.get(slug, lambda: self._find_or_create(slug))

    async def _find_or_create(self, slug: str) -> tuple[ProjectReference | None, float]:
        found = await find_project(self._database, slug)
        if found is None:
            project_id = uuid7()

            async def work(connection: Connection) -> None:
                settings = ProjectSettings(name=slug)
                await create_project(connection, project_id, slug, settings, principal=LOCAL_PRINCIPAL)

            await self._database.run(work)
            found = await find_project(self._database, slug)
        return found, CACHE_SECONDS


async def find_project(database: Database, slug: str) -> ProjectReference | None:
    """Return the project of a slug."""
    async with database.connection() as connection:
        row = await store.one(connection, "project_by_slug", slug=slug)
    return project_from(row).reference if row is not None else None


def roles_from(roles: Mapping[str, Any]) -> dict[UUID, Role]:
    """Return the roles of a user by project."""
    return {UUID(project): Role(role) for project, role in roles.items()}
