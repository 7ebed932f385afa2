"""The routes of blueprints, waivers, schedules, figures and breakers as one application, with named callers."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI, Request

from quilate.accounts.access import Access
from quilate.accounts.machines.grants import MACHINE_SCOPES
from quilate.accounts.model import Actor, ActorKind, Principal, ProjectReference, Role
from quilate.blueprints.registry.endpoints import make_router as blueprint_router
from quilate.blueprints.registry.model import StoredDecision
from quilate.blueprints.registry.service import BlueprintService
from quilate.domain.verdict import Verdict
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.ops.breaker_endpoints import make_router as breaker_router
from quilate.ops.breakers import BreakerService
from quilate.ops.kpi_endpoints import make_router as kpi_router
from quilate.ops.kpis import KpiService
from quilate.runs.schedules.endpoints import make_router as schedule_router
from quilate.runs.schedules.service import ScheduleService
from quilate.waivers.requests.endpoints import make_router as waiver_router
from quilate.waivers.requests.service import WaiverService
from tests.support.run_rows import add_project
from tests.support.runs_api import Callers


@dataclass(slots=True, kw_only=True)
class _KnownCallers(Callers):
    """Callers of projects, and principals that a test names itself."""

    principals: dict[str, Principal] = field(default_factory=dict)

    async def principal(self, request: Request) -> Principal:
        """Return who asks."""
        name = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self.principals.get(name) or await Callers.principal(self, request)


class DecisionRows:
    """The stored decisions of the engine's table, for what-if."""

    async def last_decisions(self, connection: Connection, project_id: UUID, limit: int) -> Sequence[StoredDecision]:
        """Return them, newest first."""
        cursor = await connection.execute(
            "SELECT run_id, verdict, input FROM decisions WHERE project_id = %s ORDER BY run_id DESC LIMIT %s",
            (project_id, limit),
        )
        return [
            StoredDecision(run_id=row["run_id"], verdict=Verdict(row["verdict"]), input=row["input"])
            for row in await cursor.fetchall()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernanceApi:
    """The application; ``as_caller`` gives a client in somebody's name."""

    app: FastAPI
    database: Database
    project: ProjectReference
    principals: dict[str, Principal]
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def as_caller(self, name: str) -> httpx.AsyncClient:
        """Return a client whose requests go in the name of a caller."""
        if name not in self.clients:
            self.clients[name] = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=self.app),
                base_url="http://quilate.test/api/v1",
                headers={"Authorization": f"Bearer {name}"},
            )
        return self.clients[name]

    async def audited(self) -> list[str]:
        """Return the actions of all audit entries, oldest first."""
        return [entry["action"] for entry in await self.entries()]

    async def entries(self) -> list[dict[str, Any]]:
        """Return all audit entries that wait for the sequencer, oldest first."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                "SELECT convert_from(leaf, 'UTF8')::jsonb AS leaf FROM audit_pending ORDER BY arrival"
            )
            return [row["leaf"] for row in await cursor.fetchall()]

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a statement of the test gives."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(query.encode())
            return await cursor.fetchall() if cursor.description else []


def add_machine_and_administrator(api: GovernanceApi) -> None:
    """Let ``robot``, a service account that may do all that machines may, and ``adm``, who administers, call too."""
    robot = Actor(kind=ActorKind.SERVICE, id=str(uuid4()))
    api.principals["robot"] = Principal(actor=robot, user_id=None, grants={api.project.id: MACHINE_SCOPES})
    user = uuid4()
    api.principals["adm"] = Principal(
        actor=Actor(kind=ActorKind.USER, id=str(user)), user_id=user, roles={api.project.id: Role.ADMIN}
    )


@contextlib.asynccontextmanager
async def governance_api(database: Database) -> AsyncIterator[GovernanceApi]:
    """Give the routes over a database with a project ``fraud``: ann and ben review, dev develops, eve is elsewhere."""
    callers = _KnownCallers()
    callers.projects = {
        "fraud": await add_project(database, "fraud", "https://git.example/fraud.git"),
        "other": await add_project(database, "other"),
    }
    callers.roles = {
        "ann": {"fraud": Role.REVIEWER},
        "ben": {"fraud": Role.REVIEWER},
        "dev": {"fraud": Role.DEVELOPER},
        "viewer": {"fraud": Role.VIEWER},
        "eve": {"other": Role.ADMIN},
    }
    access = Access(callers)
    app = FastAPI()
    for router in (
        blueprint_router(BlueprintService(database, DecisionRows()), access),
        waiver_router(WaiverService(database), access),
        schedule_router(ScheduleService(database), access),
        kpi_router(KpiService(database), access),
        breaker_router(BreakerService(database), access),
    ):
        app.include_router(router, prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    api = GovernanceApi(app=app, database=database, project=callers.projects["fraud"], principals=callers.principals)
    try:
        yield api
    finally:
        for client in api.clients.values():
            await client.aclose()
