"""The first step of a run: get its files, bind its blueprint to them, name its subject.

Everything here blocks (git, files, YAML) and runs in a thread. What it gives is a pure function of the source, the
blueprint and the project file, so that another worker that prepares the same run again gets the same.
"""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from quilate.blueprints.model import Blueprint, Plan, ProjectFile
from quilate.blueprints.planner import make_plan
from quilate.blueprints.project_file import FILE_NAME, load_project, parse_project
from quilate.blueprints.references import builtin_names, load_blueprint, parse_blueprint_text
from quilate.blueprints.yaml_positions import load_yaml
from quilate.checks.workspace import Workspace
from quilate.domain.errors import ConfigurationError
from quilate.domain.ids import CheckId, Digest
from quilate.domain.subject import Subject, SubjectKind
from quilate.evidence.baseline import Baseline, read_baseline
from quilate.evidence.safe_text import unicode_text
from quilate.kit.canonical import sha256_of
from quilate.policy.model import Waiver
from quilate.runs.baseline import BASELINE_FILE
from quilate.runs.durable.live import Prepared, Tree
from quilate.runs.files import FileIndex, list_workspace, some_paths
from quilate.runs.fingerprint import Fingerprints
from quilate.runs.state import Graph, graph_of
from quilate.runs.subject import tree_digest
from quilate.runs.workspaces.model import MaterialisedTree, Source, SourceKind
from quilate.waivers.approval import binding_waivers
from quilate.waivers.inline import find_inline_waivers

_KEPT_TREES = 32
_KEPT_PLANS = 256

Key = TypeVar("Key")
Value = TypeVar("Value")


class Trees(Protocol):
    """Gets the files of a source; ``runs.workspaces`` implements it."""

    def materialise(self, source: Source, *, project: str) -> MaterialisedTree:
        """Return the files, read only, and kept until they are released; a commit is on the branch that it names."""
        ...

    def release(self, tree: MaterialisedTree) -> None:
        """Say that the files are not used any more."""
        ...


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
        checks: What the plan came to, in its order, for those who show a run without its files; nothing decides by it.
    """

    blueprint: str = ""
    blueprint_text: str = ""
    blueprint_source: Source | None = None
    project_text: str = ""
    only: tuple[str, ...] = ()
    from_stage: str = ""
    checks: tuple[OutlinedCheck, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationDocument:
    """What of ``Prepared`` is stored with the run; the plan is made again from its own document."""

    source: Source
    subject: Subject
    waivers: tuple[Waiver, ...]
    baseline: Baseline | None
    evaluated_on: date
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A run that is to be prepared, with what the database knows about it."""

    project: str
    source: Source
    event: str
    text: PlanText
    approved_waivers: tuple[Waiver, ...]
    evaluated_on: date
    protected_branch: str = "main"


class _Recent(OrderedDict[Key, Value]):
    """The last few values; safe for threads."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._lock = threading.Lock()

    def found(self, key: Key, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self:
                self.move_to_end(key)
                return self[key]
        value = make()
        with self._lock:
            self[key] = value
            while len(self) > self._most:
                self.popitem(last=False)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """A tree that was listed: its judged files and their digests."""

    tree: MaterialisedTree | None
    workspace: Workspace
    index: FileIndex


class Preparer:
    """Prepares runs; trees that were listed and plans that were made are kept for a while.

    ``trust_trees``: what is judged may bring its own blueprint and waivers, as on a laptop (the single-user mode).
    """

    def __init__(self, trees: Trees, state: Path, *, trust_trees: bool = False) -> None:
        self._trees = trees
        self._trust_trees = trust_trees
        self._indexes = state / "indexes"
        self._indexes.mkdir(parents=True, exist_ok=True)
        self._empty = Path(tempfile.mkdtemp(prefix="empty-", dir=state))
        self._listed: _Recent[tuple[str, tuple[str, ...]], _Files] = _Recent(_KEPT_TREES)
        self._plans: _Recent[tuple[bytes, str], tuple[Plan, Graph]] = _Recent(_KEPT_PLANS)

    def prepare(self, request: Request) -> Prepared:
        """Return a run's plan, subject and waivers.

        Raises:
            QuilateError: The files cannot be had, or project file, blueprint and options do not fit.
        """
        tree, root = self._tree(request.source, request.project)
        trusted = self._trust_trees or (tree is not None and tree.branch == request.protected_branch)
        asked = request.text if trusted else self._with_blueprint_source(request, root)
        text = msgspec.json.encode(asked, order="deterministic")
        plan, graph = self._plan(text, asked, root, request.project)
        text = msgspec.json.encode(replace(asked, checks=_outline(plan)), order="deterministic")
        files = self._files(tree, root, plan.project)
        subject = _subject(request, plan.project, files)
        waivers, notes = _waivers(plan, files, request, trusted=trusted)
        prepared = Prepared(
            plan=plan,
            plan_digest=sha256_of(text),
            plan_document=text,
            graph=graph,
            source=tree.source if tree is not None else request.source,
            subject=subject,
            waivers=waivers,
            baseline=_baseline(plan, root, trusted=trusted),
            evaluated_on=request.evaluated_on,
            event=request.event,
            tree=Tree(root=str(root), paths=files.workspace.paths),
            lease=tree,
            notes=(*notes, *_left_out(tree)),
        )
        return replace(prepared, keys=self._keys(plan, files))

    def release(self, prepared: Prepared) -> None:
        """Give back the files of a run that this worker has done with."""
        if prepared.lease is not None:
            self._trees.release(prepared.lease)

    def restore(self, project: str, event: str, plan_document: bytes, document: bytes) -> Prepared:
        """Return what another worker prepared, with the files on this machine.

        Raises:
            QuilateError: The files cannot be had any more.
        """
        kept = msgspec.json.decode(document, type=PreparationDocument)
        text = msgspec.json.decode(plan_document, type=PlanText)
        tree, root = self._tree(kept.source, project)
        plan, graph = self._plan(plan_document, text, root, project)
        files = self._files(tree, root, plan.project)
        return Prepared(
            plan=plan,
            plan_digest=sha256_of(plan_document),
            plan_document=plan_document,
            graph=graph,
            source=kept.source,
            subject=kept.subject,
            waivers=kept.waivers,
            baseline=kept.baseline,
            evaluated_on=kept.evaluated_on,
            event=event,
            tree=Tree(root=str(root), paths=files.workspace.paths),
            lease=tree,
            notes=kept.notes,
        )

    def _tree(self, source: Source, project: str) -> tuple[MaterialisedTree | None, Path]:
        if source.kind is SourceKind.NONE:
            return None, self._empty
        tree = self._trees.materialise(source, project=project)
        return tree, tree.root

    def _with_blueprint_source(self, request: Request, root: Path) -> PlanText:
        """Return the text with the place that a file blueprint is taken from."""
        text = request.text
        if text.blueprint or text.blueprint_text or _project_file(text, root).blueprint in builtin_names():
            return text
        if request.source.kind is not SourceKind.GIT:
            raise ConfigurationError(
                "the blueprint is a file of what is to be judged, and nothing says that somebody approved it",
                next_step="publish it in the project, or name a built-in one",
            )
        source = Source(kind=SourceKind.GIT, location=request.source.location, branch=request.protected_branch)
        tree = self._trees.materialise(source, project=request.project)
        self._trees.release(tree)
        return replace(text, blueprint_source=replace(tree.source, subdirectory=request.source.subdirectory))

    def _plan(self, key: bytes, text: PlanText, root: Path, project: str) -> tuple[Plan, Graph]:
        def made() -> tuple[Plan, Graph]:
            if text.blueprint_source is None:
                return _make_plan(text, root, root)
            tree = self._trees.materialise(text.blueprint_source, project=project)
            try:
                return _make_plan(text, root, tree.root)
            finally:
                self._trees.release(tree)

        return self._plans.found((key, str(root)), made)

    def _files(self, tree: MaterialisedTree | None, root: Path, project: ProjectFile) -> _Files:
        def listed() -> _Files:
            workspace = list_workspace(root, project.exclude, project.projects)
            name = sha256_of(str(root).encode()).removeprefix("sha256:")
            index = FileIndex(workspace.root, self._indexes / f"{name}.json")
            return _Files(tree=tree, workspace=workspace, index=index)

        return self._listed.found((str(root), project.exclude), listed)

    def _keys(self, plan: Plan, files: _Files) -> Mapping[CheckId, Digest]:
        cacheable = [check for check in plan.checks if check.inputs.cacheable and not check.effects]
        if not cacheable or files.tree is None:
            return {}
        fingerprints = Fingerprints(files.workspace, files.index, plan.project.interpreter)
        keys = {check.id: fingerprints.key(check) for check in cacheable if check.binding_error is None}
        return {check_id: key for check_id, key in keys.items() if key is not None}


def preparation_document(prepared: Prepared) -> bytes:
    """Return what is stored of a preparation."""
    return msgspec.json.encode(
        PreparationDocument(
            source=prepared.source,
            subject=prepared.subject,
            waivers=prepared.waivers,
            baseline=prepared.baseline,
            evaluated_on=prepared.evaluated_on,
            notes=prepared.notes,
        )
    )


def _outline(plan: Plan) -> tuple[OutlinedCheck, ...]:
    return tuple(
        OutlinedCheck(
            id=str(check.id),
            type=str(check.type),
            stage=str(check.stage),
            required=check.required,
            queue=check.queue.value,
            needs=tuple(map(str, check.needs)),
        )
        for check in plan.checks
    )


def _project_file(text: PlanText, root: Path) -> ProjectFile:
    if text.project_text:
        return parse_project(load_yaml(text.project_text.encode(), FILE_NAME), root)
    return load_project(root)


def _make_plan(text: PlanText, root: Path, blueprint_root: Path) -> tuple[Plan, Graph]:
    project = _project_file(text, root)
    blueprint = _blueprint(text, project, blueprint_root)
    plan = make_plan(project, blueprint, only=text.only, from_stage=text.from_stage or None)
    return plan, graph_of(plan.checks)


def _blueprint(text: PlanText, project: ProjectFile, root: Path) -> Blueprint:
    if text.blueprint_text:
        return parse_blueprint_text(text.blueprint_text.encode(), text.blueprint, root)
    if text.blueprint and text.blueprint not in builtin_names():
        raise ConfigurationError(
            f"there is no published blueprint {text.blueprint!r} in this project",
            next_step="publish it, or name a built-in one: quilate blueprint list",
        )
    return load_blueprint(text.blueprint or project.blueprint, root)


def _subject(request: Request, project: ProjectFile, files: _Files) -> Subject:
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


def _waivers(
    plan: Plan, files: _Files, request: Request, *, trusted: bool
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


def _left_out(tree: MaterialisedTree | None) -> Iterator[str]:
    """Say what of the source is not judged."""
    links, repositories = (tree.escaping_links, tree.repositories) if tree is not None else ((), ())
    if links:
        yield f"not judged: {len(links)} symbolic links that lead out of the project ({some_paths(links)})"
    if repositories:
        yield f"not judged: {len(repositories)} git repositories within the project ({some_paths(repositories)})"


def _baseline(plan: Plan, root: Path, *, trusted: bool) -> Baseline | None:
    """Return the committed baseline; where approval is asked for it counts as the protected branch holds it."""
    file = root / BASELINE_FILE
    if plan.blueprint.waivers_need_approval and not trusted:
        return None
    return read_baseline(file) if file.is_file() and not file.is_symlink() else None


def described(error: Exception) -> dict[str, Any]:
    """Return an error as it is kept with the run that it ended."""
    return {"error": str(error), "next_step": getattr(error, "next_step", "")}
