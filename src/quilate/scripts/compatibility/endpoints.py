"""All routes of the source documents' API of scripts, at the root."""

from fastapi import APIRouter

from quilate.accounts.access import Access
from quilate.scripts.compatibility.execution_endpoints import Executions, add_execution_routes
from quilate.scripts.compatibility.projects import ProjectChoice
from quilate.scripts.compatibility.script_endpoints import add_script_routes
from quilate.scripts.executions.reception import Reception
from quilate.scripts.executions.service import ExecutionService
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.versions.service import VersionService


def make_source_router(  # noqa: PLR0913 - what the routes stand on
    versions: VersionService,
    executions: ExecutionService,
    reception: Reception,
    store: PayloadStore,
    access: Access,
    *,
    local: bool,
) -> APIRouter:
    """Return the routes, to be mounted at the root; ``local`` in the single-user mode."""
    router = APIRouter()
    choice = ProjectChoice(versions.database, access, local=local)
    for prefix, described in (("/api/scripts", True), ("/api/Scripts", False)):
        add_script_routes(router, prefix, versions, choice, described=described)
    add_execution_routes(router, Executions(executions, reception, store, access, choice))
    return router
