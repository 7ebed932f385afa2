"""Executions, their lists and quotas on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from quilate.scripts.executions.model import Status
from quilate.scripts.exports.model import ExportState

_MOST_RATE, _MOST_BURST, _MOST_CONCURRENCY, _MOST_QUEUE = 10_000_000, 1_000_000_000, 100_000, 10_000_000

FormatName = Literal["json", "ndjson", "parquet", "arrow", "csv"]


class DataView(BaseModel):
    """Where an input or output lies; its content is never parsed on the way."""

    format: FormatName = Field(description="How it is written.")
    size: int = Field(ge=0, description="In bytes.")
    digest: str = Field(description="`sha256:` of it; empty once it was erased.")
    inline: bool = Field(
        description="It lies in the database, else in the artifact or object store; false once it was erased."
    )
    url: str = Field(description="Where it can be read.")
    source: str | None = Field(
        default=None, description="Address that an input was read from; null where it was sent with the request."
    )


class FailureView(BaseModel):
    """Why there is no result."""

    model_config = ConfigDict(populate_by_name=True)

    kind: str = Field(alias="class", description="Its class, for example `ScriptRuntimeError`.")
    message: str = Field(description="What went wrong, one sentence.")
    line: int | None = Field(default=None, description="In the script, from 1.")
    column: int | None = Field(default=None, description="In the script, from 1.")
    record: int | None = Field(default=None, description="Index of the record that was being read, from 0.")
    rule: str | None = Field(default=None, description="The rule that refused the script.")


class UsageView(BaseModel):
    """What an execution has used."""

    wall_ms: float | None = Field(description="Milliseconds in the sandbox.")
    cpu_ms: float | None = Field(description="Milliseconds of processor time.")
    peak_memory_bytes: int | None = Field(description="Highest resident size; 0 where it cannot be read.")
    fuel: int | None = Field(description="Steps, where the engine counts them.")


class ExportView(BaseModel):
    """What becomes of an output that was to go somewhere."""

    state: ExportState = Field(
        description="`waiting` for the end, `pending`, `completed`, `failed` for good, `skipped`: there is no output."
    )
    dataset: str | None = Field(description="The dataset that was asked for.")
    version: int | None = Field(description="The version of it that the output has become.")
    run: UUID | None = Field(description="The run that judges this version.")
    url: str | None = Field(description="The object that the output was written to, or below which it is to be.")
    attempts: int = Field(description="How often it was begun.")
    problem: str | None = Field(description="Why the last attempt came to nothing.")
    next_step: str | None = Field(description="What can be done about it.")
    next_attempt_at: datetime | None = Field(description="When it is tried again.")
    ended_at: datetime | None = Field(description="When it was done, or given up.")


class ExecutionLinks(BaseModel):
    """Where the parts of an execution are."""

    self: str = Field(description="The execution.")
    input: str = Field(description="Its input.")
    output: str = Field(description="Its output.")
    console: str = Field(description="What the script wrote to `console`.")


class ExecutionView(BaseModel):
    """An execution without the content of its data."""

    id: UUID = Field(description="Never reused.")
    script: UUID = Field(description="Of which script.")
    version: UUID = Field(description="Of which immutable version.")
    status: Status = Field(description="Where it stands.")
    priority: int = Field(description="Higher ones first within a project.")
    created_by: str = Field(description="Who asked, as the audit log names it.")
    submitted_at: datetime = Field(description="When it was taken in.")
    started_at: datetime | None = Field(description="When its last attempt began.")
    ended_at: datetime | None = Field(description="When it ended.")
    duration_ms: int | None = Field(description="From the beginning of the last attempt to the end.")
    usage: UsageView = Field(description="What it has used.")
    engine: str | None = Field(description="What ran it.")
    sandbox_level: str | None = Field(description="How its sandbox was shut in, as proven by attempts.")
    attempts: int = Field(description="How often it was begun.")
    history: list[dict[str, Any]] = Field(description="Attempts that were repeated, oldest first.")
    dead_letter: bool = Field(description="Its retries are used up; it can be replayed.")
    input: DataView = Field(description="Its input.")
    output_data: DataView | None = Field(description="Where its output lies.")
    parts: dict[str, Any] | None = Field(description="What became of data that was split; `failed` names the parts.")
    failure: FailureView | None = Field(description="Why there is no result.")
    export: ExportView | None = Field(description="What becomes of the output, where it was to go somewhere.")
    erased: UUID | None = Field(description="The erasure that took its input, output and console; null where none did.")
    links: ExecutionLinks = Field(description="Where its parts are.")


class ExecutionDetail(ExecutionView):
    """An execution with its result."""

    output: Any = Field(
        default=None,
        description="The result itself, where it is JSON and short; longer ones and other formats: `output_data`.",
    )


class ExecutionPage(BaseModel):
    """Executions, the newest first."""

    items: list[ExecutionView] = Field(description="Those of this page.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class ConsoleView(BaseModel):
    """What a script wrote to `console`."""

    lines: list[str] = Field(description="Line by line.")
    truncated: bool = Field(description="Some were lost by the limit.")


class CancelBody(BaseModel):
    """Why an execution is cancelled."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$", description="For those who look.")] = ""


class QuotaBody(BaseModel):
    """What a project may use; what is left out or null is as the service's settings say."""

    model_config = ConfigDict(extra="forbid")

    cpu_ms_per_second: int | None = Field(
        default=None, ge=1, le=_MOST_RATE, description="Milliseconds of processor time that come back each second."
    )
    cpu_ms_burst: int | None = Field(
        default=None, ge=1, le=_MOST_BURST, description="Milliseconds of processor time that can be saved up."
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=_MOST_CONCURRENCY, description="Executions that run at a time."
    )
    queue_length: int | None = Field(default=None, ge=1, le=_MOST_QUEUE, description="Executions that wait.")


class QuotaView(BaseModel):
    """What a project may use and has in use."""

    cpu_ms_per_second: int = Field(description="Milliseconds of processor time that come back each second.")
    cpu_ms_burst: int = Field(description="Milliseconds of processor time that can be saved up.")
    concurrency: int = Field(description="Executions that run at a time.")
    queue_length: int = Field(description="Executions that wait.")
    own: QuotaBody = Field(description="What was set for this project.")
    waiting: int = Field(description="Executions that wait now.")
    running: int = Field(description="Executions that run now.")
    cpu_ms_left: float = Field(description="Processor time that is left; below zero where more was used than was.")
