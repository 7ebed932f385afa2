"""The routes of events over a database, and what a test does with them."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import ProjectReference, Role
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import SecretBox, box_of
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.runs.triggers.endpoints import make_root_router, make_router
from quilate.runs.triggers.hook_endpoints import make_hook_router
from quilate.runs.triggers.hooks import HookService
from quilate.runs.triggers.intake import EventIntake
from quilate.runs.triggers.poll_endpoints import PollService, make_poll_router
from quilate.runs.triggers.receiving import Receiver
from quilate.runs.triggers.service import EventService, RuleService
from quilate.runs.triggers.working import EventWorker
from tests.support.run_rows import add_project
from tests.support.runs_api import Callers
from tests.support.webhooks import Delivery

BASE_URL = "https://quilate.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHook:
    """A hook that a test made."""

    id: UUID
    secret: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggersApi:
    """The routes of events over a database, with a project ``fraud`` and another of somebody else."""

    client: httpx.AsyncClient
    database: Database
    project: ProjectReference
    worker: EventWorker
    intake: EventIntake
    hooks: HookService
    secrets: SecretBox

    async def call(self, method: str, path: str, *, by: str = "admin", **more: Any) -> httpx.Response:
        """Send a request below ``/api/v1/projects``."""
        headers = {"Authorization": f"Bearer {by}", **more.pop("headers", {})}
        return await self.client.request(method, f"/api/v1/projects{path}", headers=headers, **more)

    async def hook(self, provider: str, **more: Any) -> NewHook:
        """Make a hook."""
        body = {"name": f"{provider}-{uuid4().hex[:6]}", "provider": provider, **more}
        answer = await self.call("POST", "/fraud/hooks", json=body)
        assert answer.status_code == 201, answer.text
        return NewHook(id=UUID(answer.json()["id"]), secret=answer.json()["secret"], provider=provider)

    async def deliver(
        self, hook: NewHook, delivery: Delivery, *, name: str = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a delivery to a hook."""
        sent = {**delivery.signed(hook.secret, delivery=name), **(headers or {})}
        return await self.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=sent)

    async def taken(self, hook: NewHook, *deliveries: Delivery) -> list[str]:
        """Send deliveries that are taken; return the ids of their events."""
        ids: list[str] = []
        for delivery in deliveries:
            answer = await self.deliver(hook, delivery)
            assert answer.status_code == 202, answer.text
            ids += [each["id"] for each in answer.json()["events"]]
        return ids

    async def worked(self) -> int:
        """Work off everything that is pending."""
        total = 0
        while count := await self.worker.work_once():
            total += count
        return total

    async def event(self, event_id: str) -> dict[str, Any]:
        """Return an event as the API shows it."""
        answer = await self.call("GET", f"/fraud/events/{event_id}", by="viewer")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return what a statement of the test gives."""
        async with self.database.connection() as connection:
            cursor = await connection.execute(query.encode(), values or None)
            return await cursor.fetchall() if cursor.description else []

    async def runs(self) -> list[dict[str, Any]]:
        """Return the runs in their order, with what was submitted."""
        return await self.rows(
            "SELECT r.id, r.status, r.concurrency_key, r.priority, s.event, s.document FROM runs AS r"
            " JOIN run_submissions AS s ON s.run_id = r.id ORDER BY r.id"
        )


@contextlib.asynccontextmanager
async def triggers_api(database: Database) -> AsyncIterator[TriggersApi]:
    """Give the routes of events over a database."""
    callers = Callers()
    callers.projects = {
        "fraud": await add_project(database, "fraud", "https://git.example/acme/fraud.git"),
        "other": await add_project(database, "other"),
    }
    callers.roles = {
        "admin": {"fraud": Role.ADMIN},
        "dev": {"fraud": Role.DEVELOPER},
        "viewer": {"fraud": Role.VIEWER},
        "eve": {"other": Role.ADMIN},
    }
    access, secrets, intake = Access(callers), box_of(os.urandom(32)), EventIntake(database)
    events, hooks = EventService(database, intake), HookService(database, secrets)
    app = FastAPI()
    app.include_router(make_root_router(events, Receiver(database, intake, secrets), access, longest=1 << 16))
    for router in (
        make_router(events, RuleService(database), access, longest=1 << 16),
        make_hook_router(hooks, access, base_url=BASE_URL),
        make_poll_router(PollService(database, secrets), access),
    ):
        app.include_router(router, prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test") as client:
        yield TriggersApi(
            client=client,
            database=database,
            project=callers.projects["fraud"],
            worker=EventWorker(database),
            intake=intake,
            hooks=hooks,
            secrets=secrets,
        )
