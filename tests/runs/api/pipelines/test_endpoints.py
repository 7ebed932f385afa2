"""The source document's routes as they stand (C03, C06: sections 3.1 and 9.2)."""

import json
from typing import Any
from uuid import UUID

import pytest

from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Database
from quilate.runs.durable.rows import encoded_evidence
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


@pytest.mark.parametrize(
    ("parameters", "source"),
    [
        ({"commit": "c0ffee"}, {"kind": "git", "revision": "c0ffee"}),
        ({"archive": "sha256:" + "a" * 64}, {"kind": "archive", "digest": "sha256:" + "a" * 64}),
        ({"dataset": "loans", "dataset_version": "3"}, {"kind": "dataset", "location": "loans", "revision": "3"}),
        ({"model": "scores"}, {"kind": "model", "location": "scores", "revision": ""}),
    ],
)
async def test_parameters_name_the_source(
    api: RunsApi, database: Database, parameters: dict[str, Any], source: dict[str, Any]
) -> None:
    answer = await api.client.post("/pipelines/run", json={"project_id": "fraud", "parameters": parameters})
    row = await stored(database, answer.json()["pipeline_run_id"])
    assert row["document"]["source"].items() >= source.items()


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
