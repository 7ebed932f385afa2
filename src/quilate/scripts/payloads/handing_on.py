"""The route by which an execution's output becomes a dataset version and goes through the data gate (A11)."""

from typing import Annotated, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.accounts.trail.model import AccessKind
from quilate.datasets.model import NAME_PATTERN
from quilate.kit.database.database import Database
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.problems import Problem
from quilate.scripts.executions.errors import not_kept
from quilate.scripts.executions.model import Execution, Part
from quilate.scripts.executions.reading import require_contents
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.lineage import lineage_of
from quilate.scripts.payloads.model import StoredPayload
from quilate.scripts.payloads.outputs import OutputStore

PATH = "/projects/{project}/executions/{execution}/dataset-versions"
ExecutionId = Annotated[UUID, Path(description="The execution's id.")]


class Executions(Protocol):
    """Knows executions: ``quilate.scripts.executions.service.ExecutionService``."""

    async def get(self, project_id: UUID, execution_id: UUID) -> Execution:
        """Return an execution.

        Raises:
            Problem: 404, the project has none of this id.
        """
        ...

    async def with_content(self, execution_id: UUID, part: Part, payload: StoredPayload) -> StoredPayload:
        """Return a payload with what of it lies in the database."""
        ...


class Versions(Protocol):
    """Knows versions: ``quilate.scripts.versions.executable.Executables``."""

    async def pinned(self, project_id: UUID, version_id: UUID) -> ScriptVersion:
        """Return a version, whatever has become of it.

        Raises:
            Problem: 404, the project has none of this id.
        """
        ...


class OutputBody(BaseModel):
    """What becomes of an output."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(pattern=NAME_PATTERN, max_length=128, description="A dataset of the project that is there.")
    gate: bool = Field(default=False, description="Submit a run that judges the version.")
    blueprint: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = Field(
        default="", description="By which the run judges, `name` or `name@version`; empty for the project's own."
    )


class OutputView(BaseModel):
    """A dataset version that is an execution's output."""

    dataset: str = Field(description="The dataset.")
    version: int = Field(description="The version's number.")
    digest: str = Field(description="Of the version's manifest.")
    rows: int | None = Field(description="Records, where the output is a table.")
    run: UUID | None = Field(description="The run that judges it, where one was asked for.")


def make_router(
    executions: Executions, versions: Versions, outputs: OutputStore, access: Access, database: Database
) -> APIRouter:
    """Return the route, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=["executions"])

    @router.post(
        PATH,
        status_code=201,
        response_model=OutputView,
        operation_id="register_execution_output",
        summary="Make an output a version of a dataset",
        responses={
            200: {"description": "The version was there already.", "model": OutputView},
            **problem_responses(401, 403, 404, 409, 410, 413, 415, 422, 429),
        },
    )
    async def register_execution_output(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.DATASET_WRITE))],
        request: Request,
        execution: ExecutionId,
        body: OutputBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """With its lineage. The same content is the same version: 200 instead of 201; the same gate is the same run."""

        async def handle(_: KeyClaim | None) -> Response:
            found = await executions.get(granted.project.id, execution)
            require_contents(found, Part.OUTPUT)
            output = await executions.with_content(execution, Part.OUTPUT, _output(found))
            if output.inline is None and output.reference is None:
                raise not_kept(execution, Part.OUTPUT.value)
            await access.record(request, granted, AccessKind.DATA, f"execution:{execution}/output")
            lineage = lineage_of(found, await versions.pinned(granted.project.id, found.version_id))
            version, new = await outputs.register(granted, body.dataset, output, lineage)
            run = None
            if body.gate:
                submitted = await outputs.gate(granted, body.dataset, version, lineage, blueprint=body.blueprint)
                run = submitted.run_id
            view = OutputView(
                dataset=body.dataset, version=version.number, digest=version.digest, rows=version.rows, run=run
            )
            location = f"/api/v1/projects/{granted.project.slug}/datasets/{body.dataset}/versions/{version.number}"
            return json_answer(view, status=201 if new else 200, headers={"Location": location})

        return await idempotent(request, database, str(granted.actor), handle)

    return router


def _output(execution: Execution) -> StoredPayload:
    if execution.output is None:
        raise Problem(
            status=409,
            type="conflict",
            detail=f"the execution {execution.id} is {execution.status.value} and has no output",
            next_step="wait until it has completed",
        )
    return execution.output
