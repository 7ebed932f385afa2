"""Routes of the source document, at the root and below ``/api/v1``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from quilate.accounts.access import SLUG_PATTERN, Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.kit.canonical import digest_of
from quilate.kit.web.conditional import etag_of
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link
from quilate.kit.web.problems import Problem
from quilate.runs.api.answers import answers_of
from quilate.runs.api.documents.service import RunDocuments
from quilate.runs.api.model import RunFilter
from quilate.runs.api.pipelines.model import (
    STATUS_OF_WORD,
    STATUS_WORDS,
    check_word,
    decode_request,
    pipeline_id,
    run_of,
    source_of,
)
from quilate.runs.api.pipelines.schemas import (
    PipelineCheckView,
    PipelineRunBody,
    PipelineRunDetail,
    PipelineRunPage,
    PipelineRunView,
    PipelineStageView,
    PipelineStarted,
)
from quilate.runs.api.service import RunService
from quilate.runs.api.submissions import idempotency_of
from quilate.runs.api.views import run_view
from quilate.runs.durable.model import Submission

TAG = "pipelines"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": PipelineRunBody.model_json_schema()}},
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "The same key with the same request gives the same run.",
        }
    ],
}

PipelineRunId = Annotated[str, Path(max_length=64, description="As `POST /pipelines/run` answered: `prun-…`.")]
StatusWord = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """What logs and metrics read of a route."""

    path: str


class _Pipelines:
    """What the routes share."""

    def __init__(self, service: RunService, access: Access, prefix: str) -> None:
        self.service = service
        self.access = access
        self.prefix = prefix
        self._template = _Template(path=f"{prefix}/pipelines/run")
        self.documents = RunDocuments(service)

    async def serve(self, request: Request) -> Response:
        """Take a run in on the plain route, whose template logs and metrics look for in the scope."""
        request.scope["route"] = self._template
        return await self.start(request)

    async def start(self, request: Request) -> Response:
        """Take a run in: no query but the group commit, whose project and caller are known."""
        asked = decode_request(await request.body())
        granted = await self.access.project_by_slug(request, asked.project_id, Permission.RUN_SUBMIT)
        source = source_of(asked.parameters, await self.service.repositories.of(granted.project.id))
        key = request.headers.get("idempotency-key")
        submission = Submission(
            project_id=granted.project.id,
            project=granted.project.slug,
            source=source,
            actor=granted.actor,
            event=asked.event_type,
            parameters=asked.parameters,
            idempotency=idempotency_of(granted.principal, key),
            asked=digest_of(["pipelines", asked]) if key is not None else "",
            traceparent=request.headers.get("traceparent", "")[:256],
        )
        submitted = await self.service.take_asked(granted, submission)
        identifier = pipeline_id(submitted.run_id)
        return Response(
            msgspec.json.encode({"pipeline_run_id": identifier, "status": STATUS_WORDS[submitted.status]}),
            status_code=202,
            media_type="application/json",
            headers={"Location": f"{self.prefix}/pipelines/runs/{identifier}"},
        )

    async def found(self, request: Request, identifier: str, permission: Permission) -> tuple[UUID, ProjectAccess]:
        """Return the run and the access to its project; a run of another project is as unknown as none."""
        run_id = run_of(identifier)
        slug = await self.service.store.project_of_run(run_id) if run_id is not None else None
        if run_id is None or slug is None:
            await self.access.principal(request)
            raise _no_run(identifier)
        try:
            return run_id, await self.access.project_by_slug(request, slug, permission)
        except Problem as problem:
            raise _no_run(identifier) if problem.status == 404 else problem from problem  # noqa: PLR2004 - not found

    async def detail(self, run_id: UUID, granted: ProjectAccess) -> PipelineRunDetail:
        """Return a run with its stages."""
        detail = await self.service.detail(granted.project.id, run_id)
        view = run_view(granted.project.slug, detail)
        return PipelineRunDetail(
            **_row_view(granted.project.slug, detail.run),
            stages=[
                PipelineStageView(
                    name=stage.name,
                    status=stage.state.value.upper(),
                    checks=[
                        PipelineCheckView(
                            id=check.id,
                            type=check.type,
                            required=check.required,
                            status=check.state.value.upper(),
                            result=check_word(check.result),
                            evidence_id=f"{check.id}.{check.attempts[-1].attempt}" if check.attempts else None,
                        )
                        for check in stage.checks
                    ],
                )
                for stage in view.stages
            ],
            failure=view.failure.error if view.failure else None,
        )


def _no_run(identifier: str) -> Problem:
    return Problem(status=404, type="not-found", detail=f"there is no pipeline run {identifier!r}")


def _row_view(project: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pipeline_run_id": pipeline_id(row["id"]),
        "status": row["status"].upper(),
        "project_id": project,
        "event_type": row["event"],
        "parameters": row["parameters"] or {},
        "verdict": row["verdict"],
        "created_at": row["submitted_at"],
        "started_at": row["started_at"],
        "finished_at": row["ended_at"],
    }


def make_pipelines_router(service: RunService, access: Access, *, root: bool = False) -> APIRouter:
    """Return the routes; ``root`` gives those that stand beside ``/api/v1``, under operation ids of their own."""
    router = APIRouter(tags=[TAG])
    suffix = "_at_root" if root else ""
    pipelines = _Pipelines(service, access, "" if root else "/api/v1")
    # What serves the requests: a route without dependencies, models or a response model to look at. The one below
    # describes it.
    router.add_route("/pipelines/run", pipelines.serve, methods=["POST"], include_in_schema=False)

    @router.post(
        "/pipelines/run",
        operation_id=f"start_pipeline{suffix}",
        summary="Start a pipeline",
        status_code=202,
        response_class=Response,
        openapi_extra=_BODY,
        responses={
            202: {"model": PipelineStarted, "description": "The run is durable and waits."},
            **answers_of(400, 413),
        },
    )
    async def start_pipeline(request: Request) -> Response:
        """The source document's own route: answers once the run is durable."""
        return await pipelines.start(request)

    _add_runs(router, pipelines, suffix)
    _add_one_run(router, pipelines, suffix)
    return router


def _add_runs(router: APIRouter, pipelines: _Pipelines, suffix: str) -> None:
    @router.get(
        "/pipelines/runs",
        operation_id=f"list_pipeline_runs{suffix}",
        summary="List pipeline runs",
        responses=answers_of(),
    )
    async def list_pipeline_runs(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        request: Request,
        response: Response,
        project_id: Annotated[str, Query(pattern=SLUG_PATTERN, max_length=64, description="The project's slug.")],
        status: Annotated[StatusWord | None, Query(description="Only runs of this status.")] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> PipelineRunPage:
        """Newest first."""
        granted = await pipelines.access.project_by_slug(request, project_id, Permission.PROJECT_READ)
        wanted = RunFilter(status=STATUS_OF_WORD[status] if status else None)
        page = await pipelines.service.list(granted.project.id, wanted, cursor, limit)
        response.headers.update(next_link(request, page.cursor))
        items = [PipelineRunView(**_row_view(granted.project.slug, row)) for row in page.items]
        return PipelineRunPage(items=items, next_cursor=page.cursor)


def _add_one_run(router: APIRouter, pipelines: _Pipelines, suffix: str) -> None:
    @router.get(
        "/pipelines/runs/{pipeline_run_id}",
        operation_id=f"get_pipeline_run{suffix}",
        summary="Get a pipeline run",
        responses=answers_of(),
    )
    async def get_pipeline_run(request: Request, pipeline_run_id: PipelineRunId) -> PipelineRunDetail:
        """With its stages, checks and the ids of their evidence."""
        run_id, granted = await pipelines.found(request, pipeline_run_id, Permission.PROJECT_READ)
        return await pipelines.detail(run_id, granted)

    @router.get(
        "/pipelines/runs/{pipeline_run_id}/evidence/{evidence_id}",
        operation_id=f"get_pipeline_evidence{suffix}",
        summary="Get the evidence of a check",
        response_class=Response,
        responses={
            200: {"description": "The evidence.", "content": {"application/json": {"schema": {"type": "object"}}}},
            **answers_of(410, 413),
        },
    )
    async def get_pipeline_evidence(
        request: Request,
        pipeline_run_id: PipelineRunId,
        evidence_id: Annotated[
            str, Path(max_length=140, pattern=r"^[^\x00]+$", description="As the run's checks name it.")
        ],
    ) -> Response:
        """Facts, findings, open questions and artifacts of one attempt."""
        run_id, granted = await pipelines.found(request, pipeline_run_id, Permission.EVIDENCE_READ)
        check, _, attempt = evidence_id.rpartition(".")
        number = int(attempt) if check and attempt.isascii() and attempt.isdigit() and len(attempt) <= 5 else None  # noqa: PLR2004 - a column of 16 bits
        check = check if number is not None else evidence_id
        document = await pipelines.documents.evidence(granted.project.id, run_id, check, number)
        await pipelines.access.record(request, granted, AccessKind.EVIDENCE, f"run:{run_id}/check:{check}")
        headers = {"ETag": etag_of(document.digest), "X-Content-Type-Options": "nosniff"}
        return Response(document.content, media_type="application/json", headers=headers)

    @router.post(
        "/pipelines/runs/{pipeline_run_id}/cancel",
        operation_id=f"cancel_pipeline_run{suffix}",
        summary="Cancel a pipeline run",
        responses=answers_of(),
    )
    async def cancel_pipeline_run(request: Request, pipeline_run_id: PipelineRunId) -> PipelineStarted:
        """End a run and everything that runs for it; one that has ended stays as it is."""
        run_id, granted = await pipelines.found(request, pipeline_run_id, Permission.RUN_SUBMIT)
        status = await pipelines.service.cancel(granted, run_id, "cancelled")
        return PipelineStarted(pipeline_run_id=pipeline_id(run_id), status=STATUS_WORDS[status])
