"""Retention and erasure on the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.accounts.statements import Row
from quilate.scripts.payloads.removing import Erased
from quilate.scripts.payloads.service import PayloadRetention, SubjectCount

LONGEST_RETENTION = 36_500
Subject = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RetentionBody(_Wire):
    """How long contents are to be kept."""

    days: int = Field(
        ge=0, le=LONGEST_RETENTION, description="Days after the submission of an execution; 0 for good.", examples=[30]
    )


class RetentionView(BaseModel):
    """How long inputs, outputs and consoles of executions are kept."""

    days: int = Field(description="Days after the submission of an execution; 0 for good.")
    own: bool = Field(description="The project says so; else the installation does.")
    revision: int = Field(description="Counts the project's changes, zero before the first.")
    updated_at: datetime | None = Field(description="When it was changed last.")
    updated_by: str = Field(description="By whom, as the audit log names it; empty before the first change.")


def retention_view(retention: PayloadRetention) -> RetentionView:
    """Return a retention as it goes over the wire."""
    return RetentionView(**{name: getattr(retention, name) for name in RetentionView.model_fields})


class SubjectBody(_Wire):
    """Somebody, as the field of the data that is marked `x-subject` names them."""

    subject: Subject = Field(description="The value of that field; blanks around it do not count.", examples=["c-4711"])


class SubjectView(BaseModel):
    """How much there is about somebody."""

    executions: int = Field(description="Executions that hold something about them.")
    erasures: int = Field(description="Erasures that were done for them before.")


def subject_view(count: SubjectCount) -> SubjectView:
    """Return a count as it goes over the wire."""
    return SubjectView(executions=count.executions, erasures=count.erasures)


class ErasureBody(SubjectBody):
    """Whose data is to be erased, and why."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")] = Field(
        description="Kept with the erasure; no personal data.", examples=["request of 2026-11-20, LGPD art. 18, VI"]
    )


class ErasureView(BaseModel):
    """What an erasure took."""

    id: UUID = Field(description="What is left of it carries this id.")
    executions: int = Field(description="Executions whose inputs, outputs and consoles are gone.")
    cancelled: int = Field(description="Those of them that waited or ran, and are cancelled.")
    datasets: Sequence[str] = Field(
        description="Dataset versions that were made of their outputs, at most 100: they are not erased by this."
    )


def erasure_view(erased: Erased) -> ErasureView:
    """Return an erasure as it goes over the wire."""
    return ErasureView(**{name: getattr(erased, name) for name in ErasureView.model_fields})


class ErasureRecord(BaseModel):
    """What is left of an erasure."""

    id: UUID = Field(description="Its id.")
    executions: int = Field(description="Executions whose contents it took.")
    reason: str = Field(description="Why, as it was given.")
    requested_by: str = Field(description="Who, as the audit log names it.")
    erased_at: datetime = Field(description="When.")


class ErasurePage(BaseModel):
    """Erasures, a page of them."""

    items: Sequence[ErasureRecord] = Field(description="Newest first.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


def erasure_record(row: Row) -> ErasureRecord:
    """Return what is left of an erasure as it goes over the wire."""
    return ErasureRecord(**{name: row[name] for name in ErasureRecord.model_fields})


class LineageEntry(BaseModel):
    """An execution whose output a dataset version is."""

    execution_id: UUID = Field(description="The execution.")
    script_id: UUID = Field(description="The script.")
    script_version_id: UUID = Field(description="Its immutable version.")
    script_version: str = Field(description="That version's number.")
    input_digest: str = Field(description="Of what it ran on.")
    input_address: str = Field(description="Where that came from, where it has an address.")
    output_digest: str = Field(description="Of what it gave.")
    created_at: datetime = Field(description="When it was registered.")
    created_by: str = Field(description="By whom, as the audit log names it.")


class LineageView(BaseModel):
    """What a dataset version was made from."""

    items: Sequence[LineageEntry] = Field(description="The oldest first, at most 100; empty where no script made it.")


def lineage_view(rows: Sequence[Row]) -> LineageView:
    """Return a lineage as it goes over the wire."""
    return LineageView(items=[LineageEntry(**{name: row[name] for name in LineageEntry.model_fields}) for row in rows])
