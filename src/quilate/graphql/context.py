"""What the resolvers of one query stand on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from strawberry.types import Info

from quilate.accounts.model import Permission, Principal, ProjectAccess
from quilate.accounts.projects import Projects
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
    """

    principal: Principal
    open_project: Callable[[str, Permission], Awaitable[ProjectAccess]]
    loaders: Loaders
    projects: Projects
    kpis: KpiService


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
        detail = f"this needs the permission {permission.value}"
        raise refused(Problem(status=403, type="forbidden", detail=detail))
