"""What the outside hears of executions."""

from uuid import UUID

from quilate.outbox.events import OutgoingEvent

FINISHED_EVENT = "dev.quilate.script.execution.finished"


def finished_event(  # noqa: PLR0913 - what the event says
    *, project_id: UUID, execution_id: UUID, script_id: UUID, version_id: UUID, status: str, failure: str | None
) -> OutgoingEvent:
    """Return the event of an execution's end."""
    return OutgoingEvent(
        type=FINISHED_EVENT,
        project_id=project_id,
        subject=f"execution:{execution_id}",
        data={
            "execution": str(execution_id),
            "script": str(script_id),
            "version": str(version_id),
            "status": status,
            "failure": failure,
        },
    )
