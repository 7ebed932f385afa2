"""What may be done with a project's schedules."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.blueprints.references import builtin_names
from quilate.blueprints.registry.documents import BlueprintReference
from quilate.blueprints.registry.store import published_blueprint
from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import digest_of, to_document
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.runs.schedules import store
from quilate.runs.schedules.model import Firing, Schedule, ScheduleWish
from quilate.runs.schedules.recurrence import Recurrence
from quilate.runs.workspaces.model import SourceKind

MOST_PREVIEWED = 100


class ScheduleService:
    """Schedules as people write them; ``scheduler`` fires them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def create(self, access: ProjectAccess, wish: ScheduleWish) -> Schedule:
        """Make a schedule; it fires first at its first moment from now on.

        Raises:
            Problem: 422 where cron, time zone, source or blueprint make no sense, 409 where the name is taken.
        """
        recurrence = _recurrence(wish.cron, wish.time_zone)
        schedule_id = uuid7()

        async def work(connection: Connection) -> Schedule:
            await _require_runnable(connection, access, wish)
            now = await store.database_time(connection)
            new = await store.insert_schedule(
                connection,
                access.project.id,
                schedule_id,
                wish,
                author=access.principal.person,
                next_fire=recurrence.after(now) if wish.enabled else None,
                now=now,
            )
            schedule = await store.find_schedule(connection, access.project.id, schedule_id)
            if schedule is None:
                raise _name_taken(wish.name)
            if new:
                await _audit(connection, access, schedule, "schedule.created")
            return schedule

        return await self.database.run(work)

    async def get(self, access: ProjectAccess, schedule_id: UUID) -> Schedule:
        """Return a schedule.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self.database.connection() as connection:
            return await _found(connection, access, schedule_id)

    async def listed(self, access: ProjectAccess, *, before: UUID | None, limit: int) -> Sequence[Schedule]:
        """Return up to ``limit`` schedules, the newest first, from before an id on."""
        async with self.database.connection() as connection:
            return await store.list_schedules(connection, access.project.id, before=before, limit=limit)

    async def update(self, access: ProjectAccess, schedule_id: UUID, wish: ScheduleWish, tag: str | None) -> Schedule:
        """Write a schedule anew; firings that were missed before are not made up for.

        Args:
            access: Who writes.
            schedule_id: Which one.
            wish: All of it.
            tag: The state that is replaced; ``None`` for any.

        Raises:
            Problem: 404, 409, 412 or 422.
        """
        recurrence = _recurrence(wish.cron, wish.time_zone)
        person = access.principal.person

        async def work(connection: Connection) -> Schedule:
            schedule = await _found(connection, access, schedule_id, lock=True)
            if tag is not None and tag != schedule.tag:
                repeated = tag == f"{schedule.id.hex}-{schedule.revision - 1}"
                if repeated and schedule.wish == wish and schedule.author == person:
                    return schedule  # A commit that nobody heard of: it counted.
                raise _changed()
            await _require_runnable(connection, access, wish)
            if await store.name_is_taken(connection, access.project.id, schedule_id, wish.name):
                raise _name_taken(wish.name)
            now = await store.database_time(connection)
            next_fire = recurrence.after(now) if wish.enabled else None
            changed = await store.update_schedule(
                connection, schedule, wish, author=person, next_fire=next_fire, now=now
            )
            await _audit(connection, access, changed, "schedule.changed")
            return changed

        return await self.database.run(work)

    async def delete(self, access: ProjectAccess, schedule_id: UUID, tag: str | None) -> None:
        """Take a schedule away; its history stays in the audit log.

        Raises:
            Problem: 404 without one, 412 where it is another than ``tag`` says.
        """

        async def work(connection: Connection) -> None:
            schedule = await _found(connection, access, schedule_id, lock=True)
            if tag is not None and tag != schedule.tag:
                raise _changed()
            await store.delete_schedule(connection, schedule)
            await _audit(connection, access, schedule, "schedule.deleted")

        await self.database.run(work)

    async def upcoming(self, access: ProjectAccess, schedule_id: UUID, count: int) -> list[datetime]:
        """Return the next moments of a schedule, whether or not it is enabled.

        Raises:
            Problem: 404, the project has none of that id.
        """
        schedule = await self.get(access, schedule_id)
        return await self.preview(schedule.wish.cron, schedule.wish.time_zone, count)

    async def preview(self, cron: str, time_zone: str, count: int) -> list[datetime]:
        """Return the next moments of a cron expression.

        Raises:
            Problem: 422, it or the time zone makes no sense.
        """
        recurrence = _recurrence(cron, time_zone)
        async with self.database.connection() as connection:
            now = await store.database_time(connection)
        return list(islice(recurrence.following(now), min(count, MOST_PREVIEWED)))

    async def firings(
        self, access: ProjectAccess, schedule_id: UUID, *, before: datetime | None, limit: int
    ) -> Sequence[Firing]:
        """Return what became of a schedule's firings, the newest first.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self.database.connection() as connection:
            await _found(connection, access, schedule_id)
            return await store.list_firings(connection, access.project.id, schedule_id, before=before, limit=limit)


def _recurrence(cron: str, time_zone: str) -> Recurrence:
    try:
        return Recurrence(cron, time_zone)
    except ConfigurationError as error:
        raise _invalid(error.message, error.next_step) from error


async def _require_runnable(connection: Connection, access: ProjectAccess, wish: ScheduleWish) -> None:
    if wish.run.source.kind is SourceKind.NONE and not wish.run.project_file:
        raise _invalid("a run without files needs a project file", "send its text as run.project_file")
    if not wish.run.blueprint:
        return
    try:
        reference = BlueprintReference.parse(wish.run.blueprint)
    except ConfigurationError as error:
        raise _invalid(error.message, error.next_step) from error
    if reference.version is None and reference.name in builtin_names():
        return
    if await published_blueprint(connection, access.project.id, reference.name, reference.version) is None:
        raise _invalid(
            f"there is no published blueprint {wish.run.blueprint!r}", "publish it first, or name a built-in one"
        )


async def _found(connection: Connection, access: ProjectAccess, schedule_id: UUID, *, lock: bool = False) -> Schedule:
    schedule = await store.find_schedule(connection, access.project.id, schedule_id, lock=lock)
    if schedule is None:
        raise Problem(
            status=404, type="not-found", detail=f"this project has no schedule {schedule_id}", next_step="list them"
        )
    return schedule


def _invalid(detail: str, next_step: str) -> Problem:
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step)


def _changed() -> Problem:
    return Problem(
        status=412,
        type="precondition-failed",
        detail="the schedule has changed since it was read",
        next_step="read it again and repeat the change with its ETag",
    )


def _name_taken(name: str) -> Problem:
    return Problem(
        status=409,
        type="conflict",
        detail=f"there is a schedule {name!r} already",
        next_step="change that one, or choose another name",
    )


async def _audit(connection: Connection, access: ProjectAccess, schedule: Schedule, action: str) -> None:
    wish = schedule.wish
    entry = AuditEntry(
        action=action,
        actor=str(access.actor),
        subject=f"schedule:{schedule.id}",
        project_id=schedule.project_id,
        details={
            "revision": schedule.revision,
            "cron": wish.cron,
            "time_zone": wish.time_zone,
            "enabled": wish.enabled,
            "run": str(digest_of(to_document(wish.run))),
        },
    )
    await append_entries(connection, [entry])
