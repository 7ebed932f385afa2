"""Model registries that are asked for new versions: what may be done with them, and their routes."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.secrets.opened import Secrets
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.problems import Problem
from quilate.runs.triggers import hook_store
from quilate.runs.triggers.polling import RegistryPoll, poll_of
from quilate.runs.triggers.secrets import poll_context
from quilate.runs.triggers.store import QUERIES

TAG = "events"
BASE = "/projects/{project}/registry-polls"

PollId = Annotated[UUID, Path(description="The registry's id in the project.")]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


class PollBody(BaseModel):
    """A model registry that is asked for new versions."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")] = Field(
        description="What people call it, once in the project."
    )
    url: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")] = Field(
        description="Address of the MLflow server.", examples=["https://mlflow.example.org"]
    )
    token: Annotated[str, StringConstraints(max_length=4096, pattern=r"^[\x21-\x7e]*$")] = Field(
        default="", description="Sent as a bearer token; kept sealed and never shown."
    )
    hook: UUID | None = Field(
        default=None, description="The MLflow hook that it makes up for: what came by one does not come by the other."
    )
    interval_seconds: int = Field(default=60, ge=10, le=86400, description="Pause between two looks.")


class PollView(BaseModel):
    """A registry as it is, without its token."""

    id: UUID
    name: str
    url: str
    has_token: bool
    hook: UUID | None
    interval_seconds: int
    position: datetime = Field(description="Versions up to here are known, by the registry's clock.")
    failures: int = Field(description="Looks in a row that brought nothing.")
    error: str = Field(description="Why the last one did not.")
    polled_at: datetime | None
    author: str
    created_at: datetime


class PollPage(BaseModel):
    """A page of registries."""

    items: list[PollView]
    next_cursor: str = Field(default="", description="For the next page; empty on the last one.")


def poll_view(poll: RegistryPoll) -> PollView:
    """Return a registry on the wire."""
    return PollView(
        id=poll.id,
        name=poll.name,
        url=poll.url,
        has_token=poll.token is not None,
        hook=poll.hook_id,
        interval_seconds=poll.interval_seconds,
        position=datetime.fromtimestamp(poll.position / 1000, poll.created_at.tzinfo),
        failures=poll.failures,
        error=poll.error,
        polled_at=poll.polled_at,
        author=poll.author,
        created_at=poll.created_at,
    )


class PollService:
    """Registries as administrators see them."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self.database = database
        self._secrets = secrets

    async def create(self, access: ProjectAccess, body: PollBody) -> RegistryPoll:
        """Have a registry asked from now on; versions that are there already begin nothing.

        Raises:
            Problem: 409, the name is taken; 422, the address or the hook makes no sense.
        """
        _require_address(body.url)
        poll_id = uuid7()
        token = self._secrets.seal(body.token, poll_context(poll_id)) if body.token else None

        async def work(connection: Connection) -> RegistryPoll:
            if body.hook is not None:
                await _require_hook(connection, access, body.hook)
            given = {
                "id": poll_id,
                "project": access.project.id,
                "name": body.name,
                "url": body.url,
                "token": token,
                "hook": body.hook,
                "interval": body.interval_seconds,
                "position": int(time.time() * 1000),
                "author": access.principal.person,
            }
            cursor = await connection.execute(QUERIES["insert_poll"], given)
            poll = await _find(connection, access, poll_id)
            if poll is None:
                raise Problem(
                    status=409, type="conflict", detail=f"there is a registry {body.name!r} already",
                    next_step="choose another name",
                )  # fmt: skip
            if cursor.rowcount:
                await _audit(connection, access, poll_id, "registry-poll.created")
            return poll

        return await self.database.run(work)

    async def listed(self, access: ProjectAccess, *, before: UUID | None, limit: int) -> Sequence[RegistryPoll]:
        """Return up to ``limit`` registries, the newest first, from before an id on."""
        asked = {"project": access.project.id, "before": before, "limit": limit}
        async with self.database.connection() as connection:
            cursor = await connection.execute(QUERIES["polls"], asked)
            return [poll_of(row) for row in await cursor.fetchall()]

    async def delete(self, access: ProjectAccess, poll_id: UUID) -> None:
        """Ask a registry no more.

        Raises:
            Problem: 404, the project has none of that id.
        """

        async def work(connection: Connection) -> None:
            cursor = await connection.execute(QUERIES["delete_poll"], {"id": poll_id, "project": access.project.id})
            if not cursor.rowcount:
                raise Problem(
                    status=404, type="not-found", detail=f"this project has no registry {poll_id}",
                    next_step="list them",
                )  # fmt: skip
            await _audit(connection, access, poll_id, "registry-poll.deleted")

        await self.database.run(work)


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or not url.isascii() or "@" in parts.netloc or parts.query or parts.fragment:
        raise Problem(
            status=422,
            type="invalid-request",
            detail="the address is no https:// address",
            next_step="give an address like https://mlflow.example.org, and the token apart",
        )


async def _require_hook(connection: Connection, access: ProjectAccess, hook_id: UUID) -> None:
    hook = await hook_store.find_hook(connection, hook_id, access.project.id)
    if hook is None or hook.wish.provider.value != "mlflow":
        raise Problem(
            status=422, type="invalid-request", detail=f"this project has no MLflow hook {hook_id}",
            next_step="list the hooks, or leave it out",
        )  # fmt: skip


async def _find(connection: Connection, access: ProjectAccess, poll_id: UUID) -> RegistryPoll | None:
    cursor = await connection.execute(QUERIES["poll"], {"id": poll_id, "project": access.project.id})
    row = await cursor.fetchone()
    return None if row is None else poll_of(row)


async def _audit(connection: Connection, access: ProjectAccess, poll_id: UUID, action: str) -> None:
    entry = AuditEntry(
        action=action,
        actor=str(access.actor),
        subject=f"registry-poll:{poll_id}",
        project_id=access.project.id,
    )
    await append_entries(connection, [entry])


def make_poll_router(service: PollService, access: Access) -> APIRouter:
    """Return the routes of registries, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    reading, editing = access.project(Permission.PROJECT_READ), access.project(Permission.PROJECT_ADMIN)
    _add_listing(router, service, reading)
    _add_changing(router, service, editing)
    return router


def _add_listing(router: APIRouter, service: PollService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_registry_polls",
        summary="List model registries that are asked for new versions",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_registry_polls(
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> PollPage:
        """Without their tokens, with what the last look gave."""
        place = decode_cursor(cursor, tuple[UUID])
        rows = await service.listed(granted, before=place[0] if place else None, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.id,))
        response.headers.update(next_link(request, page.cursor))
        return PollPage(items=[poll_view(row) for row in page.items], next_cursor=page.cursor)


def _add_changing(router: APIRouter, service: PollService, editing: AccessTo) -> None:
    @router.post(
        BASE,
        status_code=201,
        response_model=PollView,
        operation_id="create_registry_poll",
        summary="Have a model registry asked for new versions",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def create_registry_poll(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: PollBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """Versions that are there already begin nothing."""

        async def handle(_: KeyClaim | None) -> Response:
            made = await service.create(granted, body)
            location = f"/api/v1/projects/{granted.project.slug}/registry-polls/{made.id}"
            return json_answer(poll_view(made), status=201, headers={"Location": location})

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.delete(
        f"{BASE}/{{poll}}",
        status_code=204,
        operation_id="delete_registry_poll",
        summary="Ask a model registry no more",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def delete_registry_poll(granted: Annotated[ProjectAccess, Depends(editing)], poll: PollId) -> None:
        """Its events stay."""
        await service.delete(granted, poll)
