"""What a tree says about itself: its subject, its waivers, its baseline."""

from collections.abc import Iterator
from pathlib import Path

from quilate.blueprints.model import Plan, ProjectFile
from quilate.domain.ids import Digest
from quilate.domain.subject import Subject, SubjectKind
from quilate.evidence.baseline import Baseline, read_baseline
from quilate.evidence.safe_text import unicode_text
from quilate.kit.canonical import sha256_of
from quilate.policy.model import Waiver
from quilate.runs.baseline import BASELINE_FILE
from quilate.runs.durable.plan_request import Files, Request
from quilate.runs.files import some_paths
from quilate.runs.subject import tree_digest
from quilate.runs.workspaces.model import MaterialisedTree
from quilate.waivers.approval import binding_waivers
from quilate.waivers.inline import find_inline_waivers


def subject_of(request: Request, project: ProjectFile, files: Files) -> Subject:
    """Return what is judged, by the digest of its files."""
    digests = {path: files.index.record(path).digest for path in files.workspace.paths}
    tree = files.tree
    if tree is None:
        # Nothing but what the project file binds: endpoints and keys, named by the text that names them.
        digest = Digest(sha256_of(request.text.project_text.encode()))
        return Subject(kind=SubjectKind.ENDPOINT, name=project.project, digest=digest)
    return Subject(
        kind=tree.subject_kind,
        name=project.project,
        digest=tree_digest(digests),
        revision=tree.revision,
        branch=tree.branch or request.source.branch,
    )


def waivers_of(
    plan: Plan, files: Files, request: Request, *, trusted: bool
) -> tuple[tuple[Waiver, ...], tuple[str, ...]]:
    """Return the approved waivers and those of the tree, which bind by themselves unless approval is asked for."""
    found: list[Waiver] = list(plan.project.waivers)
    notes: list[str] = []
    for path in files.workspace.paths:
        if files.index.record(path).waiver:
            text = files.workspace.read_bytes(path).decode("utf-8", "replace")
            waivers, errors = find_inline_waivers(unicode_text(path), text)
            found.extend(waivers)
            notes.extend(f"waiver ignored: {error}" for error in errors)

    def text_on_protected_branch(path: str) -> str | None:
        return files.workspace.read_bytes(path).decode("utf-8", "replace")

    bound = binding_waivers(
        tuple(found),
        need_approval=plan.blueprint.waivers_need_approval,
        protected=text_on_protected_branch if trusted else None,
        branch=request.protected_branch,
    )
    return (*request.approved_waivers, *bound), tuple(notes)


def left_out(tree: MaterialisedTree | None) -> Iterator[str]:
    """Say what of the source is not judged."""
    links, repositories = (tree.escaping_links, tree.repositories) if tree is not None else ((), ())
    if links:
        yield f"not judged: {len(links)} symbolic links that lead out of the project ({some_paths(links)})"
    if repositories:
        yield f"not judged: {len(repositories)} git repositories within the project ({some_paths(repositories)})"


def baseline_of(plan: Plan, root: Path, *, trusted: bool) -> Baseline | None:
    """Return the committed baseline; where approval is asked for it counts as the protected branch holds it."""
    file = root / BASELINE_FILE
    if plan.blueprint.waivers_need_approval and not trusted:
        return None
    return read_baseline(file) if file.is_file() and not file.is_symlink() else None
