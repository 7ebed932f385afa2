"""The catalogue's routes over a fresh database and a fresh artifact store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from fastapi import APIRouter, FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import Role
from quilate.datasets.endpoints import make_router
from quilate.datasets.model import CatalogueLimits
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from tests.support.projects_access import HeaderAuthenticator, member, project

CSV = b"id,price\n1,2.5\n2,3.5\n"
BANK, SHOP = project("bank"), project("shop")
BASE = "/api/v1/projects/shop"


@dataclass(kw_only=True)
class Server:
    """The routes over a fresh database, asked by one user or another."""

    client: httpx.AsyncClient
    service: CatalogueService
    artifacts: DirectoryArtifactStore
    database: Database

    async def ask(self, method: str, path: str, user: str = "dev", **given: Any) -> httpx.Response:
        headers = {"X-User": user, **given.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **given)

    async def created(self, name: str = "sales", kind: str = "datasets") -> None:
        assert (await self.ask("POST", f"{BASE}/{kind}", json={"name": name})).status_code == 201

    async def upload(self, content: bytes = CSV, file_name: str = "train.csv", **given: Any) -> httpx.Response:
        params = {"file_name": file_name, **given}
        return await self.ask("POST", f"{BASE}/datasets/sales/versions", content=content, params=params)

    async def archive(self, name: str) -> None:
        url = f"{BASE}/datasets/{name}"
        answer = await self.ask("PATCH", url, json={"archived": True}, headers={"If-Match": "*"})
        assert answer.status_code == 200

    async def rows(self, query: str) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return await (await connection.execute(query.encode())).fetchall()


@pytest_asyncio.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "shared" / "shop").mkdir(parents=True)
    artifacts = DirectoryArtifactStore(tmp_path / "artifacts")
    service = CatalogueService(
        database,
        artifacts,
        limits=CatalogueLimits(upload_bytes=1 << 20, archive_bytes=1 << 20, files=5),
        allowed_data_roots=(str(tmp_path / "shared" / "{project}"),),
    )
    principals = {
        "dev": member(SHOP),
        "viewer": member(SHOP, role=Role.VIEWER),
        "stranger": member(BANK, role=Role.ADMIN),
        "both": member(SHOP, BANK),
    }
    app = FastAPI()
    router = APIRouter(prefix="/api/v1")
    router.include_router(make_router(service, Access(HeaderAuthenticator((SHOP, BANK), principals))))
    app.include_router(router)

    install_handlers(app, ProblemWriter())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Server(client=client, service=service, artifacts=artifacts, database=database)
