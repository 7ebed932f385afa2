"""The waivers of a run: those of the project file and those in the code, bound or mere requests."""

from pathlib import Path

from quilate.blueprints.model import Plan
from quilate.checks.workspace import Workspace
from quilate.domain.subject import Subject
from quilate.evidence.safe_text import unicode_text
from quilate.kit.git import git_output
from quilate.policy.model import Waiver
from quilate.runs.files import FileIndex
from quilate.waivers.approval import binding_waivers, protected_text
from quilate.waivers.inline import find_inline_waivers


def collect_waivers(
    plan: Plan, workspace: Workspace, index: FileIndex, subject: Subject
) -> tuple[tuple[Waiver, ...], tuple[str, ...]]:
    """Return every waiver of the project and notes about those that are written wrongly.

    Only files that contain the marker are read; the index remembers which do.
    """
    found = list(plan.project.waivers)
    notes: list[str] = []
    for path in workspace.paths:
        if not index.record(path).waiver:
            continue
        text = workspace.read_bytes(path).decode("utf-8", "replace")
        # A waiver names its place in records and messages, which are UTF-8 whatever the file's name is.
        waivers, errors = find_inline_waivers(unicode_text(path), text)
        found.extend(waivers)
        notes.extend(f"waiver ignored: {error}" for error in errors)
    need_approval = plan.blueprint.waivers_need_approval
    root = Path(plan.project.root)
    branch = protected_branch(root, plan.project.protected_branch) if need_approval else ""

    def text_on_protected_branch(path: str) -> str | None:
        return protected_text(root, branch, path, follow_links=True)

    protected = text_on_protected_branch if subject.revision else None
    bound = binding_waivers(tuple(found), need_approval=need_approval, protected=protected, branch=branch)
    return tuple(bound), tuple(notes)


def protected_branch(root: Path, configured: str) -> str:
    """Return the branch whose word counts: the remote's default one where it is known, else the configured one.

    ``quilate.yaml`` is part of the change that is judged, so what it says must not move the protection elsewhere.
    """
    known = git_output(root, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    default = (known or b"").decode("utf-8", "replace").strip().removeprefix("origin/")
    return default or configured
