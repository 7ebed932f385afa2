"""Routes of projects and their members."""

# ruff: noqa: FAST003 - the access dependency reads {project}

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, Principal, ProjectAccess
from quilate.accounts.schemas import (
    MemberChange,
    MemberPage,
    MemberRequest,
    MemberView,
    ProjectChange,
    ProjectPage,
    ProjectRequest,
    ProjectView,
    member_view,
    project_view,
)
from quilate.accounts.service import AccountsService
from quilate.accounts.wire import page_of, place_of, problems
from quilate.kit.web.answers import json_answer
from quilate.kit.web.conditional import IfMatch, etag_of, matched_version
from quilate.kit.web.idempotency import IdempotencyKey, KeyClaim, idempotent
from quilate.kit.web.paging import DEFAULT_PAGE, Cursor, Limit, next_link

TAG = "projects"
_MEMBERS = "/projects/{project}/members"
_MEMBER = f"{_MEMBERS}/{{user_id}}"


def make_project_router(service: AccountsService, access: Access) -> APIRouter:
    """Return the routes below ``/projects`` that belong to this slice."""
    router = APIRouter(tags=[TAG])

    @router.post(
        "/projects",
        status_code=201,
        operation_id="create_project",
        summary="Create a project",
        response_model=ProjectView,
        responses=problems(409),
    )
    async def create(
        body: ProjectRequest,
        request: Request,
        principal: Annotated[Principal, Depends(access.instance(Permission.INSTANCE_ADMIN))],
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """For administrators of the installation; the one who does becomes the project's first administrator."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            project = await service.projects.create(principal, slug=body.slug, settings=body.settings())
            headers = {"Location": f"/api/v1/projects/{project.slug}", "ETag": etag_of(project.version)}
            return json_answer(project_view(project), status=201, headers=headers)

        return await idempotent(request, service.database, str(principal.actor), carry_out)

    @router.get("/projects", operation_id="list_projects", summary="List my projects", responses=problems())
    async def list_projects(  # noqa: PLR0913, PLR0917 - one argument per part of the request
        principal: Annotated[Principal, Depends(access.principal)],
        request: Request,
        response: Response,
        archived: Annotated[bool, Query(description="Those that are archived too.")] = False,  # noqa: FBT002 - a query
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> ProjectPage:
        """Those that the caller may read."""
        rows = await service.projects.list(principal, after=place_of(cursor), most=limit + 1, archived=archived)
        page = page_of(rows, limit, lambda project: project.id)
        response.headers.update(next_link(request, page.cursor))
        return ProjectPage(items=[project_view(each) for each in page.items], next_cursor=page.cursor)

    @router.get("/projects/{project}", operation_id="get_project", summary="Get a project", responses=problems(404))
    async def get_project(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))], response: Response
    ) -> ProjectView:
        """With its settings."""
        found = await service.projects.get(granted)
        response.headers["ETag"] = etag_of(found.version)
        return project_view(found)

    @router.patch(
        "/projects/{project}",
        operation_id="change_project",
        summary="Change or archive a project",
        responses=problems(404, 412, 428),
    )
    async def change(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_ADMIN))],
        body: ProjectChange,
        response: Response,
        if_match: IfMatch = None,
    ) -> ProjectView:
        """What is left out stays. Quotas are set by administrators of the installation."""
        changed = await service.projects.change(granted, version=matched_version(if_match), changes=body.changes())
        response.headers["ETag"] = etag_of(changed.version)
        return project_view(changed)

    _add_members(router, service, access)
    _add_one_member(router, service, access)
    return router


def _add_members(router: APIRouter, service: AccountsService, access: Access) -> None:
    @router.get(_MEMBERS, operation_id="list_members", summary="List members", responses=problems(404))
    async def list_members(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))],
        request: Request,
        response: Response,
        cursor: Cursor = "",
        limit: Limit = DEFAULT_PAGE,
    ) -> MemberPage:
        """E-mail addresses are shown to administrators only."""
        rows = await service.members.list(granted, after=place_of(cursor), most=limit + 1)
        page = page_of(rows, limit, lambda member: member.user_id)
        response.headers.update(next_link(request, page.cursor))
        items = [member_view(each, with_email=granted.may(Permission.PROJECT_ADMIN)) for each in page.items]
        return MemberPage(items=items, next_cursor=page.cursor)

    @router.post(
        _MEMBERS,
        status_code=201,
        operation_id="add_member",
        summary="Add a member",
        response_model=MemberView,
        responses=problems(404, 409),
    )
    async def add(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_ADMIN))],
        body: MemberRequest,
        request: Request,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - documents the header
    ) -> Response:
        """An active user, named by id or by the whole e-mail address."""

        async def carry_out(claim: KeyClaim | None) -> Response:  # noqa: ARG001 - the form of a handler
            member = await service.members.add(granted, user_id=body.user_id, email=body.email, role=body.role)
            headers = {
                "Location": f"/api/v1/projects/{granted.project.slug}/members/{member.user_id}",
                "ETag": etag_of(member.version),
            }
            return json_answer(member_view(member, with_email=True), status=201, headers=headers)

        # The e-mail address is not kept a second time, where no erasure would find it.
        return await idempotent(request, service.database, str(granted.actor), carry_out, keeps_body=False)


def _add_one_member(router: APIRouter, service: AccountsService, access: Access) -> None:
    @router.get(_MEMBER, operation_id="get_member", summary="Get a member", responses=problems(404))
    async def get_member(
        user_id: UUID,
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_READ))],
        response: Response,
    ) -> MemberView:
        """One member."""
        member = await service.members.get(granted, user_id)
        response.headers["ETag"] = etag_of(member.version)
        return member_view(member, with_email=granted.may(Permission.PROJECT_ADMIN))

    @router.patch(
        _MEMBER,
        operation_id="change_member",
        summary="Change the role of a member",
        responses=problems(404, 409, 412, 428),
    )
    async def change(
        user_id: UUID,
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_ADMIN))],
        body: MemberChange,
        response: Response,
        if_match: IfMatch = None,
    ) -> MemberView:
        """The last administrator stays one."""
        member = await service.members.change(granted, user_id, role=body.role, version=matched_version(if_match))
        response.headers["ETag"] = etag_of(member.version)
        return member_view(member, with_email=True)

    @router.delete(
        _MEMBER,
        status_code=204,
        operation_id="remove_member",
        summary="Remove a member",
        responses=problems(404, 409),
    )
    async def remove(
        user_id: UUID, granted: Annotated[ProjectAccess, Depends(access.project(Permission.PROJECT_ADMIN))]
    ) -> None:
        """The last administrator stays."""
        await service.members.remove(granted, user_id)
