"""The catalogue's rows. Each function works within its caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from quilate.accounts.model import Actor
from quilate.datasets.model import (
    CatalogueEntry,
    Column,
    EntryKind,
    SourceArchive,
    Version,
    VersionFile,
)
from quilate.domain.ids import Digest
from quilate.kit.database.database import Connection
from quilate.kit.database.queries import load_queries
from quilate.kit.ids import uuid7

_QUERIES = load_queries("quilate.datasets")


async def insert_entry(  # noqa: PLR0913 - a row's columns
    connection: Connection, *, project_id: UUID, kind: EntryKind, name: str, description: str, actor: Actor
) -> CatalogueEntry | None:
    """Insert a dataset or model; nothing where the name is taken."""
    row = await _one(
        connection,
        "insert_entry",
        id=uuid7(),
        project=project_id,
        kind=kind.value,
        name=name,
        description=description,
        actor=str(actor),
    )
    return _entry(row) if row else None


async def find_entry(
    connection: Connection, project_id: UUID, kind: EntryKind, name: str, *, lock: bool = False
) -> CatalogueEntry | None:
    """Return a dataset or model of a project, its row locked where it is going to change."""
    query = "lock_entry" if lock else "find_entry"
    row = await _one(connection, query, project=project_id, kind=kind.value, name=name)
    return _entry(row) if row else None


async def list_entries(  # noqa: PLR0913 - a query's conditions
    connection: Connection, project_id: UUID, kind: EntryKind, *, after: str, limit: int, archived: bool
) -> list[CatalogueEntry]:
    """Return datasets or models in the order of their names."""
    rows = await _all(
        connection, "list_entries", project=project_id, kind=kind.value, after=after, limit=limit, archived=archived
    )
    return [_entry(row) for row in rows]


async def update_entry(
    connection: Connection, entry: CatalogueEntry, *, description: str, archived: bool
) -> CatalogueEntry | None:
    """Change an entry that is still as it was read; nothing where it is not."""
    row = await _one(
        connection,
        "update_entry",
        id=entry.id,
        revision=entry.revision,
        description=description,
        archived=archived,
    )
    return _entry(row) if row else None


async def version_of_digest(connection: Connection, entry_id: UUID, digest: str) -> Version | None:
    """Return the version that holds this very content."""
    row = await _one(connection, "version_of_digest", entry=entry_id, digest=digest)
    return _version(row) if row else None


async def insert_version(connection: Connection, version: Version, files: Sequence[VersionFile]) -> Version:
    """Insert a version with its files and make it the newest of its entry, whose row the caller has locked."""
    row = await _one(
        connection,
        "insert_version",
        id=version.id,
        entry=version.entry_id,
        number=version.number,
        digest=version.digest,
        size=version.size_bytes,
        files=version.file_count,
        rows=version.rows,
        columns=_columns_text(version.columns),
        parent=version.parent,
        comment=version.comment,
        actor=version.created_by,
    )
    assert row is not None  # noqa: S101 - an INSERT with RETURNING returns its row
    await connection.execute(
        _QUERIES["insert_files"],
        {
            "version": version.id,
            "paths": [file.path for file in files],
            "digests": [file.digest for file in files],
            "sizes": [file.size_bytes for file in files],
            "formats": [file.format for file in files],
            "rows": [file.rows for file in files],
            "columns": [_columns_text(file.columns) for file in files],
        },
    )
    await connection.execute(_QUERIES["advance_entry"], {"id": version.entry_id, "number": version.number})
    return _version(row)


async def find_version(
    connection: Connection, project_id: UUID, kind: EntryKind, name: str, number: int | None
) -> Version | None:
    """Return a version of a project's dataset or model, the newest without a number."""
    row = await _one(connection, "find_version", project=project_id, kind=kind.value, name=name, number=number)
    return _version(row) if row else None


async def list_versions(connection: Connection, entry_id: UUID, *, before: int, limit: int) -> list[Version]:
    """Return versions, the newest first."""
    return [
        _version(row) for row in await _all(connection, "list_versions", entry=entry_id, before=before, limit=limit)
    ]


async def list_files(connection: Connection, version_id: UUID, *, after: str, limit: int) -> list[VersionFile]:
    """Return files in the order of their paths."""
    return [_file(row) for row in await _all(connection, "list_files", version=version_id, after=after, limit=limit)]


async def find_file(connection: Connection, version_id: UUID, path: str) -> VersionFile | None:
    """Return one file of a version."""
    row = await _one(connection, "find_file", version=version_id, path=path)
    return _file(row) if row else None


async def keep_archive(  # noqa: PLR0913 - a row's columns
    connection: Connection, *, project_id: UUID, digest: Digest, size_bytes: int, actor: Actor, days: int
) -> SourceArchive:
    """Note an uploaded archive; uploading it again keeps it longer."""
    row = await _one(
        connection, "keep_archive", project=project_id, digest=digest, size=size_bytes, actor=str(actor), days=days
    )
    assert row is not None  # noqa: S101 - an INSERT with RETURNING returns its row
    return _archive(row)


async def find_archive(connection: Connection, project_id: UUID, digest: str) -> SourceArchive | None:
    """Return a project's archive that has not expired."""
    row = await _one(connection, "find_archive", project=project_id, digest=digest)
    return _archive(row) if row else None


async def expire_archives(connection: Connection) -> list[tuple[UUID, str]]:
    """Forget archives whose time is over; return project and digest of each."""
    return [(row["project_id"], row["digest"]) for row in await _all(connection, "expire_archives")]


async def is_referenced(connection: Connection, digest: str) -> bool:
    """Tell whether the catalogue or an archive refers to an artifact."""
    row = await _one(connection, "is_referenced", digest=digest)
    return bool(row and row["referenced"])


async def _one(connection: Connection, query: str, **values: Any) -> dict[str, Any] | None:
    cursor = await connection.execute(_QUERIES[query], values)
    return await cursor.fetchone()


async def _all(connection: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    cursor = await connection.execute(_QUERIES[query], values)
    return await cursor.fetchall()


def _columns_text(columns: Sequence[Column]) -> str:
    return msgspec.json.encode([[column.name, column.type] for column in columns]).decode()


def _columns(listed: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=type_) for name, type_ in listed)


def _entry(row: dict[str, Any]) -> CatalogueEntry:
    return CatalogueEntry(**{**row, "kind": EntryKind(row["kind"])})


def _version(row: dict[str, Any]) -> Version:
    values = dict(row)
    rows, columns = values.pop("row_count"), _columns(values.pop("columns"))
    return Version(**values, rows=rows, columns=columns)


def _file(row: dict[str, Any]) -> VersionFile:
    return VersionFile(
        path=row["path"],
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        format=row["format"],
        rows=row["row_count"],
        columns=_columns(row["columns"]),
    )


def _archive(row: dict[str, Any]) -> SourceArchive:
    return SourceArchive(
        project_id=row["project_id"],
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        uploaded_at=row["uploaded_at"],
        expires_at=row["expires_at"],
    )
