"""Identity providers of the installation; the caller has checked the permission ``instance:admin``."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from quilate.accounts.errors import changed_since, conflict, invalid, not_found
from quilate.accounts.federation.model import IdentityProvider, SecretKeeper, provider_from
from quilate.accounts.model import Principal
from quilate.accounts.oidc.issuers import issuer_fault
from quilate.accounts.statements import Statements
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7

STATEMENTS = Statements("quilate.accounts.federation")
_FIRST = UUID(int=0)
_CHANGEABLE = ("name", "client_id", "client_secret", "auto_create_domains", "enabled")


class IdentityProviders:
    """Creates, changes and removes identity providers."""

    def __init__(
        self,
        database: Database,
        *,
        secrets: SecretKeeper | None,
        forget: Callable[[], None],
        allow_plain_http: bool = False,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._forget = forget
        self._allow_plain_http = allow_plain_http

    async def create(  # noqa: PLR0913 - the parts of a provider
        self,
        principal: Principal,
        *,
        slug: str,
        name: str,
        issuer: str,
        client_id: str,
        client_secret: str,
        auto_create_domains: Sequence[str],
        enabled: bool,
    ) -> IdentityProvider:
        """Add a provider; an empty ``client_secret`` is that of a public client.

        Raises:
            Problem: 409 the slug is taken, 422 the issuer is none.
        """
        fault = issuer_fault(issuer, allow_plain_http=self._allow_plain_http)
        if fault is not None:
            raise invalid(f"the issuer {fault}", next_step="give it exactly as the provider's tokens say it in iss")
        provider_id = uuid7()
        columns = {
            "name": name.strip(),
            "client_id": client_id,
            "client_secret": self._sealed(client_secret, provider_id),
            "auto_create_domains": sorted(set(auto_create_domains)),
            "enabled": enabled,
        }

        async def work(connection: Connection) -> IdentityProvider:
            added = await STATEMENTS.one(
                connection, "insert_provider", id=provider_id, slug=slug, issuer=issuer, **columns
            )
            provider = await find_provider(connection, slug)
            if provider.id != provider_id:
                raise conflict(f"there is an identity provider {slug!r} already", next_step="choose another slug")
            if added is not None:
                details = {"slug": slug, "issuer": issuer, "auto_create": bool(auto_create_domains)}
                await _record(connection, "identity-provider.created", principal, provider_id, details)
            return provider

        return await self._database.run(work)

    async def list(self, *, after: UUID | None, most: int) -> Sequence[IdentityProvider]:
        """Return the providers in the order of their creation."""
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(connection, "list_providers", after=after or _FIRST, most=most)
        return [provider_from(row) for row in rows]

    async def get(self, slug: str) -> IdentityProvider:
        """Return a provider.

        Raises:
            Problem: 404.
        """
        async with self._database.connection() as connection:
            return await find_provider(connection, slug)

    async def offered(self) -> Sequence[tuple[str, str]]:
        """Return slug and name of each provider that people can log in by."""
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(connection, "enabled_providers")
        return [(row["slug"], row["name"]) for row in rows]

    async def change(
        self, principal: Principal, slug: str, *, version: int | None, changes: dict[str, Any]
    ) -> IdentityProvider:
        """Change what may change: not slug and issuer, to which the identities of people belong.

        Raises:
            Problem: 404, 412 changed meanwhile.
        """

        async def work(connection: Connection) -> IdentityProvider:
            row = await STATEMENTS.one(connection, "lock_provider", slug=slug)
            if row is None:
                raise _no_provider(slug)
            before = provider_from(row)
            if version is not None and version != before.version:
                raise changed_since(before.version)
            after: dict[str, Any] = {column: getattr(before, column) for column in _CHANGEABLE} | changes
            if "client_secret" in changes:
                after["client_secret"] = self._sealed(changes["client_secret"], before.id)
            after["auto_create_domains"] = sorted(set(after["auto_create_domains"]))
            changed = await STATEMENTS.one(connection, "change_provider", id=before.id, **after)
            details = {"changed": sorted(changes), "enabled": after["enabled"]}
            await _record(connection, "identity-provider.changed", principal, before.id, details)
            return provider_from(changed) if changed is not None else before

        return await self._database.run(work)

    async def delete(self, principal: Principal, slug: str) -> None:
        """Remove a provider and who people are there; their users and open logins stay.

        Raises:
            Problem: 404.
        """

        async def work(connection: Connection) -> None:
            row = await STATEMENTS.one(connection, "lock_provider", slug=slug)
            if row is None:
                raise _no_provider(slug)
            await STATEMENTS.execute(connection, "forget_federation_of_provider", id=row["id"])
            await STATEMENTS.execute(connection, "delete_provider", id=row["id"])
            await _record(connection, "identity-provider.deleted", principal, row["id"], {"slug": slug})

        await self._database.run(work)
        self._forget()

    def _sealed(self, secret: str, provider_id: UUID) -> bytes | None:
        if not secret:
            return None
        if self._secrets is None:
            raise invalid(
                "this process has no key to keep a client secret with",
                next_step="use a public client, which PKCE protects, or start the service with its state directory",
            )
        return self._secrets.seal(secret, f"identity-provider:{provider_id}")


async def find_provider(connection: Connection, slug: str) -> IdentityProvider:
    """Return a provider.

    Raises:
        Problem: 404.
    """
    row = await STATEMENTS.one(connection, "provider", slug=slug)
    if row is None:
        raise _no_provider(slug)
    return provider_from(row)


def _no_provider(slug: str) -> Exception:
    return not_found(f"there is no identity provider {slug!r}")


async def _record(
    connection: Connection, action: str, principal: Principal, provider_id: UUID, details: dict[str, Any]
) -> None:
    entry = AuditEntry(
        action=action, actor=str(principal.actor), subject=f"identity-provider:{provider_id}", details=details
    )
    await append_entries(connection, [entry])
