"""Routes of badges: where a project's is, and the picture itself, which needs no login."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from quilate.accounts.access import Access, ProjectSlug
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import problem_responses
from quilate.ops.badges.service import BadgeService

MEDIA_TYPE = "image/svg+xml"
PATH = "/projects/{project}/badge"
Key = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]+$", description="Of the project's badge.")]
Branch = Annotated[
    str | None, Query(max_length=255, pattern=r"^[^\x00]+$", description="By default the protected branch.")
]


class BadgeView(BaseModel):
    """Where a project's badge is."""

    url: str = Field(description="Its address; whoever has it sees the last verdict of each branch, and nothing else.")
    markdown: str = Field(description="To be put into a README.")


def make_router(service: BadgeService, access: Access) -> APIRouter:
    """Return the route for members, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=["badges"])

    @router.get(
        PATH,
        operation_id="get_badge_address",
        summary="Read where the project's badge is",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_badge_address(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))],
    ) -> BadgeView:
        """For pages that cannot log in."""
        url = service.address(granted)
        return BadgeView(url=url, markdown=f"![quilate]({url})")

    return router


def make_root_router(service: BadgeService) -> APIRouter:
    """Return the picture's route, to be mounted at the root."""
    router = APIRouter(tags=["badges"])

    @router.get(
        "/badges/{project}/{key}.svg",
        operation_id="get_badge",
        summary="Look at a badge",
        response_class=Response,
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "The picture."},
            304: {"description": "It has not changed."},
            **problem_responses(404, 422),
        },
    )
    async def get_badge(request: Request, project: ProjectSlug, key: Key, branch: Branch = None) -> Response:
        """Kept by browsers and proxies for a minute at most."""
        picture = await service.badge(project, key, branch)
        tag = f'"{hashlib.sha256(picture.encode()).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "public, max-age=60", "Content-Security-Policy": "default-src 'none'"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(picture, media_type=MEDIA_TYPE, headers=headers)

    return router
