"""``/api/scripts``: create, list, get, change, delete; versions and their activation (A01, A04, A09)."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.database.database import Database
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.scripts.compatibility.bodies import required, script_body, version_body
from quilate.scripts.compatibility.projects import PROJECT_PARAMETERS, QUERIES, ProjectChoice
from quilate.scripts.compatibility.views import ScriptView, VersionView, script_row_view, script_view
from quilate.scripts.model import ScriptVersion
from quilate.scripts.versions.model import PushWish, ScriptRecord, VersionRecord
from quilate.scripts.versions.service import VersionService

TAG = "scripts of the source documents"
_MOST_PAGE = 10_000_000

ScriptId = Annotated[UUID, Path(description="As POST /api/scripts answered it.")]
VersionName = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]+$", description="Semantic version, number or id.")]
Page = Annotated[int, Query(ge=1, le=_MOST_PAGE, description="Which page, from 1.")]
Size = Annotated[int, Query(ge=1, le=200, description="How many on a page.")]


def body_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a JSON body that a route reads itself."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}, "parameters": PROJECT_PARAMETERS}


SCRIPT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["name", "content"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 255, "description": "Also as `nome`."},
        "content": {
            "type": "string",
            "description": "JavaScript with a function `process(data)`. Also as `code`, `codigo`, `scriptContent`.",
        },
        "description": {"type": "string", "maxLength": 1000, "description": "Also as `descricao`."},
    },
    "example": {"name": "only-active", "content": "function process(data) { return data.filter((r) => r.active); }"},
}
VERSION_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["content"],
    "properties": {
        "content": {"type": "string", "description": "The JavaScript. Also as `code`, `codigo`."},
        "version": {"type": "string", "description": "Semantic version; the next patch without one."},
        "inputSchema": {"description": "JSON Schema of the input."},
    },
    "example": {"version": "1.1.0", "content": "function process(data) { return data; }"},
}


def paging_headers(request: Request, page: int, size: int, total: int) -> dict[str, str]:
    """Return the headers of a page of an array: how many there are, and where the next ones are."""
    headers = {"X-Total-Count": str(total)}
    if page * size < total:
        headers["Link"] = f'<{request.url.include_query_params(page=page + 1, size=size)}>; rel="next"'
    return headers


def add_script_routes(
    router: APIRouter, prefix: str, versions: VersionService, choice: ProjectChoice, *, described: bool
) -> None:
    """Add the routes below ``prefix``; the second spelling is not described again."""
    routes = _Scripts(versions, choice, prefix)

    def add(path: str, method: str, name: str, summary: str, codes: tuple[int, ...], **more: Any) -> None:
        more.setdefault("openapi_extra", {"parameters": PROJECT_PARAMETERS})
        router.add_api_route(
            f"{prefix}{path}",
            getattr(routes, name),
            methods=[method],
            operation_id=f"source_{name}" if described else f"source_{name}_capital",
            summary=summary,
            tags=[TAG],
            include_in_schema=described,
            responses=problem_responses(*codes),
            **more,
        )

    add("", "POST", "create_script", "Create a script", (400, 401, 403, 404, 409, 422),
        status_code=201, response_model=ScriptView, openapi_extra=body_of(SCRIPT_SCHEMA))  # fmt: skip
    add("", "GET", "list_scripts", "List scripts", (401, 403, 404, 422),
        response_model=list[ScriptView])  # fmt: skip
    add("/{script_id}", "GET", "get_script", "Get a script", (401, 403, 404, 422), response_model=ScriptView)
    add("/{script_id}", "PUT", "change_script", "Change a script", (400, 401, 403, 404, 409, 422),
        response_model=ScriptView, openapi_extra=body_of(SCRIPT_SCHEMA))  # fmt: skip
    add("/{script_id}", "DELETE", "delete_script", "Delete a script", (401, 403, 404, 422), status_code=204)
    add("/{script_id}/versions", "POST", "push_version", "Add a version", (400, 401, 403, 404, 409, 422),
        status_code=201, response_model=VersionView, openapi_extra=body_of(VERSION_SCHEMA))  # fmt: skip
    add("/{script_id}/versions", "GET", "list_versions", "List the versions of a script", (401, 403, 404, 422),
        response_model=list[VersionView])  # fmt: skip
    add("/{script_id}/versions/{version}/activate", "PATCH", "activate_version", "Activate a version, or go back to it",
        (401, 403, 404, 409, 422), response_model=VersionView)  # fmt: skip


class _Scripts:
    """What the routes do."""

    def __init__(self, versions: VersionService, choice: ProjectChoice, prefix: str) -> None:
        self._versions = versions
        self._choice = choice
        self._prefix = prefix

    @property
    def _database(self) -> Database:
        return self._versions.database

    async def create_script(self, request: Request) -> Response:
        """Keep a script as version 1.0.0, active at once; it is read by the validation first."""
        granted = await self._choice.named(request, Permission.SCRIPT_EDIT)
        body = script_body(await request.body())
        first = PushWish(source=required(body.content, "content"), semver="1.0.0", activate=True)
        record, pushed = await self._versions.create(
            granted, name=required(body.name, "name"), description=body.description or "", first=first
        )
        version = pushed.record.version if pushed is not None else None
        view = script_view(record, version)
        return json_answer(view, status=201, headers={"Location": f"{self._prefix}/{record.script.id}"})

    async def list_scripts(self, request: Request, page: Page = 1, size: Size = 10) -> Response:
        """Newest first."""
        granted = await self._choice.named(request, Permission.PROJECT_READ)
        arguments = {"project": granted.project.id, "size": size, "offset": (page - 1) * size}
        async with self._database.connection() as connection:
            rows = await (await connection.execute(QUERIES["scripts_page"], arguments)).fetchall()
        total = rows[0]["total"] if rows else 0
        views = [script_row_view(row).model_dump(mode="json") for row in rows]
        return json_answer(views, headers=paging_headers(request, page, size, total))

    async def get_script(self, request: Request, script_id: ScriptId) -> Response:
        """With the content of its active version."""
        granted = await self._choice.of_script(request, script_id, Permission.PROJECT_READ)
        return json_answer(await self._view(granted, script_id))

    async def change_script(self, request: Request, script_id: ScriptId) -> Response:
        """Another content is a new version, active at once; the ones before stay."""
        granted = await self._choice.of_script(request, script_id, Permission.SCRIPT_EDIT)
        body = script_body(await request.body())
        record = await self._versions.get(granted, script_id)
        names = {"name": body.name, "description": body.description}
        if body.content is not None and not await self._is_active(granted, record, body.content):
            await self._versions.push(granted, script_id, PushWish(source=body.content, activate=True), **names)
        else:
            await self._versions.update(granted, script_id, None, **names)
        return json_answer(await self._view(granted, script_id))

    async def delete_script(self, request: Request, script_id: ScriptId) -> Response:
        """Its executions stay, and its versions with them."""
        granted = await self._choice.of_script(request, script_id, Permission.SCRIPT_EDIT)
        await self._versions.delete(granted, script_id, None)
        return Response(status_code=204)

    async def push_version(self, request: Request, script_id: ScriptId) -> Response:
        """A draft: PATCH .../activate lets executions use it."""
        granted = await self._choice.of_script(request, script_id, Permission.SCRIPT_EDIT)
        body = version_body(await request.body())
        wish = PushWish(source=body.content, semver=body.semver, input_schema=body.input_schema)
        pushed = await self._versions.push(granted, script_id, wish)
        version = pushed.record.version
        location = f"{self._prefix}/{script_id}/versions/{version.semver}"
        return json_answer(_version_view(pushed.record, None), status=201, headers={"Location": location})

    async def list_versions(self, request: Request, script_id: ScriptId, page: Page = 1, size: Size = 10) -> Response:
        """Newest first."""
        granted = await self._choice.of_script(request, script_id, Permission.PROJECT_READ)
        record = await self._versions.get(granted, script_id)
        # Numbers run from 1 without gaps, so a page is where it would be counted to.
        before = record.script.latest - (page - 1) * size + 1
        rows = await self._versions.versions(granted, script_id, state=None, before=max(before, 1), limit=size)
        headers = paging_headers(request, page, size, record.script.latest)
        return json_answer(
            [_version_view(row, record.script.active).model_dump(mode="json") for row in rows], headers=headers
        )

    async def activate_version(self, request: Request, script_id: ScriptId, version: VersionName) -> Response:
        """From draft to active, or back to one that was active before."""
        granted = await self._choice.of_script(request, script_id, Permission.SCRIPT_EDIT)
        record = await self._versions.activate(granted, script_id, version)
        return json_answer(_version_view(record, record.version.id))

    async def _view(self, granted: ProjectAccess, script_id: UUID) -> ScriptView:
        record = await self._versions.get(granted, script_id)
        return script_view(record, await self._active(granted, record))

    async def _active(self, granted: ProjectAccess, record: ScriptRecord) -> ScriptVersion | None:
        if record.script.active is None:
            return None
        found = await self._versions.version(granted, record.script.id, str(record.script.active))
        return found.version

    async def _is_active(self, granted: ProjectAccess, record: ScriptRecord, content: str) -> bool:
        active = await self._active(granted, record)
        digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        return active is not None and active.digest == digest


def _version_view(record: VersionRecord, active: UUID | None) -> VersionView:
    version = record.version
    return VersionView(
        id=version.id,
        version=version.semver,
        state=version.state.value,
        is_active=version.id == active,
        created_at=version.created_at,
    )
