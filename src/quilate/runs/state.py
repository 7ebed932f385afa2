"""The state machine of a run: what may start now, given what has ended. Pure, so that every runner shares it.

``advance(plan, snapshot, completions, judge)`` takes what has just ended and returns the next snapshot and the checks
that may start. It reads no clock, no file and no database; `docs/run-states.md` draws it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import msgspec

from quilate.blueprints.model import PlannedCheck
from quilate.domain.ids import CheckId
from quilate.domain.verdict import CheckResult, Completion, RunStatus
from quilate.evidence.model import Evidence
from quilate.policy.model import Truth

_OPEN = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})
_TRIED_AGAIN = frozenset({CheckResult.FAIL, CheckResult.ERROR, CheckResult.TIMED_OUT})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a check. ``report`` is a traceback or log tail for a person, never part of a decision."""

    completion: Completion
    evidence: Evidence | None = None
    reason: str = ""
    next_step: str = ""
    duration_seconds: float = 0.0
    cached_age_seconds: float | None = None
    report: str = ""


class CheckRun(msgspec.Struct, frozen=True, kw_only=True):
    """Where one check of a run stands, with every attempt made so far."""

    check_id: CheckId
    status: RunStatus = RunStatus.QUEUED
    attempts: tuple[Attempt, ...] = ()

    @property
    def ended(self) -> bool:
        """The check will not run again in this run."""
        return self.status not in _OPEN

    @property
    def last(self) -> Attempt:
        """The attempt that counts."""
        return self.attempts[-1]


Snapshot = Mapping[CheckId, CheckRun]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What the state machine asks of policy; both are pure functions of the snapshot.

    Attributes:
        result: The result of an ended check under its limits and waivers.
        condition: The truth of a check's ``when`` text over what had ended before it, and why it is not known.
        gate: The truth of "everything before this check is PASS": its required checks and its stages' policies.
    """

    result: Callable[[CheckRun], CheckResult]
    condition: Callable[[PlannedCheck, str, Snapshot], tuple[Truth, str]]
    gate: Callable[[PlannedCheck, Snapshot], Truth]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The next snapshot, the checks to start now, and whether nothing is left to do."""

    snapshot: Snapshot
    ready: tuple[CheckId, ...] = ()
    finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The checks of a plan with, for each, the checks that must have ended before it."""

    checks: tuple[PlannedCheck, ...]
    before: Mapping[CheckId, frozenset[CheckId]] = field(default_factory=dict)


def graph_of(checks: Iterable[PlannedCheck]) -> Graph:
    """Return the graph of a plan's checks.

    A check with effects also waits for every check of its own stage that only looks: it must not publish what a
    neighbour is still judging. Needs outside the plan (a partial run) are left out.
    """
    listed = tuple(checks)
    known = {check.id for check in listed}
    declared = {check.id: frozenset(check.needs) & known - {check.id} for check in listed}
    before: dict[CheckId, frozenset[CheckId]] = {}
    for check in listed:
        before[check.id] = declared[check.id]
        if check.effects:
            looking = {other.id for other in listed if other.stage == check.stage and not other.effects}
            # What itself waits for this check, however indirectly, cannot be waited for.
            before[check.id] |= {other for other in looking if check.id not in everything_before(other, declared)}
    order = tuple(TopologicalSorter({check: sorted(needs) for check, needs in before.items()}).static_order())
    by_id = {check.id: check for check in listed}
    return Graph(checks=tuple(by_id[check_id] for check_id in order), before=before)


def everything_before(check_id: CheckId, needs: Mapping[CheckId, frozenset[CheckId]]) -> frozenset[CheckId]:
    """Return all that a check waits for, directly or through others."""
    found: set[CheckId] = set()
    pending = [check_id]
    while pending:
        new = needs[pending.pop()] - found
        found |= new
        pending.extend(new)
    return frozenset(found)


def initial_snapshot(graph: Graph) -> Snapshot:
    """Return the snapshot of a run that has not begun."""
    return {check.id: CheckRun(check_id=check.id) for check in graph.checks}


def advance(graph: Graph, snapshot: Snapshot, completions: Mapping[CheckId, Attempt], judge: Judge) -> Changes:
    """Return what follows once ``completions`` have ended; see the module's docstring."""
    runs = dict(snapshot)
    by_id = {check.id: check for check in graph.checks}
    for check_id, attempt in completions.items():
        runs[check_id] = _with_attempt(by_id[check_id], runs[check_id], attempt, judge)
    ready = []
    # The graph's order is topological: what a check's end settles at once (a false `when`) settles those behind it too.
    for check in graph.checks:
        run = runs[check.id]
        if run.status is not RunStatus.QUEUED or not all(runs[need].ended for need in graph.before[check.id]):
            continue
        settled = _settled_without_running(check, runs, judge) if not run.attempts else None
        if settled is None:
            runs[check.id] = CheckRun(check_id=check.id, status=RunStatus.RUNNING, attempts=run.attempts)
            ready.append(check.id)
        else:
            status = RunStatus.SUCCEEDED if settled.completion is Completion.NOT_APPLICABLE else RunStatus.FAILED
            runs[check.id] = msgspec.structs.replace(run, status=status, attempts=(settled,))
    return Changes(snapshot=runs, ready=tuple(ready), finished=all(run.ended for run in runs.values()))


def cancel(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with everything that has not ended as cancelled."""
    attempt = Attempt(completion=Completion.CANCELLED, reason="the run was cancelled")
    return {
        check_id: run
        if run.ended
        else msgspec.structs.replace(run, status=RunStatus.CANCELLED, attempts=(*run.attempts, attempt))
        for check_id, run in snapshot.items()
    }


_STATUS_OF_RESULT = {
    CheckResult.PASS: RunStatus.SUCCEEDED,
    CheckResult.WARN: RunStatus.SUCCEEDED,
    CheckResult.NOT_APPLICABLE: RunStatus.SUCCEEDED,
    CheckResult.CANCELLED: RunStatus.CANCELLED,
}


def _with_attempt(check: PlannedCheck, run: CheckRun, attempt: Attempt, judge: Judge) -> CheckRun:
    """Record an attempt; go back to the queue while it did not pass and retries are left."""
    tried = CheckRun(check_id=run.check_id, status=run.status, attempts=(*run.attempts, attempt))
    result = judge.result(tried)
    if result in _TRIED_AGAIN and len(tried.attempts) <= check.retries and attempt.cached_age_seconds is None:
        return CheckRun(check_id=run.check_id, status=RunStatus.QUEUED, attempts=tried.attempts)
    return CheckRun(check_id=run.check_id, status=status_of(result), attempts=tried.attempts)


def status_of(result: CheckResult) -> RunStatus:
    """Return the status of a check that ended with a result."""
    return _STATUS_OF_RESULT.get(result, RunStatus.FAILED)


def _settled_without_running(check: PlannedCheck, snapshot: Snapshot, judge: Judge) -> Attempt | None:
    """Return how a check ends that must not run at all, or ``None``."""
    unknown = ""
    for condition in check.when:
        truth, reason = judge.condition(check, condition, snapshot)
        if truth is Truth.FALSE:
            return Attempt(completion=Completion.NOT_APPLICABLE, reason=f"when: {condition} is false")
        if truth is Truth.UNKNOWN:
            unknown = unknown or f"when: {condition} is unknown: {reason}"
    if unknown:
        return Attempt(completion=Completion.SKIPPED, reason=unknown, next_step="supply what the condition reads")
    if check.effects and judge.gate(check, snapshot) is not Truth.TRUE:
        return Attempt(completion=Completion.SKIPPED, reason="not everything before it passed (gate)")
    if check.binding_error is not None:
        error = check.binding_error
        return Attempt(completion=Completion.ERROR, reason=error.message, next_step=error.next_step)
    return None
