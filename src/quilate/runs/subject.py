"""The subject of a local run: the tree at hand, named by what it contains."""

from collections.abc import Mapping
from pathlib import Path

from quilate.blueprints.model import ProjectFile
from quilate.checks.workspace import Workspace
from quilate.domain.ids import Digest
from quilate.domain.subject import Subject, SubjectKind
from quilate.kit.canonical import sha256_of
from quilate.kit.git import git_output
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.store import RunDirectory


def tree_digest(digests: Mapping[str, str]) -> Digest:
    """Return the digest over path and content digest of every file, in the order of their paths."""
    lines = b"".join(
        path.encode("utf-8", "surrogateescape") + b"\0" + digests[path].encode() + b"\n" for path in sorted(digests)
    )
    return Digest(sha256_of(lines))


def subject_of_workspace(project: ProjectFile, workspace: Workspace, index: FileIndex) -> Subject:
    """Return the subject of a listed workspace; a dirty tree is a subject of its own digest and says so."""
    revision, branch, dirty = git_state(workspace.root)
    return Subject(
        kind=SubjectKind.COMMIT if revision and not dirty else SubjectKind.TREE,
        name=project.project,
        digest=tree_digest({path: index.record(path).digest for path in workspace.paths}),
        revision=revision,
        branch=branch,
        dirty=dirty,
    )


def subject_of(root: Path, project: ProjectFile) -> Subject:
    """Return the subject that a run of ``project`` at ``root`` would judge now."""
    workspace = list_workspace(root, project.exclude, project.projects)
    return subject_of_workspace(project, workspace, FileIndex(workspace.root, RunDirectory(workspace.root).index_file))


def git_subject(project: ProjectFile) -> Subject:
    """Return the subject without its digest, for what is printed before the files have been read."""
    revision, branch, dirty = git_state(Path(project.root))
    kind = SubjectKind.COMMIT if revision and not dirty else SubjectKind.TREE
    name = project.project
    return Subject(kind=kind, name=name, digest=Digest(""), revision=revision, branch=branch, dirty=dirty)


def git_state(root: Path) -> tuple[str, str, bool]:
    """Return the revision, the branch and whether files below ``root`` differ from it; empty outside git."""
    output = git_output(root, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--", ".")
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
