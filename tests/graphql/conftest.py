"""The route of GraphQL over a fresh database with two projects, and a counter of database statements."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import ProjectReference, Role
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.graphql.endpoints import GraphService, make_router
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from tests.support.run_rows import add_project
from tests.support.runs_api import Callers


@dataclass(slots=True, kw_only=True)
class Graph:
    """Asks queries, by default in the name of ``dev``."""

    client: httpx.AsyncClient
    database: Database
    projects: dict[str, ProjectReference]
    statements: list[str] = field(default_factory=list)

    async def ask(self, query: str, *, caller: str = "dev", **variables: Any) -> dict[str, Any]:
        self.statements.clear()
        answer = await self.client.post(
            "/api/v1/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {caller}"},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest_asyncio.fixture
async def graph(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Graph]:
    callers = Callers()
    callers.projects = {"fraud": await add_project(database, "fraud"), "other": await add_project(database, "other")}
    callers.roles = {"dev": {"fraud": Role.DEVELOPER}, "stranger": {"other": Role.ADMIN}}
    app = FastAPI()
    service = GraphService(database, DirectoryArtifactStore(tmp_path / "artifacts"))
    app.include_router(make_router(service, Access(callers)), prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://quilate.test") as client:
        opened = Graph(client=client, database=database, projects=callers.projects)
        execute: Callable[..., Awaitable[Any]] = psycopg.AsyncConnection.execute

        async def counted(connection: Any, query: Any, *arguments: Any, **named: Any) -> Any:
            opened.statements.append(str(query))
            return await execute(connection, query, *arguments, **named)

        monkeypatch.setattr(psycopg.AsyncConnection, "execute", counted)
        yield opened
