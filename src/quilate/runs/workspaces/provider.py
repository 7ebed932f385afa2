"""Get the files that a run judges: cached by what they are, leased while they are used, for one project each."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from quilate.datasets.manifest import read_manifest
from quilate.domain.errors import InternalError
from quilate.domain.subject import SubjectKind
from quilate.evidence.artifacts import ArtifactStorageError, ArtifactStore
from quilate.evidence.safe_text import unicode_text
from quilate.runs.workspaces.addresses import HttpsRepository, Repository, parse_repository, resolve_host
from quilate.runs.workspaces.archives import unpack_archive
from quilate.runs.workspaces.cache import DirectoryCache, Lease
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.git_commands import Git, RemoteAccess
from quilate.runs.workspaces.git_mirror import Mirror, require_name, resolve_revision
from quilate.runs.workspaces.git_tree import write_commit
from quilate.runs.workspaces.limits import CredentialLookup, WorkspaceSettings, no_credentials
from quilate.runs.workspaces.model import MaterialisedTree, Source, SourceKind
from quilate.runs.workspaces.tree_writer import TreeWriter

_SUBJECTS = {
    SourceKind.GIT: SubjectKind.COMMIT,
    SourceKind.ARCHIVE: SubjectKind.TREE,
    SourceKind.DATASET: SubjectKind.DATASET_VERSION,
    SourceKind.MODEL: SubjectKind.MODEL_VERSION,
    SourceKind.NONE: SubjectKind.TREE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    """A commit that is wanted, and how it was found: ``claimed`` where its branch was not looked up but given."""

    source: Source
    project: str
    repository: Repository
    access: RemoteAccess | None
    reference: str
    claimed: bool


class WorkspaceProvider:
    """Makes trees out of sources. Every method blocks; any number of threads and processes may use one directory.

    A tree belongs to the project that asked for it: who knows the commit or the digest of another project's files
    does not get them from the cache.
    """

    def __init__(
        self, settings: WorkspaceSettings, artifacts: ArtifactStore, credentials: CredentialLookup = no_credentials
    ) -> None:
        self.settings = settings
        self._artifacts = artifacts
        self._credentials = credentials
        self._cache = DirectoryCache(settings.root, settings.cache_bytes)
        self._git = Git(self._cache.root / "home", settings)
        self._leases: dict[str, list[Lease]] = {}
        self._lock = Lock()

    def materialise(self, source: Source, *, project: str) -> MaterialisedTree:
        """Return a source's files, on this machine until ``release`` is called as often as this was.

        The returned tree's ``source`` has its revision resolved: given again it means the same files, and where they
        are still here, nothing is asked of anybody.

        Args:
            source: As ``SourceResolver.resolve`` returned it, or as an earlier tree holds it.
            project: Slug of the project whose run it is.

        Raises:
            SourceRefusedError: The source is not allowed, not there, or hostile; asking again does not help.
            SourceUnavailableError: It cannot be reached now.
            ArtifactMissingError: The archive or a file of the version is no longer kept.
        """
        if source.kind is SourceKind.GIT:
            return self._git_tree(source, project)
        if source.kind is SourceKind.NONE:
            return self._tree(source, project, "", lambda target: _finished(target, self.settings))
        if not source.digest:
            raise InternalError("a source was not resolved before its use", next_step="report this")
        if source.kind is SourceKind.ARCHIVE:
            return self._tree(source, project, source.digest, lambda target: self._unpack(source.digest, target))
        return self._tree(source, project, source.digest, lambda target: self._copy_version(source.digest, target))

    @contextmanager
    def use(self, source: Source, *, project: str) -> Iterator[MaterialisedTree]:
        """Give a source's files for the time of the ``with`` block; raises as ``materialise`` does."""
        tree = self.materialise(source, project=project)
        try:
            yield tree
        finally:
            self.release(tree)

    def release(self, tree: MaterialisedTree) -> None:
        """Let a tree go; it stays in the cache until its room is needed."""
        with self._lock:
            leases = self._leases.get(tree.key, [])
            lease = leases.pop() if leases else None
            if not leases:
                self._leases.pop(tree.key, None)
        if lease is not None:
            lease.close()

    def close(self) -> None:
        """Let every tree go."""
        with self._lock:
            leases = [lease for found in self._leases.values() for lease in found]
            self._leases.clear()
        for lease in leases:
            lease.close()

    def prune(self) -> int:
        """Delete unused trees and mirrors beyond the cache's size; return how many."""
        return self._cache.prune()

    def _tree(self, source: Source, project: str, identity: str, make: Any) -> MaterialisedTree:
        key = hashlib.sha256(repr((source.kind.value, project, source.location, identity)).encode()).hexdigest()
        try:
            lease = self._cache.lease_tree(key, make)
        except ArtifactStorageError as error:
            raise SourceUnavailableError(error.message, next_step=error.next_step) from error
        except OSError as error:
            raise SourceUnavailableError(
                f"the worker cannot write the files: {error.strerror}", next_step="see its disk"
            ) from error
        try:
            root = _within(lease.path, source.subdirectory)
        except SourceRefusedError:
            lease.close()
            raise
        with self._lock:
            self._leases.setdefault(key, []).append(lease)
        notes = lease.entry.notes or {}
        return MaterialisedTree(
            source=source,
            root=root,
            subject_kind=_SUBJECTS[source.kind],
            revision=source.revision,
            branch=source.branch,
            key=key,
            escaping_links=tuple(notes.get("links", ())),
            repositories=tuple(notes.get("repositories", ())),
        )

    def _git_tree(self, source: Source, project: str) -> MaterialisedTree:
        repository = parse_repository(source.location, project, self.settings)
        resolved = source.digest == _resolved_mark(source.revision)
        access: RemoteAccess | None = None
        reference = ""
        if not resolved:
            access = self._access(repository, project)
            commit, branch, reference = resolve_revision(self._git, access, source.revision, source.branch)
            source = replace(source, revision=commit, branch=branch, digest=_resolved_mark(commit))
        # Somebody says that a commit is part of a branch: only the branch's history tells.
        claimed = bool(source.branch) and not resolved and not reference.startswith("refs/heads/")
        wanted = _Commit(
            source=source,
            project=project,
            repository=repository,
            access=access,
            reference=reference,
            claimed=claimed,
        )
        make = partial(self._checkout, wanted)
        return self._tree(source, project, source.revision + ("\0" + source.branch if claimed else ""), make)

    def _checkout(self, wanted: "_Commit", target: Path) -> dict[str, Any]:
        commit = wanted.source.revision
        identity = repr((wanted.project, wanted.repository.address, wanted.claimed, len(commit)))
        with self._cache.mirror(hashlib.sha256(identity.encode()).hexdigest()) as directory:
            access = wanted.access or self._access(wanted.repository, wanted.project)
            mirror = Mirror(self._git, directory, access)
            if wanted.claimed:
                _require_on_branch(mirror, commit, wanted.source.branch)
            elif not mirror.holds(commit):
                mirror.fetch(commit, wanted.reference)
            left_out = write_commit(self._git, directory, commit, target, self.settings.tree)
        return {
            "links": [unicode_text(path) for path in left_out.links],
            "repositories": [unicode_text(path) for path in left_out.submodules],
        }

    def _access(self, repository: Repository, project: str) -> RemoteAccess:
        if not isinstance(repository, HttpsRepository):
            return RemoteAccess(repository=repository)
        return RemoteAccess(
            repository=repository,
            pinned=resolve_host(repository, self.settings),
            credential=self._credentials(project, repository.url),
        )

    def _unpack(self, digest: str, target: Path) -> dict[str, Any]:
        archive = target.parent / f"{target.name}-archive"
        try:
            self._artifacts.copy_to(digest, archive, 0o400)
            left_out = unpack_archive(archive, target, self.settings.tree)
        finally:
            archive.unlink(missing_ok=True)
        return {"repositories": left_out}

    def _copy_version(self, digest: str, target: Path) -> dict[str, Any]:
        writer = TreeWriter(target, self.settings.tree)
        for file in read_manifest(self._artifacts, digest).files:
            writer.parts_of(file.path)
            if "/" in file.path:
                writer.folder(file.path.rpartition("/")[0])
            self._artifacts.copy_to(file.digest, target / file.path)
        writer.finish()
        return {}


def _resolved_mark(commit: str) -> str:
    return f"git:{commit}"


def _require_on_branch(mirror: Mirror, commit: str, branch: str) -> None:
    require_name(branch)
    if not mirror.holds_on_branch(commit, branch):
        raise SourceRefusedError(
            f"the commit {commit} is not part of the branch {branch!r}",
            next_step="give the branch that holds it, or no branch",
        )


def _within(path: Path, subdirectory: str) -> Path:
    """Return a folder of a tree.

    Raises:
        SourceRefusedError: It is not there, or leads out.
    """
    if not subdirectory:
        return path
    parts = subdirectory.strip("/").split("/")
    if subdirectory.startswith("/") or "\0" in subdirectory or any(part in {"", ".", ".."} for part in parts):
        raise SourceRefusedError("the subdirectory leads out of the source", next_step="give a folder within it")
    found = path.joinpath(*parts)
    if not found.is_dir() or not found.resolve().is_relative_to(path):
        raise SourceRefusedError(f"the source has no folder {subdirectory!r}", next_step="correct it")
    return found.resolve()


def _finished(target: Path, settings: WorkspaceSettings) -> dict[str, Any]:
    TreeWriter(target, settings.tree).finish()
    return {}
