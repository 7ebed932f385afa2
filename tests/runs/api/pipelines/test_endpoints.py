"""The source document's routes as they stand (C03, C06: sections 3.1 and 9.2)."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess
from quilate.datasets.service import CatalogueService
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Database
from quilate.runs.judging import encoded_evidence
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run
from tests.support.runs_api import RunsApi

pytestmark = pytest.mark.asyncio

DOCUMENT = {
    "project_id": "fraud",
    "event_type": "manual_trigger",
    "parameters": {"branch": "main", "model_version": "v3.4.1"},
}


async def stored(database: Database, identifier: str) -> Any:
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT event, document FROM run_submissions WHERE run_id = %s",
            (UUID(hex=identifier.removeprefix("prun-")),),
        )
        return await cursor.fetchone()


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_the_documents_own_request_is_taken_as_it_stands(api: RunsApi, database: Database, prefix: str) -> None:
    answer = await api.client.post(f"{prefix}/pipelines/run", json=DOCUMENT)
    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"pipeline_run_id", "status"}
    assert body["pipeline_run_id"].startswith("prun-")
    assert body["status"] == "QUEUED"
    row = await stored(database, body["pipeline_run_id"])
    assert row["event"] == "manual_trigger"
    assert row["document"]["parameters"] == DOCUMENT["parameters"]
    source = row["document"]["source"]
    assert (source["kind"], source["location"], source["branch"], source["revision"]) == (
        "git",
        "https://git.example/fraud.git",
        "main",
        "",
    )
    shown = (await api.client.get(answer.headers["location"])).json()
    assert (shown["project_id"], shown["status"], shown["stages"]) == ("fraud", "QUEUED", [])


async def upload(api: RunsApi, database: Database, slug: str, content: bytes) -> str:
    """Upload an archive to a project and return its digest."""
    principal = Principal(actor=Actor(kind=ActorKind.USER, id="1"), user_id=None)
    access = ProjectAccess(principal=principal, project=api.callers.projects[slug])

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    archives = CatalogueService(database, api.artifacts).archives
    return (await archives.keep(access, pieces())).digest


async def test_parameters_name_the_source(api: RunsApi, database: Database) -> None:
    digest = await upload(api, database, "fraud", b"archive")
    for parameters, source in (
        ({"commit": "c0ffee"}, {"kind": "git", "revision": "c0ffee"}),
        ({"archive": digest}, {"kind": "archive", "digest": digest}),
    ):
        answer = await api.client.post("/pipelines/run", json={"project_id": "fraud", "parameters": parameters})
        row = await stored(database, answer.json()["pipeline_run_id"])
        assert row["document"]["source"].items() >= source.items()


async def test_a_digest_is_no_permission(api: RunsApi, database: Database) -> None:
    digest = await upload(api, database, "other", b"of others")
    for parameters in ({"archive": digest}, {"dataset": "loans"}, {"model": "scores", "model_version": "1"}):
        answer = await api.client.post("/pipelines/run", json={"project_id": "fraud", "parameters": parameters})
        assert answer.status_code == 422
        assert answer.json()["type"].endswith("source-refused")
    own = {"source": {"kind": "archive", "digest": digest}}
    assert (await api.client.post("/api/v1/projects/fraud/runs", json=own)).status_code == 422
    local = {"source": {"kind": "git", "repository": "/etc"}}
    assert (await api.client.post("/api/v1/projects/fraud/runs", json=local)).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"project_id": "fraud", "parameters": {"a": NaN}}', 400),
        (b"\xff\xfe", 400),
        (b'{"project_id": "fraud", "parameters": ' + b'{"a": ' * 100_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"project_id": 7}', 422),
        (b'{"project_id": "a\\u0000"}', 422),
        (b'{"project_id": "fraud\\n"}', 422),
        (b'{"project_id": "fraud", "event_type": "x y"}', 422),
        (b'{"project_id": "fraud", "event_type": "x\\n"}', 422),
        (b'{"project_id": "fraud", "parameters": {"branch": 7}}', 422),
        (b'{"project_id": "fraud", "parameters": {"branch": "a\\u0000"}}', 422),
        (b'{"project_id": "fraud", "parameters": {"archive": "x"}}', 422),
        (b'{"project_id": "fraud", "parameters": {"a": 12345678901234567890123}}', 422),
        (b'{"project_id": "unknown"}', 404),
        (b'{"project_id": "other"}', 404),
    ],
)
async def test_malformed_requests_are_refused(api: RunsApi, body: bytes, status: int) -> None:
    answer = await api.client.post("/pipelines/run", content=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_callers_need_a_login_and_the_permission(api: RunsApi) -> None:
    for token, status in (("viewer", 403), ("", 401), ("stranger", 404)):
        answer = await api.client.post("/pipelines/run", json=DOCUMENT, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


async def test_an_idempotency_key_names_the_run(api: RunsApi) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.client.post("/pipelines/run", json=DOCUMENT, headers=headers)
    again = await api.client.post("/pipelines/run", json=DOCUMENT, headers=headers)
    other = await api.client.post("/pipelines/run", json={"project_id": "fraud"}, headers=headers)
    assert first.json() == again.json()
    assert other.status_code == 422


async def test_a_pipeline_run_shows_checks_and_evidence(api: RunsApi, database: Database) -> None:
    started = (await api.client.post("/pipelines/run", json=DOCUMENT)).json()["pipeline_run_id"]
    run = UUID(hex=started.removeprefix("prun-"))
    project = api.callers.projects["fraud"]
    await plan_run(database, project, run, outlined("a.b", "c"))
    evidence = Evidence(summary="1 finding", findings=(finding("R1"),))
    ended = Ended(check="a.b", result=CheckResult.FAIL, evidence=evidence)
    await end_check(database, project, run, ended)
    body = (await api.client.get(f"/pipelines/runs/{started}")).json()
    check, waiting = body["stages"][0]["checks"]
    assert (body["status"], check["status"], check["result"]) == ("RUNNING", "FAILED", "FAIL")
    assert (waiting["status"], waiting["result"], waiting["evidence_id"]) == ("WAITING", None, None)
    answer = await api.client.get(f"/pipelines/runs/{started}/evidence/{check['evidence_id']}")
    assert answer.content == encoded_evidence(evidence)
    assert json.loads(answer.content)["findings"][0]["rule"] == "R1"
    assert (await api.client.get(f"/pipelines/runs/{started}/evidence/none.1")).status_code == 404
    await decide_by_hand(database, project, run, [ended])
    listed = (await api.client.get("/pipelines/runs", params={"project_id": "fraud", "status": "FAILED"})).json()
    assert [(item["pipeline_run_id"], item["verdict"]) for item in listed["items"]] == [(started, "FAIL")]
    assert (await api.client.get("/pipelines/runs", params={"project_id": "fraud", "status": "x"})).status_code == 422


async def test_a_pipeline_run_is_cancelled(api: RunsApi) -> None:
    started = (await api.client.post("/pipelines/run", json=DOCUMENT)).json()["pipeline_run_id"]
    answer = await api.client.post(f"/pipelines/runs/{started}/cancel")
    assert answer.json() == {"pipeline_run_id": started, "status": "CANCELLED"}


@pytest.mark.parametrize("identifier", ["prun-abc123", "x", "prun-" + "0" * 32, "prun-" + "G" * 32])
async def test_an_unknown_pipeline_run_is_not_found(api: RunsApi, identifier: str) -> None:
    for path in ("", "/evidence/a.1"):
        assert (await api.client.get(f"/pipelines/runs/{identifier}{path}")).status_code == 404
    assert (await api.client.post(f"/pipelines/runs/{identifier}/cancel")).status_code == 404


async def test_a_strangers_pipeline_run_is_not_found(api: RunsApi) -> None:
    started = (await api.client.post("/pipelines/run", json=DOCUMENT)).json()["pipeline_run_id"]
    stranger = {"Authorization": "Bearer stranger"}
    assert (await api.client.get(f"/pipelines/runs/{started}", headers=stranger)).status_code == 404
    assert (await api.client.post(f"/pipelines/runs/{started}/cancel", headers=stranger)).status_code == 404
    viewer = {"Authorization": "Bearer viewer"}
    assert (await api.client.post(f"/pipelines/runs/{started}/cancel", headers=viewer)).status_code == 403
