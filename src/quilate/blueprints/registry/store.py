"""Drafts and versions as rows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from quilate.blueprints.registry.model import Draft, ListedBlueprint, Origin, PublishedBlueprint
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries

_QUERIES = load_queries("quilate.blueprints.registry")


async def insert_draft(connection: Connection, draft: Mapping[str, Any]) -> None:
    """Insert a draft unless the project has one of that name."""
    await connection.execute(_QUERIES["insert_draft"], draft)


async def find_draft(connection: Connection, project_id: UUID, name: str, *, lock: bool = False) -> Draft | None:
    """Return the draft of a name, its row locked until the transaction ends where ``lock`` says so."""
    cursor = await connection.execute(
        _QUERIES["locked_draft" if lock else "draft"], {"project": project_id, "name": name}
    )
    row = await cursor.fetchone()
    return None if row is None else _draft(row)


async def update_draft(connection: Connection, changed: Mapping[str, Any]) -> Draft:
    """Write a new text to a draft whose row the caller has locked."""
    cursor = await connection.execute(_QUERIES["update_draft"], changed)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the caller holds the row's lock
    return _draft(row)


async def delete_draft(connection: Connection, draft: Draft) -> None:
    """Take a draft away."""
    await connection.execute(_QUERIES["delete_draft"], {"id": draft.id})


async def insert_version(connection: Connection, published: Mapping[str, Any]) -> PublishedBlueprint:
    """Insert a version; the caller holds the lock of the draft that it comes from."""
    cursor = await connection.execute(_QUERIES["insert_version"], published)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an insert over an aggregate gives one row
    return _version(row)


async def published_blueprint(
    connection: Connection, project_id: UUID, name: str, version: str | None
) -> PublishedBlueprint | None:
    """Return a published blueprint that counts, or ``None``; without ``version`` the newest that was not withdrawn.

    A version that was withdrawn is none, named or not: no new run is judged by it.
    """
    given = {"project": project_id, "name": name, "version": version}
    cursor = await connection.execute(_QUERIES["newest_version" if version is None else "version"], given)
    row = await cursor.fetchone()
    return None if row is None or row["withdrawn_at"] is not None else _version(row)


async def find_version(
    connection: Connection, project_id: UUID, name: str, version: str, *, lock: bool = False
) -> PublishedBlueprint | None:
    """Return a version, withdrawn or not."""
    given = {"project": project_id, "name": name, "version": version}
    cursor = await connection.execute(_QUERIES["locked_version" if lock else "version"], given)
    row = await cursor.fetchone()
    return None if row is None else _version(row)


async def highest_version(connection: Connection, project_id: UUID, name: str) -> tuple[UUID, str] | None:
    """Return id and number of what was published last under a name, withdrawn or not."""
    cursor = await connection.execute(_QUERIES["highest_version"], {"project": project_id, "name": name})
    row = await cursor.fetchone()
    return None if row is None else (row["id"], row["version"])


async def list_versions(
    connection: Connection, project_id: UUID, name: str, *, before: int | None, limit: int
) -> Sequence[PublishedBlueprint]:
    """Return versions of a name, the newest first, from before a sequence number on."""
    cursor = await connection.execute(
        _QUERIES["versions"], {"project": project_id, "name": name, "before": before, "limit": limit}
    )
    return [_version(row) for row in await cursor.fetchall()]


async def withdraw_version(
    connection: Connection, published: PublishedBlueprint, person: str, reason: str
) -> PublishedBlueprint:
    """Mark a version, whose row the caller has locked, as withdrawn."""
    cursor = await connection.execute(
        _QUERIES["withdraw_version"], {"id": published.id, "person": person, "reason": reason}
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the caller holds the row's lock and saw that it counts
    return _version(row)


async def list_names(connection: Connection, project_id: UUID, *, after: str, limit: int) -> Sequence[ListedBlueprint]:
    """Return the project's own blueprints in the order of their names' code points."""
    cursor = await connection.execute(_QUERIES["names"], {"project": project_id, "after": after, "limit": limit})
    return [ListedBlueprint(origin=Origin.PROJECT, **row) for row in await cursor.fetchall()]


def _draft(row: Mapping[str, Any]) -> Draft:
    return Draft(**{**row, "authors": tuple(row["authors"])})


def _version(row: Mapping[str, Any]) -> PublishedBlueprint:
    rest = {name: value for name, value in row.items() if name not in {"text", "standalone", "authors"}}
    return PublishedBlueprint(text=row["standalone"], written=row["text"], authors=tuple(row["authors"]), **rest)
