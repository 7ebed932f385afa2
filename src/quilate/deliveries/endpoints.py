"""Routes of connections below ``/projects/{project}/connections``, and of the connectors that there are."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, Principal, ProjectAccess
from quilate.deliveries.connector import RUN_FINISHED, DeliveredEvent
from quilate.deliveries.delivery_endpoints import add_delivery_routes
from quilate.deliveries.schemas import (
    ConnectionBody,
    ConnectionPage,
    ConnectionView,
    ConnectorList,
    DryRunBody,
    TrialView,
    connection_view,
    connector_view,
    trial_view,
)
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.tags import named_tag

TAG = "connections"
BASE = "/projects/{project}/connections"

ConnectionId = Annotated[UUID, Path(description="The connection's id.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def make_router(service: ConnectionService, access: Access, database: Database) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter()
    reading, writing = access.project(Permission.PROJECT_READ), access.project(Permission.PROJECT_ADMIN)
    _add_connectors(router, service, access)
    _add_reading(router, service, reading)
    _add_making(router, service, writing, database)
    _add_changing(router, service, writing)
    _add_trying(router, service, writing)
    add_delivery_routes(router, service, reading, access.project(Permission.DEAD_LETTER_REPLAY))
    return router


def _add_connectors(router: APIRouter, service: ConnectionService, access: Access) -> None:
    @router.get(
        "/connector-types",
        operation_id="list_connector_types",
        summary="List the connectors",
        tags=[TAG],
        responses=problem_responses(401),
    )
    async def list_connector_types(principal: Annotated[Principal, Depends(access.principal)]) -> ConnectorList:
        """With the schema of their settings and the secrets that they need."""
        del principal
        return ConnectorList(items=[connector_view(each) for each in service.connectors()])


def _add_reading(router: APIRouter, service: ConnectionService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_connections",
        summary="List connections",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_connections(
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ConnectionPage:
        """Those that are switched off included."""
        place = decode_cursor(cursor, tuple[UUID])
        rows = await service.listed(granted, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.id,))
        response.headers.update(next_link(request, page.cursor))
        return ConnectionPage(items=[connection_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{connection}}",
        operation_id="get_connection",
        summary="Read a connection",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_connection(
        granted: Annotated[ProjectAccess, Depends(reading)], response: Response, connection: ConnectionId
    ) -> ConnectionView:
        """Its secrets only by name; its `ETag` is what a change names by `If-Match`."""
        found = await service.get(granted, connection)
        response.headers["ETag"] = etag_of(found.tag)
        return connection_view(found)


def _add_making(router: APIRouter, service: ConnectionService, writing: AccessTo, database: Database) -> None:
    @router.post(
        BASE,
        operation_id="create_connection",
        summary="Make a connection",
        tags=[TAG],
        status_code=201,
        response_model=ConnectionView,
        responses=problem_responses(401, 403, 404, 409, 413, 415, 422),
    )
    async def create_connection(
        body: ConnectionBody,
        granted: Annotated[ProjectAccess, Depends(writing)],
        request: Request,
        key: IdempotencyKey = None,
    ) -> Response:
        """It is told of events from now on. Try it with `test` before you rely on it."""
        del key

        async def make(claim: KeyClaim | None) -> Response:
            del claim
            made = await service.create(granted, body.wish())
            place = f"/api/v1/projects/{granted.project.slug}/connections/{made.id}"
            headers = {"Location": place, "ETag": etag_of(made.tag)}
            return json_answer(connection_view(made), status=201, headers=headers)

        return await idempotent(request, database, str(granted.actor), make)


def _add_changing(router: APIRouter, service: ConnectionService, writing: AccessTo) -> None:
    @router.put(
        f"{BASE}/{{connection}}",
        operation_id="replace_connection",
        summary="Write a connection anew",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 409, 412, 413, 415, 422, 428),
    )
    async def replace_connection(
        body: ConnectionBody,
        granted: Annotated[ProjectAccess, Depends(writing)],
        response: Response,
        connection: ConnectionId,
        if_match: IfMatch = None,
    ) -> ConnectionView:
        """Secrets that are not named stay; an empty one is forgotten."""
        changed = await service.update(granted, connection, body.wish(), named_tag(if_match))
        response.headers["ETag"] = etag_of(changed.tag)
        return connection_view(changed)

    @router.delete(
        f"{BASE}/{{connection}}",
        operation_id="delete_connection",
        summary="Take a connection away",
        tags=[TAG],
        status_code=204,
        responses=problem_responses(401, 403, 404, 412, 422, 428),
    )
    async def delete_connection(
        granted: Annotated[ProjectAccess, Depends(writing)], connection: ConnectionId, if_match: IfMatch = None
    ) -> None:
        """Its secrets go at once; what was not delivered becomes a dead letter."""
        await service.delete(granted, connection, named_tag(if_match))


def _add_trying(router: APIRouter, service: ConnectionService, writing: AccessTo) -> None:
    @router.post(
        f"{BASE}/{{connection}}/test",
        operation_id="test_connection",
        summary="Try address and credentials",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 422),
    )
    async def test_connection(
        granted: Annotated[ProjectAccess, Depends(writing)], connection: ConnectionId
    ) -> TrialView:
        """The test delivery: it changes nothing that matters outside."""
        return trial_view(await service.probe(granted, connection))

    @router.post(
        f"{BASE}/{{connection}}/dry-run",
        operation_id="dry_run_connection",
        summary="Show what a run's end would send",
        tags=[TAG],
        responses=problem_responses(401, 403, 404, 413, 415, 422),
    )
    async def dry_run_connection(
        body: DryRunBody, granted: Annotated[ProjectAccess, Depends(writing)], connection: ConnectionId
    ) -> TrialView:
        """Nothing but reading requests leaves; what would have been changed is listed, credentials masked."""
        event = DeliveredEvent(
            id=uuid7(),
            type=RUN_FINISHED,
            time=datetime.now(UTC),
            project=granted.project.slug,
            subject=f"run:{body.run}",
            data={"run": str(body.run)},
            run_id=body.run,
        )
        return trial_view(await service.dry_run(granted, connection, event))
