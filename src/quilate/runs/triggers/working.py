"""Working events off: in the order of each subject, different subjects at once, any number of processes.

A batch claims subjects by advisory locks, decides on their pending events in order, and writes runs, cancellations and
what became of the events in one transaction: a process that dies has done all or nothing. When a batch cannot be
written, its events are tried one by one, and the one that is at fault ends as failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import msgspec
import structlog

from quilate.accounts.model import SYSTEM
from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import is_passing
from quilate.outbox.events import OutgoingEvent, append_events
from quilate.runs.durable.cancelling import cancel_locked_runs
from quilate.runs.durable.intake import Wakeup, full_projects, insert_runs
from quilate.runs.durable.model import Refusal, Submitted
from quilate.runs.triggers import store
from quilate.runs.triggers.deciding import Outcome, decide, head_after
from quilate.runs.triggers.inside import take_inside_events
from quilate.runs.triggers.model import EventKind, EventState, StoredEvent, TriggerRule
from quilate.runs.triggers.repeating import repeated
from quilate.runs.triggers.rules import BUILT_IN, RuleMatcher
from quilate.runs.triggers.store import EventProject, Head, Settled, Subject

POLL_SECONDS = 0.5
RETENTION_DAYS = 90
SUBJECTS_AT_ONCE = 128
EVENTS_AT_ONCE = 256
MOST_ATTEMPTS = 60
FULL_PAUSE_SECONDS = 30.0

_INSIDE_SECONDS = 2.0
_RETENTION_SECONDS = 3600.0

CommentHandler = Callable[[Connection, StoredEvent], Awaitable[str]]
"""Acts on a comment within the transaction; returns what it did, an empty text where the comment is none of its own."""


@dataclass(slots=True)
class _Batch:
    """What one transaction has decided so far."""

    connection: Connection
    projects: dict[UUID, EventProject]
    matchers: dict[UUID, RuleMatcher | ConfigurationError]
    heads: dict[Subject, Head | None]
    full: frozenset[UUID]
    moved: set[Subject] = field(default_factory=set)
    blocked: set[Subject] = field(default_factory=set)
    waiting: list[tuple[StoredEvent, Outcome]] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    owners: dict[UUID, UUID] = field(default_factory=dict)
    runs: int = 0


class EventWorker:
    """Works off what is pending.

    Args:
        database: Where the events are.
        wakeup: Tells waiting workers of new runs.
        on_comment: Acts on comments of forges.
    """

    def __init__(
        self, database: Database, wakeup: Wakeup | None = None, *, on_comment: CommentHandler | None = None
    ) -> None:
        self._database = database
        self._wakeup = wakeup
        self._on_comment = on_comment

    async def work_once(self, *, subjects: int = SUBJECTS_AT_ONCE, events: int = EVENTS_AT_ONCE) -> int:
        """Work one batch off and return how many events it had.

        Raises:
            psycopg.Error: The database is away for longer than ``Database.run`` waits.
        """
        tried: list[StoredEvent] = []

        async def work(connection: Connection) -> tuple[int, int]:
            tried.clear()
            claimed = await store.claim_subjects(connection, subjects)
            tried.extend(await store.pending_events(connection, claimed, events) if claimed else [])
            return (len(tried), await self._work_off(connection, tried)) if tried else (0, 0)

        try:
            count, runs = await self._database.run(work)
        except Exception as error:
            if is_passing(error) or not tried:
                raise
            if len(tried) == 1:
                await self._fail(tried[0], error)
                return 1
            # One event's fault must not keep the others: each gets a transaction of its own.
            return await self._one_by_one(len(tried))
        if runs and self._wakeup is not None:
            self._wakeup.work_is_there("control")
        return count

    async def _one_by_one(self, number: int) -> int:
        done = 0
        for _ in range(number):
            count = await self.work_once(subjects=1, events=1)
            if not count:
                break
            done += count
        return done

    async def _work_off(self, connection: Connection, events: Sequence[StoredEvent]) -> int:
        projects = await store.event_projects(connection, list({event.project_id for event in events}))
        subjects = list({(event.project_id, event.facts.order_key) for event in events})
        heads: dict[Subject, Head | None] = {**await store.read_heads(connection, subjects)}
        batch = _Batch(connection, projects, {}, heads, await full_projects(connection, list(projects)))
        for event in events:
            batch.owners[event.id] = event.project_id
            await self._decide(batch, event)
        await _submit(batch)
        await _keep_settled(batch)
        await store.keep_heads(connection, {subject: batch.heads.get(subject) for subject in batch.moved})
        return batch.runs

    async def _decide(self, batch: _Batch, event: StoredEvent) -> None:
        subject = (event.project_id, event.facts.order_key)
        if subject in batch.blocked:
            return
        project = batch.projects.get(event.project_id)
        if project is None:
            batch.settled.append(
                Settled(id=event.id, state=EventState.FAILED, reason="the project is gone", next_step="let it be")
            )
            return
        matcher = _matcher(batch, project)
        if isinstance(matcher, ConfigurationError):
            outcome = Outcome(
                state=EventState.FAILED, reason=f"a trigger rule cannot be read: {matcher.message}"[:500],
                next_step="correct the project's trigger rules, then replay the event",
            )  # fmt: skip
        else:
            outcome = decide(event, project, matcher, None if event.replays else batch.heads.get(subject))
        await self._carry_out(batch, event, subject, outcome)

    async def _carry_out(self, batch: _Batch, event: StoredEvent, subject: Subject, outcome: Outcome) -> None:
        if outcome.submission is not None and event.project_id in batch.full:
            batch.blocked.add(subject)
            batch.settled.append(_full_queue(event, outcome))
            return
        if outcome.state in {EventState.MATCHED, EventState.UNMATCHED} and not event.replays:
            batch.heads[subject] = head_after(event.facts, batch.heads.get(subject))
            batch.moved.add(subject)
        if outcome.submission is not None:
            batch.waiting.append((event, outcome))
            return
        if outcome.cancels:
            outcome = await _cancel(batch, subject, outcome)
        elif event.facts.kind is EventKind.COMMENT and self._on_comment is not None:
            done = await self._on_comment(batch.connection, event)
            if done:
                outcome = Outcome(state=EventState.MATCHED, reason=done[:500])
        batch.settled.append(_settled(event, outcome))

    async def _fail(self, event: StoredEvent, error: Exception) -> None:
        structlog.get_logger("quilate.triggers").error("event failed", event_id=str(event.id), exc_info=error)
        settled = Settled(
            id=event.id,
            state=EventState.FAILED,
            reason=f"working it off failed: {type(error).__name__}",
            next_step="the service's log has the error; replay the event once its cause is gone",
        )

        async def work(connection: Connection) -> None:
            await store.settle(connection, [settled])
            await tell_failures(connection, [(event.project_id, settled)])

        await self._database.run(work)


def _matcher(batch: _Batch, project: EventProject) -> RuleMatcher | ConfigurationError:
    if project.id not in batch.matchers:
        rules = BUILT_IN.rules
        try:
            if project.rules is not None:
                rules = msgspec.json.decode(project.rules, type=tuple[TriggerRule, ...])
            batch.matchers[project.id] = RuleMatcher(rules)
        except ConfigurationError as error:
            batch.matchers[project.id] = error
        except msgspec.ValidationError:
            batch.matchers[project.id] = ConfigurationError("it is of another version")
    return batch.matchers[project.id]


def _full_queue(event: StoredEvent, outcome: Outcome) -> Settled:
    if event.attempts + 1 >= MOST_ATTEMPTS:
        return Settled(
            id=event.id, state=EventState.FAILED, rule=outcome.rule, reason="the project had too many runs waiting",
            next_step="replay the event once runs have ended, or raise the project's max_queued_runs",
        )  # fmt: skip
    reason = "the project has too many runs waiting"
    return Settled(id=event.id, state=EventState.PENDING, rule=outcome.rule, reason=reason, pause=FULL_PAUSE_SECONDS)


async def _cancel(batch: _Batch, subject: Subject, outcome: Outcome) -> Outcome:
    """End the runs of a subject, those that this transaction is about to begin included."""
    await _submit(batch)
    await _keep_settled(batch)
    runs = await store.active_runs(batch.connection, subject)
    cancelled = await cancel_locked_runs(batch.connection, subject[0], runs, actor=str(SYSTEM), reason=outcome.cancels)
    return replace(outcome, reason=f"{outcome.cancels}: {len(cancelled)} of its runs were cancelled")


async def _submit(batch: _Batch) -> None:
    """Insert the runs that were decided on, in the order of their events."""
    waiting, batch.waiting = batch.waiting, []
    submissions = [outcome.submission for _, outcome in waiting if outcome.submission is not None]
    if not submissions:
        return
    submitted = await insert_runs(batch.connection, submissions)
    for (event, outcome), run in zip(waiting, submitted, strict=True):
        batch.settled.append(_of_run(event, outcome, run))
        batch.runs += run.created


async def _keep_settled(batch: _Batch) -> None:
    settled, batch.settled = batch.settled, []
    if settled:
        await store.settle(batch.connection, settled)
        failed = [(batch.owners[each.id], each) for each in settled if each.state is EventState.FAILED]
        await tell_failures(batch.connection, failed)


def _of_run(event: StoredEvent, outcome: Outcome, run: Submitted) -> Settled:
    if run.refusal is Refusal.IDEMPOTENCY_MISMATCH:
        return Settled(
            id=event.id, state=EventState.FAILED, rule=outcome.rule,
            reason="the event began another run already", next_step="see the runs of the project",
        )  # fmt: skip
    return Settled(id=event.id, state=EventState.MATCHED, rule=outcome.rule, run_id=run.run_id)


def _settled(event: StoredEvent, outcome: Outcome) -> Settled:
    return Settled(
        id=event.id, state=outcome.state, rule=outcome.rule, reason=outcome.reason, next_step=outcome.next_step
    )


async def tell_failures(connection: Connection, failed: Sequence[tuple[UUID, Settled]]) -> None:
    """Tell audit log and outside of events that could not be worked off."""
    await append_entries(
        connection,
        [
            AuditEntry(
                action="event.failed",
                actor=str(SYSTEM),
                subject=f"event:{each.id}",
                project_id=project,
                details={"reason": each.reason},
            )
            for project, each in failed
        ],
    )
    await append_events(
        connection,
        [
            OutgoingEvent(
                type="dev.quilate.event.failed",
                project_id=project,
                subject=f"event:{each.id}",
                data={"event": str(each.id), "reason": each.reason, "next_step": each.next_step},
            )
            for project, each in failed
        ],
    )


async def run_triggers(  # noqa: PLR0913 - what an operator may choose
    database: Database,
    stop: asyncio.Event,
    *,
    wakeup: Wakeup | None = None,
    on_comment: CommentHandler | None = None,
    retention_days: int = RETENTION_DAYS,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Work events off until ``stop``; take in those from inside, forget old ones. Any number may run at once.

    Args:
        database: Where the events are.
        stop: Ends it after the transactions that are under way.
        wakeup: Tells waiting workers of new runs; without it they find them by themselves.
        on_comment: Acts on comments of forges, within the transaction that settles them.
        retention_days: Events that are older are forgotten.
        poll_seconds: Pause between two looks when nothing is pending.
    """
    worker = EventWorker(database, wakeup, on_comment=on_comment)

    async def inside() -> int:
        return await take_inside_events(database)

    async def retention() -> int:
        return await database.run(lambda connection: store.forget_events(connection, retention_days))

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(repeated(worker.work_once, stop, poll_seconds))
        group.create_task(repeated(inside, stop, max(poll_seconds, _INSIDE_SECONDS)))
        group.create_task(repeated(retention, stop, _RETENTION_SECONDS))
