"""What happened to runs in a worker's memory and is to be written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from quilate.domain.ids import CheckId
from quilate.outbox.events import OutgoingEvent
from quilate.runs.durable.deciding import DecidedRun
from quilate.runs.durable.live import LiveRun, Prepared, Transition, make_live
from quilate.runs.durable.model import Step
from quilate.runs.durable.rows import ClaimedStep
from quilate.runs.state import Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How far a worker has carried a run by itself since it made the plan; see ``ahead``.

    Attributes:
        transition: Everything that has happened to the run since it began, as one step.
        decided: Its decision, where that has been made.
    """

    transition: Transition
    decided: DecidedRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan was made; ``carried`` is what has come of it already."""

    claim: ClaimedStep
    prepared: Prepared
    supersede: bool
    carried: Carried | None = None

    @property
    def concurrency_key(self) -> str:
        """The submission's key, else the blueprint's, which may name what the run is about; empty for none."""
        if self.claim.concurrency_key:
            return self.claim.concurrency_key
        name = self.prepared.plan.blueprint.concurrency_key
        subject = self.prepared.subject
        named = {
            "branch": subject.branch,
            "event": self.prepared.event,
            "project_type": self.prepared.plan.project.type,
            "subject_kind": subject.kind.value,
        }
        return f"{name}={named[name]}" if name in named else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplannable:
    """No plan could be made: the run ends without a decision, UNKNOWN; one that is ``lost`` becomes a dead letter."""

    claim: ClaimedStep
    failure: Mapping[str, Any]
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """An attempt of a check has ended."""

    run_id: UUID
    check_id: CheckId
    number: int
    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A run was decided under the fencing token ``attempt``."""

    run_id: UUID
    project_id: UUID
    attempt: int
    decided: DecidedRun


Item = Planned | Unplannable | Completed | Decided


def begun_run(planned: Planned, *, version: int) -> LiveRun:
    """Return the run of a new plan, of which nothing has happened yet."""
    claim = planned.claim
    return make_live(
        run_id=claim.run_id,
        project_id=claim.project_id,
        priority=claim.priority,
        version=version,
        prepared=planned.prepared,
        traceparent=claim.traceparent,
    )


def step_of(item: Planned | Unplannable | Decided) -> tuple[UUID, int]:
    """Return the run whose step an item ends, with the fencing token that it was claimed under."""
    return (item.run_id, item.attempt) if isinstance(item, Decided) else (item.claim.run_id, item.claim.attempt)


def is_mine(row: Mapping[str, Any] | None, expected: Step, worker: UUID, attempt: int) -> bool:
    """Tell whether a locked row is still at a step that this worker holds under this fencing token."""
    return row is not None and row["step"] == expected and row["worker"] == worker and row["attempt"] == attempt


def run_event(kind: str, run_id: UUID, project_id: UUID, data: Mapping[str, Any]) -> OutgoingEvent:
    """Return an outgoing event about a run."""
    return OutgoingEvent(type=kind, project_id=project_id, subject=f"run:{run_id}", data={"run": str(run_id), **data})
