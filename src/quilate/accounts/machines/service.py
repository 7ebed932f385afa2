"""Service accounts of a project; the caller has checked the permission ``project:admin``."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from quilate.accounts.errors import changed_since, conflict, invalid, not_found
from quilate.accounts.machines.grants import Grant
from quilate.accounts.machines.model import (
    MachineToken,
    NewMachineToken,
    ServiceAccount,
    machine_token_from,
    service_account_from,
)
from quilate.accounts.machines.tokens import STATEMENTS, plan_token, store_token
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.tokens import LONGEST_DAYS
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

_FIRST = UUID(int=0)


class ServiceAccounts:
    """Creates, lists and disables service accounts, and manages their tokens."""

    def __init__(self, database: Database, *, forget: Callable[[], None]) -> None:
        self._database = database
        self._forget = forget

    async def create(self, access: ProjectAccess, *, name: str, grant: Grant) -> ServiceAccount:
        """Add a service account.

        Raises:
            Problem: 409, the project has one of that name.
        """
        account_id = uuid7()

        async def work(connection: Connection) -> ServiceAccount:
            added = await STATEMENTS.one(
                connection,
                "insert_service_account",
                id=account_id,
                project_id=access.project.id,
                name=name.strip(),
                role=grant.role.value if grant.role is not None else None,
                scopes=sorted(scope.value for scope in grant.scopes),
                created_by=str(access.actor),
            )
            account = await _account(connection, access, account_id, taken=name if added is None else "")
            if added is not None:
                details = {"scopes": sorted(scope.value for scope in grant.scopes)}
                await _record(connection, "service-account.created", access, f"service:{account_id}", details)
            return account

        return await self._database.run(work)

    async def list(self, access: ProjectAccess, *, after: UUID | None, most: int) -> Sequence[ServiceAccount]:
        """Return the project's service accounts, those that are disabled included."""
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(
                connection, "list_service_accounts", project_id=access.project.id, after=after or _FIRST, most=most
            )
        return [service_account_from(row) for row in rows]

    async def get(self, access: ProjectAccess, account_id: UUID) -> ServiceAccount:
        """Return a service account.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            return await _account(connection, access, account_id)

    async def change(
        self, access: ProjectAccess, account_id: UUID, *, version: int | None, changes: dict[str, Any]
    ) -> ServiceAccount:
        """Change name or whether it is enabled; disabling revokes its tokens, which do not come back.

        Raises:
            Problem: 404, 409 the name is taken, 412 changed meanwhile.
        """

        async def work(connection: Connection) -> ServiceAccount:
            row = await STATEMENTS.one(connection, "lock_service_account", id=account_id, project_id=access.project.id)
            if row is None:
                raise _no_account(access, account_id)
            before = service_account_from(row)
            if version is not None and version != before.version:
                raise changed_since(before.version)
            after = {"name": before.name, "enabled": before.enabled, **changes}
            after["name"] = after["name"].strip()
            if after == {"name": before.name, "enabled": before.enabled}:
                return before
            changed = await STATEMENTS.one(
                connection, "change_service_account", id=account_id, project_id=access.project.id, **after
            )
            if changed is None:
                raise _taken(after["name"])
            if before.enabled and not after["enabled"]:
                await STATEMENTS.execute(connection, "revoke_machine_tokens", service_account_id=account_id)
            details = {"changed": sorted(changes), "enabled": after["enabled"]}
            await _record(connection, "service-account.changed", access, f"service:{account_id}", details)
            return service_account_from(changed)

        account = await self._database.run(work)
        self._forget()
        return account

    async def create_token(
        self, access: ProjectAccess, account_id: UUID, *, name: str, scopes: frozenset[Permission], days: int
    ) -> NewMachineToken:
        """Create a token.

        Args:
            access: Whose project.
            account_id: Whose token.
            name: For people.
            scopes: What it is limited to; nothing for everything that the account may.
            days: How long it is good.

        Raises:
            Problem: 404 no such account, 409 it is disabled, 422 scopes that it has not, or a life that is too long.
        """
        if not 1 <= days <= LONGEST_DAYS:
            raise invalid(f"a token is good for 1 to {LONGEST_DAYS} days")
        account = await self.get(access, account_id)
        excess = scopes - account.grant.scopes
        if excess:
            raise invalid(f"the service account has not the scopes {', '.join(sorted(excess))}")
        plan = plan_token(
            project_id=access.project.id,
            scopes=scopes or account.grant.scopes,
            lifetime=timedelta(days=days),
            name=name.strip(),
            service_account_id=account_id,
        )

        async def work(connection: Connection) -> MachineToken:
            row = await STATEMENTS.one(connection, "lock_service_account", id=account_id, project_id=access.project.id)
            if row is None or not row["enabled"]:
                raise conflict("the service account is disabled", next_step="enable it first")
            if await store_token(connection, plan):
                details = {"scopes": sorted(scope.value for scope in plan.scopes), "days": days}
                details["service_account"] = str(account_id)
                await _record(connection, "token.created", access, f"token:{plan.id}", details)
            return await _token(connection, account_id, plan.id)

        return NewMachineToken(token=await self._database.run(work), secret=plan.secret.text)

    async def tokens(
        self, access: ProjectAccess, account_id: UUID, *, after: UUID | None, most: int
    ) -> Sequence[MachineToken]:
        """Return the tokens of a service account, those that are void included.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            await _account(connection, access, account_id)
            rows = await STATEMENTS.many(
                connection, "list_machine_tokens", service_account_id=account_id, after=after or _FIRST, most=most
            )
        return [machine_token_from(row) for row in rows]

    async def revoke_token(self, access: ProjectAccess, account_id: UUID, token_id: UUID) -> None:
        """Make a token void at once; one that is void already stays so.

        Raises:
            Problem: 404.
        """

        async def work(connection: Connection) -> None:
            await _account(connection, access, account_id)
            await _token(connection, account_id, token_id)
            row = await STATEMENTS.one(connection, "revoke_machine_token", id=token_id, service_account_id=account_id)
            if row is not None:
                details = {"service_account": str(account_id)}
                await _record(connection, "token.revoked", access, f"token:{token_id}", details)

        await self._database.run(work)
        self._forget()


def _no_account(access: ProjectAccess, account_id: UUID) -> Exception:
    return not_found(f"the project {access.project.slug!r} has no service account {account_id}")


def _taken(name: str) -> Exception:
    return conflict(f"the project has a service account {name.strip()!r} already", next_step="choose another name")


async def _account(
    connection: Connection, access: ProjectAccess, account_id: UUID, *, taken: str = ""
) -> ServiceAccount:
    row = await STATEMENTS.one(connection, "service_account", id=account_id, project_id=access.project.id)
    if row is None:
        raise _taken(taken) if taken else _no_account(access, account_id)
    return service_account_from(row)


async def _token(connection: Connection, account_id: UUID, token_id: UUID) -> MachineToken:
    row = await STATEMENTS.one(connection, "machine_token", id=token_id, service_account_id=account_id)
    if row is None:
        raise not_found(f"the service account has no token {token_id}")
    return machine_token_from(row)


async def _record(
    connection: Connection, action: str, access: ProjectAccess, subject: str, details: dict[str, Any]
) -> None:
    entry = AuditEntry(
        action=action, actor=str(access.actor), subject=subject, project_id=access.project.id, details=details
    )
    await append_entries(connection, [entry])
