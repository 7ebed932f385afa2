"""Routes of blueprints below ``/projects/{project}/blueprints``."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.blueprints.registry.model import MOST_REPLAYED, Draft, PublishedBlueprint
from quilate.blueprints.registry.schemas import (
    NAME_PATTERN,
    REFERENCE_PATTERN,
    VERSION_PATTERN,
    BlueprintPage,
    ComparisonView,
    DraftRequest,
    DraftView,
    VersionPage,
    VersionView,
    WhatIfView,
    WithdrawRequest,
    blueprint_view,
    comparison_view,
    draft_view,
    version_summary,
    version_view,
    what_if_view,
)
from quilate.blueprints.registry.service import BlueprintService
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfMatch, etag_of
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.kit.web.tags import named_tag

TAG = "blueprints"
BASE = "/projects/{project}/blueprints"

Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=100, description="The blueprint's `id`.")]
Version = Annotated[str, Path(pattern=VERSION_PATTERN, max_length=60, description="The version's number.")]
Reference = Annotated[
    str, Query(pattern=REFERENCE_PATTERN, max_length=160, description="`NAME` or `NAME@VERSION`, or a built-in one.")
]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def make_router(service: BlueprintService, access: Access) -> APIRouter:
    """Return the slice's routes, to be mounted below ``/api/v1``."""
    router = APIRouter(tags=[TAG])
    reading = access.project(Permission.PROJECT_READ)
    _add_lists(router, service, reading)
    _add_drafts(router, service, reading, access.project(Permission.BLUEPRINT_EDIT))
    _add_questions(router, service, reading)
    _add_publication(router, service, access.project(Permission.BLUEPRINT_PUBLISH))
    return router


def _draft_answer(draft: Draft, response: Response) -> DraftView:
    response.headers["ETag"] = etag_of(draft.tag)
    return draft_view(draft)


def _location(access: ProjectAccess, published: PublishedBlueprint) -> str:
    return f"/api/v1/projects/{access.project.slug}/blueprints/{published.name}/versions/{published.version}"


def _add_lists(router: APIRouter, service: BlueprintService, reading: AccessTo) -> None:
    @router.get(
        BASE,
        operation_id="list_blueprints",
        summary="List blueprints",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_blueprints(
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> BlueprintPage:
        """Built-in ones and the project's own, published or being written."""
        place = decode_cursor(cursor, tuple[str])
        rows = await service.listed(granted, after=place[0] if place else "", limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.name,))
        response.headers.update(next_link(request, page.cursor))
        return BlueprintPage(items=[blueprint_view(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{name}}/versions",
        operation_id="list_blueprint_versions",
        summary="List the versions of a blueprint",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_versions(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        name: Name,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> VersionPage:
        """Published versions, withdrawn ones included."""
        place = decode_cursor(cursor, tuple[int])
        before = min(place[0], 2**31 - 1) if place else None
        rows = await service.versions(granted, name, before=before, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.sequence,))
        response.headers.update(next_link(request, page.cursor))
        return VersionPage(items=[version_summary(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        f"{BASE}/{{name}}/versions/{{version}}",
        operation_id="get_blueprint_version",
        summary="Read a version",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_version(
        granted: Annotated[ProjectAccess, Depends(reading)], name: Name, version: Version
    ) -> VersionView:
        """The text that runs use, and the one that its authors wrote."""
        return version_view(await service.version(granted, name, version))


def _add_drafts(router: APIRouter, service: BlueprintService, reading: AccessTo, editing: AccessTo) -> None:
    @router.post(
        BASE,
        status_code=201,
        response_model=DraftView,
        operation_id="create_blueprint_draft",
        summary="Begin a draft",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    async def create_draft(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        body: DraftRequest,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """The draft's name is the document's `id`. Errors name line, column and the nearest valid name."""

        async def handle(_: KeyClaim | None) -> Response:
            draft = await service.create_draft(granted, body.text)
            address = f"/api/v1/projects/{granted.project.slug}/blueprints/{draft.name}/draft"
            headers = {"Location": address, "ETag": etag_of(draft.tag)}
            return json_answer(draft_view(draft), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.get(
        f"{BASE}/{{name}}/draft",
        operation_id="get_blueprint_draft",
        summary="Read a draft",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_draft(
        granted: Annotated[ProjectAccess, Depends(reading)], response: Response, name: Name
    ) -> DraftView:
        """Its `ETag` is what changes and the publication name by `If-Match`."""
        return _draft_answer(await service.draft(granted, name), response)

    @router.put(
        f"{BASE}/{{name}}/draft",
        operation_id="update_blueprint_draft",
        summary="Change a draft",
        responses=problem_responses(401, 403, 404, 412, 422, 428),
    )
    async def update_draft(
        granted: Annotated[ProjectAccess, Depends(editing)],
        response: Response,
        name: Name,
        body: DraftRequest,
        if_match: IfMatch = None,
    ) -> DraftView:
        """Whoever changes a draft is one of its authors and cannot publish it."""
        draft = await service.update_draft(granted, name, body.text, named_tag(if_match))
        return _draft_answer(draft, response)

    @router.delete(
        f"{BASE}/{{name}}/draft",
        status_code=204,
        operation_id="discard_blueprint_draft",
        summary="Discard a draft",
        responses=problem_responses(401, 403, 404, 412, 422, 428),
    )
    async def discard_draft(
        granted: Annotated[ProjectAccess, Depends(editing)], name: Name, if_match: IfMatch = None
    ) -> None:
        """Published versions stay."""
        await service.discard_draft(granted, name, named_tag(if_match))


def _add_questions(router: APIRouter, service: BlueprintService, reading: AccessTo) -> None:
    @router.get(
        f"{BASE}/{{name}}/draft/diff",
        operation_id="compare_blueprint_draft",
        summary="Compare a draft",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def compare_draft(
        granted: Annotated[ProjectAccess, Depends(reading)], name: Name, against: Reference | None = None
    ) -> ComparisonView:
        """What the draft lets through differently than its newest version, or than `against`."""
        return comparison_view(await service.compare_draft(granted, name, against))

    @router.get(
        f"{BASE}/{{name}}/diff",
        operation_id="compare_blueprint_versions",
        summary="Compare two versions",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def compare_versions(
        granted: Annotated[ProjectAccess, Depends(reading)],
        name: Name,
        before: Annotated[str, Query(pattern=VERSION_PATTERN, max_length=60, description="The older version.")],
        after: Annotated[str, Query(pattern=VERSION_PATTERN, max_length=60, description="The newer version.")],
    ) -> ComparisonView:
        """What one version lets through differently than another."""
        return comparison_view(await service.compare_versions(granted, f"{name}@{before}", f"{name}@{after}"))

    @router.get(
        f"{BASE}/{{name}}/draft/what-if",
        operation_id="replay_under_blueprint_draft",
        summary="Replay the last runs under a draft",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def what_if(
        granted: Annotated[ProjectAccess, Depends(reading)],
        name: Name,
        runs: Annotated[int, Query(ge=1, le=MOST_REPLAYED, description="Runs at most.")] = 20,
    ) -> WhatIfView:
        """Decide the project's last runs again by the draft, on the evidence that they had. Nothing runs."""
        return what_if_view(await service.what_if(granted, name, runs))


def _add_publication(router: APIRouter, service: BlueprintService, publishing: AccessTo) -> None:
    @router.post(
        f"{BASE}/{{name}}/draft/publish",
        status_code=201,
        response_model=VersionView,
        operation_id="publish_blueprint_draft",
        summary="Publish a draft",
        responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
    )
    async def publish(
        granted: Annotated[ProjectAccess, Depends(publishing)],
        request: Request,
        name: Name,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """Publish exactly the state that `If-Match` names. None of its authors can."""
        tag = named_tag(if_match, any_state=False) or ""

        async def handle(_: KeyClaim | None) -> Response:
            published = await service.publish(granted, name, tag)
            headers = {"Location": _location(granted, published)}
            return json_answer(version_view(published), status=201, headers=headers)

        return await idempotent(request, service.database, str(granted.actor), handle)

    @router.post(
        f"{BASE}/{{name}}/versions/{{version}}/withdraw",
        operation_id="withdraw_blueprint_version",
        summary="Withdraw a version",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def withdraw(
        granted: Annotated[ProjectAccess, Depends(publishing)], name: Name, version: Version, body: WithdrawRequest
    ) -> VersionView:
        """No new run is judged by it; what it decided stays readable. Its number is not used again."""
        return version_view(await service.withdraw(granted, name, version, body.reason))
