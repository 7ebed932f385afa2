"""Badges show a branch's last verdict to whoever has their address, and nothing to anybody else (C18)."""

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import ProjectReference, Role
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import box_of
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.ops.badges.endpoints import make_root_router, make_router
from quilate.ops.badges.service import BadgeService
from tests.support.run_rows import (
    Ended,
    add_project,
    decide_by_hand,
    end_check,
    finding,
    outlined,
    plan_run,
    submitted_run,
)
from tests.support.runs_api import Callers


@pytest_asyncio.fixture
async def project(database: Database) -> ProjectReference:
    return await add_project(database, "fraud")


@pytest_asyncio.fixture
async def client(database: Database, project: ProjectReference) -> AsyncIterator[httpx.AsyncClient]:
    service = BadgeService(database, box_of(b"k" * 32), "http://quilate.test")
    access = Access(Callers(projects={"fraud": project}, roles={"dev": {"fraud": Role.VIEWER}, "eve": {}}))
    app = FastAPI()
    app.include_router(make_router(service, access), prefix="/api/v1")
    app.include_router(make_root_router(service))
    install_handlers(app, ProblemWriter())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test") as opened:
        yield opened


async def judge(database: Database, project: ProjectReference, *, passes: bool, branch: str = "main") -> None:
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("lint"), branch=branch)
    found = () if passes else (finding("ruff/E501"),)
    result = CheckResult.PASS if passes else CheckResult.FAIL
    ended = Ended(check="lint", result=result, evidence=Evidence(findings=found))
    await end_check(database, project, run, ended)
    await decide_by_hand(database, project, run, [ended], branch=branch)


async def shown(client: httpx.AsyncClient, **query: str) -> str:
    told = await client.get("/api/v1/projects/fraud/badge", headers={"Authorization": "Bearer dev"})
    picture = await client.get(told.json()["url"], params=query)
    assert picture.headers["content-type"] == "image/svg+xml"
    return str(ET.fromstring(picture.text).attrib["aria-label"])  # noqa: S314 - our own picture


@pytest.mark.asyncio
async def test_it_shows_the_last_verdict_of_the_branch(
    client: httpx.AsyncClient, database: Database, project: ProjectReference
) -> None:
    assert await shown(client) == "quilate: no verdict"
    await judge(database, project, passes=True)
    assert await shown(client) == "quilate: approved"
    await judge(database, project, passes=False)
    assert await shown(client) == "quilate: rejected"
    assert await shown(client, branch="other") == "quilate: no verdict"


@pytest.mark.asyncio
async def test_without_its_address_nobody_sees_it(client: httpx.AsyncClient) -> None:
    guesses = ["/badges/fraud/" + "0" * 32 + ".svg", "/badges/nothing/" + "0" * 32 + ".svg"]
    answers = [await client.get(guess) for guess in guesses]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    stranger = await client.get("/api/v1/projects/fraud/badge", headers={"Authorization": "Bearer eve"})
    assert stranger.status_code == 404


@pytest.mark.asyncio
async def test_an_unchanged_picture_is_not_sent_again(client: httpx.AsyncClient) -> None:
    url = (await client.get("/api/v1/projects/fraud/badge", headers={"Authorization": "Bearer dev"})).json()["url"]
    first = await client.get(url)
    again = await client.get(url, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
