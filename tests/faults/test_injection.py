"""Hostile strings in every place of requests: no 5xx, nothing of another tenant, no table harmed (A12, A13, A14)."""

import asyncio
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Header

from quilate.kit.database.database import Database
from tests.support.durable import rows
from tests.support.fault_injection import SLEEP_SECONDS, TEXTS, TRACE, Sent, endless_texts, operations
from tests.support.fault_load import fault_of_refusal
from tests.support.tenants import MARKER, OWN, THEIRS, Tenants, make_tenants
from tests.support.web_apps import whole_site

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
_PAGES = ("/welcome", "/swagger", "/problems")
_OF_THE_OTHER = ("projects", "project_members", "runs", "waivers", "schedules", "datasets", "blueprint_drafts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk over every operation.

    Attributes:
        tenants: With the application.
        credential: Who walks.
        known: Values of path parameters that lead somewhere.
        each: Hostile strings for each place.
        secrets: What no answer may show.
        only: Paths to walk; all where there is none.
    """

    tenants: Tenants
    credential: str
    known: Mapping[str, str]
    each: int
    secrets: tuple[str, ...] = ()
    only: Collection[str] = ()

    async def run(self) -> tuple[int, list[str]]:
        """Send everything; return how many requests and what is wrong with their answers."""
        document: dict[str, Any] = self.tenants.site.app.openapi()
        texts = endless_texts()
        count, faults = 0, []
        async with self.tenants.site.client(self.credential) as client:
            for operation in operations(document):
                if self.only and operation.path not in self.only:
                    continue
                for sent in operation.requests(self.known, texts, self.each):
                    count += 1
                    faults += await ask(client, sent, self.secrets)
        return count, faults


async def ask(client: httpx.AsyncClient, sent: Sent, secrets: tuple[str, ...]) -> list[str]:
    """Send one request and return what is wrong with the answer."""
    begin = time.monotonic()
    async with asyncio.timeout(3 * SLEEP_SECONDS):
        answer = await client.request(sent.method, sent.path, headers=sent.headers, content=sent.content)
    faults = []
    if answer.status_code >= 500:
        faults.append(f"{sent}: {answer.status_code} {answer.text[:300]}")
    elif answer.status_code >= 400 and not sent.path.startswith(_PAGES):
        fault = fault_of_refusal(answer)
        faults += [f"{sent}: {fault}"] if fault else []
    if TRACE in answer.headers:
        faults.append(f"{sent}: a header came in")
    if any(secret in answer.text for secret in secrets):
        faults.append(f"{sent}: shows something of another tenant: {answer.text[:300]}")
    if "root:x:0:0" in answer.text:
        faults.append(f"{sent}: a file was read")
    if time.monotonic() - begin > SLEEP_SECONDS:
        faults.append(f"{sent}: took {time.monotonic() - begin:.0f} s")
    return faults


async def tables_of(database: Database) -> set[str]:
    found = await rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in found}


async def of_the_other(database: Database) -> list[Any]:
    """Return everything that is stored of the other tenant's project, and its people."""
    (project,) = await rows(database, "SELECT * FROM projects WHERE slug = %s", THEIRS)
    owned = await rows(
        database,
        "SELECT table_name FROM information_schema.columns JOIN pg_tables ON tablename = table_name"
        " WHERE column_name = 'project_id' AND table_schema = 'public' ORDER BY 1",
    )
    found: list[Any] = [project]
    async with database.connection() as connection:
        for row in owned:
            statement = f"SELECT t::text FROM {row['table_name']} AS t WHERE project_id = %s ORDER BY 1"  # noqa: S608 - names of tables
            cursor = await connection.execute(statement.encode(), (project["id"],))
            found.append((row["table_name"], await cursor.fetchall()))
    return found


async def test_a_strangers_injections_reach_nothing(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        tenants = await make_tenants(site)
        before, tables = await of_the_other(database), await tables_of(database)
        known = {"project": OWN, "name": "x", "number": "1", "version": "1", "check": "lint"}
        stranger = tenants.credentials["login"]
        count, faults = await Walk(
            tenants=tenants, credential=stranger, known=known, each=6, secrets=(MARKER, THEIRS)
        ).run()
        assert not faults, "\n".join(faults[:40])
        assert count > 3000
        assert await tables_of(database) == tables
        assert await of_the_other(database) == before
    assert not os.path.exists(f"/tmp/{TRACE}")  # noqa: ASYNC240, PTH110, S108 - what an injected command would make


async def test_an_administrators_injections_break_nothing(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        tenants = await make_tenants(site)
        tables = await tables_of(database)
        known = {**tenants.ids, "run_id": "00000000-0000-7000-8000-000000000007"}
        count, faults = await Walk(tenants=tenants, credential=tenants.admin.access_token, known=known, each=2).run()
        assert not faults, "\n".join(faults[:40])
        assert count > 1000
        assert await tables_of(database) == tables
        (projects,) = await rows(database, "SELECT count(*) AS n FROM projects WHERE slug IN (%s, %s)", OWN, THEIRS)
        assert projects["n"] == 2


async def test_the_walk_notices_careless_routes(database: Database, tmp_path: Path) -> None:
    careless = APIRouter(tags=["careless"])

    @careless.get("/careless/sql/{name}")
    async def with_sql(name: str) -> list[Any]:
        async with database.connection() as connection:
            cursor = await connection.execute(f"SELECT '{name}' AS name".replace("%", "%%").encode())
            return await cursor.fetchall()

    @careless.get("/careless/files")
    async def with_files(name: str) -> str:
        return Path("/srv/www/static/a", name).read_text()  # noqa: ASYNC240 - careless

    @careless.get("/careless/others")
    async def with_others(trace: Annotated[str, Header()] = "") -> str:
        return f"{trace} {MARKER}"

    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        tenants = await make_tenants(site)
        site.app.include_router(careless)
        paths = {"/careless/sql/{name}", "/careless/files", "/careless/others"}
        _, faults = await Walk(
            tenants=tenants, credential="", known={}, each=len(TEXTS), secrets=(MARKER,), only=paths
        ).run()
    for path in ("/careless/sql/", "/careless/files", "/careless/others"):
        assert any(path in fault for fault in faults), path
    assert any("a file was read" in fault for fault in faults)
