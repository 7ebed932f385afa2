"""Judge the source that somebody submits: may this project have it, and which content is it?"""

import asyncio
from dataclasses import replace
from typing import Protocol

from quilate.accounts.model import ProjectReference
from quilate.datasets.model import EntryKind, Version
from quilate.runs.workspaces.addresses import parse_repository
from quilate.runs.workspaces.errors import SourceRefusedError
from quilate.runs.workspaces.git_mirror import COMMIT, require_name
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.model import Source, SourceKind

_KINDS = {SourceKind.DATASET: EntryKind.DATASET, SourceKind.MODEL: EntryKind.MODEL}


class Catalogue(Protocol):
    """What is asked of the catalogue; ``datasets.service.CatalogueService`` answers."""

    async def find_version(
        self, project: ProjectReference, kind: EntryKind, name: str, number: int | None
    ) -> Version | None:
        """Return a version, the newest without a number."""
        ...


class Archives(Protocol):
    """What is asked about uploaded archives; ``datasets.archives.ArchiveService`` answers."""

    async def is_kept(self, project: ProjectReference, digest: str) -> bool:
        """Tell whether the project uploaded an archive that has not expired."""
        ...


class SourceResolver:
    """Every source that comes from outside goes through ``resolve`` before a run uses it."""

    def __init__(self, settings: WorkspaceSettings, catalogue: Catalogue, archives: Archives) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._archives = archives

    async def resolve(self, project: ProjectReference, source: Source) -> Source:
        """Return the source as this project may use it, archives and versions bound to their digests.

        A digest that the caller gives is never taken as a permission. The network is not asked: a branch becomes a
        commit when the files are fetched.

        Raises:
            SourceRefusedError: The project may not have it, or it is not there.
        """
        if source.kind is SourceKind.GIT:
            # A path is looked at on the disk, which may be slow; an address is only read.
            if source.location.lower().startswith("https:"):
                return self._git(project, source)
            return await asyncio.to_thread(self._git, project, source)
        if source.kind is SourceKind.ARCHIVE:
            if not await self._archives.is_kept(project, source.digest):
                raise SourceRefusedError(
                    "the project has no such archive, or it has expired", next_step="upload it, then submit again"
                )
            return replace(source, location="", revision="", branch="")
        if source.kind in _KINDS:
            return await self._version(project, source)
        return Source(kind=SourceKind.NONE)

    def _git(self, project: ProjectReference, source: Source) -> Source:
        parse_repository(source.location, project.slug, self._settings)
        if source.revision and not COMMIT.match(source.revision):
            require_name(source.revision)
        if source.branch:
            require_name(source.branch)
        return replace(source, digest="")

    async def _version(self, project: ProjectReference, source: Source) -> Source:
        number = None
        if source.revision:
            if not source.revision.isascii() or not source.revision.isdigit() or len(source.revision) > _DIGITS:
                raise SourceRefusedError("a version is a number", next_step="give it, or nothing for the newest")
            number = int(source.revision)
        version = await self._catalogue.find_version(project, _KINDS[source.kind], source.location, number)
        if version is None:
            raise SourceRefusedError(
                f"the project has no such version of a {source.kind.value}", next_step="see the catalogue's versions"
            )
        return replace(source, revision=str(version.number), digest=version.digest, branch="")


_DIGITS = 9
