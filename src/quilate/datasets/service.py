"""Decide what enters the catalogue and who gets it out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from quilate.accounts.model import ProjectAccess, ProjectReference
from quilate.audit.entries import AuditEntry, append_entries
from quilate.datasets import store
from quilate.datasets.archives import ArchiveService, too_large
from quilate.datasets.collecting import collect_files, require_count
from quilate.datasets.errors import CatalogueError
from quilate.datasets.inspect_child import inspect_file
from quilate.datasets.manifest import manifest_of, require_distinct, require_path
from quilate.datasets.model import (
    LARGEST_VERSION,
    NAME,
    CatalogueEntry,
    CatalogueLimits,
    Column,
    EntryKind,
    StoredFile,
    Version,
    VersionFile,
)
from quilate.domain.ids import Digest
from quilate.evidence.artifacts import ArtifactStore, ArtifactTooLargeError
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.outbox.events import OutgoingEvent, append_events


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is registered: the files, the version they were made from (none: the newest), and words about it."""

    files: Sequence[StoredFile]
    parent: int | None = None
    comment: str = ""


class CatalogueService:
    """Datasets and models of all projects; nothing of one is ever seen from another."""

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        *,
        limits: CatalogueLimits | None = None,
        allowed_data_roots: Sequence[str] = (),
    ) -> None:
        """Take what it works with.

        Args:
            database: Where the rows are.
            artifacts: Where the contents are.
            limits: What registering may cost.
            allowed_data_roots: Directories of the server below which files may be registered by path; ``{project}``
                stands for the slug of the project that asks.
        """
        self.database = database
        self._artifacts = artifacts
        self._roots = tuple(allowed_data_roots)
        self._inspections = asyncio.Semaphore(2)
        self.limits = limits or CatalogueLimits()
        self.archives = ArchiveService(database, artifacts, self.limits)

    async def create(self, access: ProjectAccess, kind: EntryKind, name: str, description: str) -> CatalogueEntry:
        """Create a dataset or model without versions.

        Raises:
            Problem: 409, the name is taken.
        """

        async def work(connection: Connection) -> CatalogueEntry | None:
            entry = await store.insert_entry(
                connection,
                project_id=access.project.id,
                kind=kind,
                name=_required_name(name),
                description=description,
                actor=access.actor,
            )
            if entry is not None:
                await _audit(connection, access, f"{kind.value}.created", entry, {})
            return entry

        created = await self.database.run(work)
        if created is None:
            raise Problem(
                status=409,
                type="already-exists",
                detail=f"the project has a {kind.value} of that name",
                next_step="register a version of it, or choose another name",
            )
        return created

    async def get(self, project: ProjectReference, kind: EntryKind, name: str) -> CatalogueEntry:
        """Return a dataset or model.

        Raises:
            Problem: 404.
        """
        async with self.database.connection() as connection:
            entry = await store.find_entry(connection, project.id, kind, name)
        return _required(entry, kind)

    async def list_entries(
        self, project: ProjectReference, kind: EntryKind, *, after: str, limit: int, archived: bool
    ) -> list[CatalogueEntry]:
        """Return datasets or models by name, those that are archived too if asked for."""
        async with self.database.connection() as connection:
            return await store.list_entries(connection, project.id, kind, after=after, limit=limit, archived=archived)

    async def change(  # noqa: PLR0913 - what may change, and under which condition
        self,
        access: ProjectAccess,
        kind: EntryKind,
        name: str,
        *,
        description: str | None,
        archived: bool | None,
        revision: int | None,
    ) -> CatalogueEntry:
        """Change a description or put an entry away; ``revision`` is the one that the caller has seen, if it says.

        Raises:
            Problem: 404; 412 where it was changed since.
        """

        async def work(connection: Connection) -> CatalogueEntry | None:
            entry = _required(await store.find_entry(connection, access.project.id, kind, name, lock=True), kind)
            if revision is not None and revision != entry.revision:
                return None
            changed = await store.update_entry(
                connection,
                entry,
                description=entry.description if description is None else description,
                archived=entry.archived if archived is None else archived,
            )
            if changed is not None:
                await _audit(connection, access, f"{kind.value}.changed", entry, {"archived": changed.archived})
            return changed

        changed = await self.database.run(work)
        if changed is None:
            raise Problem(
                status=412,
                type="precondition-failed",
                detail=f"the {kind.value} was changed since it was read",
                next_step="read it again, then change it",
            )
        return changed

    async def receive(self, path: str, pieces: AsyncIterator[bytes], *, room: int) -> StoredFile:
        """Keep one uploaded file; it is in no catalogue yet.

        Raises:
            CatalogueError: The path is not one for a file.
            Problem: 413, it is longer than ``room`` bytes.
        """
        require_path(path)
        try:
            digest, size = await self._artifacts.put_stream(pieces, room)
        except ArtifactTooLargeError as error:
            raise too_large(self.limits.upload_bytes) from error
        return StoredFile(path=path, digest=digest, size_bytes=size)

    async def collect(self, project: ProjectReference, text: str) -> list[StoredFile]:
        """Keep the files of a server's path, a file or a directory, below the allowed directories.

        Raises:
            CatalogueError: The path is not allowed, not there, or holds what is no file.
            Problem: 413, the files are longer than an upload may be.
        """
        roots = [root.replace("{project}", project.slug) for root in self._roots if root]
        return await asyncio.to_thread(collect_files, self._artifacts, roots, text, self.limits)

    async def register(
        self, access: ProjectAccess, kind: EntryKind, name: str, registration: Registration
    ) -> tuple[Version, bool]:
        """Make a version of received files; the same content is the same version.

        Returns:
            The version, and whether it is new.

        Raises:
            CatalogueError: A file is of a format that is not taken, or not what it says.
            Problem: 404, no such entry or parent; 409, the entry is archived.
        """
        _required(await self._find(access, kind, name), kind)
        require_count(len(registration.files), self.limits)
        if not registration.files:
            raise CatalogueError("a version holds at least one file", next_step="send one")
        require_distinct([file.path for file in registration.files])
        files = [await self._inspected(file, kind) for file in registration.files]
        manifest = manifest_of(files)
        digest = await asyncio.to_thread(self._artifacts.put_bytes, manifest)

        async def work(connection: Connection) -> tuple[Version, bool]:
            entry = _required(await store.find_entry(connection, access.project.id, kind, name, lock=True), kind)
            known = await store.version_of_digest(connection, entry.id, digest)
            if known is not None:
                return known, False
            version = _new_version(access, entry, digest, files, registration)
            inserted = await store.insert_version(connection, version, files)
            await _tell(connection, access, entry, inserted)
            return inserted, True

        return await self.database.run(work)

    async def find_version(
        self, project: ProjectReference, kind: EntryKind, name: str, number: int | None
    ) -> Version | None:
        """Return a version, the newest without a number; for runs."""
        if not NAME.match(name) or (number is not None and not 0 < number <= LARGEST_VERSION):
            return None
        async with self.database.connection() as connection:
            return await store.find_version(connection, project.id, kind, name, number)

    async def version(self, project: ProjectReference, kind: EntryKind, name: str, number: int) -> Version:
        """Return a version.

        Raises:
            Problem: 404.
        """
        version = await self.find_version(project, kind, name, number)
        if version is None:
            raise Problem(status=404, type="not-found", detail=f"there is no such version of a {kind.value}")
        return version

    async def versions(
        self, project: ProjectReference, kind: EntryKind, name: str, *, before: int, limit: int
    ) -> list[Version]:
        """Return versions, the newest first.

        Raises:
            Problem: 404, no such entry.
        """
        entry = await self.get(project, kind, name)
        async with self.database.connection() as connection:
            return await store.list_versions(connection, entry.id, before=before, limit=limit)

    async def files(self, version: Version, *, after: str, limit: int) -> list[VersionFile]:
        """Return a version's files by path."""
        async with self.database.connection() as connection:
            return await store.list_files(connection, version.id, after=after, limit=limit)

    async def file(self, version: Version, path: str) -> VersionFile:
        """Return a file of a version.

        Raises:
            Problem: 404.
        """
        async with self.database.connection() as connection:
            file = await store.find_file(connection, version.id, path)
        if file is None:
            raise Problem(status=404, type="not-found", detail="the version has no such file")
        return file

    async def open_file(self, file: VersionFile) -> BinaryIO:
        """Return a file's content, verified; the caller closes it.

        Raises:
            ArtifactMissingError: It is no longer kept.
            ArtifactCorruptError: It was changed on its disk.
        """
        return await asyncio.to_thread(self._artifacts.open, file.digest)

    async def is_referenced(self, digest: str) -> bool:
        """Tell whether the catalogue or an archive refers to an artifact; for retention."""
        async with self.database.connection() as connection:
            return await store.is_referenced(connection, digest)

    async def _find(self, access: ProjectAccess, kind: EntryKind, name: str) -> CatalogueEntry | None:
        async with self.database.connection() as connection:
            return await store.find_entry(connection, access.project.id, kind, name)

    async def _inspected(self, file: StoredFile, kind: EntryKind) -> VersionFile:
        require_path(file.path)
        async with self._inspections:
            return await asyncio.to_thread(inspect_file, self._artifacts, file, kind, self.limits)


def _new_version(
    access: ProjectAccess,
    entry: CatalogueEntry,
    digest: Digest,
    files: Sequence[VersionFile],
    registration: Registration,
) -> Version:
    if entry.archived:
        raise Problem(
            status=409,
            type="archived",
            detail=f"the {entry.kind.value} is archived",
            next_step="set archived to false first",
        )
    parent = registration.parent if registration.parent is not None else (entry.latest or None)
    if parent is not None and not 0 < parent <= entry.latest:
        raise Problem(status=404, type="not-found", detail=f"the {entry.kind.value} has no version {parent}")
    tables = [file for file in files if file.rows is not None]
    return Version(
        id=uuid7(),
        entry_id=entry.id,
        number=entry.latest + 1,
        digest=digest,
        size_bytes=sum(file.size_bytes for file in files),
        file_count=len(files),
        rows=sum(file.rows or 0 for file in tables) if tables else None,
        columns=_common_columns(tables),
        parent=parent,
        comment=registration.comment,
        created_at=datetime.now(UTC),
        created_by=str(access.actor),
    )


def _common_columns(tables: Sequence[VersionFile]) -> tuple[Column, ...]:
    return tables[0].columns if tables and all(table.columns == tables[0].columns for table in tables) else ()


async def _tell(connection: Connection, access: ProjectAccess, entry: CatalogueEntry, version: Version) -> None:
    details = {"version": version.number, "digest": version.digest, "parent": version.parent}
    await _audit(connection, access, f"{entry.kind.value}.version.registered", entry, details)
    event = OutgoingEvent(
        type=f"dev.quilate.{entry.kind.value}.version.registered",
        project_id=access.project.id,
        subject=f"{entry.kind.value}:{entry.name}",
        data={
            "name": entry.name,
            "version": version.number,
            "digest": version.digest,
            "rows": version.rows,
            "size": version.size_bytes,
        },
    )
    await append_events(connection, [event])


async def _audit(
    connection: Connection, access: ProjectAccess, action: str, entry: CatalogueEntry, details: dict[str, object]
) -> None:
    noted = AuditEntry(
        action=action,
        actor=str(access.actor),
        subject=f"{entry.kind.value}:{entry.id}",
        project_id=access.project.id,
        details=details,
    )
    await append_entries(connection, [noted])


def _required(entry: CatalogueEntry | None, kind: EntryKind) -> CatalogueEntry:
    if entry is None:
        raise Problem(
            status=404,
            type="not-found",
            detail=f"the project has no such {kind.value}",
            next_step=f"create it first (POST …/{kind.value}s with its name), or name one that is there",
        )
    return entry


def _required_name(name: str) -> str:
    if not NAME.match(name):
        raise CatalogueError(
            "a name is of lower-case letters, digits, '.', '_' and '-', at most 128", next_step="choose another"
        )
    return name
