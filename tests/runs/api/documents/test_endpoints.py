"""Evidence, artifacts, decisions, explanations and seals over HTTP (C08, C10, D09)."""

import json
from uuid import UUID

import msgspec
import pytest

from quilate.domain.ids import Digest
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Artifact, Evidence
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Database
from quilate.policy.decision import replay
from quilate.runs.judging import encoded_evidence
from quilate.seals.dsse import parse_envelope
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run, submitted_run
from tests.support.runs_api import RunsApi

pytestmark = pytest.mark.asyncio

RUNS = "/api/v1/projects/fraud/runs"
SUBJECT = "sha256:" + "a" * 64
BAD = Evidence(summary="1 finding", findings=(finding("R1"),))
GOOD = Evidence(summary="fine")


async def decided_run(
    api: RunsApi, database: Database, evidence: Evidence = BAD, *, subject: str = SUBJECT, branch: str = "main"
) -> UUID:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a"), subject=subject, branch=branch)
    result = CheckResult.FAIL if evidence.findings else CheckResult.PASS
    ended = Ended(check="a", result=result, evidence=evidence)
    await end_check(database, project, run, ended)
    await decide_by_hand(database, project, run, [ended], subject=subject, branch=branch)
    return run


async def test_evidence_is_given_as_it_was_digested(api: RunsApi, database: Database) -> None:
    run = await decided_run(api, database)
    answer = await api.client.get(f"{RUNS}/{run}/checks/a/evidence")
    assert answer.content == encoded_evidence(BAD)
    assert answer.headers["etag"] == f'"{sha256_of(answer.content)}"'
    assert msgspec.json.decode(answer.content, type=Evidence) == BAD
    again = await api.client.get(f"{RUNS}/{run}/checks/a/evidence", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await api.client.get(f"{RUNS}/{run}/checks/a/evidence?attempt=2")).status_code == 404


async def test_long_evidence_comes_from_its_artifact(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a", "b"))
    content = encoded_evidence(BAD)
    digest = api.artifacts.put_bytes(content)
    await end_check(
        database, project, run, Ended(check="a", result=CheckResult.FAIL, evidence=BAD, artifact_digest=digest)
    )
    gone = "sha256:" + "d" * 64
    await end_check(
        database, project, run, Ended(check="b", result=CheckResult.FAIL, evidence=BAD, artifact_digest=gone, version=3)
    )
    assert (await api.client.get(f"{RUNS}/{run}/checks/a/evidence")).content == content
    assert (await api.client.get(f"{RUNS}/{run}/checks/a")).json()["summary"] == "1 finding"
    assert (await api.client.get(f"{RUNS}/{run}/checks/b/evidence")).status_code == 410
    assert (await api.client.get(f"{RUNS}/{run}")).status_code == 200


async def test_an_artifact_is_a_download_of_this_run_only(api: RunsApi, database: Database) -> None:
    content = b"<script>alert(1)</script>"
    digest = Digest(api.artifacts.put_bytes(content))
    secret = api.artifacts.put_bytes(b"of somebody else")
    named = Artifact(name='a/"re\nport".html', media_type="text/html", digest=digest, size=len(content))
    run = await decided_run(api, database, Evidence(artifacts=(named,)))
    shown = (await api.client.get(f"{RUNS}/{run}/checks/a")).json()["artifacts"][0]
    answer = await api.client.get(shown["href"])
    assert answer.content == content
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%22re%0Aport%22.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].startswith("text/html")
    assert (await api.client.get(f"{RUNS}/{run}/artifacts/{secret}")).status_code == 404
    assert (await api.client.get(f"{RUNS}/{run}/artifacts/sha256:..")).status_code == 422


@pytest.mark.parametrize(
    ("media_type", "sent"),
    [
        ("application/json", "application/json"),
        ('text/csv; charset=utf-8; header="present"', 'text/csv; charset=utf-8; header="present"'),
        *((wrong, "application/octet-stream") for wrong in ("/", "text/", "a b/c", "text/html\r\nx-evil: 1", "text/ä")),
    ],
)
async def test_an_artifact_has_a_media_type_that_is_one(
    api: RunsApi, database: Database, media_type: str, sent: str
) -> None:
    digest = Digest(api.artifacts.put_bytes(b"1"))
    named = Artifact(name="report", media_type=media_type, digest=digest, size=1)
    run = await decided_run(api, database, Evidence(artifacts=(named,)))
    answer = await api.client.get(f"{RUNS}/{run}/artifacts/{digest}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, sent)


async def test_a_decision_and_its_input_are_replayed_to_the_same_bytes(api: RunsApi, database: Database) -> None:
    run = await decided_run(api, database)
    decision = await api.client.get(f"{RUNS}/{run}/decision")
    given = await api.client.get(f"{RUNS}/{run}/decision/input")
    assert replay(given.content) == decision.content
    shown = (await api.client.get(f"{RUNS}/{run}")).json()
    assert decision.headers["etag"] == f'"{shown["decision_digest"]}"' == f'"{sha256_of(decision.content)}"'
    assert (shown["verdict"], shown["status"]) == ("FAIL", "failed")


async def test_an_undecided_run_has_no_decision(api: RunsApi, database: Database) -> None:
    run = await submitted_run(database, api.callers.projects["fraud"])
    for path in ("decision", "decision/input", "seal", "explanation"):
        answer = await api.client.get(f"{RUNS}/{run}/{path}")
        assert answer.status_code == 404
        assert answer.json()["type"].endswith("not-decided")


async def test_an_explanation_says_since_when(api: RunsApi, database: Database) -> None:
    good = await decided_run(api, database, GOOD)
    first = await decided_run(api, database)
    await decided_run(api, database, GOOD, branch="feature")
    run = await decided_run(api, database)
    body = (await api.client.get(f"{RUNS}/{run}/explanation")).json()
    check = body["causes"][0]["checks"][0]
    assert (check["check"], check["since_run"], check["last_good_run"]) == ("a", str(first), str(good))
    text = await api.client.get(f"{RUNS}/{run}/explanation", headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text.splitlines() == body["lines"]
    assert f"Run {run} FAILED" in text.text
    assert f"fails since run {first}" in text.text


async def test_a_deploy_gate_finds_the_seals_of_a_subject(api: RunsApi, database: Database) -> None:
    bad = await decided_run(api, database)
    good = await decided_run(api, database, GOOD)
    body = (await api.client.get("/api/v1/projects/fraud/seals", params={"subject": SUBJECT})).json()
    assert body["allowed"] is True
    assert [(item["run"], item["verdict"]) for item in body["items"]] == [(str(good), "PASS"), (str(bad), "FAIL")]
    seal = await api.client.get(f"{RUNS}/{good}/seal")
    assert parse_envelope(seal.content) == parse_envelope(json.dumps(body["items"][0]["envelope"]).encode())
    assert sha256_of(seal.content) == body["items"][0]["seal_digest"]
    page = await api.client.get("/api/v1/projects/fraud/seals", params={"subject": SUBJECT, "limit": 1})
    rest = await api.client.get(page.links["next"]["url"])
    assert (rest.json()["allowed"], [item["run"] for item in rest.json()["items"]]) == (True, [str(bad)])
    unknown = await api.client.get("/api/v1/projects/fraud/seals", params={"subject": "sha256:" + "b" * 64})
    assert unknown.json() == {"allowed": False, "items": [], "next_cursor": ""}


async def test_a_later_rejection_withdraws_the_permission(api: RunsApi, database: Database) -> None:
    await decided_run(api, database, GOOD)
    await decided_run(api, database)
    body = (await api.client.get("/api/v1/projects/fraud/seals", params={"subject": SUBJECT})).json()
    assert body["allowed"] is False
