"""One schedule fires: runs, record and next firing in one transaction."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from quilate.accounts.model import SYSTEM
from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Connection
from quilate.runs.durable.intake import insert_runs
from quilate.runs.durable.model import Idempotency, Refusal, Submission
from quilate.runs.schedules import store
from quilate.runs.schedules.missed import DueFirings, due_firings
from quilate.runs.schedules.model import ClaimedSchedule, Firing, FiringOutcome
from quilate.runs.schedules.recurrence import Recurrence
from quilate.runs.workspaces.model import SourceKind

_REASONS = {
    Refusal.QUEUE_FULL: "the project has too many runs waiting",
    Refusal.IDEMPOTENCY_MISMATCH: "another run has the name of this firing",
}


async def fire(connection: Connection, claimed: ClaimedSchedule) -> tuple[UUID, ...]:
    """Submit what is due of a schedule whose row the caller has locked; return the new runs.

    A firing that is on record is not repeated, whatever the clock says.
    """
    schedule, now = claimed.schedule, claimed.now
    assert schedule.next_fire is not None  # noqa: S101 - only schedules with a next firing are due
    try:
        recurrence = Recurrence(schedule.wish.cron, schedule.wish.time_zone)
    except ConfigurationError as error:
        await _give_up(connection, claimed, schedule.next_fire, error.message)
        return ()
    due = due_firings(recurrence, schedule.wish.missed, schedule.wish.most_missed, first=schedule.next_fire, now=now)
    known = await store.known_firings(connection, schedule.id, [*due.run, *([due.skipped] if due.skipped else [])])
    firings = await _firings(connection, claimed, due, known)
    await store.record_firings(connection, schedule.project_id, schedule.id, firings)
    await store.advance(connection, schedule.id, next_fire=recurrence.after(now), now=now)
    return tuple(firing.run_id for firing in firings if firing.run_id is not None)


async def follow_clock(connection: Connection, claimed: ClaimedSchedule) -> None:
    """Plan a schedule anew whose next firing was computed before the clock was put back."""
    try:
        recurrence = Recurrence(claimed.schedule.wish.cron, claimed.schedule.wish.time_zone)
    except ConfigurationError as error:
        await _give_up(connection, claimed, claimed.now, error.message)
        return
    next_fire = recurrence.after(claimed.now)
    await store.advance(connection, claimed.schedule.id, next_fire=next_fire, now=claimed.now)


async def _firings(
    connection: Connection, claimed: ClaimedSchedule, due: DueFirings, known: frozenset[datetime]
) -> list[Firing]:
    if due.skipped is not None:
        skipped = Firing(fire_at=due.skipped, outcome=FiringOutcome.SKIPPED, missed=due.missed)
        return [] if due.skipped in known else [skipped]
    moments = [fire_at for fire_at in due.run if fire_at not in known]
    if not moments:
        return []
    source = claimed.schedule.wish.run.source
    if source.kind is SourceKind.GIT and not source.location and not claimed.repository:
        reason = "the project has no repository"
        firings = [Firing(fire_at=each, outcome=FiringOutcome.REFUSED, reason=reason) for each in moments]
    else:
        firings = await _submitted(connection, claimed, moments)
    # The first one stands for those before it.
    return [replace(firings[0], missed=due.missed), *firings[1:]]


async def _submitted(connection: Connection, claimed: ClaimedSchedule, moments: list[datetime]) -> list[Firing]:
    project_id = claimed.schedule.project_id
    full = frozenset({project_id}) if await store.queue_is_full(connection, project_id) else frozenset[UUID]()
    outcomes = await insert_runs(connection, [_submission(claimed, fire_at) for fire_at in moments], full=full)
    return [
        Firing(fire_at=fire_at, outcome=FiringOutcome.SUBMITTED, run_id=outcome.run_id)
        if outcome.refusal is None
        else Firing(fire_at=fire_at, outcome=FiringOutcome.REFUSED, reason=_REASONS[outcome.refusal])
        for fire_at, outcome in zip(moments, outcomes, strict=True)
    ]


def _submission(claimed: ClaimedSchedule, fire_at: datetime) -> Submission:
    schedule, run = claimed.schedule, claimed.schedule.wish.run
    source = run.source
    if source.kind is SourceKind.GIT and not source.location:
        source = replace(source, location=claimed.repository)
    moment = fire_at.isoformat()
    return Submission(
        project_id=schedule.project_id,
        project=claimed.project,
        source=source,
        actor=SYSTEM,
        event="schedule",
        parameters={**run.parameters, "schedule": schedule.wish.name, "schedule_id": str(schedule.id), "at": moment},
        blueprint=run.blueprint,
        project_file=run.project_file,
        priority=run.priority,
        concurrency_key=run.concurrency_key,
        supersede=run.supersede,
        idempotency=Idempotency(source=f"schedule:{schedule.id}", id=moment),
    )


async def _give_up(connection: Connection, claimed: ClaimedSchedule, fire_at: datetime, reason: str) -> None:
    """Switch a schedule off that no longer means anything, for example after its time zone was abolished."""
    schedule = claimed.schedule
    if not await store.known_firings(connection, schedule.id, [fire_at]):
        refused = Firing(fire_at=fire_at, outcome=FiringOutcome.REFUSED, reason=reason)
        await store.record_firings(connection, schedule.project_id, schedule.id, [refused])
    await store.advance(connection, schedule.id, next_fire=None, now=claimed.now, enabled=False)
    entry = AuditEntry(
        action="schedule.disabled",
        actor=str(SYSTEM),
        subject=f"schedule:{schedule.id}",
        project_id=schedule.project_id,
        details={"reason": reason},
    )
    await append_entries(connection, [entry])
