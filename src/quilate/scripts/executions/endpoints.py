"""Routes of executions below ``/projects/{project}``; ``make_router`` holds those of the whole slice."""

# ruff: noqa: FAST003 - the access dependency reads {project}, ``asking`` the rest

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.idempotency import read_key
from quilate.scripts.executions.asking import described_parameters, read_asked, read_script, read_version
from quilate.scripts.executions.quota_endpoints import add_quotas
from quilate.scripts.executions.reading_endpoints import add_reading, shown_output
from quilate.scripts.executions.reception import POINTER_TYPE, Reception
from quilate.scripts.executions.schemas import CancelBody, ExecutionDetail, ExecutionView
from quilate.scripts.executions.service import ExecutionService, Submitted
from quilate.scripts.executions.views import detail_json, execution_view, links_of
from quilate.scripts.exports.model import OutputTarget
from quilate.scripts.model import FileFormat, ScriptVersion
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.formats import MULTIPART, NAMED

TAG = "executions"


class Targets(Protocol):
    """Judges where outputs are to go: ``quilate.scripts.exports.allowing.Targets``."""

    async def require(self, access: ProjectAccess, version: ScriptVersion, target: OutputTarget) -> None:
        """Refuse what could never be carried out.

        Raises:
            Problem: 403, 404, 409 or 422.
        """
        ...


AccessTo = Callable[..., Awaitable[ProjectAccess]]
ExecutionId = Annotated[UUID, Path(description="The execution's id.")]


def _described(*, version: bool) -> dict[str, Any]:
    content: dict[str, Any] = {name: {"schema": {"type": "string", "format": "binary"}} for name in NAMED}
    content[NAMED[0]] = {"schema": {}, "example": [{"value": 1}]}
    content[MULTIPART] = {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary", "description": "The data."}},
        }
    }
    content[POINTER_TYPE] = {
        "schema": {
            "type": "object",
            "description": "Where the data lies: a url, or a dataset.",
            "properties": {
                "url": {"type": "string", "description": "file, https, s3, gs or az, as the installation allows."},
                "sha256": {"type": "string", "description": "What its digest has to be."},
                "format": {"type": "string", "enum": [each.value for each in FileFormat]},
                "dataset": {"type": "string", "description": "Name of a dataset of this project."},
                "version": {"description": "Its version; the newest by default."},
                "path": {"type": "string", "description": "File of that version, where it has several."},
            },
        }
    }
    body = {"required": True, "description": "The data itself, or where it lies.", "content": content}
    return {"requestBody": body, "parameters": described_parameters(version=version)}


def answers_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documented errors of a route below a project, with further ones of its own."""
    return problem_responses(*{401, 403, 404, 422, *statuses})


_SUBMITTED: dict[int | str, dict[str, Any]] = {
    200: {"model": ExecutionDetail, "description": "It has ended within `wait` seconds."},
    202: {
        "model": ExecutionView,
        "description": "It is queued, for good.",
        "headers": {"Location": {"description": "The execution.", "schema": {"type": "string"}}},
    },
    **answers_of(400, 409, 413, 415, 429, 503),
}


class _Submitting:
    """Answers submissions."""

    def __init__(
        self,
        service: ExecutionService,
        reception: Reception,
        store: PayloadStore,
        access: Access,
        targets: Targets,
    ) -> None:
        self._service = service
        self._reception = reception
        self._store = store
        self._access = access
        self._targets = targets

    async def answer(self, request: Request, granted: ProjectAccess, *, named: bool = False) -> Response:
        """Take an execution in, and answer with what has become of it."""
        asked, key = read_asked(request.query_params), read_key(request)
        options = asked.options
        script = read_script(request.path_params["script"])
        version = read_version(request.path_params["version"]) if named else None
        found = await self._service.versions.executable(granted.project.id, script, version)
        if options.target is not None:
            await self._targets.require(granted, found, options.target)
        admitted = await self._reception.receive(request.headers, request.stream(), granted, found)
        submitted = await self._service.submit(
            granted,
            found,
            admitted.payload,
            named=version,
            idempotency_key=key,
            options=options,
            subjects=admitted.subjects,
            wait_seconds=asked.wait,
        )
        return await self._written(request, granted, submitted)

    async def _written(self, request: Request, granted: ProjectAccess, submitted: Submitted) -> Response:
        slug = granted.project.slug
        headers = {"Location": links_of(slug, submitted.id).self}
        if not submitted.created:
            headers["Idempotency-Replayed"] = "true"
        execution = submitted.ended
        if execution is None:
            execution = submitted.pending or await self._service.get(granted.project.id, submitted.id)
            return json_answer(execution_view(slug, execution), status=202, headers=headers)
        answer = await shown_output(self._store, granted, execution)
        if answer is not None and not submitted.created:
            await self._access.record(request, granted, AccessKind.DATA, f"execution:{execution.id}/output")
        return Response(detail_json(slug, execution, answer), media_type="application/json", headers=headers)


def make_router(
    service: ExecutionService, reception: Reception, store: PayloadStore, access: Access, targets: Targets
) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    executing = access.project(Permission.SCRIPT_EXECUTE)
    _add_submitting(router, _Submitting(service, reception, store, access, targets), executing)
    _add_changing(router, service, executing, access.project(Permission.DEAD_LETTER_REPLAY))
    add_reading(router, service, store, access)
    add_quotas(router, service, access)
    return router


def _add_submitting(router: APIRouter, submitting: _Submitting, executing: AccessTo) -> None:
    member = Annotated[ProjectAccess, Depends(executing)]

    @router.post(
        "/projects/{project}/scripts/{script}/executions",
        operation_id="execute_script",
        summary="Execute a script's active version",
        status_code=202,
        response_model=None,
        responses=_SUBMITTED,
        openapi_extra=_described(version=False),
    )
    async def execute_script(granted: member, request: Request) -> Response:
        """The body is the data, or points to it. Answered once the execution is durable.

        Parameters of other names than these are refused.
        """
        return await submitting.answer(request, granted)

    @router.post(
        "/projects/{project}/scripts/{script}/versions/{version}/executions",
        operation_id="execute_script_version",
        summary="Execute one version of a script",
        status_code=202,
        response_model=None,
        responses=_SUBMITTED,
        openapi_extra=_described(version=True),
    )
    async def execute_script_version(granted: member, request: Request) -> Response:
        """The body is the data, or points to it. Answered once the execution is durable.

        Parameters of other names than these are refused.
        """
        return await submitting.answer(request, granted, named=True)


def _add_changing(router: APIRouter, service: ExecutionService, executing: AccessTo, replaying: AccessTo) -> None:
    @router.post(
        "/projects/{project}/executions/{execution}/cancel",
        operation_id="cancel_execution",
        summary="Cancel an execution",
        responses=answers_of(409),
    )
    async def cancel_execution(
        granted: Annotated[ProjectAccess, Depends(executing)], execution: ExecutionId, body: CancelBody | None = None
    ) -> ExecutionView:
        """Whichever process runs it stops within a moment; what it had computed is not kept."""
        reason = (body.reason if body else "") or "cancelled"
        return execution_view(granted.project.slug, await service.cancel(granted, execution, reason))

    @router.post(
        "/projects/{project}/executions/{execution}/replay",
        operation_id="replay_execution",
        summary="Queue a dead letter again",
        status_code=202,
        responses=answers_of(409),
    )
    async def replay_execution(
        granted: Annotated[ProjectAccess, Depends(replaying)], execution: ExecutionId, response: Response
    ) -> ExecutionView:
        """With the same input and version; its attempts so far stay in its history. Or its export that was given up."""
        response.headers["Location"] = links_of(granted.project.slug, execution).self
        return execution_view(granted.project.slug, await service.replay(granted, execution))
