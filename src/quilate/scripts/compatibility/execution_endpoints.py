"""``/api/executions``, ``/api/scripts/{id}/execute``, ``/api/Processing``: submit, look up, list (A03, A04, A13)."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.idempotency import read_key
from quilate.scripts.compatibility.bodies import execution_body
from quilate.scripts.compatibility.projects import PROJECT_PARAMETERS, QUERIES, ProjectChoice
from quilate.scripts.compatibility.script_endpoints import (
    TAG,
    Page,
    ScriptId,
    Size,
    VersionName,
    body_of,
    paging_headers,
)
from quilate.scripts.compatibility.views import ExecutionView, ProcessingView, execution_json, processing_json
from quilate.scripts.executions.model import Execution, Part
from quilate.scripts.executions.reading_endpoints import shown_output
from quilate.scripts.executions.reception import Reception
from quilate.scripts.executions.service import ExecutionService, Submitted
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.decoding import decoded, encoding_of
from quilate.scripts.payloads.model import PayloadLimits

_LIMITS = PayloadLimits(plain_bytes=PayloadLimits().document_bytes)
"""Such a body is held in memory as a whole; what is longer goes to the routes below ``/api/v1``."""
_JSON = {"content-type": "application/json"}
_SUBMITTING = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
_READING = (401, 403, 404, 422)

ExecutionId = Annotated[UUID, Path(description="As POST /api/executions answered it.")]
ScriptFilter = Annotated[UUID | None, Query(alias="scriptId", description="Only of this script.")]

_DATA = {"description": "Any JSON. Also as `inputData`, `dadosEntrada`, `input`.", "example": [{"value": 1}]}
_EXECUTE = {"type": "object", "required": ["inputData"], "properties": {"inputData": _DATA}}
_SUBMIT = {
    "type": "object",
    "required": ["scriptId", "data"],
    "properties": {
        "scriptId": {"type": "string", "format": "uuid", "description": "Which script."},
        "version": {"type": "string", "description": "Which version; the active one without it."},
        "data": _DATA,
    },
}


class Executions:
    """What the routes do.

    Args:
        service: Takes executions in.
        reception: Receives their data.
        store: Where the data lies.
        access: Takes down who saw which data.
        choice: Finds the project.
    """

    def __init__(
        self,
        service: ExecutionService,
        reception: Reception,
        store: PayloadStore,
        access: Access,
        choice: ProjectChoice,
    ) -> None:
        self._service = service
        self._reception = reception
        self._store = store
        self._access = access
        self._choice = choice

    async def execute_script(self, request: Request, script_id: ScriptId) -> Response:
        """Queue an execution of the active version; 202 once it is durable."""
        return await self._submitted(request, script_id, None)

    async def execute_version(self, request: Request, script_id: ScriptId, version: VersionName) -> Response:
        """Queue an execution of one version; 202 once it is durable."""
        return await self._submitted(request, script_id, version)

    async def start_execution(self, request: Request) -> Response:
        """Queue an execution; 202 once it is durable."""
        return await self._submitted(request, None, None)

    async def start_processing(self, request: Request) -> Response:
        """Queue an execution; 201 with its bare id, as the other document has it."""
        granted, submitted = await self._taken(request, None, None)
        del granted
        headers = {"Location": f"/api/Processing/{submitted.id}"}
        return Response(
            msgspec.json.encode(submitted.id), status_code=201, media_type="application/json", headers=headers
        )

    async def get_execution(self, request: Request, execution_id: ExecutionId) -> Response:
        """With input and result, where they are short JSON and may be seen by the caller, which is then on record."""
        granted = await self._choice.of_execution(request, execution_id, Permission.PROJECT_READ)
        execution = await self._service.get(granted.project.id, execution_id)
        given = await self._shown_input(granted, execution)
        answer = await shown_output(self._store, granted, execution)
        await self._record(request, granted, execution, {Part.INPUT: given, Part.OUTPUT: answer})
        return _written(execution_json(execution, given, answer))

    async def get_processing(self, request: Request, execution_id: ExecutionId) -> Response:
        """With the result, where it is short JSON and may be seen by the caller, which is then on record."""
        granted = await self._choice.of_execution(request, execution_id, Permission.PROJECT_READ)
        execution = await self._service.get(granted.project.id, execution_id)
        answer = await shown_output(self._store, granted, execution)
        await self._record(request, granted, execution, {Part.OUTPUT: answer})
        return _written(processing_json(execution, answer))

    async def list_executions(
        self, request: Request, script_id: ScriptFilter = None, page: Page = 1, size: Size = 10
    ) -> Response:
        """Newest first, without their data."""
        granted = await self._choice.named(request, Permission.PROJECT_READ)
        return await self._page(request, granted, script_id, page, size)

    async def list_of_script(self, request: Request, script_id: ScriptId, page: Page = 1, size: Size = 10) -> Response:
        """Newest first, without their data."""
        granted = await self._choice.of_script(request, script_id, Permission.PROJECT_READ)
        return await self._page(request, granted, script_id, page, size)

    async def _submitted(self, request: Request, script_id: UUID | None, version: str | None) -> Response:
        granted, submitted = await self._taken(request, script_id, version)
        execution = await self._service.get(granted.project.id, submitted.id)
        headers = {"Location": f"/api/executions/{submitted.id}"}
        if not submitted.created:
            headers["Idempotency-Replayed"] = "true"
        return _written(execution_json(execution, None, None), status=202, headers=headers)

    async def _taken(
        self, request: Request, script_id: UUID | None, version: str | None
    ) -> tuple[ProjectAccess, Submitted]:
        # Who nobody knows, and what nobody may see, is told before the body is read.
        await self._access.principal(request)
        if script_id is not None:
            await self._choice.of_script(request, script_id, Permission.SCRIPT_EXECUTE)
        key = read_key(request)
        script, named, data = execution_body(await _body(request), script_id)
        granted = await self._choice.of_script(request, script, Permission.SCRIPT_EXECUTE)
        wanted = version or named
        found = await self._service.versions.executable(granted.project.id, script, wanted)
        admitted = await self._reception.receive(_JSON, _pieces(data), granted, found)
        submitted = await self._service.submit(
            granted, found, admitted.payload, named=wanted, idempotency_key=key, subjects=admitted.subjects
        )
        return granted, submitted

    async def _page(
        self, request: Request, granted: ProjectAccess, script: UUID | None, page: int, size: int
    ) -> Response:
        arguments = {"project": granted.project.id, "script": script, "size": size, "offset": (page - 1) * size}
        async with self._service.database.connection() as connection:
            rows = await (await connection.execute(QUERIES["executions_page"], arguments)).fetchall()
        found = [await self._service.get(granted.project.id, row["id"]) for row in rows]
        body = b"[" + b",".join(execution_json(each, None, None) for each in found) + b"]"
        return _written(body, headers=paging_headers(request, page, size, rows[0]["total"] if rows else 0))

    async def _shown_input(self, granted: ProjectAccess, execution: Execution) -> bytes | None:
        payload = execution.input
        is_short = payload.format is FileFormat.JSON and payload.reference is None
        if not is_short or not granted.may(Permission.EVIDENCE_READ):
            return None
        held = await self._service.with_content(execution.id, Part.INPUT, payload)
        return None if held.inline is None else await self._store.plain(granted.project.id, held.inline)

    async def _record(
        self, request: Request, granted: ProjectAccess, execution: Execution, shown: dict[Part, bytes | None]
    ) -> None:
        seen = [f"execution:{execution.id}/{part.value}" for part, content in shown.items() if content is not None]
        if seen:
            await self._access.record(request, granted, AccessKind.DATA, *seen)


def add_execution_routes(router: APIRouter, routes: Executions) -> None:
    """Add the routes; second spellings are not described again."""

    def add(path: str, method: str, name: str, summary: str, codes: tuple[int, ...], **more: Any) -> None:
        described = more.pop("described")
        more.setdefault("openapi_extra", {"parameters": PROJECT_PARAMETERS})
        router.add_api_route(
            path, getattr(routes, name), methods=[method], summary=summary, tags=[TAG], include_in_schema=described,
            operation_id=f"source_{name}" if described else f"source_{name}_{path.split('/')[2]}",
            responses=problem_responses(*codes), **more,
        )  # fmt: skip

    for prefix, described in (("/api/scripts", True), ("/api/Scripts", False)):
        add(f"{prefix}/{{script_id}}/execute", "POST", "execute_script", "Execute a script", _SUBMITTING,
            status_code=202, response_model=ExecutionView, openapi_extra=body_of(_EXECUTE),
            described=described)  # fmt: skip
        add(f"{prefix}/{{script_id}}/versions/{{version}}/execute", "POST", "execute_version", "Execute a version",
            _SUBMITTING, status_code=202, response_model=ExecutionView, openapi_extra=body_of(_EXECUTE),
            described=described)  # fmt: skip
    for prefix, described in (("/api/executions", True), ("/api/Executions", False)):
        add(prefix, "POST", "start_execution", "Execute a script that the body names", _SUBMITTING,
            status_code=202, response_model=ExecutionView, openapi_extra=body_of(_SUBMIT),
            described=described)  # fmt: skip
        add(prefix, "GET", "list_executions", "List executions", _READING,
            response_model=list[ExecutionView], described=described)  # fmt: skip
        add(f"{prefix}/by-script/{{script_id}}", "GET", "list_of_script", "List the executions of a script", _READING,
            response_model=list[ExecutionView], described=described)  # fmt: skip
        add(f"{prefix}/{{execution_id}}", "GET", "get_execution", "Get an execution", _READING,
            response_model=ExecutionView, described=described)  # fmt: skip
    for prefix, described in (("/api/Processing", True), ("/api/processing", False)):
        add(prefix, "POST", "start_processing", "Execute a script, as the other document has it", _SUBMITTING,
            status_code=201, response_model=UUID, openapi_extra=body_of(_SUBMIT), described=described)  # fmt: skip
        add(f"{prefix}/{{execution_id}}", "GET", "get_processing", "Get an execution, as the other document has it",
            _READING, response_model=ProcessingView, described=described)  # fmt: skip


def _written(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers=headers or {})


async def _body(request: Request) -> bytes:
    """Return a body with its compression undone.

    Raises:
        Problem: 400, it is broken; 413, too long; 415, its encoding is not understood; 422, a bomb.
    """
    encoding = encoding_of(request.headers.get("content-encoding", ""))
    if encoding == "identity":
        return await request.body()
    return b"".join([piece async for piece in decoded(request.stream(), encoding, _LIMITS)])


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data
