"""Which project a request of the source documents' API means: they know of none."""

from uuid import UUID

from fastapi import Request

from quilate.accounts.access import SLUG_PATTERN, Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.kit.database.arrays import uuid_array
from quilate.kit.database.database import Database
from quilate.kit.database.queries import load_queries
from quilate.kit.web.problems import Problem

HEADER = "Quilate-Project"
LOCAL_PROJECT = "default"
"""What the single-user mode calls the one project of scripts."""

QUERIES = load_queries("quilate.scripts.compatibility")
_NOT_FOUND = 404


class ProjectChoice:
    """Finds the project of a request.

    Args:
        database: Knows whose a script or an execution is.
        access: Says what the caller may do there.
        local: The single-user mode.
    """

    def __init__(self, database: Database, access: Access, *, local: bool) -> None:
        self._database = database
        self._access = access
        self._local = local

    async def named(self, request: Request, permission: Permission) -> ProjectAccess:
        """Return the project that a request names: by ``?project=``, by its header, or the only one of the caller.

        Raises:
            Problem: 401, 403, 404, or 422 where it has to be named.
        """
        slug = _slug_of(request) or await self._only(request)
        return await self._access.project_by_slug(request, slug, permission)

    async def of_script(self, request: Request, script_id: UUID, permission: Permission) -> ProjectAccess:
        """Return the project of a script; another tenant's is as unknown as none.

        So is one of another project than the request names: nothing happens where the caller did not mean it to.

        Raises:
            Problem: 401, 403, 404.
        """
        return await self._owning(request, "project_of_script", script_id, permission, "script")

    async def of_execution(self, request: Request, execution_id: UUID, permission: Permission) -> ProjectAccess:
        """Return the project of an execution, as ``of_script``."""
        return await self._owning(request, "project_of_execution", execution_id, permission, "execution")

    async def _owning(
        self, request: Request, query: str, identifier: UUID, permission: Permission, kind: str
    ) -> ProjectAccess:
        await self._access.principal(request)
        async with self._database.connection() as connection:
            row = await (await connection.execute(QUERIES[query], {"id": identifier})).fetchone()
        unknown = Problem(status=_NOT_FOUND, type="not-found", detail=f"there is no {kind} {identifier}")
        # Only compared, not looked up: the single-user mode would make a project of every name.
        if row is None or _slug_of(request) not in {None, row["slug"]}:
            raise unknown
        try:
            return await self._access.project_by_slug(request, row["slug"], permission)
        except Problem as problem:
            raise unknown if problem.status == _NOT_FOUND else problem from problem

    async def _only(self, request: Request) -> str:
        if self._local:
            return LOCAL_PROJECT
        principal = await self._access.principal(request)
        ids = [principal.project_scope] if principal.project_scope is not None else sorted(principal.project_ids)
        async with self._database.connection() as connection:
            cursor = await connection.execute(QUERIES["slugs"], {"ids": uuid_array(ids)})
            slugs = [row["slug"] for row in await cursor.fetchall()]
        if len(slugs) != 1:
            raise Problem(
                status=422,
                type="invalid-request",
                detail="it is not clear which project is meant",
                next_step=f"name it: ?project=SLUG, or the header {HEADER}",
            )
        return str(slugs[0])


def _slug_of(request: Request) -> str | None:
    return request.query_params.get("project") or request.headers.get(HEADER) or None


PROJECT_PARAMETERS = [
    {
        "name": "project",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "pattern": SLUG_PATTERN, "maxLength": 64},
        "description": f"The project's slug; also as the header {HEADER}. A script or execution that is named has to "
        "be of it; where none is named, callers with several projects need it.",
    }
]
