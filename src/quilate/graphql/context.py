"""What the resolvers of one query stand on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import GraphQLError
from strawberry.types import Info

from quilate.accounts.access import lacks
from quilate.accounts.model import Permission, Principal, ProjectAccess
from quilate.accounts.projects import Projects
from quilate.accounts.trail.model import AccessKind
from quilate.graphql.loaders import Loaders
from quilate.kit.web.problems import Problem
from quilate.ops.kpis import KpiService


@dataclass(slots=True, kw_only=True)
class QueryContext:
    """Of one query.

    Attributes:
        principal: Who asks.
        open_project: Gives access to a project by its slug, or raises the ``Problem`` that REST would answer with.
        loaders: Read for all parents of a level at once.
        projects: Lists what the caller may see.
        kpis: Computes figures.
        seen: What evidence the answer shows, for the access trail: subjects by project and kind.
    """

    principal: Principal
    open_project: Callable[[str, Permission], Awaitable[ProjectAccess]]
    loaders: Loaders
    projects: Projects
    kpis: KpiService
    seen: dict[tuple[UUID, AccessKind], tuple[ProjectAccess, set[str]]] = field(default_factory=dict)

    def show_evidence(self, access: ProjectAccess, kind: AccessKind, subject: str) -> None:
        """Note that the answer shows evidence.

        Raises:
            GraphQLError: The caller may not see it.
        """
        require(access, Permission.EVIDENCE_READ)
        self.seen.setdefault((access.project.id, kind), (access, set()))[1].add(subject)


QueryInfo = Info[QueryContext, Any]


def refused(problem: Problem) -> GraphQLError:
    """Return a problem as GraphQL says it; its type and status go along."""
    extensions = {"type": problem.type, "status": problem.status, "next_step": problem.next_step}
    return GraphQLError(problem.detail, extensions=extensions)


def require(access: ProjectAccess, permission: Permission) -> None:
    """Refuse a field that needs a permission which the caller has not.

    Raises:
        GraphQLError: As REST answers 403.
    """
    if not access.may(permission):
        raise refused(lacks(access.principal, permission))
