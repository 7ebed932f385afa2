"""The route of the read side: GraphQL over HTTP, ``POST`` only, with the authorisation of REST."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from graphql import GraphQLError
from pydantic import BaseModel, ConfigDict, Field

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, Principal, ProjectAccess
from quilate.accounts.projects import Projects
from quilate.evidence.artifacts import ArtifactStore
from quilate.graphql.context import QueryContext
from quilate.graphql.limits import LONGEST_QUERY_CHARACTERS, parsed, require_affordable, require_operation
from quilate.graphql.loaders import Loaders
from quilate.graphql.schema import SCHEMA, schema_text
from quilate.kit.database.database import Database
from quilate.kit.web.answers import problem_responses
from quilate.ops.kpis import KpiService

PATH = "/graphql"
LONGEST_SECONDS = 20.0
_INTERNAL = "something went wrong here; the request's id leads to the log"


class GraphQuery(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(max_length=LONGEST_QUERY_CHARACTERS, description="A GraphQL document with one or more queries.")
    variables: dict[str, Any] | None = Field(default=None, description="Values of its variables.")
    operation_name: str | None = Field(
        default=None, alias="operationName", max_length=200, description="Which of its queries is meant."
    )


class GraphError(BaseModel):
    """What went wrong, as GraphQL says it."""

    message: str = Field(description="What is wrong.")
    locations: list[dict[str, int]] | None = Field(default=None, description="Where in the query.")
    path: list[str | int] | None = Field(default=None, description="Where in the answer.")
    extensions: dict[str, Any] | None = Field(default=None, description="`type`, `status` and `next_step` of REST.")


class GraphAnswer(BaseModel):
    """An answer."""

    data: dict[str, Any] | None = Field(default=None, description="What was asked for; null where nothing could be.")
    errors: list[GraphError] | None = Field(default=None, description="What went wrong.")


class GraphService:
    """Answers queries; what they stand on is made for each anew."""

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self._database = database
        self._artifacts = artifacts
        self._projects = Projects(database, forget=_nothing)
        self._kpis = KpiService(database)

    def context(self, principal: Principal, request: Request, access: Access) -> QueryContext:
        """Return what the resolvers of one query stand on."""

        async def open_project(slug: str, permission: Permission) -> ProjectAccess:
            return await access.project_by_slug(request, slug, permission)

        return QueryContext(
            principal=principal,
            open_project=open_project,
            loaders=Loaders(self._database, self._artifacts),
            projects=self._projects,
            kpis=self._kpis,
        )


def make_router(service: GraphService, access: Access) -> APIRouter:
    """Return the routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=["graphql"])

    @router.post(
        PATH,
        operation_id="query_graphql",
        summary="Ask a GraphQL query",
        response_model=GraphAnswer,
        responses=problem_responses(401, 413, 415, 422),
    )
    async def query_graphql(
        body: GraphQuery, request: Request, principal: Annotated[Principal, Depends(access.principal)]
    ) -> JSONResponse:
        """Projects, runs, checks, findings, decisions, waivers and figures in one request; it changes nothing.

        What is wrong with a query stands in `errors`; the status stays 200, as GraphQL over HTTP asks for with
        `application/json`.
        """
        context = service.context(principal, request, access)
        answer = await answered(body, context)
        for (_, kind), (granted, subjects) in context.seen.items():
            await access.record(request, granted, kind, *sorted(subjects))
        return JSONResponse(answer)

    @router.get(
        f"{PATH}/schema",
        operation_id="get_graphql_schema",
        summary="Read the GraphQL schema",
        response_class=PlainTextResponse,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The schema."},
            **problem_responses(401),
        },
    )
    async def get_graphql_schema(principal: Annotated[Principal, Depends(access.principal)]) -> PlainTextResponse:
        """In the schema definition language."""
        del principal
        return PlainTextResponse(schema_text())

    return router


async def answered(body: GraphQuery, context: QueryContext) -> dict[str, Any]:
    """Return the answer to a query."""
    try:
        document = parsed(body.query)
        require_affordable(document, body.variables or {})
        require_operation(document, body.operation_name)
    except GraphQLError as error:
        return {"data": None, "errors": [error.formatted]}
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            result = await SCHEMA.execute(
                body.query,
                variable_values=body.variables,
                context_value=context,
                operation_name=body.operation_name,
            )
    except TimeoutError:
        message = f"the answer took longer than {LONGEST_SECONDS:g} seconds: ask for less at a time"
        return {"data": None, "errors": [{"message": message}]}
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_shown(error) for error in result.errors]
    return answer


def _shown(error: GraphQLError) -> dict[str, Any]:
    """Return an error for callers: what nobody foresaw keeps its words for the log."""
    formatted: dict[str, Any] = dict(error.formatted)
    if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
        formatted["message"] = _INTERNAL
    return formatted


def _nothing() -> None:
    """Forget nothing: this side changes no accounts."""
