"""Executions for tests: the routes over a fresh database, real script workers with real sandboxes in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess, Role
from quilate.accounts.trail.recording import AccessTrail
from quilate.app.service.script_worker import WorkerVersions, relaxed
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.kit.secrets.box import open_box
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.sandbox.model import Limits
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.scripts.executions.batches import BatchRunner
from quilate.scripts.executions.endpoints import make_router
from quilate.scripts.executions.model import Execution, Options, Quota
from quilate.scripts.executions.outcomes import Keeping
from quilate.scripts.executions.reception import Reception, ReceptionParts
from quilate.scripts.executions.service import ExecutionService, Submitted
from quilate.scripts.executions.worker import ExecutionWorker, ExecutionWorkerOptions, ExecutionWorkerParts
from quilate.scripts.exports.allowing import Targets
from quilate.scripts.model import FileFormat, ScriptVersion
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import PayloadLimits
from quilate.scripts.payloads.object_stores import ObjectStores
from quilate.scripts.payloads.pointers import PointerParts, PointerReader
from quilate.scripts.payloads.vault import DataVault
from quilate.scripts.versions.model import PushWish
from quilate.scripts.versions.service import VersionService
from tests.support.run_rows import add_project
from tests.support.runs_api import Callers

ECHO = "function process(data) { return data; }"
DEADLINE_SECONDS = 20.0


async def accept(source: str, limits: Limits) -> tuple[()]:
    """Find nothing wrong with a script: the rules have tests of their own."""
    del source, limits
    return ()


def payload_store(database: Database, directory: Path) -> tuple[PayloadStore, Admission]:
    """Return where inputs and outputs of a test lie, and what checks them."""
    vault = DataVault(database, open_box(directory / "secrets.key"))
    store = PayloadStore(
        DirectoryArtifactStore(directory / "payloads"), DirectoryArtifactStore(directory / "artifacts"), vault
    )
    return store, Admission(store, vault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The routes, and what a test looks into."""

    database: Database
    directory: Path
    service: ExecutionService
    versions: VersionService
    store: PayloadStore
    callers: Callers
    client: httpx.AsyncClient

    def granted(self, project: str = "fraud", name: str = "dev") -> ProjectAccess:
        """Return somebody's access to a project."""
        reference = self.callers.projects[project]
        role = self.callers.roles[name][project]
        principal = Principal(actor=Actor(kind=ActorKind.USER, id=name), user_id=None, roles={reference.id: role})
        return ProjectAccess(principal=principal, project=reference)

    async def script(self, source: str = ECHO, *, project: str = "fraud", **wish: Any) -> ScriptVersion:
        """Make a script with one active version, reviewed where it asks for more than the defaults."""
        access, reviewer = self.granted(project), self.granted(project, "reviewer")
        _, pushed = await self.versions.create(access, name=uuid4().hex, first=PushWish(source=source, **wish))
        assert pushed is not None
        version = pushed.record.version
        if version.privileged:
            await self.versions.submit(access, version.script_id, version.semver)
            await self.versions.approve(reviewer, version.script_id, version.semver, "needed")
        return (await self.versions.activate(access, version.script_id, version.semver)).version

    async def submit(  # noqa: PLR0913 - what a test may say
        self,
        version: ScriptVersion,
        data: bytes = b"[]",
        *,
        project: str = "fraud",
        key: str | None = None,
        options: Options | None = None,
        wait: float = 0.0,
    ) -> Submitted:
        """Submit an execution past the routes."""
        payload = await self.store.keep_bytes(data, FileFormat.JSON)
        return await self.service.submit(
            self.granted(project),
            version,
            payload,
            idempotency_key=key,
            options=options,
            wait_seconds=wait,
        )

    async def ended(self, execution: UUID, project: str = "fraud") -> Execution:
        """Wait for an execution's end."""
        found = await self.service.ended(execution, DEADLINE_SECONDS)
        assert found is not None, await self.service.get(self.callers.projects[project].id, execution)
        return found

    async def rows(self, sql: LiteralString, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        async with self.database.connection() as connection:
            return await (await connection.execute(sql, parameters)).fetchall()


@contextlib.asynccontextmanager
async def site(
    database: Database, directory: Path, *, quota: Quota | None = None, objects: ObjectStores | None = None
) -> AsyncIterator[Site]:
    """Give the routes; requests go in the name of ``dev`` unless they say otherwise."""
    allowed = objects or ObjectStores()
    callers = Callers()
    for slug in ("fraud", "credit"):
        callers.projects[slug] = await add_project(database, slug)
    callers.roles = {
        "dev": {"fraud": Role.DEVELOPER, "credit": Role.DEVELOPER},
        "reviewer": {"fraud": Role.REVIEWER, "credit": Role.REVIEWER},
        "viewer": {"fraud": Role.VIEWER},
        "admin": {"fraud": Role.ADMIN},
        "other": {"credit": Role.ADMIN},
    }
    versions = VersionService(database, accept)
    store, admission = payload_store(database, directory)
    service = ExecutionService(database, versions, quota=quota)
    store.objects = allowed
    artifacts = DirectoryArtifactStore(directory / "artifacts")
    pointers = PointerReader(
        PointerParts(
            store=store,
            catalogue=CatalogueService(database, artifacts),
            http=OutgoingHttp(policy=AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)),
            objects=allowed,
            data_roots=(str(directory / "data"),),
        )
    )
    parts = ReceptionParts(store=store, pointers=pointers, admission=admission, limits=PayloadLimits())
    app = FastAPI()
    access = Access(callers, AccessTrail(database))
    targets = Targets(CatalogueService(database, artifacts), allowed)
    app.include_router(make_router(service, Reception(parts), store, access, targets), prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": "Bearer dev"}
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test/api/v1", headers=headers) as client:
        try:
            yield Site(
                database=database,
                directory=directory,
                service=service,
                versions=versions,
                store=store,
                callers=callers,
                client=client,
            )
        finally:
            await service.close()


@contextlib.asynccontextmanager
async def running_worker(  # noqa: PLR0913 - what a test may choose
    url: str,
    directory: Path,
    *,
    sandboxes: int = 2,
    capacity: int = 32,
    lease: float = 15.0,
    beat: float = 5.0,
    quota: Quota | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[ExecutionWorker]:
    """Run a script worker for the time of the block; its failure is the test's."""
    stop = stop or asyncio.Event()
    async with (
        Database.open(url, name="test-scripts", max_size=4) as database,
        Database.open(relaxed(url), name="test-claims", max_size=1) as claims,
        SandboxPool(PoolSettings(workers=sandboxes)) as pool,
    ):
        store, admission = payload_store(database, directory)
        keeping = Keeping(store, admission)
        parts = ExecutionWorkerParts(
            database=database,
            claims=claims,
            pool=pool,
            versions=WorkerVersions(database),
            store=store,
            keeping=keeping,
            batches=BatchRunner(pool, store, keeping, directory / "scripts", sandboxes=sandboxes),
        )
        options = ExecutionWorkerOptions(
            sandboxes=sandboxes, capacity=capacity, lease_seconds=lease, beat_seconds=beat, quota=quota or Quota()
        )
        worker = ExecutionWorker(parts, options)
        task = asyncio.create_task(worker.run(stop))
        task.add_done_callback(lambda _: stop.set())
        try:
            yield worker
        finally:
            stop.set()
            await task


async def until(condition: Callable[[], Awaitable[bool]], what: str = "it") -> None:
    """Wait for a condition, with a deadline."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await condition():  # noqa: ASYNC110 - another process or the database changes, which sets no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not come about") from None
