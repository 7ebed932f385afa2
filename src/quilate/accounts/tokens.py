"""API tokens: for machines, never more than their owner may at the moment of use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.credentials import new_api_token
from quilate.accounts.errors import forbidden, invalid, not_found
from quilate.accounts.model import Permission, Principal, ProjectAccess
from quilate.accounts.records import ApiToken, api_token_from
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

LONGEST_DAYS = 365
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiToken:
    """A token in the one moment in which its secret is known."""

    token: ApiToken
    secret: str = field(repr=False)


class ApiTokens:
    """Creates, lists and revokes the tokens of the user who asks."""

    def __init__(self, database: Database, *, forget: Callable[[], None]) -> None:
        self._database = database
        self._forget = forget

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        scopes: frozenset[Permission],
        days: int,
        project: ProjectAccess | None,
    ) -> NewApiToken:
        """Create a token.

        Args:
            principal: Its owner, by a login: a token makes no tokens.
            name: For people.
            scopes: What it is limited to. What its owner may not do, it may not do either, now or later.
            days: How long it is good.
            project: The one project that it is limited to, if any; its owner has access to it.

        Raises:
            Problem: 403 not by a login, 422 scopes that its owner has nowhere, or a life that is too long.
        """
        user_id = _owner(principal)
        if not 1 <= days <= LONGEST_DAYS:
            raise invalid(f"a token is good for 1 to {LONGEST_DAYS} days")
        excess = scopes - _permissions(principal, project)
        if excess or not scopes:
            names = ", ".join(sorted(each.value for each in excess)) or "none were given"
            raise invalid(
                f"the scopes are not all within what you may do: {names}", next_step="leave out what you may not do"
            )
        token_id, secret = uuid7(), new_api_token()
        project_id = project.project.id if project is not None else None

        async def work(connection: Connection) -> ApiToken:
            added = await store.one(
                connection,
                "insert_api_token",
                id=token_id,
                user_id=user_id,
                name=name.strip(),
                prefix=secret.prefix,
                token_hash=secret.hash,
                scopes=sorted(scope.value for scope in scopes),
                project_id=project_id,
                days=days,
            )
            if added is not None:
                details = {"scopes": sorted(scope.value for scope in scopes), "days": days}
                await _record(connection, "token.created", principal, token_id, project_id, details)
            return await _token(connection, token_id, user_id)

        return NewApiToken(token=await self._database.run(work), secret=secret.text)

    async def list(self, principal: Principal, *, after: UUID | None, most: int) -> Sequence[ApiToken]:
        """Return the user's tokens, those that are void included."""
        async with self._database.connection() as connection:
            rows = await store.many(
                connection, "list_api_tokens", user_id=_owner(principal), after=after or _FIRST, most=most
            )
        return [api_token_from(row) for row in rows]

    async def get(self, principal: Principal, token_id: UUID) -> ApiToken:
        """Return one of the user's tokens.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            return await _token(connection, token_id, _owner(principal))

    async def revoke(self, principal: Principal, token_id: UUID) -> None:
        """Make a token void at once; one that is void already stays so.

        Raises:
            Problem: 404, the user has no such token.
        """
        user_id = _owner(principal)

        async def work(connection: Connection) -> None:
            await _token(connection, token_id, user_id)
            row = await store.one(connection, "revoke_api_token", id=token_id, user_id=user_id)
            if row is not None:
                await _record(connection, "token.revoked", principal, token_id, row["project_id"], {})

        await self._database.run(work)
        self._forget()


def _owner(principal: Principal) -> UUID:
    if principal.session_id is None or principal.user_id is None:
        raise forbidden("tokens are managed by a login, not by a token", next_step="log in and try again")
    return principal.user_id


def _permissions(principal: Principal, project: ProjectAccess | None) -> frozenset[Permission]:
    """Return what the owner may do in the project, or anywhere where none is named."""
    if project is not None:
        return principal.permissions_in(project.project.id)
    anywhere = frozenset(each for each in Permission if principal.may_instance(each))
    return anywhere.union(*(principal.permissions_in(each) for each in principal.roles))


async def _token(connection: Connection, token_id: UUID, user_id: UUID) -> ApiToken:
    row = await store.one(connection, "api_token", id=token_id, user_id=user_id)
    if row is None:
        raise not_found(f"you have no token {token_id}")
    return api_token_from(row)


async def _record(  # noqa: PLR0913, PLR0917 - the parts of one entry
    connection: Connection,
    action: str,
    principal: Principal,
    token_id: UUID,
    project_id: UUID | None,
    details: dict[str, object],
) -> None:
    entry = AuditEntry(
        action=action,
        actor=str(principal.actor),
        subject=f"token:{token_id}",
        project_id=project_id,
        details=details,
    )
    await append_entries(connection, [entry])
