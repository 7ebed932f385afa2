"""Routes of live streams: a run's events, a check's log."""

# ruff: noqa: FAST003 - the access dependency reads {project}

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.kit.web.sse import EVENT_SCHEMA, MEDIA_TYPE, EventStream
from quilate.runs.api.answers import answers_of
from quilate.runs.api.documents.endpoints import wants_text
from quilate.runs.api.service import RunService
from quilate.runs.api.streams.events import (
    log_events,
    parse_log_place,
    parse_version,
    run_events,
    while_allowed,
)
from quilate.runs.api.streams.logs import has_read_all, log_text, require_check

TAG = "streams"
_MOST_LINES = 100_000

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=64, description="Id of the last event that was read.")
]
After = Annotated[
    str,
    Query(alias="last_event_id", max_length=64, description="The same, for readers that cannot send the header."),
]


def _stream_answers(description: str, **more: Any) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": dict(EVENT_SCHEMA)}, **more}
    return {
        200: {"description": description, "content": content},
        204: {"description": "It has ended, and the reader has seen all of it: no need to come back."},
        **answers_of(),
    }


def make_stream_router(service: RunService, access: Access) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]
    evidence_reader = Annotated[ProjectAccess, Depends(access.project(Permission.EVIDENCE_READ))]

    @router.get(
        "/projects/{project}/runs/{run_id}/events",
        operation_id="stream_run_events",
        summary="Follow a run",
        response_class=Response,
        responses=_stream_answers("Events `check` and `run`, until the run has ended."),
    )
    async def stream_run_events(
        granted: reader,
        run_id: UUID,
        request: Request,
        last_event_id: LastEventId = None,
        after: After = "",
    ) -> Response:
        """Server-sent events; ids are the run's version, and a reader that comes back gets what it missed."""
        last = parse_version(last_event_id or after)
        if await service.has_seen_all(granted.project.id, run_id, last):
            return Response(status_code=204)
        events = run_events(service.runs, run_id, last)
        return EventStream(while_allowed(events, lambda: access.still_may(request, granted, Permission.PROJECT_READ)))

    @router.get(
        "/projects/{project}/runs/{run_id}/checks/{check}/logs",
        operation_id="stream_check_logs",
        summary="Follow or read the log of a check",
        response_class=Response,
        responses=_stream_answers(
            "Events `log` until nothing is added, or the text for `Accept: text/plain`.",
            **{"text/plain": {"schema": {"type": "string"}}},
        ),
    )
    async def stream_check_logs(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: evidence_reader,
        run_id: UUID,
        check: Annotated[str, Path(max_length=128, pattern=r"^[^\x00]+$", description="The check's id.")],
        request: Request,
        accept: Annotated[str, Header(max_length=512, description="`text/plain` for the text so far.")] = "",
        last_event_id: LastEventId = None,
        after: After = "",
        tail: Annotated[int, Query(ge=1, le=_MOST_LINES, description="Last lines of the plain text.")] = 1000,
    ) -> Response:
        """Ids of events are `attempt.sequence`; a reader that comes back gets what it missed."""
        await require_check(service, granted.project.id, run_id, check)
        await access.record(request, granted, AccessKind.LOG, f"run:{run_id}/check:{check}")
        if wants_text(accept):
            return PlainTextResponse(await log_text(service.store, run_id, check, tail))
        last = parse_log_place(last_event_id or after)
        if await has_read_all(service.store, run_id, check, last):
            return Response(status_code=204)
        events = log_events(service.logs, service.store, run_id, check, last)
        return EventStream(while_allowed(events, lambda: access.still_may(request, granted, Permission.EVIDENCE_READ)))

    return router
