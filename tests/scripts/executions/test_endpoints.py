"""Routes of executions: submission, waiting, reading, cancelling, quotas, each refusal (A03, A11, A12, A13, A16)."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from quilate.scripts.executions.model import Quota
from quilate.scripts.executions.presence import register
from quilate.scripts.model import ScriptVersion
from quilate.scripts.versions.model import PushWish
from tests.support.script_executions import ECHO, Site, running_worker, until

JSON = {"Content-Type": "application/json"}


def route(version: ScriptVersion) -> str:
    """Return where a script is executed."""
    return f"/projects/fraud/scripts/{version.script_id}/executions"


def own(answer: dict[str, str]) -> str:
    """Return the route of an execution."""
    return f"/projects/fraud/executions/{answer['id']}"


@pytest.mark.asyncio
async def test_a_submission_is_accepted_and_its_result_read_later(executions: Site, database_url: str) -> None:
    version = await executions.script("function process(data) { console.log('seen', data.length); return data; }")
    answer = await executions.client.post(route(version), content=b'[{"a": 1.50}]', headers=JSON)
    assert answer.status_code == 202
    state = answer.json()
    assert state["status"] == "pending"
    assert answer.headers["Location"] == f"/api/v1{own(state)}"
    async with running_worker(database_url, executions.directory):
        await executions.ended(UUID(state["id"]))
    read = (await executions.client.get(own(state))).json()
    assert read["status"] == "completed"
    assert read["output"] == [{"a": 1.5}]
    assert read["duration_ms"] >= 0
    assert read["usage"]["cpu_ms"] > 0
    assert read["sandbox_level"] in {"locked", "jailed"}
    kept = await executions.client.get(f"{own(state)}/input")
    assert kept.content == b'[{"a": 1.50}]'
    assert kept.headers["Content-Type"] == "application/json"
    output = await executions.client.get(f"{own(state)}/output")
    assert output.content == b'[{"a":1.5}]'
    console = (await executions.client.get(f"{own(state)}/console")).json()
    assert console == {"lines": ["seen 1"], "truncated": False}
    seen = await executions.rows("SELECT subject FROM access_records ORDER BY id")
    subject = f"execution:{state['id']}"
    assert [row["subject"] for row in seen] == [
        f"{subject}/output",
        f"{subject}/input",
        f"{subject}/output",
        f"{subject}/console",
    ]


@pytest.mark.asyncio
async def test_whoever_waits_gets_the_result_in_one_call(executions: Site, database_url: str) -> None:
    version = await executions.script(ECHO)
    async with running_worker(database_url, executions.directory):
        answer = await executions.client.post(f"{route(version)}?wait=20", content=b"[1]", headers=JSON)
        named = await executions.client.post(
            f"/projects/fraud/scripts/{version.script_id}/versions/{version.semver}/executions?wait=20",
            content=gzip.compress(b"[2]"),
            headers={**JSON, "Content-Encoding": "gzip"},
        )
        lines = await executions.client.post(
            f"{route(version)}?wait=20", content=b'{"a":1}\n{"a":2}\n', headers={"Content-Type": "application/x-ndjson"}
        )
        file = await executions.client.post(
            f"{route(version)}?wait=20", files={"file": ("data.json", b"[3]", "application/json")}
        )
    assert answer.status_code == 200
    assert answer.json()["output"] == [1]
    assert named.json()["output"] == [2]
    assert lines.json()["output"] == [{"a": 1}, {"a": 2}]
    assert file.json()["output"] == [3]
    assert not await executions.rows("SELECT 1 FROM access_records")


@pytest.mark.asyncio
async def test_a_caller_who_waits_too_short_is_told_to_come_back(executions: Site) -> None:
    version = await executions.script(ECHO)
    answer = await executions.client.post(f"{route(version)}?wait=0.05", content=b"[1]", headers=JSON)
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending"


@pytest.mark.asyncio
async def test_a_pointer_is_read_within_what_is_allowed(executions: Site, database_url: str) -> None:
    version = await executions.script(ECHO)
    folder = executions.directory / "data"
    folder.mkdir()
    (folder / "cards.json").write_bytes(b"[7]")
    kind = {"Content-Type": "application/vnd.quilate.pointer+json"}
    async with running_worker(database_url, executions.directory):
        answer = await executions.client.post(
            f"{route(version)}?wait=20", json={"url": f"file://{folder}/cards.json"}, headers=kind
        )
    assert answer.status_code == 200, answer.text
    assert answer.json()["output"] == [7]
    assert answer.json()["input"]["source"] == f"file://{folder}/cards.json"
    outside = await executions.client.post(route(version), json={"url": "file:///etc/passwd"}, headers=kind)
    assert outside.status_code == 422
    for body in (b"{}", b'{"url": "", "dataset": ""}', b'{"url": 1}', b'{"other": 1}'):
        wrong = await executions.client.post(route(version), content=body, headers=kind)
        assert wrong.status_code == 422, body
    broken = await executions.client.post(route(version), content=b"{", headers=kind)
    assert broken.status_code == 400


@pytest.mark.asyncio
async def test_the_same_key_gives_the_same_execution(executions: Site) -> None:
    version = await executions.script(ECHO)
    key = {"Idempotency-Key": str(uuid4()), **JSON}
    first, *others = await asyncio.gather(
        *(executions.client.post(route(version), content=b"[1]", headers=key) for _ in range(5))
    )
    assert first.status_code == 202
    assert {each.json()["id"] for each in others} == {first.json()["id"]}
    assert [each.headers.get("Idempotency-Replayed") for each in (first, *others)].count("true") == 4
    other = await executions.client.post(route(version), content=b"[2]", headers=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-mismatch")
    # Another caller's key is another key.
    admin = await executions.client.post(
        route(version), content=b"[1]", headers={**key, "Authorization": "Bearer admin"}
    )
    assert admin.json()["id"] != first.json()["id"]
    assert len(await executions.rows("SELECT 1 FROM script_executions")) == 2


@pytest.mark.asyncio
async def test_refusals_say_what_is_wrong(executions: Site) -> None:
    version = await executions.script(ECHO)
    unknown = await executions.client.post(f"/projects/fraud/scripts/{uuid4()}/executions", content=b"[]")
    assert unknown.status_code == 404
    nobody = await executions.client.post(route(version), content=b"[]", headers={"Authorization": "Bearer viewer"})
    assert nobody.status_code == 403
    foreign = await executions.client.post(route(version), content=b"[]", headers={"Authorization": "Bearer other"})
    assert foreign.status_code == 404
    kind = await executions.client.post(route(version), content=b"x", headers={"Content-Type": "image/png"})
    assert kind.status_code == 415
    async with executions.database.connection() as connection:
        await connection.execute("UPDATE script_versions SET quarantined = true")
    quarantined = await executions.client.post(route(version), content=b"[]", headers=JSON)
    assert quarantined.status_code == 409
    assert quarantined.json()["type"].endswith("version-quarantined")
    async with executions.database.connection() as connection:
        await connection.execute("UPDATE scripts SET deleted_at = now()")
    deleted = await executions.client.post(route(version), content=b"[]", headers=JSON)
    assert deleted.status_code == 404
    assert not await executions.rows("SELECT 1 FROM script_executions")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("wait=nan", "#/wait"), ("wait=61", "#/wait"), ("wait=-1", "#/wait"), ("priority=101", "#/priority"),
        ("priority=high", "#/priority"), ("attempts=0", "#/attempts"), ("output_format=xml", "#/output_format"),
        ("output_format=csv", "#/output_format"),
        ("output_gate=perhaps", "#/output_gate"), ("output_dataset=A%00", "#/output_dataset"),
    ],
)  # fmt: skip
async def test_parameters_that_are_wrong_are_named(executions: Site, query: str, pointer: str) -> None:
    version = await executions.script(ECHO)
    answer = await executions.client.post(f"{route(version)}?{query}", content=b"[]", headers=JSON)
    assert answer.status_code == 422
    assert [(each["pointer"], each["in"]) for each in answer.json()["errors"]] == [(pointer, "query")]
    assert "xml" not in answer.json()["errors"][0]["detail"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "pointer", "hint"),
    [
        ("wait=1&output_datset=totals", "#/output_datset", ", did you mean 'output_dataset'?"),
        ("Wait=1", "#/Wait", ", did you mean 'wait'?"),
        ("a~%2F%00=1", "#/a~0~1\0", ""),
        (f"{'x' * 5000}=1", f"#/{'x' * 100}", ""),
    ],
)
async def test_parameters_that_there_are_not_are_refused(executions: Site, query: str, pointer: str, hint: str) -> None:
    version = await executions.script(ECHO)
    for path in (route(version), f"/projects/fraud/scripts/{version.script_id}/versions/1.0.0/executions"):
        answer = await executions.client.post(f"{path}?{query}", content=b"[]", headers=JSON)
        assert (answer.status_code, answer.json()["errors"]) == (
            422, [{"pointer": pointer, "in": "query", "detail": f"there is no such parameter{hint}"}],
        )  # fmt: skip
    assert await executions.rows("SELECT 1 FROM script_executions") == []


@pytest.mark.asyncio
async def test_places_and_keys_that_are_wrong_are_named(executions: Site) -> None:
    version = await executions.script(ECHO)
    script = await executions.client.post("/projects/fraud/scripts/none/executions", content=b"[]")
    assert (script.status_code, script.json()["errors"][0]["pointer"]) == (422, "#/script")
    for name in ("%00", "x" * 101):
        path = f"/projects/fraud/scripts/{version.script_id}/versions/{name}/executions"
        answer = await executions.client.post(path, content=b"[]")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/version")
    unknown = f"/projects/fraud/scripts/{version.script_id}/versions/9.9.9/executions"
    assert (await executions.client.post(unknown, content=b"[]")).status_code == 404
    key = await executions.client.post(route(version), content=b"[]", headers={"Idempotency-Key": "x" * 256})
    assert (key.status_code, key.json()["errors"][0]["pointer"]) == (422, "#/Idempotency-Key")


@pytest.mark.asyncio
async def test_an_input_that_breaks_its_schema_is_refused_with_path_and_record(executions: Site) -> None:
    schema = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    version = await executions.script(ECHO, input_schema=schema)
    answer = await executions.client.post(route(version), content=b'[{"n": 1}, {"n": "x"}]', headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/1/n"
    assert answer.json()["errors"][0]["record"] == 1


@pytest.mark.asyncio
async def test_limits_of_queue_and_processor_answer_429(executions: Site) -> None:
    version = await executions.script(ECHO)
    admin = {"Authorization": "Bearer admin"}
    quota = await executions.client.get("/projects/fraud/script-quota")
    assert quota.status_code == 200
    assert quota.json()["queue_length"] == Quota().queue_length
    change = {"queue_length": 2, "cpu_ms_per_second": 10}
    mine = await executions.client.put("/projects/fraud/script-quota", json=change, headers={"If-Match": "*"})
    assert mine.status_code == 403
    blind = await executions.client.put("/projects/fraud/script-quota", json=change, headers=admin)
    assert blind.status_code == 428
    stale = await executions.client.put(
        "/projects/fraud/script-quota", json=change, headers={**admin, "If-Match": '"7"'}
    )
    assert stale.status_code == 412
    changed = await executions.client.put(
        "/projects/fraud/script-quota", json=change, headers={**admin, "If-Match": quota.headers["ETag"]}
    )
    assert changed.status_code == 200
    assert changed.json()["own"]["queue_length"] == 2
    for _ in range(2):
        assert (await executions.client.post(route(version), content=b"[]", headers=JSON)).status_code == 202
    full = await executions.client.post(route(version), content=b"[]", headers=JSON)
    assert full.status_code == 429
    assert full.json()["class"] == "QuotaExceeded"
    assert int(full.headers["Retry-After"]) >= 1
    async with executions.database.connection() as connection:
        await connection.execute("DELETE FROM script_queue")
        await connection.execute(
            "INSERT INTO script_usage (project_id, cpu_ms_left, at) VALUES (%s, -100, now())",
            (executions.granted().project.id,),
        )
    executions.service.forget_standing(executions.granted().project.id)
    used_up = await executions.client.post(route(version), content=b"[]", headers=JSON)
    assert used_up.status_code == 429
    assert used_up.json()["type"].endswith("quota-exceeded")
    assert 5 <= int(used_up.headers["Retry-After"]) <= 11


@pytest.mark.asyncio
async def test_without_a_strong_enough_sandbox_submissions_are_refused(executions: Site) -> None:
    version = await executions.script(ECHO)
    async with executions.database.connection() as connection:
        await register(
            connection, uuid4(), engines=["default"], sandboxes=0, lease_seconds=30, refusal="seccomp is missing"
        )
    answer = await executions.client.post(route(version), content=b"[]", headers=JSON)
    assert answer.status_code == 503
    assert answer.json()["class"] == "SandboxUnavailable"
    assert "seccomp is missing" in answer.json()["detail"]
    assert answer.headers["Retry-After"]


@pytest.mark.asyncio
async def test_lists_are_filtered_and_paged(executions: Site) -> None:
    first, second = await executions.script(ECHO), await executions.script(ECHO)
    ids = [(await executions.submit(version)).id for version in (first, first, second, first)]
    access = executions.granted()
    await executions.service.cancel(access, ids[0], "")
    page = (await executions.client.get("/projects/fraud/executions", params={"limit": 2})).json()
    assert [each["id"] for each in page["items"]] == [str(each) for each in sorted(ids, reverse=True)[:2]]
    rest = (
        await executions.client.get("/projects/fraud/executions", params={"limit": 2, "cursor": page["next_cursor"]})
    ).json()
    assert len(rest["items"]) == 2
    assert not rest["next_cursor"]
    for query, number in (
        ({"status": "cancelled"}, 1),
        ({"status": "pending"}, 3),
        ({"status": "running"}, 0),
        ({"script": str(second.script_id)}, 1),
        ({"version": str(first.id)}, 3),
        ({"since": "2999-01-01T00:00:00Z"}, 0),
    ):
        found = (await executions.client.get("/projects/fraud/executions", params=query)).json()
        assert len(found["items"]) == number, query
    other = await executions.client.get(
        f"/projects/credit/executions/{ids[0]}", headers={"Authorization": "Bearer other"}
    )
    assert other.status_code == 404


@pytest.mark.asyncio
async def test_cancel_and_replay_answer_what_is_possible(executions: Site) -> None:
    version = await executions.script(ECHO)
    submitted = await executions.submit(version)
    path = f"/projects/fraud/executions/{submitted.id}"
    assert (await executions.client.post(f"{path}/replay")).status_code == 409
    cancelled = await executions.client.post(f"{path}/cancel", json={"reason": "a mistake"})
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["failure"] == {
        "class": "Cancelled", "message": "a mistake", "line": None, "column": None, "record": None, "rule": None,
    }  # fmt: skip
    assert (await executions.client.post(f"{path}/cancel")).status_code == 200
    assert (await executions.client.get(f"{path}/output")).status_code == 404
    letters = await executions.client.get("/projects/fraud/execution-dead-letters")
    assert letters.json()["items"] == []
    events = await executions.rows("SELECT data FROM outgoing_events WHERE type LIKE '%%execution.finished'")
    assert [row["data"]["status"] for row in events] == ["cancelled"]


@pytest.mark.asyncio
async def test_long_data_lies_outside_the_database(executions: Site, database_url: str) -> None:
    version = await executions.script(ECHO)
    data = json.dumps([{"text": "x" * 1000, "n": n} for n in range(600)], separators=(",", ":")).encode()
    assert len(data) > 512 << 10
    async with running_worker(database_url, executions.directory):
        answer = await executions.client.post(f"{route(version)}?wait=20", content=data, headers=JSON)
    assert answer.status_code == 200
    state = answer.json()
    assert state["output"] is None
    assert state["output_data"]["size"] == len(data)
    assert not state["output_data"]["inline"]
    output = await executions.client.get(f"{own(state)}/output")
    assert output.content == data
    assert not await executions.rows("SELECT 1 FROM script_payloads")
    assert executions.store.artifacts.exists(state["output_data"]["digest"])


@pytest.mark.asyncio
async def test_data_is_executed_by_the_version_that_let_it_in(executions: Site, database_url: str) -> None:
    version = await executions.script("function process(data) { return 'first'; }")
    access = executions.granted()

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        wish = PushWish(source="function process(data) { return 'second'; }", activate=True)
        await executions.versions.push(access, version.script_id, wish)
        yield b"]"

    async with running_worker(database_url, executions.directory):
        answer = await executions.client.post(f"{route(version)}?wait=20", content=body(), headers=JSON)
        following = await executions.client.post(f"{route(version)}?wait=20", content=b"[]", headers=JSON)
    assert (answer.json()["output"], answer.json()["version"]) == ("first", str(version.id))
    assert following.json()["output"] == "second"


@pytest.mark.asyncio
async def test_nobody_waits_in_a_process_that_stops(executions: Site) -> None:
    version = await executions.script()
    asking = asyncio.create_task(executions.client.post(f"{route(version)}?wait=30", content=b"[]", headers=JSON))

    async def is_queued() -> bool:
        return bool(await executions.rows("SELECT 1 FROM script_queue"))

    await until(is_queued, "the submission")
    begin = time.monotonic()
    executions.service.stop_waiting()
    answer = await asking
    late = await executions.client.post(f"{route(version)}?wait=30", content=b"[]", headers=JSON)
    assert time.monotonic() - begin < 10
    for each in (answer, late):
        assert (each.status_code, each.json()["status"]) == (202, "pending")
        assert each.headers["Location"] == f"/api/v1{own(each.json())}"
