"""The routes of scripts over a fresh database, with callers whose tokens are their names."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest_asyncio
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess, ProjectReference, Role
from quilate.app.service.scripting import script_trials
from quilate.app.service.settings import Settings
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import box_of
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.sandbox.model import Failure, FailureClass, Limits, Outcome, Program
from quilate.sandbox.validation.violations import Violation
from quilate.scripts.model import Shape
from quilate.scripts.payloads.vault import DataVault
from quilate.scripts.versions.endpoints import make_router
from quilate.scripts.versions.model import Ran, Runner
from quilate.scripts.versions.service import VersionService
from tests.support.run_rows import add_project
from tests.support.runs_api import Callers

BASE = "/projects/fraud/scripts"
SOURCE = "function process(data) { return data; }\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """Stands for a sandbox: gives back what it gets, and keeps what it was asked."""

    asked: list[tuple[Program, Limits, bytes]] = field(default_factory=list)

    async def run(self, program: Program, limits: Limits, data: bytes, shape: Shape) -> Ran:
        """Run a program."""
        del shape
        self.asked.append((program, limits, data))
        if "throw" in program.source:
            failure = Failure(kind=FailureClass.RUNTIME, message="no such card", line=2, column=9, record=1)
            return Ran(outcome=Outcome(output=None, failure=failure, console=("before",), wall_milliseconds=1.5))
        if "broken" in program.source:
            return Ran(outcome=Outcome(output=b'{"a":'))
        return Ran(outcome=Outcome(output=data, console=("seen",), wall_milliseconds=1.5, cpu_milliseconds=1.0))


async def validate(source: str, limits: Limits) -> tuple[Violation, ...]:
    """Refuse what holds an ``eval`` and warn of a ``var``: the rules themselves have tests of their own."""
    del limits
    words = (("eval(", "error", "runs text as code"), ("var ", "warning", "is seen outside of its block"))
    return tuple(
        Violation(
            rule="JS100" if severity == "error" else "JS200",
            severity="error" if severity == "error" else "warning",
            line=number,
            column=line.index(word) + 1,
            end_line=number,
            end_column=line.index(word) + 1 + len(word),
            message=f"{word.strip()} {message}",
            fix="write it otherwise",
        )
        for number, line in enumerate(source.splitlines(), start=1)
        for word, severity, message in words
        if word in line
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptsApi:
    """The application; ``as_caller`` gives a client in somebody's name."""

    app: FastAPI
    database: Database
    service: VersionService
    callers: Callers
    echo: Echo
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    @property
    def project(self) -> ProjectReference:
        """The project of most tests."""
        return self.callers.projects["fraud"]

    def as_caller(self, name: str) -> httpx.AsyncClient:
        """Return a client whose requests go in the name of a caller."""
        if name not in self.clients:
            self.clients[name] = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=self.app),
                base_url="http://quilate.test/api/v1",
                headers={"Authorization": f"Bearer {name}"},
            )
        return self.clients[name]

    async def create(self, **body: Any) -> dict[str, Any]:
        """Create a script as the developer."""
        answer = await self.as_caller("dev").post(BASE, json={"name": "cards", **body})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def push(self, script: str, **body: Any) -> dict[str, Any]:
        """Push a version as the developer."""
        answer = await self.as_caller("dev").post(f"{BASE}/{script}/versions", json={"source": SOURCE, **body})
        assert answer.status_code == 201, answer.text
        pushed: dict[str, Any] = answer.json()
        return pushed

    async def activate(self, script: str, version: str) -> httpx.Response:
        """Activate a version as the developer."""
        return await self.as_caller("dev").patch(f"{BASE}/{script}/versions/{version}/activate")

    async def audited(self) -> list[str]:
        """Return the actions of all audit entries, oldest first."""
        rows = await self.rows("SELECT convert_from(leaf, 'UTF8') AS leaf FROM audit_pending ORDER BY arrival")
        return [msgspec.json.decode(row["leaf"])["action"] for row in rows]

    async def events(self) -> list[tuple[str, str]]:
        """Return type and subject of all outgoing events, oldest first."""
        rows = await self.rows("SELECT type, subject FROM outgoing_events ORDER BY sequence")
        return [(row["type"], row["subject"]) for row in rows]

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a statement of the test gives."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(query.encode())
            return await cursor.fetchall() if cursor.description else []

    def access(self, name: str) -> ProjectAccess:
        """Return a caller within the project, for calls of the service itself."""
        principal = Principal(
            actor=Actor(kind=ActorKind.USER, id=name), user_id=None, roles={self.project.id: Role.DEVELOPER}
        )
        return ProjectAccess(principal=principal, project=self.project)


@contextlib.asynccontextmanager
async def scripts_api(database: Database, directory: Path, runner: Runner | None = None) -> AsyncIterator[ScriptsApi]:
    """Give the routes over projects ``fraud`` and ``other``: ann and ben review, dev develops, eve is elsewhere."""
    callers = Callers()
    callers.projects = {"fraud": await add_project(database, "fraud"), "other": await add_project(database, "other")}
    callers.roles = {
        "ann": {"fraud": Role.REVIEWER},
        "ben": {"fraud": Role.REVIEWER},
        "dev": {"fraud": Role.DEVELOPER},
        "viewer": {"fraud": Role.VIEWER},
        "eve": {"other": Role.ADMIN},
    }
    echo = Echo()
    settings = Settings(state=directory)
    trials = script_trials(settings, DataVault(database, box_of(b"k" * 32)), runner or echo.run)
    service = VersionService(database, validate, trials)
    app = FastAPI()
    app.include_router(make_router(service, Access(callers)), prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    api = ScriptsApi(app=app, database=database, service=service, callers=callers, echo=echo)
    try:
        yield api
    finally:
        for client in api.clients.values():
            await client.aclose()


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[ScriptsApi]:
    async with scripts_api(database, tmp_path) as opened:
        yield opened
