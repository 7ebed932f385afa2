"""What a run is prepared from."""

from dataclasses import dataclass
from datetime import date

from quilate.checks.workspace import Workspace
from quilate.policy.model import Waiver
from quilate.runs.files import FileIndex
from quilate.runs.workspaces.model import MaterialisedTree, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedCheck:
    """What people are shown of a planned check before it has run."""

    id: str
    type: str
    stage: str
    required: bool
    queue: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanText:
    """What a plan is made from.

    Attributes:
        blueprint: Name of a built-in blueprint, or of the file in the tree, or of the published one.
        blueprint_text: Text of a published blueprint; empty for built-in ones and files of the tree.
        blueprint_source: The protected branch's commit that a file blueprint is taken from, where that is not the
            commit that is judged: a change must not loosen its own gate.
        project_text: Text of the project file that came with the submission; empty for the tree's own.
        only: See ``Submission``.
        from_stage: See ``Submission``.
        governed: The project file is that of the protected branch, and the change's own decides nothing.
        without_secrets: The checks get no secrets: the change comes from a fork.
        checks: What the plan came to, in its order, for those who show a run without its files; nothing decides by it.
    """

    blueprint: str = ""
    blueprint_text: str = ""
    blueprint_source: Source | None = None
    project_text: str = ""
    only: tuple[str, ...] = ()
    from_stage: str = ""
    governed: bool = False
    without_secrets: bool = False
    checks: tuple[OutlinedCheck, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A run that is to be prepared, with what the database knows about it.

    ``pull_request``: it judges a change that wants to be merged.
    """

    project: str
    source: Source
    event: str
    text: PlanText
    approved_waivers: tuple[Waiver, ...]
    evaluated_on: date
    protected_branch: str = "main"
    pull_request: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A tree that was listed: its judged files and their digests."""

    tree: MaterialisedTree | None
    workspace: Workspace
    index: FileIndex
