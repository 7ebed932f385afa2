"""Scripts and executions in the source documents' words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from quilate.scripts.executions.model import Execution, Status
from quilate.scripts.executions.views import duration_ms
from quilate.scripts.model import ScriptVersion
from quilate.scripts.versions.model import ScriptRecord

STATUS_WORDS: Mapping[Status, str] = {
    Status.PENDING: "Pending",
    Status.RUNNING: "Running",
    Status.COMPLETED: "Completed",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
    Status.TIMED_OUT: "TimedOut",
}
"""The source documents know the first four."""

_NULL = msgspec.Raw(b"null")


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)


class ScriptView(_Wire):
    """A script."""

    id: UUID = Field(description="Never reused.")
    name: str = Field(description="Its name.")
    content: str = Field(description="The JavaScript of its active version; empty without one.")
    description: str = Field(description="What it is for.")
    version: str | None = Field(description="Its active version.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it was last changed.")
    uploaded_at: datetime = Field(description="As createdAt, in the words of the other document.")


class ExecutionView(_Wire):
    """An execution."""

    id: UUID = Field(description="Never reused.")
    script_id: UUID = Field(description="Of which script.")
    version_id: UUID = Field(description="Of which immutable version.")
    status: str = Field(description="Pending, Running, Completed, Failed, Cancelled or TimedOut.")
    input_data: Any = Field(default=None, description="Its input, where that is short JSON; not in lists.")
    output_data: Any = Field(default=None, description="Its result, where that is short JSON; not in lists.")
    error_message: str | None = Field(default=None, description="Why there is no result.")
    created_at: datetime = Field(description="When it was taken in.")
    started_at: datetime | None = Field(default=None, description="When it began.")
    completed_at: datetime | None = Field(default=None, description="When it ended.")
    execution_time_ms: int | None = Field(default=None, description="Between the two, in milliseconds.")


class ProcessingView(_Wire):
    """An execution, as the other document shows it."""

    id: UUID = Field(description="The job.")
    script_id: UUID = Field(description="Of which script.")
    status: str = Field(description="pending, running, completed, failed, cancelled or timed_out.")
    created_at: datetime = Field(description="When it was taken in.")
    finished_at: datetime | None = Field(default=None, description="When it ended.")
    result: Any = Field(default=None, description="The result, where it is short JSON.")
    error: str | None = Field(default=None, description="Why there is none.")


class VersionView(_Wire):
    """A version of a script."""

    id: UUID = Field(description="Never reused.")
    version: str = Field(description="Its semantic version.")
    state: str = Field(description="draft, in_review, approved, active or retired.")
    is_active: bool = Field(description="Executions use it.")
    created_at: datetime = Field(description="When it was pushed.")


def script_view(record: ScriptRecord, version: ScriptVersion | None) -> ScriptView:
    """Return a script with its active version."""
    script = record.script
    return ScriptView(
        id=script.id,
        name=script.name,
        content=version.source if version is not None else "",
        description=script.description,
        version=version.semver if version is not None else None,
        created_at=script.created_at,
        updated_at=script.updated_at,
        uploaded_at=script.created_at,
    )


def script_row_view(row: Mapping[str, Any]) -> ScriptView:
    """Return a script of a page."""
    return ScriptView(
        id=row["id"],
        name=row["name"],
        content=row["source"] or "",
        description=row["description"],
        version=row["semver"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        uploaded_at=row["created_at"],
    )


def execution_json(execution: Execution, given: bytes | None, answer: bytes | None) -> bytes:
    """Return an execution; input and output are part of it as the bytes that they are.

    Args:
        execution: The execution.
        given: Its input, where that is JSON and is shown.
        answer: Its output, likewise.
    """
    return msgspec.json.encode(
        {
            "id": execution.id,
            "scriptId": execution.script_id,
            "versionId": execution.version_id,
            "status": STATUS_WORDS[execution.status],
            "inputData": _raw(given),
            "outputData": _raw(answer),
            "errorMessage": error_of(execution),
            "createdAt": execution.submitted_at,
            "startedAt": execution.started_at,
            "completedAt": execution.ended_at,
            "executionTimeMs": duration_ms(execution),
        }
    )


def processing_json(execution: Execution, answer: bytes | None) -> bytes:
    """Return an execution in the other document's words."""
    return msgspec.json.encode(
        {
            "id": execution.id,
            "scriptId": execution.script_id,
            "status": execution.status.value,
            "createdAt": execution.submitted_at,
            "finishedAt": execution.ended_at,
            "result": _raw(answer),
            "error": error_of(execution),
        }
    )


def error_of(execution: Execution) -> str | None:
    """Return why there is no result: the failure's class and message."""
    failure = execution.failure
    if failure is None:
        return None
    place = f" (line {failure.line}, column {failure.column})" if failure.line is not None else ""
    return f"{failure.kind.value}: {failure.message}{place}"


def _raw(content: bytes | None) -> msgspec.Raw:
    return msgspec.Raw(content) if content else _NULL
