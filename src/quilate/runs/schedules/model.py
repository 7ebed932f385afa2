"""Schedules and what becomes of their firings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from quilate.runs.workspaces.model import Source


class MissedPolicy(StrEnum):
    """What becomes of firings whose time passed while no scheduler ran.

    ``skip``: nothing. ``run_once``: one run for all of them. ``run_all``: a run for each, the newest ones up to the
    schedule's limit.
    """

    SKIP = "skip"
    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"


class FiringOutcome(StrEnum):
    """What became of a firing."""

    SUBMITTED = "submitted"
    REFUSED = "refused"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """What a schedule submits; see ``quilate.runs.durable.model.Submission``.

    A git source without ``location`` is the repository that the project has when the schedule fires.
    """

    source: Source
    blueprint: str = ""
    project_file: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    concurrency_key: str = ""
    supersede: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWish:
    """What somebody wants of a schedule.

    Attributes:
        name: What people call it, once in each project.
        cron: Five fields.
        time_zone: A name of the IANA database.
        missed: What becomes of missed firings.
        most_missed: Runs that ``run_all`` makes up for at most.
        enabled: It fires.
        run: What it submits.
    """

    name: str
    cron: str
    time_zone: str
    missed: MissedPolicy
    most_missed: int
    enabled: bool
    run: ScheduledRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule. ``next_fire`` is ``None`` where it is not enabled, or where no further day fits."""

    id: UUID
    project_id: UUID
    wish: ScheduleWish
    author: str
    revision: int
    next_fire: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def tag(self) -> str:
        """What changes with every change that a person makes."""
        return f"{self.id.hex}-{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedSchedule:
    """A schedule whose row a scheduler has locked, with its project and the database's time."""

    schedule: Schedule
    project: str
    repository: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing. ``missed`` counts earlier ones that it stands for and that did not run (up to 1,000)."""

    fire_at: datetime
    outcome: FiringOutcome
    run_id: UUID | None = None
    reason: str = ""
    missed: int = 0
    fired_at: datetime | None = None
