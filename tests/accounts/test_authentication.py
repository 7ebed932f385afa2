"""Who asks: on the hot path of every request, and never longer than a few seconds after it was true (A12)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from quilate.accounts.access import Access
from quilate.accounts.authentication import CACHE_SECONDS, DatabaseAuthenticator, LocalAuthenticator
from quilate.accounts.endpoints import make_router
from quilate.accounts.model import ActorKind, Permission, ProjectAccess
from quilate.accounts.service import AccountsService
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.kit.web.problems import Problem
from tests.support.accounts import BASE_URL, AccountsSite


def _request(credential: str = "", *, header: str | None = None) -> Request:
    value = header if header is not None else f"Bearer {credential}"
    return Request({"type": "http", "headers": [(b"authorization", value.encode("latin-1"))]})


async def _status(authenticator: DatabaseAuthenticator, credential: str) -> int:
    try:
        await authenticator.principal(_request(credential))
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "bearer x.y.z",
        "Bearer " + "x" * 5000,
        "Bearer ql_0123456789_" + "0" * 64,
        "Bearer ql_x_y",
        "Bearer \xff\x00",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    ],
)
async def test_what_is_no_credential_is_nobody(database: Database, header: str) -> None:
    with pytest.raises(Problem) as raised:
        await DatabaseAuthenticator(database).principal(_request(header=header))
    assert raised.value.status == 401
    assert raised.value.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.asyncio
async def test_another_process_hears_of_a_deactivation_within_five_seconds(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "viewer")])
    token = await site.api_token(bia, ["project:read"])
    elsewhere = DatabaseAuthenticator(site.database)
    assert await _status(elsewhere, bia.access_token) == await _status(elsewhere, token) == 200
    path = f"/users/{bia.id}"
    off = await site.call("PATCH", path, by=admin, body={"active": False}, headers={"If-Match": "*"})
    assert off.status_code == 200
    begun = time.monotonic()
    while 200 in {await _status(elsewhere, bia.access_token), await _status(elsewhere, token)}:
        assert time.monotonic() - begun < 5
        await asyncio.sleep(0.05)
    assert CACHE_SECONDS < 5


@pytest.mark.asyncio
async def test_a_known_token_costs_less_than_50_microseconds(site: AccountsSite) -> None:
    admin = await site.first_admin()
    token = await site.api_token(admin, ["project:read"])
    await site.project(admin, "alpha")
    authenticator = DatabaseAuthenticator(site.database, cache_seconds=60)
    for credential in (token, admin.access_token):
        request = _request(credential)
        await authenticator.principal(request)
        await authenticator.project("alpha")
        best = float("inf")
        for _ in range(20):
            begun = time.perf_counter()
            for _ in range(500):
                await authenticator.principal(request)
                await authenticator.project("alpha")
            best = min(best, (time.perf_counter() - begun) / 500)
        assert best < 50e-6


@pytest.mark.asyncio
async def test_many_who_come_at_once_ask_the_database_once_and_one_who_hangs_up_harms_nobody(
    site: AccountsSite,
) -> None:
    admin = await site.first_admin()
    authenticator = DatabaseAuthenticator(site.database)
    before = site.database.statistics()["requests_num"]
    tasks = [asyncio.create_task(authenticator.principal(_request(admin.access_token))) for _ in range(200)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(not isinstance(answer, BaseException) for answer in answers[1:])
    # One look for the key, one for the login.
    assert site.database.statistics()["requests_num"] - before == 2


@pytest.mark.asyncio
async def test_what_is_not_there_is_not_remembered(site: AccountsSite) -> None:
    admin = await site.first_admin()
    assert await site.authenticator.project("alpha") is None
    await site.project(admin, "alpha")
    found = await site.authenticator.project("alpha")
    assert found is not None
    assert found.slug == "alpha"
    for slug in ("a\x00", "../x", "A", "x" * 100, ""):
        assert await site.authenticator.project(slug) is None


@asynccontextmanager
async def _local(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    authenticator = LocalAuthenticator(database)
    access = Access(authenticator)
    app = FastAPI()
    install_handlers(app, ProblemWriter(BASE_URL))
    service = AccountsService(database, base_url=BASE_URL, forget=authenticator.forget)
    app.include_router(make_router(service, access), prefix="/api/v1")

    @app.post("/projects/{project}/runs")  # noqa: FAST003 - the access dependency reads {project}
    async def run(
        granted: Annotated[ProjectAccess, Depends(access.project(Permission.RUN_SUBMIT))],
    ) -> dict[str, str]:
        return {"actor": str(granted.actor), "project": str(granted.project.id)}

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.asyncio
async def test_the_single_user_mode_needs_no_login_and_makes_projects_on_first_use(database: Database) -> None:
    async with _local(database) as client:
        answers = await asyncio.gather(*(client.post("/projects/ml-service-123/runs") for _ in range(8)))
        assert {answer.json()["actor"] for answer in answers} == {"local:local"}
        assert len({answer.json()["project"] for answer in answers}) == 1
        me = (await client.get("/api/v1/me")).json()
        assert (me["actor"], me["user_id"], me["instance_admin"]) == (f"{ActorKind.LOCAL.value}:local", None, True)
        assert (await client.get("/api/v1/projects")).json()["items"][0]["slug"] == "ml-service-123"
        assert (await client.post("/projects/No%20Slug/runs")).status_code == 422
        body: dict[str, Any] = {"name": "t", "scopes": ["project:read"], "expires_in_days": 1}
        assert (await client.post("/api/v1/me/tokens", json=body)).status_code == 403
        assert (await client.post("/api/v1/projects", json={"slug": "own", "name": "Own"})).status_code == 201
        patched = await client.patch(
            "/api/v1/projects/own", json={"archived": True, "repository_url": "/srv/own"}, headers={"If-Match": "*"}
        )
        assert patched.status_code == 200
        refused = await client.post("/projects/own/runs")
        assert refused.status_code == 409
        assert refused.json()["type"].endswith("/project-archived")
