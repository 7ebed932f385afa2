"""The subject of a local run: the tree at hand, named by what it contains."""

from collections.abc import Mapping
from pathlib import Path

from quilate.blueprints.model import ProjectFile
from quilate.checks.workspace import Workspace
from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import Digest
from quilate.domain.subject import Subject, SubjectKind
from quilate.kit.canonical import sha256_of
from quilate.kit.git import git_output, without_filters
from quilate.kit.words import counted
from quilate.runs.files import UNREADABLE, FileIndex, list_workspace
from quilate.runs.store import RunDirectory


def tree_digest(digests: Mapping[str, str]) -> Digest:
    """Return the digest over path and content digest of every file, in the order of their paths."""
    lines = b"".join(
        path.encode("utf-8", "surrogateescape") + b"\0" + digests[path].encode() + b"\n" for path in sorted(digests)
    )
    return Digest(sha256_of(lines))


def subject_of_workspace(project: ProjectFile, workspace: Workspace, index: FileIndex) -> Subject:
    """Return the subject of a listed workspace; a dirty tree is a subject of its own digest and says so.

    Raises:
        ConfigurationError: A judged file cannot be read.
    """
    revision, branch, dirty = git_state(workspace.root)
    digests = {path: index.record(path).digest for path in workspace.paths}
    unreadable = sorted(path for path, digest in digests.items() if digest == UNREADABLE)
    if unreadable:
        # A digest that leaves a file out would let a seal vouch for content that nobody has seen.
        more = f" (and {counted(len(unreadable) - 1, 'more file')})" if len(unreadable) > 1 else ""
        raise ConfigurationError(
            f"{unreadable[0]!r} cannot be read{more}",
            next_step="make it readable, or exclude it in quilate.yaml with a reason",
        )
    return Subject(
        kind=SubjectKind.COMMIT if revision and not dirty else SubjectKind.TREE,
        name=project.project,
        digest=tree_digest(digests),
        revision=revision,
        branch=branch,
        dirty=dirty,
    )


def subject_of(root: Path, project: ProjectFile) -> Subject:
    """Return the subject that a run of ``project`` at ``root`` would judge now."""
    workspace = list_workspace(root, project.exclude, project.projects)
    return subject_of_workspace(project, workspace, FileIndex(workspace.root, RunDirectory(workspace.root).index_file))


def git_state(root: Path) -> tuple[str, str, bool]:
    """Return the revision, the branch and whether files below ``root`` differ from it; empty outside git."""
    # Submodules are not looked into: they are not judged, and their own configuration would be obeyed.
    options = ("--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=dirty")
    output = git_output(root, "status", *options, "--", ".", settings=without_filters(root))
    if output is None:
        return "", "", False
    revision = branch = ""
    dirty = False
    for line in output.decode("utf-8", "replace").split("\0"):
        if line.startswith("# branch.oid "):
            revision = line.removeprefix("# branch.oid ").replace("(initial)", "")
        elif line.startswith("# branch.head "):
            branch = line.removeprefix("# branch.head ").replace("(detached)", "")
        elif line and not line.startswith("#"):
            dirty = True
    return revision, branch, dirty or not revision
