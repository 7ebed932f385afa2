"""Where the files that a run judges come from, and what they have become on this machine."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quilate.domain.subject import SubjectKind


class SourceKind(StrEnum):
    """The kinds of place that files come from."""

    GIT = "git"
    ARCHIVE = "archive"
    DATASET = "dataset"
    MODEL = "model"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the files of one run come from.

    Attributes:
        kind: What kind of place it is.
        location: ``git``: the repository, as a path, a ``file://`` or an ``https://`` address without user name or
            password. ``dataset`` and ``model``: the name in the project's catalogue. Else empty.
        revision: ``git``: a commit id, a branch, a tag or empty for the repository's own default branch; once resolved,
            the full commit id. ``dataset`` and ``model``: the version's number, or empty for the newest.
        branch: The branch that the run is about; where ``revision`` is empty, the branch whose newest commit is taken.
        digest: ``archive``: the digest of the uploaded file. ``dataset`` and ``model``: the digest of the version's
            manifest, filled in when the source is resolved. ``git``: filled in once branch and commit are resolved.
            ``SourceResolver.resolve`` judges what a caller gives here.
        subdirectory: The folder within the files that the run begins in; empty for all of them.
    """

    kind: SourceKind
    location: str = ""
    revision: str = ""
    branch: str = ""
    digest: str = ""
    subdirectory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialisedTree:
    """Files on this machine, shared between the checks of a run and between runs of the same source: read only.

    Attributes:
        source: The source with everything resolved: the same one gives the same files for good.
        root: The folder that the run begins in, the subdirectory already followed.
        subject_kind: What the files are, for the run's subject: a commit, a tree, a dataset or a model version.
        revision: Full commit id, or the version's number; empty for an archive.
        branch: The branch that the commit was asked for by; empty where none was.
        key: Name of the tree in the cache; equal sources of one project share it.
        escaping_links: Links of the commit that lead out of it; they are left out of the tree.
        repositories: Submodules, and repositories within an archive; they are left out of the tree.
    """

    source: Source
    root: Path
    subject_kind: SubjectKind
    revision: str = ""
    branch: str = ""
    key: str = ""
    escaping_links: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
