"""Routes of work that was given up: list, inspect, replay."""

# ruff: noqa: FAST003 - the access dependency reads {project}

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link
from quilate.runs.api.answers import answers_of
from quilate.runs.api.schemas import DeadLetterDetail, DeadLetterPage, DeadLetterView, RunAccepted
from quilate.runs.api.service import RunService
from quilate.runs.api.store import Row
from quilate.runs.api.views import links_of

TAG = "dead letters"


def make_dead_letter_router(service: RunService, access: Access) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=[TAG])
    reader = Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))]
    replayer = Annotated[ProjectAccess, Depends(access.project(Permission.DEAD_LETTER_REPLAY))]

    @router.get(
        "/projects/{project}/dead-letters",
        operation_id="list_dead_letters",
        summary="List work that was given up",
        responses=answers_of(),
    )
    async def list_dead_letters(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: reader,
        request: Request,
        response: Response,
        replayed: Annotated[bool | None, Query(description="Only those that were, or were not, replayed.")] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> DeadLetterPage:
        """Newest first."""
        page = await service.store.dead_letters(granted.project.id, replayed=replayed, cursor=cursor, limit=limit)
        response.headers.update(next_link(request, page.cursor))
        return DeadLetterPage(items=[_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        "/projects/{project}/dead-letters/{letter_id}",
        operation_id="get_dead_letter",
        summary="Inspect a dead letter",
        responses=answers_of(),
    )
    async def get_dead_letter(
        granted: reader,
        letter_id: UUID,
    ) -> DeadLetterDetail:
        """With what is known of each try and what had been submitted."""
        row = await service.dead_letter(granted.project.id, letter_id)
        return DeadLetterDetail(**_view(row).model_dump(), details=row["details"], submission=row["submission"])

    @router.post(
        "/projects/{project}/dead-letters/{letter_id}/replay",
        operation_id="replay_dead_letter",
        summary="Submit a dead letter's run again",
        status_code=202,
        responses=answers_of(),
    )
    async def replay_dead_letter(
        granted: replayer,
        letter_id: UUID,
        response: Response,
    ) -> RunAccepted:
        """What had passed at its first attempt does not run again; a second replay gives the same run."""
        submitted = await service.replay(granted, letter_id)
        links = links_of(granted.project.slug, submitted.run_id)
        response.headers["Location"] = links.self
        return RunAccepted(id=submitted.run_id, status=submitted.status, created=submitted.created, links=links)

    return router


def _view(row: Row) -> DeadLetterView:
    return DeadLetterView(
        id=row["id"],
        run=row["run_id"],
        check=row["check_id"],
        reason=row["reason"],
        created_at=row["created_at"],
        replayed_at=row["replayed_at"],
        replayed_as=row["replayed_as"],
    )
