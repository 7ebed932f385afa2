"""Routes that change where a version stands."""

from typing import Annotated

from fastapi import APIRouter, Depends

from quilate.accounts.model import ProjectAccess
from quilate.kit.web.answers import problem_responses
from quilate.kit.web.conditional import IfMatch
from quilate.kit.web.tags import named_tag
from quilate.scripts.versions.schemas import RefusalBody, ReviewBody, VersionSummary, version_summary
from quilate.scripts.versions.service import VersionService
from quilate.scripts.versions.version_endpoints import VERSION, AccessTo, ScriptId, VersionName

_CHANGES = (401, 403, 404, 409, 422)


def add_states(router: APIRouter, service: VersionService, editing: AccessTo, approving: AccessTo) -> None:
    """Add the routes."""
    _add_activation(router, service, editing)
    _add_editing(router, service, editing)
    _add_review(router, service, approving)


def _add_activation(router: APIRouter, service: VersionService, editing: AccessTo) -> None:
    @router.patch(
        f"{VERSION}/activate",
        operation_id="activate_script_version",
        summary="Activate a version",
        responses=problem_responses(*_CHANGES, 412),
    )
    async def activate(
        granted: Annotated[ProjectAccess, Depends(editing)],
        script: ScriptId,
        version: VersionName,
        if_match: IfMatch = None,
    ) -> VersionSummary:
        """Executions use it from now on. `If-Match` may name the `ETag` of the script."""
        tag = None if if_match is None else named_tag(if_match)
        return version_summary(await service.activate(granted, script, version, tag))

    @router.post(
        "/projects/{project}/scripts/{script}/rollback",
        operation_id="roll_back_script",
        summary="Activate the version that was active before",
        responses=problem_responses(*_CHANGES, 412),
    )
    async def roll_back(
        granted: Annotated[ProjectAccess, Depends(editing)], script: ScriptId, if_match: IfMatch = None
    ) -> VersionSummary:
        """Again and again it goes further back; retired and quarantined versions are passed over."""
        tag = None if if_match is None else named_tag(if_match)
        return version_summary(await service.rollback(granted, script, tag))


def _add_editing(router: APIRouter, service: VersionService, editing: AccessTo) -> None:
    @router.post(
        f"{VERSION}/submit",
        operation_id="submit_script_version",
        summary="Ask for the review of a privileged version",
        responses=problem_responses(*_CHANGES),
    )
    async def submit(
        granted: Annotated[ProjectAccess, Depends(editing)], script: ScriptId, version: VersionName
    ) -> VersionSummary:
        """Only what asks for more than the defaults is reviewed."""
        return version_summary(await service.submit(granted, script, version))

    @router.post(
        f"{VERSION}/retire",
        operation_id="retire_script_version",
        summary="Retire a version",
        responses=problem_responses(*_CHANGES),
    )
    async def retire(
        granted: Annotated[ProjectAccess, Depends(editing)], script: ScriptId, version: VersionName
    ) -> VersionSummary:
        """No new execution uses it, for good. A script whose active version retires has none."""
        return version_summary(await service.retire(granted, script, version))


def _add_review(router: APIRouter, service: VersionService, approving: AccessTo) -> None:
    @router.post(
        f"{VERSION}/approve",
        operation_id="approve_script_version",
        summary="Approve a version under review",
        responses=problem_responses(*_CHANGES),
    )
    async def approve(
        granted: Annotated[ProjectAccess, Depends(approving)],
        script: ScriptId,
        version: VersionName,
        body: ReviewBody | None = None,
    ) -> VersionSummary:
        """Its author cannot. It may be activated then."""
        return version_summary(await service.approve(granted, script, version, body.reason if body else ""))

    @router.post(
        f"{VERSION}/refuse",
        operation_id="refuse_script_version",
        summary="Refuse a version under review",
        responses=problem_responses(*_CHANGES),
    )
    async def refuse(
        granted: Annotated[ProjectAccess, Depends(approving)],
        script: ScriptId,
        version: VersionName,
        body: RefusalBody,
    ) -> VersionSummary:
        """It is a draft again, with the reason."""
        return version_summary(await service.refuse(granted, script, version, body.reason))

    @router.post(
        f"{VERSION}/release",
        operation_id="release_script_version",
        summary="Release a version from the quarantine",
        responses=problem_responses(*_CHANGES),
    )
    async def release(
        granted: Annotated[ProjectAccess, Depends(approving)], script: ScriptId, version: VersionName
    ) -> VersionSummary:
        """Its crashes are forgotten: three more quarantine it again."""
        return version_summary(await service.release(granted, script, version))
