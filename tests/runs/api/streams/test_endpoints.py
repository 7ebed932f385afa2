"""Following runs and logs: complete, resumable, ended in time, one look for all (C06)."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from starlette.types import Message

from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Database
from quilate.runs.api.streams.events import log_events, parse_log_place, parse_version, run_events
from tests.support.run_rows import (
    Ended,
    decide_by_hand,
    end_check,
    outlined,
    plan_run,
    start_check,
    submitted_run,
)
from tests.support.runs_api import RunsApi

RUNS = "/api/v1/projects/fraud/runs"


def parsed(stream: bytes) -> list[tuple[str, str, Any]]:
    """Return id, name and data of each event."""
    events = []
    for block in stream.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return events


async def ended_run(api: RunsApi, database: Database) -> UUID:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a", "b"))
    a = Ended(check="a", result=CheckResult.PASS, evidence=Evidence(summary="fine"), version=2)
    b = Ended(check="b", result=CheckResult.PASS, evidence=Evidence(summary="good"), version=3)
    await end_check(database, project, run, a)
    await end_check(database, project, run, b)
    await decide_by_hand(database, project, run, [a, b])
    return run


@pytest.mark.asyncio
async def test_a_run_that_has_ended_is_told_whole(api: RunsApi, database: Database) -> None:
    run = await ended_run(api, database)
    answer = await api.client.get(f"{RUNS}/{run}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = parsed(answer.content)
    assert [(name, data.get("check"), data.get("summary")) for _, name, data in events] == [
        ("check", "a", "fine"),
        ("check", "b", "good"),
        ("run", None, None),
    ]
    assert events[-1][0] == "4"
    assert (events[-1][2]["status"], events[-1][2]["verdict"]) == ("succeeded", "PASS")


@pytest.mark.asyncio
async def test_a_reader_that_comes_back_gets_what_it_missed(api: RunsApi, database: Database) -> None:
    run = await ended_run(api, database)
    answer = await api.client.get(f"{RUNS}/{run}/events", headers={"Last-Event-ID": "2"})
    assert [data.get("check") for _, _, data in parsed(answer.content)] == ["b", None]
    seen = await api.client.get(f"{RUNS}/{run}/events", headers={"Last-Event-ID": "4"})
    assert (seen.status_code, seen.content) == (204, b"")
    foreign = await api.client.get(f"{RUNS}/{run}/events", headers={"Last-Event-ID": "99999999999999x"})
    assert len(parsed(foreign.content)) == 3


@pytest.mark.asyncio
async def test_a_run_is_followed_to_its_end(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a"))
    stream = run_events(api.service.runs, run, -1)
    told = b""

    async def until(part: bytes) -> None:
        nonlocal told
        async for piece in stream:
            told += piece
            if part in piece:
                return

    await asyncio.wait_for(until(b'"version":1'), 10)
    await start_check(database, project, run, "a")
    await asyncio.wait_for(until(b'"state":"running"'), 10)
    ended = Ended(check="a", result=CheckResult.PASS, evidence=Evidence(summary="fine"))
    await end_check(database, project, run, ended)
    await asyncio.wait_for(until(b'"version":2'), 10)
    await decide_by_hand(database, project, run, [ended])
    await asyncio.wait_for(until(b"never"), 10)
    names = [(identity, name, data.get("state") or data["status"]) for identity, name, data in parsed(told)]
    assert names == [
        ("1", "run", "running"),
        ("", "check", "running"),
        ("", "check", "ended"),
        ("2", "run", "running"),
        ("3", "run", "succeeded"),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["events", "checks/a/logs"])
@pytest.mark.parametrize("lost", ["role", "login"])
async def test_a_stream_ends_for_who_may_no_longer_read(api: RunsApi, database: Database, path: str, lost: str) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a"))
    await start_check(database, project, run, "a")
    await add_log(database, run, [(1, 0, "one\n")])
    told: list[bytes] = []
    began = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("a reader that stays never leaves")

    async def send(message: Message) -> None:
        told.append(message.get("body", b""))
        if b"data: " in told[-1]:
            began.set()

    scope = {"type": "http", "method": "GET", "path": f"{RUNS}/{run}/{path}", "query_string": b"",
             "headers": [(b"authorization", b"Bearer dev")]}  # fmt: skip
    stream = asyncio.create_task(api.app(scope, receive, send))
    async with asyncio.timeout(20):
        await began.wait()
        if lost == "role":
            api.callers.roles["dev"] = {}
        else:
            del api.callers.roles["dev"]
        await add_log(database, run, [(1, 1, "secret\n")])
        await end_check(
            database, project, run, Ended(check="a", result=CheckResult.PASS, evidence=Evidence(summary="secret"))
        )
        await stream
    assert b"secret" not in b"".join(told)


@pytest.mark.asyncio
async def test_a_thousand_streams_share_one_look(
    api: RunsApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a"))
    looks = 0
    look = api.service.store.watched_runs

    async def counted(versions: Any) -> Any:
        nonlocal looks
        looks += 1
        return await look(versions)

    monkeypatch.setattr(api.service.store, "watched_runs", counted)

    async def follow() -> int:
        return len([piece async for piece in run_events(api.service.runs, run, -1)])

    readers = [asyncio.create_task(follow()) for _ in range(1000)]
    await asyncio.sleep(0)
    begin = asyncio.get_running_loop().time()
    ended = Ended(check="a", result=CheckResult.PASS, evidence=Evidence())
    await end_check(database, project, run, ended)
    await decide_by_hand(database, project, run, [ended])
    assert min(await asyncio.wait_for(asyncio.gather(*readers), 60)) >= 2
    seconds = asyncio.get_running_loop().time() - begin
    assert looks <= 3 + seconds / 0.5 * 2


@pytest.mark.asyncio
async def test_a_cut_database_does_not_end_a_stream(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a"))
    stream = run_events(api.service.runs, run, -1)
    told = await asyncio.wait_for(anext(stream), 10)
    async with database.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    ended = Ended(check="a", result=CheckResult.PASS, evidence=Evidence())

    async def finish() -> None:
        await end_check(database, project, run, ended)
        await decide_by_hand(database, project, run, [ended])

    await asyncio.wait_for(finish(), 30)
    told += b"".join([piece async for piece in stream])
    assert parsed(told)[-1][2]["status"] == "succeeded"


async def add_log(database: Database, run: UUID, pieces: list[tuple[int, int, str]]) -> None:
    async with database.connection() as connection:
        for attempt, sequence, text in pieces:
            await connection.execute(
                "INSERT INTO check_logs (run_id, check_id, attempt, sequence, text) VALUES (%s, 'a', %s, %s, %s)",
                (run, attempt, sequence, text),
            )


@pytest.mark.asyncio
async def test_a_log_is_followed_and_resumed(api: RunsApi, database: Database) -> None:
    project = api.callers.projects["fraud"]
    run = await submitted_run(database, project)
    await plan_run(database, project, run, outlined("a", "b"))
    await start_check(database, project, run, "a")
    await add_log(database, run, [(1, 0, "one\n"), (1, 1, "two\n")])
    stream = log_events(api.service.logs, api.service.store, run, "a", (0, -1))
    told = b""
    async for piece in stream:
        told += piece
        if b"two" in piece:
            break
    await add_log(database, run, [(2, 0, "three\n")])
    ended = Ended(check="a", result=CheckResult.PASS, evidence=Evidence(), attempt=2)
    await end_check(database, project, run, ended)
    rest = b"".join([piece async for piece in stream])
    assert [(i, name, data.get("text")) for i, name, data in parsed(told + rest)] == [
        ("1.0", "log", "one\n"),
        ("1.1", "log", "two\n"),
        ("2.0", "log", "three\n"),
        ("", "end", None),
    ]
    resumed = await api.client.get(f"{RUNS}/{run}/checks/a/logs", headers={"Last-Event-ID": "1.1"})
    assert [data.get("text") for _, _, data in parsed(resumed.content)] == ["three\n", None]
    seen = await api.client.get(f"{RUNS}/{run}/checks/a/logs", headers={"Last-Event-ID": "2.0"})
    assert (seen.status_code, seen.content) == (204, b""), "a browser would come back for ever"
    text = await api.client.get(f"{RUNS}/{run}/checks/a/logs?tail=2", headers={"Accept": "text/plain"})
    assert text.text == "two\nthree\n"
    waiting = await api.client.get(f"{RUNS}/{run}/checks/b/logs", headers={"Accept": "text/plain"})
    assert (waiting.status_code, waiting.text) == (200, "")
    assert (await api.client.get(f"{RUNS}/{run}/checks/none/logs")).status_code == 404


@pytest.mark.parametrize("foreign", [None, "", "x", "-1", "1e3", "9" * 20, "\u0661"])
def test_a_foreign_id_begins_at_the_beginning(foreign: str | None) -> None:
    assert parse_version(foreign) == -1
    assert parse_log_place(foreign) == (0, -1)


def test_a_place_in_a_log_is_read() -> None:
    assert parse_log_place("2.17") == (2, 17)
    assert parse_log_place("70000.1") == (0, -1)
