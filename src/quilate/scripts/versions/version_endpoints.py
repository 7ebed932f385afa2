"""Routes of versions: push, read, compare."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from quilate.accounts.model import ProjectAccess
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.conditional import IfNoneMatch, etag_of, is_known
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, cut_page, decode_cursor, next_link
from quilate.scripts.model import VersionState
from quilate.scripts.versions.answer_schemas import (
    CompatibilityView,
    DiffView,
    PushedView,
    compatibility_view,
    diff_view,
    pushed_view,
)
from quilate.scripts.versions.schemas import PushBody, VersionPage, VersionView, version_summary, version_view
from quilate.scripts.versions.service import VersionService

VERSIONS = "/projects/{project}/scripts/{script}/versions"
VERSION = f"{VERSIONS}/{{version}}"
JAVASCRIPT = "text/javascript; charset=utf-8"
VERSION_NAME = r"^[0-9A-Za-z.+-]+$"

ScriptId = Annotated[UUID, Path(description="The script's id.")]
VersionName = Annotated[
    str,
    Path(max_length=100, pattern=VERSION_NAME, description="The version's semantic version, its number or its id."),
]
Compared = Annotated[
    str, Query(max_length=100, pattern=VERSION_NAME, description="The other version: semantic version, number or id.")
]
AccessTo = Callable[..., Awaitable[ProjectAccess]]


def add_versions(router: APIRouter, service: VersionService, reading: AccessTo, editing: AccessTo) -> None:
    """Add the routes."""
    _add_push(router, service, editing)
    _add_reading(router, service, reading)
    _add_source(router, service, reading)
    _add_comparing(router, service, reading)


def _add_push(router: APIRouter, service: VersionService, editing: AccessTo) -> None:
    @router.post(
        VERSIONS,
        status_code=201,
        response_model=PushedView,
        operation_id="push_script_version",
        summary="Push a version",
        responses=problem_responses(401, 403, 404, 409, 422, 503),
    )
    async def push_version(
        granted: Annotated[ProjectAccess, Depends(editing)],
        request: Request,
        script: ScriptId,
        body: PushBody,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """A draft that never changes. The answer says what its schemas mean for users of the version before."""

        async def handle(_: KeyClaim | None) -> Response:
            pushed = await service.push(granted, script, body.push())
            version = pushed.record.version
            location = f"/api/v1/projects/{granted.project.slug}/scripts/{script}/versions/{version.semver}"
            return json_answer(pushed_view(pushed), status=201, headers={"Location": location})

        return await idempotent(request, service.database, str(granted.actor), handle)


def _add_reading(router: APIRouter, service: VersionService, reading: AccessTo) -> None:
    @router.get(
        VERSIONS,
        operation_id="list_script_versions",
        summary="List the versions of a script",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def list_versions(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        granted: Annotated[ProjectAccess, Depends(reading)],
        request: Request,
        response: Response,
        script: ScriptId,
        state: Annotated[VersionState | None, Query(description="Only those in this state.")] = None,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> VersionPage:
        """Without their sources and schemas."""
        place = decode_cursor(cursor, tuple[int])
        before = min(max(place[0], 0), 2**31 - 1) if place else None
        rows = await service.versions(granted, script, state=state, before=before, limit=limit + 1)
        page = cut_page(rows, limit, lambda row: (row.version.number,))
        response.headers.update(next_link(request, page.cursor))
        return VersionPage(items=[version_summary(row) for row in page.items], next_cursor=page.cursor)

    @router.get(
        VERSION,
        operation_id="get_script_version",
        summary="Read a version",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def get_version(
        granted: Annotated[ProjectAccess, Depends(reading)], script: ScriptId, version: VersionName
    ) -> VersionView:
        """With its source, its schemas and the warnings of the validation."""
        return version_view(await service.version(granted, script, version))


def _add_source(router: APIRouter, service: VersionService, reading: AccessTo) -> None:
    @router.get(
        f"{VERSION}/source",
        operation_id="get_script_source",
        summary="Download the source of a version",
        response_class=Response,
        responses={
            200: {"description": "The JavaScript.", "content": {"text/javascript": {"schema": {"type": "string"}}}},
            304: {"description": "It is known already."},
            **problem_responses(401, 403, 404, 422),
        },
    )
    async def get_source(
        granted: Annotated[ProjectAccess, Depends(reading)],
        script: ScriptId,
        version: VersionName,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """As it was pushed, byte by byte; its `ETag` is its digest."""
        found = (await service.version(granted, script, version)).version
        headers = {
            "ETag": etag_of(found.digest),
            "Content-Disposition": f'attachment; filename="{found.semver}.js"',
            "X-Content-Type-Options": "nosniff",
        }
        if is_known(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers={"ETag": headers["ETag"]})
        return Response(found.source.encode(), headers=headers, media_type=JAVASCRIPT)


def _add_comparing(router: APIRouter, service: VersionService, reading: AccessTo) -> None:
    @router.get(
        f"{VERSION}/diff",
        operation_id="compare_script_versions",
        summary="Compare two versions",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def compare(
        granted: Annotated[ProjectAccess, Depends(reading)], script: ScriptId, version: VersionName, against: Compared
    ) -> DiffView:
        """What this version changes of the one that `against` names: source, properties, schemas."""
        return diff_view(*await service.compare(granted, script, against, version))

    @router.get(
        f"{VERSION}/compatibility",
        operation_id="report_script_compatibility",
        summary="Tell what a version means for the users of another",
        responses=problem_responses(401, 403, 404, 422),
    )
    async def compatibility(
        granted: Annotated[ProjectAccess, Depends(reading)], script: ScriptId, version: VersionName, against: Compared
    ) -> CompatibilityView:
        """Each change of the schemas since the version that `against` names, with its path and what it does."""
        _, _, diff = await service.compare(granted, script, against, version)
        return compatibility_view(diff.compatibility)
