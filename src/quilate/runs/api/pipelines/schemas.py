"""The source document's forms on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class PipelineRunBody(BaseModel):
    """What starts a pipeline; only its description, for the body is decoded without it."""

    project_id: str = Field(description="The project's slug.", examples=["ml-service-123"])
    event_type: str = Field(default="manual_trigger", description="Why.", examples=["manual_trigger"])
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="`branch` or `commit` of the project's repository, or `archive` (digest), `dataset` or `model`;"
        " all others are kept and shown.",
        examples=[{"branch": "main", "model_version": "v3.4.1"}],
    )


class PipelineStarted(BaseModel):
    """A pipeline run that is durable and waits."""

    pipeline_run_id: str = Field(description="The run.", examples=["prun-0199f0c2a4b47c3e8d1f2a3b4c5d6e7f"])
    status: str = Field(description="`QUEUED`, `RUNNING`, `SUCCEEDED`, `FAILED` or `CANCELLED`.")


class PipelineRunView(PipelineStarted):
    """A pipeline run in a list."""

    project_id: str = Field(description="The project's slug.")
    event_type: str = Field(description="Why it was asked for.")
    parameters: dict[str, Any] = Field(description="As they were given.")
    verdict: str | None = Field(description="`PASS`, `FAIL` or `UNKNOWN`, once decided.")
    created_at: datetime = Field(description="When it was accepted.")
    started_at: datetime | None = Field(description="When it was begun.")
    finished_at: datetime | None = Field(description="When it ended.")


class PipelineCheckView(BaseModel):
    """A check of a pipeline run."""

    id: str = Field(description="Its id in the blueprint.")
    type: str = Field(description="Its type.")
    required: bool = Field(description="Whether the verdict needs it.")
    status: str = Field(description="Where it stands.")
    result: str | None = Field(description="`PASS`, `FAIL`, `WARNING`, or why there is no answer.")
    evidence_id: str | None = Field(description="Names its evidence, once it has ended.")


class PipelineStageView(BaseModel):
    """A stage of a pipeline run."""

    name: str = Field(description="Its name.")
    status: str = Field(description="Where it stands.")
    checks: list[PipelineCheckView] = Field(description="In the order of the plan.")


class PipelineRunDetail(PipelineRunView):
    """A pipeline run with its stages."""

    stages: list[PipelineStageView] = Field(description="In the order of the plan; empty until there is one.")
    failure: str | None = Field(description="Why it ended without a plan.")


class PipelineRunPage(BaseModel):
    """A page of pipeline runs."""

    items: list[PipelineRunView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")
