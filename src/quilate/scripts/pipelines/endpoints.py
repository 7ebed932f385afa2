"""The route that composes a pipeline below ``/projects/{project}/scripts``."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.scripts.pipelines.composing import LEAST_STEPS, MOST_STEPS
from quilate.scripts.pipelines.service import StepName, compose_pipeline
from quilate.scripts.versions.answer_schemas import PushedView, pushed_view
from quilate.scripts.versions.schemas import Description, ScriptName
from quilate.scripts.versions.semver import LONGEST_SEMVER
from quilate.scripts.versions.service import VersionService


class StepBody(BaseModel):
    """A step: a script and one of its versions."""

    model_config = ConfigDict(extra="forbid")

    script: UUID = Field(description="Which script of this project.")
    version: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")] | None = Field(
        default=None, description="Its id, number or semantic version; the active one now without it."
    )


class PipelineBody(BaseModel):
    """A pipeline: its name and its steps, in their order."""

    model_config = ConfigDict(extra="forbid")

    name: ScriptName = Field(description="Of the script that it becomes a version of; made where there is none.")
    description: Description = Field(default="", description="For people, where the script is new.")
    steps: list[StepBody] = Field(
        min_length=LEAST_STEPS, max_length=MOST_STEPS, description="What runs, first to last."
    )
    semver: Annotated[str, Field(min_length=1, max_length=LONGEST_SEMVER, pattern=r"^[^\x00]*$")] | None = Field(
        default=None, description="Its number; the patch after the highest otherwise."
    )
    activate: bool = Field(default=False, description="Executions use it at once.")
    allow_breaking: bool = Field(default=False, description="The input may break with the version before.")


def make_pipeline_router(service: VersionService, access: Access) -> APIRouter:
    """Return the route, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=["scripts"])
    editing = access.project(Permission.SCRIPT_EDIT)

    @router.post(
        "/projects/{project}/scripts/compose",
        status_code=201,
        response_model=PushedView,
        operation_id="compose_script_pipeline",
        summary="Compose a pipeline of scripts",
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )
    async def compose_script_pipeline(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: PipelineBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """A version like any other: later changes of its steps do not reach it. Each step gets the JSON of the last."""

        async def handle(_: KeyClaim | None) -> Response:
            pushed = await compose_pipeline(
                service,
                granted,
                [StepName(script=step.script, version=step.version) for step in body.steps],
                name=body.name,
                description=body.description,
                semver=body.semver,
                activate=body.activate,
                allow_breaking=body.allow_breaking,
            )
            version = pushed.record.version
            base = f"/api/v1/projects/{granted.project.slug}/scripts/{version.script_id}"
            headers = {"Location": f"{base}/versions/{version.semver}"}
            return json_answer(pushed_view(pushed), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle)

    return router
