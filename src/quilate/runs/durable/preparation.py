"""The first step of a run: get its files, bind its blueprint to them, name its subject.

Everything here blocks (git, files, YAML) and runs in a thread. What it gives is a pure function of the source, the
blueprint and the project file, so that another worker that prepares the same run again gets the same.
"""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
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
from quilate.domain.errors import ConfigurationError, QuilateError
from quilate.domain.ids import CheckId, Digest
from quilate.domain.subject import Subject
from quilate.evidence.baseline import Baseline
from quilate.kit.canonical import sha256_of
from quilate.policy.model import Waiver
from quilate.runs.durable.governing import Proposal, differs, project_text_at
from quilate.runs.durable.live import Prepared, Tree
from quilate.runs.durable.plan_request import Files, OutlinedCheck, PlanText, Request
from quilate.runs.durable.tree_reading import baseline_of, left_out, subject_of, waivers_of
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.fingerprint import Fingerprints
from quilate.runs.state import Graph, graph_of
from quilate.runs.workspaces.model import MaterialisedTree, Source, SourceKind

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
class PreparationDocument:
    """What of ``Prepared`` is stored with the run; the plan is made again from its own document."""

    source: Source
    subject: Subject
    waivers: tuple[Waiver, ...]
    baseline: Baseline | None
    evaluated_on: date
    notes: tuple[str, ...]


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
        self._listed: _Recent[tuple[str, tuple[str, ...]], tuple[Workspace, FileIndex]] = _Recent(_KEPT_TREES)
        self._plans: _Recent[tuple[bytes, str], tuple[Plan, Graph]] = _Recent(_KEPT_PLANS)
        self._documents: _Recent[tuple[bytes, str], tuple[bytes, str]] = _Recent(_KEPT_PLANS)

    def prepare(self, request: Request) -> Prepared:
        """Return a run's plan, subject and waivers.

        Raises:
            QuilateError: The files cannot be had, or project file, blueprint and options do not fit.
        """
        tree, root = self._tree(request.source, request.project)
        trusted = self._trust_trees or (tree is not None and tree.branch == request.protected_branch)
        asked, remarks = (request.text, ()) if trusted else self._governed(request)
        asked = asked if trusted else self._with_blueprint_source(request, asked, root)
        text = msgspec.json.encode(asked, order="deterministic")
        try:
            plan, graph = self._plan(text, asked, root, request.project)
        except QuilateError as error:
            raise ConfigurationError(_as_seen_from(root, error), next_step=error.next_step) from error
        document, digest = self._documents.found((text, str(root)), lambda: _plan_document(asked, plan))
        files = self._files(tree, root, plan.project)
        subject = subject_of(request, plan.project, files)
        waivers, notes = waivers_of(plan, files, request, trusted=trusted)
        return Prepared(
            plan=plan,
            plan_digest=digest,
            plan_document=document,
            graph=graph,
            source=tree.source if tree is not None else request.source,
            subject=subject,
            waivers=waivers,
            baseline=baseline_of(plan, root, trusted=trusted),
            evaluated_on=request.evaluated_on,
            event=request.event,
            tree=Tree(root=str(root), paths=files.workspace.paths),
            lease=tree,
            notes=(*remarks, *notes, *left_out(tree)),
            keys=self._keys(plan, files),
            proposal=self._proposal(asked, plan, root),
            without_secrets=asked.without_secrets,
            project=request.project,
        )

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
            proposal=self._proposal(text, plan, root),
            without_secrets=text.without_secrets,
            project=project,
        )

    def _tree(self, source: Source, project: str) -> tuple[MaterialisedTree | None, Path]:
        if source.kind is SourceKind.NONE:
            return None, self._empty
        tree = self._trees.materialise(source, project=project)
        return tree, tree.root

    def _governed(self, request: Request) -> tuple[PlanText, tuple[str, ...]]:
        """Return what a change is planned from: with the project file of the protected branch, where it has one."""
        text = request.text
        if text.project_text or not request.pull_request or request.source.kind is not SourceKind.GIT:
            return text, ()
        tree = self._protected_tree(request)
        try:
            project_text = project_text_at(tree.root)
        finally:
            self._trees.release(tree)
        if not project_text:
            note = f"{request.protected_branch} holds no {FILE_NAME} yet: the change is judged by its own"
            return text, (note,)
        return replace(text, project_text=project_text, governed=True), ()

    def _protected_tree(self, request: Request) -> MaterialisedTree:
        source = Source(
            kind=SourceKind.GIT,
            location=request.source.location,
            branch=request.protected_branch,
            subdirectory=request.source.subdirectory,
        )
        return self._trees.materialise(source, project=request.project)

    def _proposal(self, text: PlanText, binding: Plan, root: Path) -> Proposal | None:
        """Return what a change asks for in place of what binds it; nothing where it asks for the same."""
        if not text.governed:
            return None
        own = replace(text, project_text="", blueprint_source=None, checks=())
        try:
            plan, _ = self._plans.found(
                (msgspec.json.encode(own, order="deterministic"), str(root)), lambda: _make_plan(own, root, root)
            )
        except QuilateError as error:
            return Proposal(error=_as_seen_from(root, error))
        return Proposal(plan=plan) if differs(binding, plan) else None

    def _with_blueprint_source(self, request: Request, text: PlanText, root: Path) -> PlanText:
        """Return the text with the place that a file blueprint is taken from."""
        if text.blueprint or text.blueprint_text or _project_file(text, root).blueprint in builtin_names():
            return text
        if request.source.kind is not SourceKind.GIT:
            raise ConfigurationError(
                "the blueprint is a file of what is to be judged, and nothing says that somebody approved it",
                next_step="publish it in the project, or name a built-in one",
            )
        tree = self._protected_tree(request)
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

    def _files(self, tree: MaterialisedTree | None, root: Path, project: ProjectFile) -> Files:
        def listed() -> tuple[Workspace, FileIndex]:
            workspace = list_workspace(root, project.exclude, project.projects)
            name = sha256_of(str(root).encode()).removeprefix("sha256:")
            return workspace, FileIndex(workspace.root, self._indexes / f"{name}.json")

        workspace, index = self._listed.found((str(root), project.exclude), listed)
        # The same files may be those of several branches: only what is listed of them is shared between runs.
        return Files(tree=tree, workspace=workspace, index=index)

    def _keys(self, plan: Plan, files: Files) -> Mapping[CheckId, Digest]:
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


def _plan_document(asked: PlanText, plan: Plan) -> tuple[bytes, str]:
    """Return what is stored of a plan, with its digest."""
    document = msgspec.json.encode(replace(asked, checks=_outline(plan)), order="deterministic")
    return document, sha256_of(document)


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


def _as_seen_from(root: Path, error: QuilateError) -> str:
    """Return an error's text with paths as the project knows them, not as they lie on this machine."""
    return str(error).replace(f"{root}/", "")


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


def described(error: Exception) -> dict[str, Any]:
    """Return an error as it is kept with the run that it ended."""
    return {"error": str(error), "next_step": getattr(error, "next_step", "")}
