"""Who asks, for tests of slices: projects, members and an authenticator that believes a header."""

from collections.abc import Mapping
from uuid import UUID, uuid4

from fastapi import Request

from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess, ProjectReference, Role
from quilate.kit.web.problems import Problem


def project(slug: str) -> ProjectReference:
    """Return a project of its own id."""
    return ProjectReference(id=uuid4(), slug=slug, name=slug.title())


def member(*projects: ProjectReference, role: Role = Role.DEVELOPER) -> Principal:
    """Return a user with a role in projects."""
    user = uuid4()
    roles: Mapping[UUID, Role] = {each.id: role for each in projects}
    return Principal(actor=Actor(kind=ActorKind.USER, id=str(user)), user_id=user, roles=roles)


def access_to(reference: ProjectReference, role: Role = Role.DEVELOPER) -> ProjectAccess:
    """Return a member's access to a project."""
    return ProjectAccess(principal=member(reference, role=role), project=reference)


class HeaderAuthenticator:
    """Believes the header ``X-User``: the name of one of the known principals."""

    def __init__(self, projects: tuple[ProjectReference, ...], principals: Mapping[str, Principal]) -> None:
        self._projects = {each.slug: each for each in projects}
        self._principals = principals

    async def principal(self, request: Request) -> Principal:
        """Return who the header names."""
        found = self._principals.get(request.headers.get("X-User", ""))
        if found is None:
            raise Problem(status=401, type="unauthenticated", detail="nobody is logged in")
        return found

    async def project(self, slug: str) -> ProjectReference | None:
        """Return a project by its slug."""
        return self._projects.get(slug)
