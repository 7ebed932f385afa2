"""Executions as they go over the wire, written in one native pass, outputs as the bytes that they are."""

from typing import Any

import msgspec

from quilate.scripts.executions.model import Execution, QuotaState, Status
from quilate.scripts.executions.schemas import (
    DataView,
    ExecutionDetail,
    ExecutionLinks,
    ExecutionView,
    ExportView,
    FailureView,
    QuotaBody,
    QuotaView,
    UsageView,
)
from quilate.scripts.exports.model import Export, ExportState
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import StoredPayload

_NULL = msgspec.Raw(b"null")


def links_of(project: str, execution: Any) -> ExecutionLinks:
    """Return where the parts of an execution are."""
    own = f"/api/v1/projects/{project}/executions/{execution}"
    return ExecutionLinks(self=own, input=f"{own}/input", output=f"{own}/output", console=f"{own}/console")


def execution_view(project: str, execution: Execution) -> ExecutionView:
    """Return an execution without the content of its data."""
    links = links_of(project, execution.id)
    return ExecutionView(
        id=execution.id,
        script=execution.script_id,
        version=execution.version_id,
        status=execution.status,
        priority=execution.options.priority,
        created_by=execution.created_by,
        submitted_at=execution.submitted_at,
        started_at=execution.started_at,
        ended_at=execution.ended_at,
        duration_ms=duration_ms(execution),
        usage=UsageView(
            wall_ms=_milliseconds(execution.wall_us),
            cpu_ms=_milliseconds(execution.cpu_us),
            peak_memory_bytes=execution.peak_memory,
            fuel=execution.fuel,
        ),
        engine=execution.engine,
        sandbox_level=execution.level,
        attempts=execution.attempts,
        history=[dict(each) for each in execution.history],
        dead_letter=execution.dead,
        input=_data(execution.input, links.input),
        output_data=_data(execution.output, links.output) if execution.output is not None else None,
        parts=dict(execution.parts) if execution.parts is not None else None,
        failure=_failure(execution),
        export=_export(execution),
        erased=execution.erasure,
        links=links,
    )


def detail_json(project: str, execution: Execution, answer: bytes | None) -> bytes:
    """Return an execution with its result as JSON; the result's own bytes are part of it, unparsed.

    Args:
        project: The project's slug.
        execution: The execution.
        answer: Its output, where that is JSON and may be shown.
    """
    view = execution_view(project, execution).model_dump(mode="python", by_alias=True)
    return msgspec.json.encode(view | {"output": msgspec.Raw(answer) if answer else _NULL})


def embeddable(execution: Execution) -> bool:
    """Tell whether the output can stand in the answer itself: JSON that lies in the database."""
    output = execution.output
    return output is not None and output.format is FileFormat.JSON and output.reference is None


def duration_ms(execution: Execution) -> int | None:
    """Return how long the last attempt took, in whole milliseconds."""
    if execution.started_at is None or execution.ended_at is None:
        return None
    return max(round((execution.ended_at - execution.started_at).total_seconds() * 1000), 0)


def _milliseconds(microseconds: int | None) -> float | None:
    return microseconds / 1000 if microseconds is not None else None


def _data(payload: StoredPayload, url: str) -> DataView:
    return DataView(
        format=payload.format.value,
        size=payload.size,
        digest=payload.digest,
        inline=payload.reference is None and bool(payload.digest),
        url=url,
        source=(payload.provenance.address or None) if payload.provenance is not None else None,
    )


def _export(execution: Execution) -> ExportView | None:
    target = execution.options.target
    if target is None:
        return None
    export = execution.export or Export(state=_state_before(execution.status))
    return ExportView(
        state=export.state,
        dataset=target.dataset or None,
        version=export.version,
        run=export.run,
        url=export.object or target.url or None,
        attempts=export.attempts,
        problem=export.problem or None,
        next_step=export.next_step or None,
        next_attempt_at=export.ready_at,
        ended_at=export.ended_at,
    )


def _state_before(status: Status) -> ExportState:
    """Return where an export stands that is not written down, or was not read with its execution."""
    if not status.ended:
        return ExportState.WAITING
    return ExportState.PENDING if status is Status.COMPLETED else ExportState.SKIPPED


def _failure(execution: Execution) -> FailureView | None:
    failure = execution.failure
    if failure is None:
        return None
    return FailureView(
        **{"class": failure.kind.value},
        message=failure.message,
        line=failure.line,
        column=failure.column,
        record=failure.record,
        rule=failure.rule,
    )


def quota_view(state: QuotaState) -> QuotaView:
    """Return a quota with what is used of it."""
    quota = state.quota
    return QuotaView(
        cpu_ms_per_second=quota.cpu_ms_per_second,
        cpu_ms_burst=quota.cpu_ms_burst,
        concurrency=quota.concurrency,
        queue_length=quota.queue_length,
        own=QuotaBody(**state.own),
        waiting=state.waiting,
        running=state.running,
        cpu_ms_left=round(state.cpu_ms_left, 3),
    )


__all__ = ["ExecutionDetail", "detail_json", "duration_ms", "embeddable", "execution_view", "links_of", "quota_view"]
