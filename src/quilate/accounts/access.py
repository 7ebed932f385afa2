"""FastAPI dependencies by which every route says who may call it.

A project that the caller may not read answers exactly as one that does not exist, so that nobody learns of others'.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import Path, Request

from quilate.accounts.errors import forbidden, no_project
from quilate.accounts.model import (
    PERMISSIONS_WHEN_ARCHIVED,
    Permission,
    Principal,
    ProjectAccess,
    ProjectReference,
)
from quilate.accounts.trail.model import AccessKind
from quilate.accounts.trail.recording import AccessTrail
from quilate.kit.web.problems import Problem

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
ProjectSlug = Annotated[str, Path(pattern=SLUG_PATTERN, max_length=64, description="the project's slug")]


def lacks(principal: Principal, permission: Permission, *, everywhere: bool = False) -> Problem:
    """Return the answer to a known caller without a permission.

    Args:
        principal: Who asks.
        permission: What is missing.
        everywhere: It is asked for over all projects: one project's administrators cannot give it.
    """
    whole, giver = (" for the whole installation", "the installation") if everywhere else ("", "the project")
    if principal.scopes is None:
        next_step = f"ask an administrator of {giver} for a role that has it"
    else:
        limit = " and no limit to one project" if everywhere else ""
        next_step = f"use a token with that scope{limit}, whose owner has it"
    return forbidden(f"this needs the permission {permission.value}{whole}", next_step=next_step)


class Authenticator(Protocol):
    """Finds out who asks; ``accounts.authentication`` implements it, and the single-user mode another."""

    async def principal(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            Problem: 401, nobody or nobody valid.
        """
        ...

    async def project(self, slug: str) -> ProjectReference | None:
        """Return the project of a slug."""
        ...


class Access:
    """Makes the dependencies; one for each application.

    Args:
        authenticator: Finds out who asks.
        trail: Takes down who saw which evidence; without one nothing is taken down.
    """

    def __init__(self, authenticator: Authenticator, trail: AccessTrail | None = None) -> None:
        self._authenticator = authenticator
        self._trail = trail

    async def principal(self, request: Request) -> Principal:
        """Dependency: anybody who is logged in."""
        known: Principal | None = getattr(request.state, "principal", None)
        if known is None:
            known = await self._authenticator.principal(request)
            request.state.principal = known
        return known

    def project(self, permission: Permission) -> Callable[..., Awaitable[ProjectAccess]]:
        """Return a dependency for routes below ``/projects/{project}``: a member with this permission."""

        async def dependency(request: Request, project: ProjectSlug) -> ProjectAccess:
            return await self.project_by_slug(request, project, permission)

        # What a walk over all routes finds those of evidence by.
        dependency.permission = permission  # type: ignore[attr-defined]
        return dependency

    async def record(self, request: Request, granted: ProjectAccess, kind: AccessKind, *subjects: str) -> None:
        """Take down that the caller sees evidence; every route that gives some calls it before it answers.

        Args:
            request: Which route it is.
            granted: Who, in which project.
            kind: What kind of thing.
            subjects: Which ones, each ``kind:id``, for example ``run:<id>/check:<name>``.
        """
        if self._trail is not None:
            await self._trail.record(request, granted, kind, *subjects)

    async def still_may(self, request: Request, granted: ProjectAccess, permission: Permission) -> bool:
        """Tell whether a caller has a permission still, for answers that go on: a login may end, a role may change."""
        try:
            # Never what the request remembers: it says who asked when the answer began.
            principal = await self._authenticator.principal(request)
        except Problem:
            return False
        return permission in principal.permissions_in(granted.project.id)

    async def project_by_slug(self, request: Request, slug: str, permission: Permission) -> ProjectAccess:
        """Return the access to a project that a body or query names.

        Raises:
            Problem: 401 without a login, 404 where the caller may not know of the project, 403 without the permission,
                409 for a change in an archived project.
        """
        principal = await self.principal(request)
        reference = await self._authenticator.project(slug)
        granted = principal.permissions_in(reference.id) if reference is not None else frozenset()
        if reference is None or not granted:
            raise no_project(slug)
        if permission not in granted:
            raise lacks(principal, permission)
        if reference.archived and permission not in PERMISSIONS_WHEN_ARCHIVED:
            raise Problem(
                status=409,
                type="project-archived",
                detail=f"the project {slug!r} is archived and changes no more",
                next_step="ask one of its administrators to take it out of the archive",
            )
        return ProjectAccess(principal=principal, project=reference)

    def instance(self, permission: Permission) -> Callable[..., Awaitable[Principal]]:
        """Return a dependency for routes that belong to no project."""

        async def dependency(request: Request) -> Principal:
            principal = await self.principal(request)
            if not principal.may_instance(permission):
                raise lacks(principal, permission, everywhere=True)
            return principal

        return dependency
