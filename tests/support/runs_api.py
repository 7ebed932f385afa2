"""The routes of runs as an application, with callers whose tokens are their names."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fastapi import FastAPI, Request

from quilate.accounts.access import Access
from quilate.accounts.model import Actor, ActorKind, Principal, ProjectReference, Role
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.kit.web.problems import Problem
from quilate.runs.api.endpoints import make_router
from quilate.runs.api.pipelines.endpoints import make_pipelines_router
from quilate.runs.api.service import RunService, RunServiceParts
from quilate.runs.durable.intake import Intake
from quilate.runs.workspaces.limits import WorkspaceSettings
from quilate.runs.workspaces.resolver import SourceResolver


@dataclass(slots=True, kw_only=True)
class Callers:
    """Who may call: each token is a name, with a role in some projects."""

    projects: dict[str, ProjectReference] = field(default_factory=dict)
    roles: dict[str, dict[str, Role]] = field(default_factory=dict)

    async def principal(self, request: Request) -> Principal:
        """Return who asks."""
        name = request.headers.get("authorization", "").removeprefix("Bearer ")
        if name not in self.roles:
            raise Problem(status=401, type="unauthenticated", detail="log in")
        roles: Mapping[str, Role] = self.roles[name]
        return Principal(
            actor=Actor(kind=ActorKind.USER, id=name),
            user_id=None,
            roles={self.projects[slug].id: role for slug, role in roles.items()},
        )

    async def project(self, slug: str) -> ProjectReference | None:
        """Return a project."""
        return self.projects.get(slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsApi:
    """The application with what a test looks into."""

    client: httpx.AsyncClient
    service: RunService
    callers: Callers
    artifacts: DirectoryArtifactStore
    app: FastAPI


@contextlib.asynccontextmanager
async def runs_api(database: Database, directory: Path, callers: Callers) -> AsyncIterator[RunsApi]:
    """Give the routes over a database; requests go in the name of ``dev`` unless they say otherwise."""
    artifacts = DirectoryArtifactStore(directory / "artifacts")
    catalogue = CatalogueService(database, artifacts)
    sources = SourceResolver(WorkspaceSettings(root=directory / "workspaces"), catalogue, catalogue.archives)
    parts = RunServiceParts(database=database, intake=Intake(database), sources=sources, artifacts=artifacts)
    service = RunService(parts)
    access = Access(callers)
    app = FastAPI()
    app.include_router(make_router(service, access), prefix="/api/v1")
    app.include_router(make_pipelines_router(service, access, root=True))
    install_handlers(app, ProblemWriter())
    headers = {"Authorization": "Bearer dev"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test", headers=headers) as client:
        try:
            yield RunsApi(client=client, service=service, callers=callers, artifacts=artifacts, app=app)
        finally:
            await service.close()
