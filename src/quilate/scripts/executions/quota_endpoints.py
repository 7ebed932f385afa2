"""Routes of what a project may use for scripts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of, matched_version
from quilate.scripts.executions.schemas import QuotaBody, QuotaView
from quilate.scripts.executions.service import ExecutionService
from quilate.scripts.executions.views import quota_view


def add_quotas(router: APIRouter, service: ExecutionService, access: Access) -> None:
    """Add the routes."""
    reading = access.project(Permission.PROJECT_READ)
    administering = access.project(Permission.PROJECT_ADMIN)

    @router.get(
        "/projects/{project}/script-quota",
        operation_id="get_script_quota",
        summary="Read what a project may use for scripts",
        responses=problem_responses(401, 403, 404),
    )
    async def get_script_quota(granted: Annotated[ProjectAccess, Depends(reading)], response: Response) -> QuotaView:
        """With what it has in use; its `ETag` is what a change names by `If-Match`."""
        state = await service.quota_of(granted.project.id)
        response.headers["ETag"] = etag_of(state.revision)
        return quota_view(state)

    @router.put(
        "/projects/{project}/script-quota",
        operation_id="set_script_quota",
        summary="Set what a project may use for scripts",
        responses=problem_responses(401, 403, 404, 412, 422, 428),
    )
    async def set_script_quota(
        granted: Annotated[ProjectAccess, Depends(administering)],
        body: QuotaBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> QuotaView:
        """Replace all of it; what is left out is as the service's settings say."""
        state = await service.set_quota(granted, body.model_dump(), revision=matched_version(if_match))
        response.headers["ETag"] = etag_of(state.revision)
        return quota_view(state)
