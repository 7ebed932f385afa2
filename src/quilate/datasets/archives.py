"""Archives of files to be judged: uploaded once, used by runs of their project until they expire."""

from collections.abc import AsyncIterator

from quilate.accounts.model import SYSTEM, ProjectAccess, ProjectReference
from quilate.audit.entries import AuditEntry, append_entries
from quilate.datasets import store
from quilate.datasets.errors import CatalogueError
from quilate.datasets.model import CatalogueLimits, SourceArchive
from quilate.evidence.artifacts import ArtifactStore, ArtifactTooLargeError
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem


class ArchiveService:
    """Takes archives in, tells whose they are, and forgets them when their time is over."""

    def __init__(self, database: Database, artifacts: ArtifactStore, limits: CatalogueLimits) -> None:
        self._database = database
        self._artifacts = artifacts
        self.limits = limits

    async def keep(self, access: ProjectAccess, pieces: AsyncIterator[bytes]) -> SourceArchive:
        """Keep an archive of files to be judged; it is unpacked and judged when a run uses it.

        Raises:
            Problem: 413, it is longer than allowed; 422, it is empty.
        """
        try:
            digest, size = await self._artifacts.put_stream(pieces, self.limits.archive_bytes)
        except ArtifactTooLargeError as error:
            raise too_large(self.limits.archive_bytes) from error
        if not size:
            raise CatalogueError("the archive is empty", next_step="send a tar, a tar.gz or a zip as the body")

        async def work(connection: Connection) -> SourceArchive:
            archive = await store.keep_archive(
                connection,
                project_id=access.project.id,
                digest=digest,
                size_bytes=size,
                actor=access.actor,
                days=self.limits.archive_days,
            )
            entry = AuditEntry(
                action="archive.uploaded",
                actor=str(access.actor),
                subject=f"archive:{digest}",
                project_id=access.project.id,
                details={"size": size},
            )
            await append_entries(connection, [entry])
            return archive

        return await self._database.run(work)

    async def is_kept(self, project: ProjectReference, digest: str) -> bool:
        """Tell whether the project uploaded an archive that has not expired; for runs."""
        if "\0" in digest:
            return False
        async with self._database.connection() as connection:
            return await store.find_archive(connection, project.id, digest) is not None

    async def expire(self) -> int:
        """Forget archives whose time is over; return how many. Their contents go with the next retention."""

        async def work(connection: Connection) -> int:
            expired = await store.expire_archives(connection)
            await append_entries(
                connection,
                [
                    AuditEntry(
                        action="archive.expired", actor=str(SYSTEM), subject=f"archive:{digest}", project_id=project_id
                    )
                    for project_id, digest in expired
                ],
            )
            return len(expired)

        return await self._database.run(work)


def too_large(limit: int) -> Problem:
    """Return the problem of an upload that is longer than allowed."""
    return Problem(
        status=413,
        type="too-large",
        detail=f"the upload is longer than {limit} bytes",
        next_step="send less, or have the limit raised by the installation's administrator",
    )
