"""Routes of the access trail, for those who may read the audit log of a project."""

# ruff: noqa: FAST003 - the access dependency reads {project}

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind, RecordFilter
from quilate.accounts.trail.reading import AccessReading
from quilate.accounts.trail.recording import LONGEST_SUBJECT
from quilate.accounts.trail.schemas import (
    AccessBatchPage,
    AccessRecordPage,
    CheckedBatchView,
    batch_view,
    checked_view,
    record_view,
)
from quilate.accounts.wire import page_of, place_of, problems
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "access trail"
_NO_NUL = r"^[^\x00]*$"


def _filter(
    actor: Annotated[str | None, Query(max_length=200, pattern=_NO_NUL, description="Only of this actor.")] = None,
    kind: Annotated[AccessKind | None, Query(description="Only of this kind.")] = None,
    subject: Annotated[
        str | None, Query(max_length=LONGEST_SUBJECT, pattern=_NO_NUL, description="Only to this subject.")
    ] = None,
    since: Annotated[datetime | None, Query(description="Then or later.")] = None,
    until: Annotated[datetime | None, Query(description="Before.")] = None,
) -> RecordFilter:
    return RecordFilter(actor=actor, kind=kind, subject=subject, since=_aware(since), until=_aware(until))


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def make_trail_router(reading: AccessReading, access: Access) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    auditor = Depends(access.project(Permission.AUDIT_READ))

    @router.get(
        "/projects/{project}/access-records",
        operation_id="list_access_records",
        summary="List who saw which evidence",
        responses=problems(404),
    )
    async def list_records(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, auditor],
        wanted: Annotated[RecordFilter, Depends(_filter)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> AccessRecordPage:
        """Newest first."""
        rows = await reading.records(granted, wanted, before=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda record: record.id)
        response.headers.update(next_link(request, page.cursor))
        return AccessRecordPage(items=[record_view(each) for each in page.items], next_cursor=page.cursor)

    @router.get(
        "/projects/{project}/access-batches",
        operation_id="list_access_batches",
        summary="List the sealed batches of access records",
        responses=problems(404),
    )
    async def list_batches(
        granted: Annotated[ProjectAccess, auditor],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> AccessBatchPage:
        """Newest first; the digest of each is in the audit log."""
        rows = await reading.batches(granted, before=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda batch: batch.id)
        response.headers.update(next_link(request, page.cursor))
        return AccessBatchPage(items=[batch_view(each) for each in page.items], next_cursor=page.cursor)

    @router.get(
        "/projects/{project}/access-batches/{batch}",
        operation_id="check_access_batch",
        summary="Hold a batch of access records against the audit log",
        responses=problems(404),
    )
    async def check_batch(granted: Annotated[ProjectAccess, auditor], batch: UUID) -> CheckedBatchView:
        """A record that was changed, added or taken away since makes `intact` false."""
        return checked_view(await reading.check(granted, batch))

    return router
