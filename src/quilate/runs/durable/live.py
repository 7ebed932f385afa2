"""A run as a worker holds it in memory, and the pure step from what ended to what follows."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import msgspec

from quilate.blueprints.model import Plan, PlannedCheck
from quilate.domain.ids import CheckId, Digest
from quilate.domain.subject import Subject
from quilate.domain.verdict import CheckResult, RunStatus
from quilate.policy.model import Baseline, PolicyEngine, Waiver
from quilate.runs.durable.governing import Proposal
from quilate.runs.judging import RunJudge, encoded_evidence
from quilate.runs.state import Attempt, CheckRun, Graph, Judge, Snapshot, advance, initial_snapshot, status_of
from quilate.runs.workspaces.model import MaterialisedTree, Source

_JITTERED_PAUSE_SECONDS = 2.0
"""A retry of a check waits up to this long, doubled with each further one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The files that a run judges, on this machine."""

    root: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is known of a run once its plan is made; the same on every worker but for ``tree``.

    ``answers`` are attempts that need not run again: of the run that this one repeats, or of the result cache.
    ``keys`` are the result cache's keys of the checks that may be kept there. ``proposal`` is what a change
    would have been judged by in place of what binds it. ``project`` is the slug of the project that asked.
    """

    plan: Plan
    plan_digest: str
    plan_document: bytes
    graph: Graph
    source: Source
    subject: Subject
    waivers: tuple[Waiver, ...]
    baseline: Baseline | None
    evaluated_on: date
    event: str
    tree: Tree
    lease: MaterialisedTree | None = None
    notes: tuple[str, ...] = ()
    answers: Mapping[CheckId, Attempt] = field(default_factory=dict)
    keys: Mapping[CheckId, Digest] = field(default_factory=dict)
    proposal: Proposal | None = None
    without_secrets: bool = False
    project: str = ""


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """One run that this worker advances. ``version`` is that of the row whose state ``snapshot`` is.

    ``numbers`` holds the number of each check's last attempt: a lost attempt has a number and leaves no record.
    """

    id: UUID
    project_id: UUID
    priority: int
    prepared: Prepared
    version: int
    snapshot: Snapshot
    judge: RunJudge
    checks: Mapping[CheckId, PlannedCheck]
    numbers: Mapping[CheckId, int] = field(default_factory=dict)
    traceparent: str = ""
    asked: Judge | None = None

    @property
    def decides_at_once(self) -> bool:
        """Every policy is in our own language, which answers in microseconds; Rego takes a process of its own."""
        return all(policy.engine is PolicyEngine.QUILATE for policy in self.prepared.plan.policies)

    def questions(self) -> Judge:
        """Return what the state machine asks of policy."""
        if self.asked is None:
            self.asked = self.judge.judge()
        return self.asked


def make_live(  # noqa: PLR0913 - the row and what was prepared for it
    *, run_id: UUID, project_id: UUID, priority: int, version: int, prepared: Prepared, traceparent: str
) -> LiveRun:
    """Return a run that has not begun."""
    judge = RunJudge(
        prepared.plan,
        subject=prepared.subject,
        waivers=prepared.waivers,
        baseline=prepared.baseline,
        evaluated_on=prepared.evaluated_on,
        event=prepared.event,
        graph=prepared.graph,
    )
    return LiveRun(
        id=run_id,
        project_id=project_id,
        priority=priority,
        prepared=prepared,
        version=version,
        snapshot=initial_snapshot(prepared.graph),
        judge=judge,
        checks={check.id: check for check in prepared.plan.checks},
        traceparent=traceparent,
    )


class EndedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to be recorded; ``content`` is its evidence as it is stored."""

    check_id: CheckId
    number: int
    attempt: Attempt
    result: CheckResult
    final: bool
    evidence_digest: str
    content: bytes | None


class RecordedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as it was recorded."""

    number: int
    attempt: Attempt
    final: bool


class ReadyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A check that may run now, or after a pause that a retry takes."""

    check: PlannedCheck
    number: int
    pause_seconds: float = 0.0


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run; nothing of it counts before its transaction has been committed.

    ``started`` are ready checks that this worker runs already.
    """

    run: LiveRun
    snapshot: Snapshot
    numbers: Mapping[CheckId, int]
    ended: tuple[EndedAttempt, ...]
    ready: tuple[ReadyCheck, ...]
    finished: bool
    started: frozenset[CheckId] = frozenset()

    @property
    def waiting(self) -> list[ReadyCheck]:
        """The ready checks that nobody has started."""
        return [each for each in self.ready if each.check.id not in self.started]

    @property
    def version(self) -> int:
        """The run's version after this step."""
        return self.run.version + 1

    def apply(self) -> None:
        """Make the step the run's state in memory, once it is the state in the database."""
        self.run.snapshot = self.snapshot
        self.run.numbers = self.numbers
        self.run.version += 1


def step(
    run: LiveRun, completions: Mapping[CheckId, tuple[int, Attempt]], *, after: Transition | None = None
) -> Transition:
    """Return what follows once ``completions`` (number and attempt of each check) have ended. Pure.

    With ``after``, a step that is not written yet, the two are one step.
    """
    graph, questions, answers = run.prepared.graph, run.questions(), run.prepared.answers
    begin = after or _standing(run)
    numbers, before, ended = dict(begin.numbers), begin.snapshot, list(begin.ended)
    ready = dict.fromkeys(each.check.id for each in begin.ready)
    pending = dict(completions)
    while True:
        for check_id, (number, _) in pending.items():
            numbers[check_id] = number
            ready.pop(check_id, None)
        changes = advance(graph, before, {check_id: attempt for check_id, (_, attempt) in pending.items()}, questions)
        ended += _ended(run, before, changes.snapshot, numbers, pending.keys())
        ready |= dict.fromkeys(changes.ready)
        before = changes.snapshot
        pending = {
            check_id: (numbers.get(check_id, 0) + 1, answers[check_id])
            for check_id in changes.ready
            if check_id in answers and not changes.snapshot[check_id].attempts
        }
        if not pending:
            break
    waiting = tuple(
        ReadyCheck(
            check=run.checks[check_id],
            number=numbers.get(check_id, 0) + 1,
            pause_seconds=_pause(len(changes.snapshot[check_id].attempts)),
        )
        for check_id in ready
    )
    return Transition(
        run=run,
        snapshot=changes.snapshot,
        numbers=numbers,
        ended=tuple(ended),
        ready=waiting,
        finished=changes.finished,
    )


def _standing(run: LiveRun) -> Transition:
    """Return the step that changes nothing."""
    return Transition(run=run, snapshot=run.snapshot, numbers=run.numbers, ended=(), ready=(), finished=False)


def _pause(attempts: int) -> float:
    return 0.0 if not attempts else _JITTERED_PAUSE_SECONDS * 2.0 ** (attempts - 1)


def _ended(
    run: LiveRun,
    before: Snapshot,
    after: Snapshot,
    numbers: dict[CheckId, int],
    completed: Container[CheckId],
) -> list[EndedAttempt]:
    """Return the attempts that are new in ``after``: those that completed, and those settled without running."""
    found = []
    for check_id, now in after.items():
        if len(now.attempts) == len(before[check_id].attempts):
            continue
        if check_id not in completed:
            numbers[check_id] = numbers.get(check_id, 0) + 1
        found.append(
            EndedAttempt(
                check_id=check_id,
                number=numbers[check_id],
                attempt=now.last,
                result=run.judge.result(now),
                final=now.ended,
                evidence_digest=str(run.judge.judged(now).evidence_digest),
                content=None if now.last.evidence is None else encoded_evidence(now.last.evidence),
            )
        )
    return found


def restored(
    run: LiveRun,
    attempts: Mapping[CheckId, Sequence[RecordedAttempt]],
    in_flight: Mapping[CheckId, int],
    version: int,
) -> LiveRun:
    """Return a run with the state that its recorded attempts and its rows in flight (check to number) stand for."""
    snapshot = dict(initial_snapshot(run.prepared.graph))
    numbers: dict[CheckId, int] = {}
    for check_id, recorded in attempts.items():
        ordered = sorted(recorded, key=lambda each: each.number)
        numbers[check_id] = ordered[-1].number
        made = CheckRun(check_id=check_id, attempts=tuple(each.attempt for each in ordered))
        status = status_of(run.judge.result(made)) if ordered[-1].final else RunStatus.QUEUED
        snapshot[check_id] = msgspec.structs.replace(made, status=status)
    for check_id, number in in_flight.items():
        numbers[check_id] = number - 1
        snapshot[check_id] = msgspec.structs.replace(snapshot[check_id], status=RunStatus.RUNNING)
    run.snapshot, run.numbers, run.version = snapshot, numbers, version
    return run
