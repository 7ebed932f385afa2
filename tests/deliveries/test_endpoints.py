"""Connections over HTTP: made, tried, changed, secrets never seen again; deliveries read and replayed (C05, C09)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import ProjectReference, Role
from quilate.deliveries.endpoints import make_router
from quilate.deliveries.sending import SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from tests.support.deliveries import SECRET, dispatching, happen, settled
from tests.support.receivers import Reply, receiver
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run, submitted_run
from tests.support.runs_api import Callers

BASE = "/api/v1/projects/fraud"


@pytest_asyncio.fixture
async def api(database: Database, project: ProjectReference, sending: SendingParts) -> AsyncIterator[httpx.AsyncClient]:
    callers = Callers(
        projects={"fraud": project}, roles={"admin": {"fraud": Role.ADMIN}, "dev": {"fraud": Role.VIEWER}}
    )
    app = FastAPI()
    app.include_router(make_router(ConnectionService(sending), Access(callers), database), prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    headers = {"Authorization": "Bearer admin"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test", headers=headers) as client:
        yield client


def wish(url: str, **more: object) -> dict[str, object]:
    return {"name": "hook", "type": "webhook", "settings": {"url": url}, "secrets": {"secret": SECRET}, **more}


@pytest.mark.asyncio
async def test_a_connection_is_made_tried_changed_and_taken_away(api: httpx.AsyncClient) -> None:
    with receiver() as outside:
        made = await api.post(f"{BASE}/connections", json=wish(outside.url))
        assert made.status_code == 201, made.text
        place, tag = made.headers["location"], made.headers["etag"]
        assert made.json()["events"] == ["*"]
        tried = (await api.post(f"{place}/test")).json()
        assert (tried["succeeded"], outside.received[0].json()["type"]) == (True, "dev.quilate.test")
        changed = await api.put(place, json=wish(outside.url, secrets={}, name="other"), headers={"If-Match": tag})
        assert changed.json()["secrets"] == ["secret"]
        stale = await api.put(place, json=wish(outside.url), headers={"If-Match": tag})
        assert stale.status_code == 412
        gone = await api.delete(place, headers={"If-Match": changed.headers["etag"]})
        assert gone.status_code == 204
        assert (await api.get(place)).status_code == 404


@pytest.mark.asyncio
async def test_secrets_are_nowhere_in_plain_text(
    api: httpx.AsyncClient, database: Database, project: ProjectReference, sending: SendingParts
) -> None:
    with receiver(lambda _: Reply(status=401)) as outside:
        made = await api.post(f"{BASE}/connections", json=wish(outside.url))
        await happen(database, project, "waiver:1")
        async with dispatching(sending):
            await settled(database, 1)
        seen = [made.text, (await api.get(f"{BASE}/connections")).text, (await api.get(f"{BASE}/deliveries")).text]
    async with database.connection() as connection:
        tables = await (
            await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).fetchall()
        for row in tables:
            cursor = await connection.execute(f'SELECT t::text AS text FROM "{row["tablename"]}" AS t')  # noqa: S608 - a name of the catalogue
            seen += [each["text"] for each in await cursor.fetchall()]

    assert not [text for text in seen if SECRET in text or SECRET.encode().hex() in text]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (wish("http://x", type="webhok"), "did you mean 'webhook'"),
        (wish("http://x", settings={"url": "http://x", "colour": "red"}), "no setting 'colour'"),
        (wish("http://x", settings={}), "url"),
        (wish("http://x", secrets={}), "needs the secret 'secret'"),
        (wish("http://x", secrets={"secret": SECRET, "token": "t"}), "knows no secret 'token'"),
        (wish("http://x", name="a\u0000b"), "pattern"),
    ],
    ids=["type", "setting", "missing", "secret", "unknown secret", "nul"],
)
async def test_what_cannot_work_is_refused_with_a_reason(
    api: httpx.AsyncClient, body: dict[str, object], expected: str
) -> None:
    answer = await api.post(f"{BASE}/connections", json=body)

    assert answer.status_code == 422
    assert expected in answer.text
    assert SECRET not in answer.text


@pytest.mark.asyncio
async def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(
    api: httpx.AsyncClient, database: Database, project: ProjectReference
) -> None:
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("lint"))
    ended = Ended(check="lint", result=CheckResult.FAIL, evidence=Evidence(findings=(finding("ruff/E501"),)))
    await end_check(database, project, run, ended)
    await decide_by_hand(database, project, run, [ended])
    with receiver() as outside:
        made = await api.post(f"{BASE}/connections", json=wish(outside.url))
        shown = (await api.post(f"{made.headers['location']}/dry-run", json={"run": str(run)})).json()

    assert outside.received == []
    [request] = shown["requests"]
    report = json.loads(request["body"])["data"]["report"]
    assert (report["verdict"], report["findings"]) == ("FAIL", 1)
    assert report["checks"] == [{"id": "lint", "type": "COMMAND", "result": "fail"}]
    assert report["url"] == f"https://q.example/api/v1/projects/fraud/runs/{run}"


@pytest.mark.asyncio
async def test_only_administrators_change_connections(api: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer dev"}
    answer = await api.post(f"{BASE}/connections", json=wish("http://127.0.0.1:1"), headers=headers)

    assert answer.status_code == 403
    assert (await api.get(f"{BASE}/connections", headers=headers)).status_code == 200


@pytest.mark.asyncio
async def test_the_connectors_say_what_they_need(api: httpx.AsyncClient) -> None:
    listed = {each["type"]: each for each in (await api.get("/api/v1/connector-types")).json()["items"]}

    assert "url" in listed["webhook"]["settings"]["properties"]
    assert [each["name"] for each in listed["webhook"]["secrets"]] == ["secret", "previous_secret"]


@pytest.mark.asyncio
async def test_an_address_within_the_own_network_is_refused(api: httpx.AsyncClient, tmp_path: Path) -> None:
    made = await api.post(f"{BASE}/connections", json=wish("http://169.254.169.254/latest/meta-data"))
    tried = (await api.post(f"{made.headers['location']}/test")).json()

    assert not tried["succeeded"]
    assert "private network" in tried["summary"]
