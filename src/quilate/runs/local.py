"""The local runner: one project, one process, no server, no database."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from quilate.blueprints.model import Plan, PlannedCheck
from quilate.checks.api import Isolation
from quilate.checks.context import ContextSpec
from quilate.checks.workspace import Workspace
from quilate.domain.ids import CheckId, Digest
from quilate.domain.subject import Subject
from quilate.domain.verdict import Completion, RunStatus
from quilate.kit.canonical import to_document
from quilate.policy.decision import decide
from quilate.policy.model import Baseline, CheckDecision, PolicyRule
from quilate.runs.cache import ResultCache
from quilate.runs.executor import Executor, LocalExecutor
from quilate.runs.files import FileIndex, list_workspace, some_paths
from quilate.runs.fingerprint import Fingerprints
from quilate.runs.judging import RunJudge
from quilate.runs.report import RunReport
from quilate.runs.state import Attempt, CheckRun, Snapshot, advance, cancel, graph_of, initial_snapshot
from quilate.runs.store import RunDirectory
from quilate.runs.subject import subject_of_workspace
from quilate.runs.waivers import collect_waivers

Progress = Callable[[PlannedCheck, CheckRun, CheckDecision | None], None]
"""Called when a check starts (without a decision) and when it has ended (with what became of it)."""


Announce = Callable[[Subject], None]
"""Called once, when the subject is known and before the first check starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run and how.

    Attributes:
        plan: The plan; partial plans give a report without verdict.
        baseline: Findings that were there before; policies then bind on new findings only.
        use_cache: Answer from the result cache where nothing changed.
        evaluated_on: The date that waivers and ``enforce_from`` are judged at; today (UTC) by default.
    """

    plan: Plan
    baseline: Baseline | None = None
    use_cache: bool = True
    evaluated_on: date | None = None
    executor: Executor | None = None
    progress: Progress | None = None
    announce: Announce | None = None


def run_project(request: RunRequest) -> RunReport:
    """Run a plan to its decision. The caller holds the project's ``RunDirectory`` lock.

    Raises:
        ConfigurationError: The project cannot be read or ``.quilate`` not be written.
        KeyboardInterrupt: Ctrl+C; everything that was started has ended.
    """
    if request.executor is not None:
        return _LocalRun(request).run(request.executor)
    executor = LocalExecutor()
    try:
        if any(check.isolation is not Isolation.THREAD for check in request.plan.checks):
            executor.prepare()
        return _LocalRun(request).run(executor)
    finally:
        executor.close()


class _LocalRun:
    """One run under way: the loop around the pure state machine."""

    def __init__(self, request: RunRequest) -> None:
        self._request = request
        plan = request.plan
        self._started = time.time()
        self._clock = time.monotonic()
        self._directory = RunDirectory(Path(plan.project.root))
        self._directory.prepare()
        self._workspace = list_workspace(Path(plan.project.root), plan.project.exclude, plan.project.projects)
        self._index = FileIndex(self._workspace.root, self._directory.index_file)
        self._subject = subject_of_workspace(plan.project, self._workspace, self._index)
        self._waivers, self._waiver_notes = collect_waivers(plan, self._workspace, self._index, self._subject)
        self._cache = ResultCache(self._directory)
        self._fingerprints = Fingerprints(self._workspace, self._index, plan.project.interpreter)
        self._keys: dict[CheckId, Digest | None] = {}
        self._answers: dict[Digest, tuple[Attempt, ...]] = {}
        self._checks = {check.id: check for check in plan.checks}
        self._judge = RunJudge(
            plan,
            subject=self._subject,
            waivers=self._waivers,
            baseline=request.baseline,
            evaluated_on=request.evaluated_on or datetime.now(UTC).date(),
        )

    def run(self, executor: Executor) -> RunReport:
        if self._request.announce:
            self._request.announce(self._subject)
        scratch = Path(tempfile.mkdtemp(prefix="quilate-run-"))
        try:
            snapshot = self._loop(executor, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            changed = self._index.changed()
            self._keep_answers(changed)
        self._index.save(time.time())
        return self._report(self._without_stale(snapshot, changed), changed)

    def _loop(self, executor: Executor, scratch: Path) -> Snapshot:
        graph = graph_of(self._request.plan.checks)
        judge = self._judge.judge()
        changes = advance(graph, initial_snapshot(graph), {}, judge)
        try:
            while not changes.finished:
                completions = dict(self._start(changes.ready, changes.snapshot, executor, scratch))
                if not completions:
                    completions = dict(executor.next_completions())
                before = changes.snapshot
                changes = advance(graph, before, completions, judge)
                self._tell(before, changes.snapshot)
        except KeyboardInterrupt:
            executor.close()
            self._tell(changes.snapshot, cancel(changes.snapshot))
            raise
        return changes.snapshot

    def _start(
        self, ready: tuple[CheckId, ...], snapshot: Snapshot, executor: Executor, scratch: Path
    ) -> Mapping[CheckId, Attempt]:
        """Start what is ready; return what the cache answered."""
        answered = {}
        for check_id in ready:
            check = self._checks[check_id]
            cached = None if snapshot[check_id].attempts else self._cached(check)
            if cached is not None:
                answered[check_id] = cached
                continue
            private = scratch / f"{check_id}-{len(snapshot[check_id].attempts) + 1}"
            executor.start(check, self._spec(check, private))
            if self._request.progress:
                self._request.progress(check, snapshot[check_id], None)
        return answered

    def _cached(self, check: PlannedCheck) -> Attempt | None:
        key = self._fingerprints.key(check)
        self._keys[check.id] = key
        if key is None or not self._request.use_cache:
            return None
        return self._cache.get(key, check, now=time.time())

    def _spec(self, check: PlannedCheck, scratch: Path) -> ContextSpec:
        project = self._request.plan.project
        return ContextSpec(
            check_id=check.id,
            check_type=check.type,
            parameters=to_document(check.parameters),
            binding=to_document(check.binding),
            severity_threshold=check.severity_threshold,
            workspace_root=str(self._workspace.root),
            workspace_paths=self._workspace.paths,
            scratch=str(scratch),
            artifacts=str(self._directory.artifacts),
            timeout_seconds=check.timeout_seconds,
            interpreter=project.interpreter,
            secrets=project.secrets,
        )

    def _tell(self, before: Snapshot, after: Snapshot) -> None:
        for check_id, run in after.items():
            if not run.ended or before[check_id].ended:
                continue
            key = self._keys.get(check_id)
            if key is not None and run.attempts:
                self._answers[key] = run.attempts
            if self._request.progress:
                self._request.progress(self._checks[check_id], run, self._judge.check_decision(run))

    def _keep_answers(self, changed: tuple[str, ...]) -> None:
        """Fill the result cache; where files changed meanwhile an answer may be about others than its key names."""
        for key, attempts in self._answers.items() if not changed else ():
            self._cache.put(key, attempts, now=time.time())

    def _without_stale(self, snapshot: Snapshot, changed: tuple[str, ...]) -> Snapshot:
        """Return the snapshot with an error in place of every answer about files that are no longer the subject's."""
        if not changed:
            return snapshot
        attempt = Attempt(
            completion=Completion.ERROR,
            reason=f"files changed while the run was under way: {some_paths(changed)}",
            next_step="run again while nothing writes to the project; let commands work in a copy (`in_place: false`)",
        )
        return {
            check_id: msgspec.structs.replace(run, status=RunStatus.FAILED, attempts=(*run.attempts[:-1], attempt))
            if self._is_stale(run, changed)
            else run
            for check_id, run in snapshot.items()
        }

    def _is_stale(self, run: CheckRun, changed: tuple[str, ...]) -> bool:
        if not run.attempts or run.last.completion is not Completion.COMPLETED:
            return False
        names = self._checks[run.check_id].inputs.files
        reads = names is None or not set(names).isdisjoint(changed)
        reads = reads or bool(Workspace(root=self._workspace.root, paths=changed).below(names or ()))
        return reads and run.last.cached_age_seconds is None

    def _report(self, snapshot: Snapshot, changed: tuple[str, ...]) -> RunReport:
        plan = self._request.plan
        policies = plan.policies or (PolicyRule(name="required_checks", rule="all_required_checks_pass"),)
        policies = self._judge.binding_policies(policies)
        decision_input = self._judge.decision_input(plan.checks, snapshot, policies)
        return RunReport(
            number=0,
            plan=plan,
            subject=self._subject,
            runs=snapshot,
            results={check_id: self._judge.result(run) for check_id, run in snapshot.items()},
            decision_input=decision_input,
            decision=None if plan.partial else decide(decision_input),
            started_at=datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
            duration_seconds=time.monotonic() - self._clock,
            directory="",
            notes=(*self._waiver_notes, *_notes(self._workspace, changed)),
        )


def _notes(workspace: Workspace, changed: tuple[str, ...]) -> Iterator[str]:
    links, repositories = workspace.escaping_links, workspace.repositories
    if links:
        yield f"not judged: {len(links)} symbolic links that lead out of the project ({some_paths(links)})"
    if repositories:
        yield f"not judged: {len(repositories)} git repositories within the project ({some_paths(repositories)})"
    if changed:
        yield f"changed while the run was under way: {some_paths(changed)}"
