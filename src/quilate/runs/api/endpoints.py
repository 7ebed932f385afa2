"""Routes of runs below ``/projects/{project}``; ``make_router`` holds those of the whole slice."""

# ruff: noqa: FAST003 - the access dependency reads {project}

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.domain.severity import Severity
from quilate.domain.verdict import RunStatus, Verdict
from quilate.kit.web.conditional import IfNoneMatch, etag_of, is_known
from quilate.kit.web.idempotency import IdempotencyKey
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link
from quilate.runs.api.answers import answers_of
from quilate.runs.api.dead_letters.endpoints import make_dead_letter_router
from quilate.runs.api.documents.endpoints import make_document_router
from quilate.runs.api.model import FindingFilter, RunFilter
from quilate.runs.api.pipelines.endpoints import make_pipelines_router
from quilate.runs.api.schemas import (
    DIGEST_PATTERN,
    EVENT_PATTERN,
    CancelRequest,
    FindingPage,
    FindingView,
    RerunRequest,
    RunAccepted,
    RunPage,
    RunRequest,
    RunState,
    RunView,
)
from quilate.runs.api.service import RunService
from quilate.runs.api.streams.endpoints import make_stream_router
from quilate.runs.api.views import links_of, run_summary, run_view
from quilate.runs.durable.model import Submitted

TAG = "runs"
_NO_NUL = r"^[^\x00]*$"

Traceparent = Annotated[str, Header(max_length=256, description="W3C trace context.")]


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _run_filter(  # noqa: PLR0913, PLR0917 - one argument per filter
    status: Annotated[RunStatus | None, Query(description="Only runs of this status.")] = None,
    verdict: Annotated[Verdict | None, Query(description="Only runs of this verdict.")] = None,
    branch: Annotated[str | None, Query(max_length=256, pattern=_NO_NUL, description="Only this branch.")] = None,
    event: Annotated[str | None, Query(pattern=EVENT_PATTERN, description="Only runs of this event.")] = None,
    subject: Annotated[str | None, Query(pattern=DIGEST_PATTERN, description="Only runs about this digest.")] = None,
    since: Annotated[datetime | None, Query(description="Submitted then or later.")] = None,
    until: Annotated[datetime | None, Query(description="Submitted before.")] = None,
) -> RunFilter:
    return RunFilter(
        status=status,
        verdict=verdict,
        branch=branch,
        event=event,
        subject=subject,
        since=_aware(since),
        until=_aware(until),
    )


def _finding_filter(  # noqa: PLR0913, PLR0917 - one argument per filter
    check: Annotated[str | None, Query(max_length=128, pattern=_NO_NUL, description="Only of this check.")] = None,
    rule: Annotated[str | None, Query(max_length=256, pattern=_NO_NUL, description="Only of this rule.")] = None,
    severity: Annotated[list[Severity] | None, Query(max_length=8, description="Only of these severities.")] = None,
    path: Annotated[str | None, Query(max_length=4096, pattern=_NO_NUL, description="Only in this file.")] = None,
    fingerprint: Annotated[str | None, Query(max_length=256, pattern=_NO_NUL, description="Only this one.")] = None,
    all_attempts: Annotated[bool, Query(description="Also of attempts that were repeated.")] = False,  # noqa: FBT002 - a query parameter
) -> FindingFilter:
    return FindingFilter(
        check=check,
        rule=rule,
        severities=tuple(each.value for each in severity) if severity else None,
        path=path,
        fingerprint=fingerprint,
        all_attempts=all_attempts,
    )


def accepted(response: Response, project: str, submitted: Submitted) -> RunAccepted:
    """Return the answer to a submission, its ``Location`` set."""
    links = links_of(project, submitted.run_id)
    response.headers["Location"] = links.self
    return RunAccepted(id=submitted.run_id, status=submitted.status, created=submitted.created, links=links)


def make_router(service: RunService, access: Access) -> APIRouter:
    """Return every route of the slice, to be mounted below ``/api/v1``.

    The source document's routes are in it; ``make_pipelines_router`` gives them once more for the root.
    """
    router = APIRouter()
    submitting = access.project(Permission.RUN_SUBMIT)
    reading = access.project(Permission.PROJECT_READ)
    _add_submitting(router, service, submitting)
    _add_reading(router, service, reading)
    _add_findings(router, service, access)
    router.include_router(make_document_router(service, access))
    router.include_router(make_stream_router(service, access))
    router.include_router(make_dead_letter_router(service, access))
    router.include_router(make_pipelines_router(service, access))
    return router


ProjectDependency = Callable[..., Awaitable[ProjectAccess]]


def _add_submitting(router: APIRouter, service: RunService, submitting: ProjectDependency) -> None:
    member = Annotated[ProjectAccess, Depends(submitting)]

    @router.post(
        "/projects/{project}/runs",
        operation_id="submit_run",
        summary="Submit a run",
        tags=[TAG],
        status_code=202,
        responses=answers_of(413),
    )
    async def submit_run(
        granted: member,
        body: RunRequest,
        response: Response,
        key: IdempotencyKey = None,
        traceparent: Traceparent = "",
    ) -> RunAccepted:
        """Answer once the run is durable; it waits in its project's queue."""
        submitted = await service.submit(granted, body, key=key, traceparent=traceparent)
        return accepted(response, granted.project.slug, submitted)

    @router.post(
        "/projects/{project}/runs/{run_id}/cancel",
        operation_id="cancel_run",
        summary="Cancel a run",
        tags=[TAG],
        responses=answers_of(),
    )
    async def cancel_run(
        granted: member,
        run_id: UUID,
        body: CancelRequest | None = None,
    ) -> RunState:
        """End a run and everything that runs for it; one that has ended stays as it is."""
        status = await service.cancel(granted, run_id, body.reason if body else "cancelled")
        return RunState(id=run_id, status=status)

    @router.post(
        "/projects/{project}/runs/{run_id}/rerun",
        operation_id="rerun_run",
        summary="Run again",
        tags=[TAG],
        status_code=202,
        responses=answers_of(),
    )
    async def rerun_run(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: member,
        run_id: UUID,
        response: Response,
        body: RerunRequest | None = None,
        key: IdempotencyKey = None,
        traceparent: Traceparent = "",
    ) -> RunAccepted:
        """Submit the same again: whole, or with `failed_only` taking over what passed."""
        failed_only = body.failed_only if body else False
        submitted = await service.rerun(granted, run_id, failed_only=failed_only, key=key, traceparent=traceparent)
        return accepted(response, granted.project.slug, submitted)


def _add_reading(router: APIRouter, service: RunService, reading: ProjectDependency) -> None:
    reader = Annotated[ProjectAccess, Depends(reading)]

    @router.get(
        "/projects/{project}/runs",
        operation_id="list_runs",
        summary="List runs",
        tags=[TAG],
        responses=answers_of(),
    )
    async def list_runs(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        wanted: Annotated[RunFilter, Depends(_run_filter)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> RunPage:
        """Newest first; `Link` leads to the next page."""
        page = await service.list(granted.project.id, wanted, cursor, limit)
        response.headers.update(next_link(request, page.cursor))
        items = [run_summary(granted.project.slug, row) for row in page.items]
        return RunPage(items=items, next_cursor=page.cursor)

    @router.get(
        "/projects/{project}/runs/{run_id}",
        operation_id="get_run",
        summary="Get a run",
        tags=[TAG],
        response_model=RunView,
        responses={304: {"description": "It has not changed."}, **answers_of()},
    )
    async def get_run(
        granted: reader,
        run_id: UUID,
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> RunView | Response:
        """A run with its stages, checks, attempts, facts and counts of findings."""
        if if_none_match is not None:
            tag = etag_of(await service.require(granted.project.id, run_id))
            if is_known(if_none_match, tag):
                return Response(status_code=304, headers={"ETag": tag})
        detail = await service.detail(granted.project.id, run_id)
        response.headers["ETag"] = etag_of(detail.run["version"])
        return run_view(granted.project.slug, detail)


def _add_findings(router: APIRouter, service: RunService, access: Access) -> None:
    evidence_reader = Annotated[ProjectAccess, Depends(access.project(Permission.EVIDENCE_READ))]

    @router.get(
        "/projects/{project}/runs/{run_id}/findings",
        operation_id="list_findings",
        summary="List a run's findings",
        tags=[TAG],
        responses=answers_of(),
    )
    async def list_findings(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: evidence_reader,
        run_id: UUID,
        wanted: Annotated[FindingFilter, Depends(_finding_filter)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> FindingPage:
        """Of each check's last attempt, by check and place."""
        page = await service.findings(granted.project.id, run_id, wanted, cursor, limit)
        await access.record(request, granted, AccessKind.FINDINGS, f"run:{run_id}")
        response.headers.update(next_link(request, page.cursor))
        items = [
            FindingView(
                check=row["check_id"],
                attempt=row["attempt"],
                rule=row["rule"],
                severity=row["severity"],
                message=row["message"],
                path=row["path"],
                line=row["line"],
                fingerprint=row["fingerprint"],
            )
            for row in page.items
        ]
        return FindingPage(items=items, next_cursor=page.cursor)
