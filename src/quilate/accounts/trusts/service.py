"""Trusts of a project; the caller has checked the permission ``project:admin``."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from quilate.accounts.errors import conflict, invalid, not_found
from quilate.accounts.model import ProjectAccess
from quilate.accounts.oidc.issuers import issuer_fault
from quilate.accounts.statements import Statements
from quilate.accounts.trusts.matching import binding_fault
from quilate.accounts.trusts.model import Trust, TrustWish, trust_from
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.canonical import digest_of, to_document
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

STATEMENTS = Statements("quilate.accounts.trusts")
MOST_TRUSTS = 200
_FIRST = UUID(int=0)


class Trusts:
    """Creates, lists and removes trusts; a trust never changes, so that the audit log tells what it was."""

    def __init__(self, database: Database, *, forget: Callable[[], None], allow_plain_http: bool = False) -> None:
        self._database = database
        self._forget = forget
        self._allow_plain_http = allow_plain_http

    async def create(self, access: ProjectAccess, wish: TrustWish) -> Trust:
        """Add a trust.

        Raises:
            Problem: 409 the name is taken, or there are too many; 422 not acceptable.
        """
        fault = issuer_fault(wish.issuer, allow_plain_http=self._allow_plain_http)
        if fault is not None:
            raise invalid(f"the issuer {fault}", next_step="give it exactly as the tokens say it in iss")
        fault = binding_fault(wish)
        if fault is not None:
            raise invalid(fault, next_step="bind the repository, and the branch or environment")
        trust_id = uuid7()

        async def work(connection: Connection) -> Trust:
            counted = await STATEMENTS.one(connection, "count_trusts", project_id=access.project.id)
            if counted is not None and counted["trusts"] >= MOST_TRUSTS:
                raise conflict(f"a project has {MOST_TRUSTS} trusts at most", next_step="delete one that is not used")
            added = await STATEMENTS.one(connection, "insert_trust", **_columns(access, trust_id, wish))
            row = await STATEMENTS.one(connection, "trust", id=trust_id, project_id=access.project.id)
            if row is None:
                raise conflict(f"the project has a trust {wish.name!r} already", next_step="choose another name")
            if added is not None:
                details = {
                    "provider": wish.provider.value,
                    "issuer": wish.issuer,
                    "terms": digest_of(wish),
                    "pull_requests": wish.pull_requests,
                    "scopes": sorted(scope.value for scope in wish.grant.scopes),
                }
                await _record(connection, "trust.created", access, trust_id, details)
            return trust_from(row)

        return await self._database.run(work)

    async def list(self, access: ProjectAccess, *, after: UUID | None, most: int) -> Sequence[Trust]:
        """Return the project's trusts in the order of their creation."""
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(
                connection, "list_trusts", project_id=access.project.id, after=after or _FIRST, most=most
            )
        return [trust_from(row) for row in rows]

    async def get(self, access: ProjectAccess, trust_id: UUID) -> Trust:
        """Return a trust.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            row = await STATEMENTS.one(connection, "trust", id=trust_id, project_id=access.project.id)
        if row is None:
            raise _no_trust(access, trust_id)
        return trust_from(row)

    async def delete(self, access: ProjectAccess, trust_id: UUID) -> None:
        """Remove a trust and every token that was given under it.

        Raises:
            Problem: 404.
        """

        async def work(connection: Connection) -> None:
            if await STATEMENTS.one(connection, "delete_trust", id=trust_id, project_id=access.project.id) is None:
                raise _no_trust(access, trust_id)
            await _record(connection, "trust.deleted", access, trust_id, {})

        await self._database.run(work)
        self._forget()


def _columns(access: ProjectAccess, trust_id: UUID, wish: TrustWish) -> dict[str, Any]:
    return {
        "id": trust_id,
        "project_id": access.project.id,
        "name": wish.name,
        "provider": wish.provider.value,
        "issuer": wish.issuer,
        "audience": wish.audience,
        "bindings": msgspec.json.encode(to_document(wish.bindings)).decode(),
        "pull_requests": wish.pull_requests,
        "role": wish.grant.role.value if wish.grant.role is not None else None,
        "scopes": sorted(scope.value for scope in wish.grant.scopes),
        "lifetime_seconds": wish.lifetime_seconds,
        "created_by": str(access.actor),
    }


def _no_trust(access: ProjectAccess, trust_id: UUID) -> Exception:
    return not_found(f"the project {access.project.slug!r} has no trust {trust_id}")


async def _record(
    connection: Connection, action: str, access: ProjectAccess, trust_id: UUID, details: dict[str, Any]
) -> None:
    entry = AuditEntry(
        action=action,
        actor=str(access.actor),
        subject=f"trust:{trust_id}",
        project_id=access.project.id,
        details=details,
    )
    await append_entries(connection, [entry])
