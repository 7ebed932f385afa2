"""Routes that read executions: lists, one, its input, output and console, dead letters."""

# ruff: noqa: FAST003 - the access dependency reads {project}

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.evidence.artifacts import ArtifactMissingError
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, Page, cut_page, decode_cursor, next_link
from quilate.scripts.executions import errors
from quilate.scripts.executions.model import Execution, Filter, Part, Status
from quilate.scripts.executions.reading import require_contents
from quilate.scripts.executions.schemas import ConsoleView, ExecutionDetail, ExecutionPage
from quilate.scripts.executions.service import ExecutionService
from quilate.scripts.executions.views import detail_json, embeddable, execution_view
from quilate.scripts.exports.model import ExportState
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.formats import NAMED, media_type_of, suffix_of
from quilate.scripts.payloads.model import StoredPayload

_ONE = "/projects/{project}/executions/{execution}"
ExecutionId = Annotated[UUID, Path(description="The execution's id.")]


async def _wanted(
    status: Annotated[Status | None, Query(description="Only executions of this status.")] = None,
    script: Annotated[UUID | None, Query(description="Only of this script.")] = None,
    version: Annotated[UUID | None, Query(description="Only of this version.")] = None,
    since: Annotated[datetime | None, Query(description="Submitted then or later.")] = None,
    export: Annotated[
        Literal["pending", "completed", "failed"] | None, Query(description="Only with an export of this state.")
    ] = None,
) -> Filter:
    aware = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    state = ExportState(export) if export is not None else None
    return Filter(status=status, script=script, version=version, since=aware, export=state)


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return problem_responses(*{401, 403, 404, 422, *statuses})


def add_reading(router: APIRouter, service: ExecutionService, store: PayloadStore, access: Access) -> None:
    """Add the routes."""
    reading = access.project(Permission.PROJECT_READ)
    seeing = access.project(Permission.EVIDENCE_READ)
    _add_lists(router, service, reading)
    _add_one(router, service, store, access, reading)
    _add_data(router, service, store, access, seeing)


def _add_lists(router: APIRouter, service: ExecutionService, reading: Any) -> None:
    reader = Annotated[ProjectAccess, Depends(reading)]

    def answered(granted: ProjectAccess, page: Page[Execution], request: Request, response: Response) -> ExecutionPage:
        response.headers.update(next_link(request, page.cursor))
        items = [execution_view(granted.project.slug, each) for each in page.items]
        return ExecutionPage(items=items, next_cursor=page.cursor)

    @router.get(
        "/projects/{project}/executions",
        operation_id="list_executions",
        summary="List executions",
        responses=_answers(),
    )
    async def list_executions(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        wanted: Annotated[Filter, Depends(_wanted)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ExecutionPage:
        """Newest first; `Link` leads to the next page."""
        place = decode_cursor(cursor, tuple[UUID])
        before = place[0] if place else None
        rows = await service.listed(granted.project.id, wanted, before=before, limit=limit + 1)
        return answered(granted, cut_page(rows, limit, lambda row: (row.id,)), request, response)

    @router.get(
        "/projects/{project}/execution-dead-letters",
        operation_id="list_execution_dead_letters",
        summary="List executions whose retries are used up",
        responses=_answers(),
    )
    async def list_execution_dead_letters(
        granted: reader, request: Request, response: Response, cursor: Cursor = "", limit: Limit = DEFAULT_PAGE
    ) -> ExecutionPage:
        """Newest first; each can be replayed."""
        place = decode_cursor(cursor, tuple[UUID])
        before = place[0] if place else None
        rows = await service.dead_letters(granted.project.id, before=before, limit=limit + 1)
        return answered(granted, cut_page(rows, limit, lambda row: (row.id,)), request, response)


def _add_one(router: APIRouter, service: ExecutionService, store: PayloadStore, access: Access, reading: Any) -> None:
    @router.get(
        _ONE,
        operation_id="get_execution",
        summary="Read an execution",
        response_model=None,
        responses={200: {"model": ExecutionDetail, "description": "The execution."}, **_answers()},
    )
    async def get_execution(
        granted: Annotated[ProjectAccess, Depends(reading)], request: Request, execution: ExecutionId
    ) -> Response:
        """With its result, where that is JSON, short and may be seen by the caller, which is then on record."""
        found = await service.get(granted.project.id, execution)
        answer = await shown_output(store, granted, found)
        if answer is not None:
            await access.record(request, granted, AccessKind.DATA, f"execution:{execution}/output")
        return Response(detail_json(granted.project.slug, found, answer), media_type="application/json")


def _add_data(router: APIRouter, service: ExecutionService, store: PayloadStore, access: Access, seeing: Any) -> None:
    member = Annotated[ProjectAccess, Depends(seeing)]
    files: dict[str, Any] = {name: {"schema": {"type": "string", "format": "binary"}} for name in NAMED}
    files[NAMED[0]] = {"schema": {}}

    async def kept(granted: ProjectAccess, execution: UUID, part: Part) -> Execution:
        found = await service.get(granted.project.id, execution)
        require_contents(found, part)
        return found

    async def data(request: Request, granted: ProjectAccess, execution: UUID, part: Part) -> Response:
        found = await kept(granted, execution, part)
        payload = found.input if part is Part.INPUT else found.output
        if payload is None:
            raise errors.no_data(execution, part.value)
        payload = await service.with_content(execution, part, payload)
        await access.record(request, granted, AccessKind.DATA, f"execution:{execution}/{part.value}")
        return await _file(store, granted, execution, part, payload)

    @router.get(
        f"{_ONE}/input",
        operation_id="get_execution_input",
        summary="Read an execution's input",
        response_class=StreamingResponse,
        responses={200: {"description": "The data.", "content": files}, **_answers(410)},
    )
    async def get_execution_input(granted: member, request: Request, execution: ExecutionId) -> Response:
        """As it was when the script ran; who has seen it is on record."""
        return await data(request, granted, execution, Part.INPUT)

    @router.get(
        f"{_ONE}/output",
        operation_id="get_execution_output",
        summary="Read an execution's output",
        response_class=StreamingResponse,
        responses={200: {"description": "The data.", "content": files}, **_answers(410)},
    )
    async def get_execution_output(granted: member, request: Request, execution: ExecutionId) -> Response:
        """As the script gave it; who has seen it is on record."""
        return await data(request, granted, execution, Part.OUTPUT)

    @router.get(
        f"{_ONE}/console",
        operation_id="get_execution_console",
        summary="Read what a script wrote to console",
        responses=_answers(410),
    )
    async def get_execution_console(granted: member, request: Request, execution: ExecutionId) -> ConsoleView:
        """Line by line; who has seen it is on record."""
        await kept(granted, execution, Part.CONSOLE)
        lines = await service.content(execution, Part.CONSOLE)
        await access.record(request, granted, AccessKind.DATA, f"execution:{execution}/console")
        if lines is None:
            return ConsoleView(lines=[], truncated=False)
        return msgspec_console(await store.plain(granted.project.id, lines))


class _Console(msgspec.Struct):
    lines: list[str]
    truncated: bool = False


def msgspec_console(text: bytes) -> ConsoleView:
    """Return the lines of a console as they are kept."""
    read = msgspec.json.decode(text, type=_Console)
    return ConsoleView(lines=read.lines, truncated=read.truncated)


async def shown_output(store: PayloadStore, granted: ProjectAccess, execution: Execution) -> bytes | None:
    """Return the output that stands in an execution's answer, where there is one and the caller may see it."""
    if execution.output is None or not embeddable(execution) or not granted.may(Permission.EVIDENCE_READ):
        return None
    if execution.output.inline is None:
        return None  # Erased, or expired.
    return await store.plain(granted.project.id, execution.output.inline)


async def _file(
    store: PayloadStore, granted: ProjectAccess, execution: UUID, part: Part, payload: StoredPayload
) -> Response:
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'attachment; filename="{execution}-{part.value}{suffix_of(payload.format)}"',
        "Content-Length": str(payload.size),
        "ETag": f'"{payload.digest}"',
    }
    kind = media_type_of(payload.format)
    try:
        pieces = store.stream(payload, granted.project.id)
        first = await anext(pieces, b"")
    except ArtifactMissingError as error:
        raise errors.not_kept(execution, part.value) from error
    if len(first) == payload.size:
        return Response(first, media_type=kind, headers=headers)

    async def content() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(content(), media_type=kind, headers=headers)
