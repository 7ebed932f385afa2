"""Submitting, listing, reading, cancelling and repeating runs over HTTP (C03, C04, C06)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from quilate.accounts.model import Principal, ProjectAccess
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService, Registration
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence, Undecided, number_fact
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from tests.support.run_rows import (
    ACTOR,
    Ended,
    decide_by_hand,
    end_check,
    finding,
    outlined,
    plan_run,
    start_check,
    submitted_run,
)
from tests.support.runs_api import RunsApi

pytestmark = pytest.mark.asyncio

RUNS = "/api/v1/projects/fraud/runs"
SUBJECT = "sha256:" + "a" * 64


async def row(database: Database, run: str) -> Any:
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT r.*, s.event, s.actor, s.document, s.rerun_of FROM runs r"
            " JOIN run_submissions s ON s.run_id = r.id WHERE r.id = %s",
            (UUID(run),),
        )
        return await cursor.fetchone()


async def count(database: Database) -> int:
    async with database.connection() as connection:
        found = await (await connection.execute("SELECT count(*) AS n FROM runs")).fetchone()
        assert found is not None
        return int(found["n"])


async def test_a_submitted_run_is_durable_and_has_a_place(api: RunsApi, database: Database) -> None:
    answer = await api.client.post(
        RUNS,
        json={
            "source": {"kind": "git", "branch": "main", "revision": "v1"},
            "event": "push",
            "parameters": {"pr": 7},
            "only": ["lint"],
            "priority": 5,
            "concurrency_key": "main",
        },
    )
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"{RUNS}/{body['id']}" == body["links"]["self"]
    assert (body["status"], body["created"]) == ("queued", True)
    stored = await row(database, body["id"])
    assert (stored["priority"], stored["concurrency_key"], stored["actor"]) == (5, "main", "user:dev")
    assert stored["document"]["source"]["location"] == "https://git.example/fraud.git"
    shown = (await api.client.get(answer.headers["location"])).json()
    assert shown["parameters"] == {"pr": 7}
    assert shown["source"] == {
        "kind": "git",
        "location": "https://git.example/fraud.git",
        "revision": "v1",
        "branch": "main",
    }


async def test_the_same_idempotency_key_gives_the_same_run(api: RunsApi, database: Database) -> None:
    headers = {"Idempotency-Key": "deploy-1"}
    first = await api.client.post(RUNS, json={"event": "push"}, headers=headers)
    again = await api.client.post(RUNS, json={"event": "push"}, headers=headers)
    other = await api.client.post(RUNS, json={"event": "tag"}, headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-mismatch")
    assert await count(database) == 1


async def _register(api: RunsApi, database: Database, content: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    principal = Principal(actor=ACTOR, user_id=None, roles={})
    access = ProjectAccess(project=api.callers.projects["fraud"], principal=principal)
    catalogue = CatalogueService(database, api.artifacts)
    with contextlib.suppress(Problem):
        await catalogue.create(access, EntryKind.DATASET, "sales", "")
    file = await catalogue.receive("sales.csv", pieces(), room=1000)
    await catalogue.register(access, EntryKind.DATASET, "sales", Registration(files=[file]))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUNS, {"source": {"kind": "dataset", "name": "sales"}}),
        ("/pipelines/run", {"project_id": "fraud", "parameters": {"dataset": "sales"}}),
    ],
)
async def test_a_request_is_the_same_when_the_newest_version_is_another_by_now(
    api: RunsApi, database: Database, path: str, body: Any
) -> None:
    headers = {"Idempotency-Key": "nightly"}
    await _register(api, database, b"id\n1\n")
    first = await api.client.post(path, json=body, headers=headers)
    await _register(api, database, b"id\n1\n2\n")
    again = await api.client.post(path, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202), again.text
    assert first.headers["location"] == again.headers["location"]
    # The source is gone altogether: what was taken stays taken, and nothing new is.
    async with database.connection() as connection:
        await connection.execute("UPDATE catalogue_entries SET name = 'renamed'")
    gone = await api.client.post(path, json=body, headers=headers)
    assert (gone.status_code, gone.headers["location"]) == (202, first.headers["location"])
    changed = await api.client.post(path, json={**body, "parameters": {"dataset": "costs"}}, headers=headers)
    assert changed.status_code == 422
    assert changed.json()["type"].endswith("idempotency-mismatch")
    assert (await api.client.post(path, json=body)).json()["type"].endswith("source-refused")
    assert await count(database) == 1


async def test_many_at_once_with_one_key_make_one_run(api: RunsApi, database: Database) -> None:
    answers = await asyncio.gather(
        *(api.client.post(RUNS, json={}, headers={"Idempotency-Key": "k"}) for _ in range(40))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await count(database) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"source": {"kind": "ftp"}},
        {"source": {"kind": "archive", "digest": "abc"}},
        {"source": {"kind": "archive", "digest": "sha256:" + "a" * 64 + "\n"}},
        {"source": {"kind": "none"}},
        {"event": "a\x00b"},
        {"event": "Push"},
        {"blueprint": "a\x00b"},
        {"parameters": {"a": "b\x00"}},
        {"parameters": {"a": 2**60}},
        {"parameters": {"k\x00": 1}},
        {"priority": 101},
        {"only": ["x" * 200]},
        {"unknown": 1},
        [],
        7,
    ],
)
async def test_what_cannot_be_carried_out_is_refused(api: RunsApi, database: Database, body: Any) -> None:
    answer = await api.client.post(RUNS, json=body)
    assert answer.status_code == 422
    assert await count(database) == 0


async def test_a_number_that_is_none_is_refused(api: RunsApi) -> None:
    answer = await api.client.post(
        RUNS, content=b'{"parameters": {"a": NaN}}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_idempotency_key_has_a_form(api: RunsApi, key: str) -> None:
    answer = await api.client.post(RUNS, json={}, headers={"Idempotency-Key": key})
    assert answer.status_code == 422


async def test_others_learn_nothing(api: RunsApi, database: Database) -> None:
    run = (await api.client.post(RUNS, json={})).json()["id"]
    stranger = {"Authorization": "Bearer stranger"}
    for path in ("", "/findings", "/decision", "/events", "/checks/a", "/checks/a/logs", "/seal", "/explanation"):
        assert (await api.client.get(f"{RUNS}/{run}{path}", headers=stranger)).status_code == 404
        mine = f"/api/v1/projects/other/runs/{run}{path}"
        assert (await api.client.get(mine, headers=stranger)).status_code == 404, path
    for path in ("cancel", "rerun"):
        mine = f"/api/v1/projects/other/runs/{run}/{path}"
        assert (await api.client.post(mine, headers=stranger)).status_code == 404
    assert (await row(database, run))["status"] == "queued"


async def test_a_viewer_reads_and_does_not_submit(api: RunsApi) -> None:
    run = (await api.client.post(RUNS, json={})).json()["id"]
    viewer = {"Authorization": "Bearer viewer"}
    assert (await api.client.get(f"{RUNS}/{run}", headers=viewer)).status_code == 200
    assert (await api.client.post(RUNS, json={}, headers=viewer)).status_code == 403
    assert (await api.client.post(f"{RUNS}/{run}/cancel", headers=viewer)).status_code == 403
    assert (await api.client.post(f"{RUNS}/{run}/rerun", headers=viewer)).status_code == 403
    assert (await api.client.get(RUNS, headers={"Authorization": ""})).status_code == 401


async def test_a_full_queue_says_when_to_come_back(api: RunsApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quilate.runs.durable.intake.LONGEST_QUEUE", 2)
    answers = [await api.client.post(RUNS, json={}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[2].headers["retry-after"]) > 0


async def test_pages_hold_every_run_once(api: RunsApi) -> None:
    made = [(await api.client.post(RUNS, json={})).json()["id"] for _ in range(5)]
    found: list[str] = []
    url = f"{RUNS}?limit=2&status=queued"
    while url:
        answer = await api.client.get(url)
        found += [run["id"] for run in answer.json()["items"]]
        assert ("link" in answer.headers) == bool(answer.json()["next_cursor"])
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert found == sorted(made, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "!!", "WzFd", "é", "A" * 1000])
async def test_a_foreign_cursor_is_refused(api: RunsApi, cursor: str) -> None:
    assert (await api.client.get(RUNS, params={"cursor": cursor})).status_code == 422


async def test_runs_are_filtered(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    plain = await submitted_run(database, project)
    pushed = await submitted_run(database, project, event="push")
    await plan_run(database, project, pushed, outlined("a"), branch="feature")
    ended = Ended(check="a", result=CheckResult.PASS, evidence=Evidence(summary="fine"))
    await end_check(database, project, pushed, ended)
    await decide_by_hand(database, project, pushed, [ended], branch="feature")

    async def found(**filters: str) -> list[str]:
        answer = await api.client.get(RUNS, params=filters)
        assert answer.status_code == 200, answer.text
        return [run["id"] for run in answer.json()["items"]]

    assert await found(status="queued") == [str(plain)]
    assert await found(verdict="PASS") == [str(pushed)]
    assert await found(branch="feature") == [str(pushed)]
    assert await found(branch="main") == [str(plain)]
    assert await found(event="push") == [str(pushed)]
    assert await found(subject=SUBJECT) == [str(pushed)]
    assert await found(subject=SUBJECT, verdict="FAIL") == []
    assert len(await found(since="2020-01-01T00:00:00Z")) == 2
    assert await found(until="2020-01-01T00:00:00Z") == []
    for wrong in ({"status": "x"}, {"branch": "a\x00"}, {"subject": "x"}, {"since": "x"}, {"limit": "0"}):
        assert (await api.client.get(RUNS, params=wrong)).status_code == 422


async def test_a_run_shows_its_checks_as_they_go(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, [*outlined("a", "b"), *outlined("c", stage="test")])
    await start_check(database, project, run, "b")
    evidence = Evidence(
        summary="1 finding", findings=(finding("R1"),), facts=(number_fact("coverage", 0.5, unit="ratio"),)
    )
    await end_check(database, project, run, Ended(check="a", result=CheckResult.FAIL, evidence=evidence))
    answer = await api.client.get(f"{RUNS}/{run}")
    body = answer.json()
    assert answer.headers["etag"] == '"2"'
    build, test = body["stages"]
    assert (build["name"], build["state"], test["name"], test["state"]) == ("build", "running", "test", "waiting")
    a, b = build["checks"]
    assert (a["state"], a["result"], a["summary"], a["findings"]) == ("failed", "fail", "1 finding", {"high": 1})
    assert a["facts"][0]["value"] == "0.5"
    assert a["attempts"][0]["duration_seconds"] == 1.5
    assert (b["state"], b["result"]) == ("running", None)
    assert body["subject"]["revision"] == "c0ffee"
    assert body["notes"] == ["a note"]
    unchanged = await api.client.get(f"{RUNS}/{run}", headers={"If-None-Match": '"2"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_a_cancelled_run_ends_at_once_and_stays(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a", "b"))
    await start_check(database, project, run, "a")
    answer = await api.client.post(f"{RUNS}/{run}/cancel", json={"reason": "not needed"})
    assert answer.json() == {"id": str(run), "status": "cancelled"}
    assert (await api.client.post(f"{RUNS}/{run}/cancel")).json()["status"] == "cancelled"
    checks = (await api.client.get(f"{RUNS}/{run}")).json()["stages"][0]["checks"]
    assert [(check["id"], check["state"]) for check in checks] == [("a", "cancelled"), ("b", "cancelled")]
    assert checks[0]["attempts"][0]["reason"] == "not needed"
    assert (await api.client.post(f"{RUNS}/{uuid4()}/cancel")).status_code == 404


async def test_a_run_is_repeated_whole_or_for_what_failed(api: RunsApi, database: Database) -> None:
    first = (await api.client.post(RUNS, json={"parameters": {"a": 1}, "priority": 3})).json()["id"]
    key = {"Idempotency-Key": "again"}
    whole = await api.client.post(f"{RUNS}/{first}/rerun", headers=key)
    failed = await api.client.post(f"{RUNS}/{first}/rerun", json={"failed_only": True}, headers=key)
    repeated = await api.client.post(f"{RUNS}/{first}/rerun", headers=key)
    assert {whole.status_code, failed.status_code} == {202}
    assert repeated.json()["id"] == whole.json()["id"] != failed.json()["id"]
    stored = await row(database, failed.json()["id"])
    assert (str(stored["rerun_of"]), stored["priority"]) == (first, 3)
    assert stored["document"]["parameters"] == {"a": 1}
    assert (await row(database, whole.json()["id"]))["rerun_of"] is None


async def test_a_repeated_rerun_gives_its_run_also_when_the_files_are_not_to_be_had_any_more(
    api: RunsApi, database: Database
) -> None:
    first = (await api.client.post(RUNS, json={})).json()["id"]
    again = await api.client.post(f"{RUNS}/{first}/rerun", headers={"Idempotency-Key": "again"})
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE run_submissions SET document = jsonb_set(document, '{source,location}', '\"ftp://gone\"')"
            " WHERE run_id = %s",
            (first,),
        )
    repeated = await api.client.post(f"{RUNS}/{first}/rerun", headers={"Idempotency-Key": "again"})
    assert (repeated.status_code, repeated.json()["id"]) == (202, again.json()["id"])
    assert not repeated.json()["created"]
    assert (await api.client.post(f"{RUNS}/{first}/rerun")).status_code == 422


async def test_findings_are_paged_and_filtered(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a", "b"))
    old = Evidence(findings=(finding("R0"),))
    new = Evidence(findings=tuple(finding("R1", line=line) for line in range(1, 6)))
    other = Evidence(findings=(finding("R2", Severity.LOW),))
    await end_check(
        database, project, run, Ended(check="a", result=CheckResult.FAIL, evidence=old, final=False, version=2)
    )
    await end_check(
        database, project, run, Ended(check="a", result=CheckResult.FAIL, evidence=new, attempt=2, version=3)
    )
    await end_check(database, project, run, Ended(check="b", result=CheckResult.WARN, evidence=other, version=4))

    async def found(**filters: Any) -> list[tuple[str, int]]:
        items: list[tuple[str, int]] = []
        cursor = ""
        while True:
            answer = await api.client.get(f"{RUNS}/{run}/findings", params={"limit": 2, "cursor": cursor, **filters})
            assert answer.status_code == 200, answer.text
            items += [(each["rule"], each["line"]) for each in answer.json()["items"]]
            cursor = answer.json()["next_cursor"]
            if not cursor:
                return items

    assert await found() == [("R1", line) for line in range(1, 6)] + [("R2", 1)]
    assert len(await found(all_attempts=True)) == 7
    assert await found(check="b") == [("R2", 1)]
    assert await found(severity=["low", "info"]) == [("R2", 1)]
    assert await found(rule="R1", path="module.py", fingerprint="R1:3") == [("R1", 3)]


async def test_a_check_says_what_it_could_not_settle(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a", "b"))
    evidence = Evidence(undecided=(Undecided(subject="f1", reason="too few", next_step="take 500"),), notes=("n",))
    await end_check(database, project, run, Ended(check="a", result=CheckResult.UNDECIDED, evidence=evidence))
    body = (await api.client.get(f"{RUNS}/{run}/checks/a")).json()
    assert body["undecided"][0]["next_step"] == "take 500"
    assert (body["state"], body["notes"]) == ("failed", ["n"])
    waiting = await api.client.get(f"{RUNS}/{run}/checks/b")
    assert (waiting.status_code, waiting.json()["state"]) == (200, "waiting")
    assert (await api.client.get(f"{RUNS}/{run}/checks/none")).status_code == 404


async def test_a_run_without_a_plan_says_why(api: RunsApi, database: Database) -> None:
    run = await submitted_run(database, api.callers.projects["fraud"])
    async with database.connection() as connection:
        await connection.execute(
            """UPDATE run_submissions SET failure = '{"error": "no such branch", "next_step": "push it"}'"""
        )
        await connection.execute("UPDATE runs SET status = 'failed', step = NULL, verdict = 'UNKNOWN'")
    body = (await api.client.get(f"{RUNS}/{run}")).json()
    assert body["failure"] == {"error": "no such branch", "next_step": "push it"}
    assert (body["status"], body["verdict"], body["stages"]) == ("failed", "UNKNOWN", [])


async def test_the_description_names_every_answer(api: RunsApi) -> None:
    document = api.app.openapi()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"401", "403", "404", "422", "429"} <= set(operation["responses"])
