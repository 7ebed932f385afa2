"""The access trail on the wire."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from quilate.accounts.trail.model import AccessKind, AccessRecord, Batch, CheckedBatch


class AccessRecordView(BaseModel):
    """Somebody saw something."""

    id: UUID = Field(description="Its id.")
    actor: str = Field(description="Who, as the audit log names them.")
    kind: AccessKind = Field(description="What kind of thing.")
    subject: str = Field(description="Which one.", examples=["run:0190b5d0-0000-7000-8000-000000000000"])
    route: str = Field(description="By which route.")
    at: datetime = Field(description="When.")
    batch: UUID | None = Field(description="The batch that it was sealed with; none for a few seconds.")


def record_view(record: AccessRecord) -> AccessRecordView:
    """Return a record on the wire."""
    return AccessRecordView(
        id=record.id,
        actor=record.actor,
        kind=record.kind,
        subject=record.subject,
        route=record.route,
        at=record.at,
        batch=record.batch_id,
    )


class AccessRecordPage(BaseModel):
    """Records, a page of them."""

    items: Sequence[AccessRecordView] = Field(description="Newest first.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")


class AccessBatchView(BaseModel):
    """Records that were sealed together."""

    id: UUID = Field(description="Its id; the audit log's entry is about `access-batch:<id>`.")
    records: int = Field(description="How many.")
    digest: str = Field(description="Of the canonical JSON of its records, in the order of their ids.")
    first_at: datetime = Field(description="When the first access was.")
    last_at: datetime = Field(description="When the last access was.")
    sealed_at: datetime = Field(description="When it was sealed.")
    expired_at: datetime | None = Field(description="When its records were removed, if they were.")


def batch_view(batch: Batch) -> AccessBatchView:
    """Return a batch on the wire."""
    return AccessBatchView(**{name: getattr(batch, name) for name in AccessBatchView.model_fields})


class CheckedBatchView(AccessBatchView):
    """A batch held against the audit log."""

    found: str = Field(description="Digest of the records as they are now; empty once they were removed.")
    logged: str = Field(description="Digest in the audit log; empty until the entry has its place there.")
    intact: bool | None = Field(description="All three are the same; none where that cannot be told.")


def checked_view(checked: CheckedBatch) -> CheckedBatchView:
    """Return a batch with what was found."""
    return CheckedBatchView(
        **batch_view(checked.batch).model_dump(), found=checked.found, logged=checked.logged, intact=checked.intact
    )


class AccessBatchPage(BaseModel):
    """Batches, a page of them."""

    items: Sequence[AccessBatchView] = Field(description="Newest first.")
    next_cursor: str = Field(default="", description="Leads to the next page; empty on the last.")
