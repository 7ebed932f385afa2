"""Schedules on the wire."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.runs.api.schemas import (
    ArchiveSource,
    DatasetSource,
    GitSource,
    ModelSource,
    NoSource,
    SourceBody,
)
from quilate.runs.api.submissions import checked_parameters
from quilate.runs.durable.model import HIGHEST_PRIORITY, LOWEST_PRIORITY
from quilate.runs.schedules.model import (
    Firing,
    FiringOutcome,
    MissedPolicy,
    Schedule,
    ScheduledRun,
    ScheduleWish,
)
from quilate.runs.schedules.recurrence import LONGEST_CRON
from quilate.runs.workspaces.model import Source, SourceKind

_NO_NUL = r"^[^\x00]*$"


def _text(longest: int, shortest: int = 0) -> Any:
    return StringConstraints(min_length=shortest, max_length=longest, pattern=_NO_NUL)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScheduledRunBody(_Wire):
    """What a schedule submits."""

    source: SourceBody = Field(
        default_factory=lambda: GitSource(kind="git"),
        description="Where the judged files come from; by default the project's own repository when it fires.",
    )
    blueprint: Annotated[str, _text(256)] = Field(
        default="", description="`name` or `name@version`, published or built in; empty for the project file's."
    )
    project_file: Annotated[str, _text(256 * 1024)] = Field(
        default="", description="Text of a `quilate.yaml` for a source that holds none."
    )
    parameters: dict[Annotated[str, _text(256)], Any] = Field(
        default_factory=dict, max_length=250, description="Kept with each run and shown; nothing decides by them."
    )
    priority: int = Field(default=0, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY, description="Higher runs go first.")
    concurrency_key: Annotated[str, _text(256)] = Field(
        default="", description="Runs of one project and key never run at once."
    )
    supersede: bool = Field(default=False, description="Cancel an older run of the same key instead of waiting for it.")


class ScheduleBody(_Wire):
    """A schedule, whole."""

    name: Annotated[str, _text(100, 1)] = Field(description="What people call it, once in the project.")
    cron: Annotated[str, _text(LONGEST_CRON, 1)] = Field(
        description="Minute, hour, day of the month, month, day of the week, as Debian's cron reads them.",
        examples=["30 2 * * MON-FRI"],
    )
    time_zone: Annotated[str, _text(100, 1)] = Field(
        default="UTC", description="Name of the IANA database.", examples=["Europe/Berlin"]
    )
    missed: MissedPolicy = Field(
        default=MissedPolicy.RUN_ONCE,
        description="What becomes of firings that were missed: nothing, one run for all of them, or a run for each.",
    )
    most_missed: int = Field(default=10, ge=1, le=100, description="Runs that `run_all` makes up for at most.")
    enabled: bool = Field(default=True, description="It fires.")
    run: ScheduledRunBody = Field(default_factory=ScheduledRunBody, description="What it submits.")

    def wish(self) -> ScheduleWish:
        """Return what is wanted.

        Raises:
            Problem: 422, the parameters hold what cannot be stored.
        """
        return ScheduleWish(
            name=self.name,
            cron=" ".join(self.cron.split()),
            time_zone=self.time_zone,
            missed=self.missed,
            most_missed=self.most_missed,
            enabled=self.enabled,
            run=ScheduledRun(
                source=_source(self.run.source),
                blueprint=self.run.blueprint,
                project_file=self.run.project_file,
                parameters=checked_parameters(self.run.parameters),
                priority=self.run.priority,
                concurrency_key=self.run.concurrency_key,
                supersede=self.run.supersede,
            ),
        )


class ScheduleView(ScheduleBody):
    """A schedule as it is."""

    id: UUID
    author: str = Field(description="Who wrote it last.")
    revision: int = Field(description="Counts its changes, from one.")
    next_fire: datetime | None = Field(description="When it fires next; none where it is not enabled.")
    created_at: datetime
    updated_at: datetime


class SchedulePage(BaseModel):
    """A page of schedules."""

    items: list[ScheduleView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class PreviewView(BaseModel):
    """The next moments of a schedule."""

    moments: list[datetime] = Field(description="In UTC.")


class FiringView(BaseModel):
    """What became of a firing."""

    fire_at: datetime = Field(description="When it was due.")
    outcome: FiringOutcome
    run_id: UUID | None = Field(description="The run that it submitted.")
    reason: str = Field(description="Why it submitted none.")
    missed: int = Field(description="Firings before it that did not run, counted up to 1000.")
    fired_at: datetime | None = Field(description="When a scheduler came to it.")


class FiringPage(BaseModel):
    """A page of firings."""

    items: list[FiringView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


def _source(body: SourceBody) -> Source:
    match body:
        case GitSource():
            return Source(
                kind=SourceKind.GIT,
                location=body.repository,
                revision=body.revision,
                branch=body.branch,
                subdirectory=body.subdirectory,
            )
        case ArchiveSource():
            return Source(
                kind=SourceKind.ARCHIVE, digest=body.digest, branch=body.branch, subdirectory=body.subdirectory
            )
        case DatasetSource():
            return Source(kind=SourceKind.DATASET, location=body.name, revision=body.version)
        case ModelSource():
            return Source(kind=SourceKind.MODEL, location=body.name, revision=body.version)
        case NoSource():
            return Source(kind=SourceKind.NONE)


def _source_body(source: Source) -> SourceBody:
    match source.kind:
        case SourceKind.GIT:
            return GitSource(
                kind="git",
                repository=source.location,
                revision=source.revision,
                branch=source.branch,
                subdirectory=source.subdirectory,
            )
        case SourceKind.ARCHIVE:
            return ArchiveSource(
                kind="archive", digest=source.digest, branch=source.branch, subdirectory=source.subdirectory
            )
        case SourceKind.DATASET:
            return DatasetSource(kind="dataset", name=source.location, version=source.revision)
        case SourceKind.MODEL:
            return ModelSource(kind="model", name=source.location, version=source.revision)
        case SourceKind.NONE:
            return NoSource(kind="none")


def schedule_view(schedule: Schedule) -> ScheduleView:
    """Return a schedule as it goes over the wire."""
    wish, run = schedule.wish, schedule.wish.run
    return ScheduleView(
        id=schedule.id,
        name=wish.name,
        cron=wish.cron,
        time_zone=wish.time_zone,
        missed=wish.missed,
        most_missed=wish.most_missed,
        enabled=wish.enabled,
        run=ScheduledRunBody(
            source=_source_body(run.source),
            blueprint=run.blueprint,
            project_file=run.project_file,
            parameters=dict(run.parameters),
            priority=run.priority,
            concurrency_key=run.concurrency_key,
            supersede=run.supersede,
        ),
        author=schedule.author,
        revision=schedule.revision,
        next_fire=schedule.next_fire,
        created_at=schedule.created_at,
        updated_at=schedule.updated_at,
    )


def firing_view(firing: Firing) -> FiringView:
    """Return a firing as it goes over the wire."""
    return FiringView(
        fire_at=firing.fire_at,
        outcome=firing.outcome,
        run_id=firing.run_id,
        reason=firing.reason,
        missed=firing.missed,
        fired_at=firing.fired_at,
    )
