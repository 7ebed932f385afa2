"""Receivers that repeat what they got, connectors that break or hang, processes that die (A14, C05)."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quilate.accounts.model import ProjectReference
from quilate.deliveries.connector import RUN_FINISHED, DeliveredEvent
from quilate.deliveries.dispatching import fan_out
from quilate.deliveries.model import ConnectionWish, StoredConnection
from quilate.deliveries.sending import SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from tests.support.deliveries import access_to, dispatching, happen, parts, quick, settled, states
from tests.support.delivery_connectors import TRACKER
from tests.support.receivers import Received, Reply, receiver
from tests.support.run_rows import add_project

TOKEN = f"tok-{'9f8e7d6c' * 3}"


async def connect_with_token(
    service: ConnectionService, project: ProjectReference, url: str, **settings: Any
) -> StoredConnection:
    """Make a connection of the test connector."""
    wish = ConnectionWish(name="tracker", type=TRACKER, settings={"url": url, **settings}, secrets={"token": TOKEN})
    return await service.create(access_to(project), wish)


def repeating(status: int) -> Any:
    """Return an answer that repeats the request, headers and all, as debugging pages do."""

    def answer(request: Received) -> Reply:
        body = json.dumps({"headers": dict(request.headers), "path": request.path}).encode()
        return Reply(status=status, body=body)

    return answer


async def everything(database: Database) -> str:
    """Return every row of every table as text."""
    texts = []
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for row in await cursor.fetchall():
            found = await connection.execute(f'SELECT t::text AS text FROM "{row["tablename"]}" AS t')  # noqa: S608 - a name of the catalogue
            texts += [each["text"] for each in await found.fetchall()]
    return "\n".join(texts)


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "mode"), [(200, "send"), (500, "send"), (422, "send"), (200, "break")])
async def test_a_secret_that_is_said_back_is_kept_nowhere(  # noqa: PLR0913, PLR0917 - fixtures and cases
    database: Database,
    project: ProjectReference,
    sending: SendingParts,
    service: ConnectionService,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    status: int,
    mode: str,
) -> None:
    with receiver(repeating(status)) as outside, caplog.at_level(logging.DEBUG):
        await connect_with_token(service, project, outside.url, mode=mode)
        await happen(database, project, "waiver:1")
        async with dispatching(sending, quick(most_attempts=2)):
            [row] = await settled(database, 1)

    assert row["state"] == ("delivered" if (status, mode) == (200, "send") else "dead")
    assert (outside.received == []) == (mode == "break")
    assert all(request.headers["x-tracker-token"] == TOKEN for request in outside.received)
    written = capfd.readouterr()
    assert TOKEN not in await everything(database)
    assert TOKEN not in caplog.text + written.out + written.err


@pytest.mark.asyncio
async def test_a_secret_that_is_cut_off_at_the_end_of_a_quotation_is_masked_too(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    def answer(request: Received) -> Reply:
        return Reply(status=422, body=("x" * 185 + request.headers["x-tracker-token"]).encode())

    with receiver(answer) as outside:
        await connect_with_token(service, project, outside.url)
        await happen(database, project, "waiver:1")
        async with dispatching(sending):
            [row] = await settled(database, 1)
    assert "xxx[masked]" in row["error"]
    assert TOKEN[:6] not in row["error"]


@pytest.mark.asyncio
async def test_a_dry_run_masks_the_secret_wherever_it_stands(
    project: ProjectReference, service: ConnectionService
) -> None:
    with receiver() as outside:
        made = await connect_with_token(service, project, outside.url)
        trial = await service.dry_run(access_to(project), made.id, event(project))
    assert outside.received == []
    [request] = trial.requests
    assert TOKEN not in repr(trial)
    assert "waiver:1" in request.body.decode()


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "words"), [("break", "the connector broke"), ("hang", "no answer within")])
async def test_a_connector_that_breaks_or_hangs_is_told_not_waited_for(
    database: Database, tmp_path: Path, project: ProjectReference, mode: str, words: str
) -> None:
    service = ConnectionService(parts(database, tmp_path), trial_seconds=0.3)
    made = await connect_with_token(service, project, "http://127.0.0.1:9", mode=mode)
    async with asyncio.timeout(5):
        probe = await service.probe(access_to(project), made.id)
        dry_run = await service.dry_run(access_to(project), made.id, event(project))
    for trial in (probe, dry_run):
        assert (trial.succeeded, words in trial.summary) == (False, True)
        assert TOKEN not in repr(trial)


@pytest.mark.asyncio
async def test_a_secret_that_is_needed_cannot_be_forgotten(
    project: ProjectReference, service: ConnectionService
) -> None:
    made = await connect_with_token(service, project, "http://127.0.0.1:9")
    wish = ConnectionWish(name="tracker", type=TRACKER, settings={"url": "http://127.0.0.1:9"})
    with pytest.raises(Problem, match="needs the secret 'token'"):
        await service.update(access_to(project), made.id, _with_secrets(wish, {"token": ""}), None)
    assert (await service.update(access_to(project), made.id, wish, None)).secrets == ("token",)
    renewed = await service.update(access_to(project), made.id, _with_secrets(wish, {"token": "other"}), None)
    assert renewed.secrets == ("token",)


@pytest.mark.asyncio
async def test_a_process_that_is_killed_in_mid_delivery_loses_nothing(
    database: Database, database_url: str, tmp_path: Path, project: ProjectReference
) -> None:
    sending = parts(database, tmp_path)
    service = ConnectionService(sending)
    with receiver() as outside:
        made = await connect_with_token(service, project, outside.url, mode="die")
        await happen(database, project, "waiver:1")
        while await fan_out(database):
            pass
        argv = [sys.executable, "-m", "tests.support.dispatcher_process", database_url, str(tmp_path)]
        process = await asyncio.create_subprocess_exec(*argv)
        async with asyncio.timeout(60):
            assert await process.wait() == -9
        [row] = await states(database)
        assert (row["state"], row["attempts"]) == ("sending", 1)
        wish = ConnectionWish(name="tracker", type=TRACKER, settings={"url": outside.url})
        await service.update(access_to(project), made.id, wish, None)
        async with database.transaction() as connection:  # The lease of the dead process runs out.
            await connection.execute("UPDATE deliveries SET due_at = now()")
        async with dispatching(sending):
            rows = await settled(database, 2)

    # The second one tells of the connection's own change.
    assert [(row["state"], row["attempts"]) for row in rows] == [("delivered", 2), ("delivered", 1)]
    # The receiver knows the repetition by the event's id.
    sent = [request.headers["x-event"] for request in outside.received]
    assert sent.count(str(rows[0]["event_id"])) == 2
    assert len(sent) == 3


@pytest.mark.asyncio
async def test_another_project_sees_nothing_of_it(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    other = access_to(await add_project(database, "other"))
    with receiver(repeating(422)) as outside:
        made = await connect_with_token(service, project, outside.url)
        await happen(database, project, "waiver:1")
        async with dispatching(sending):
            [row] = await settled(database, 1)
    for call in (
        service.get(other, made.id),
        service.delete(other, made.id, None),
        service.probe(other, made.id),
        service.dry_run(other, made.id, event(project)),
        service.delivery(other, row["id"]),
        service.replay(other, row["id"]),
    ):
        with pytest.raises(Problem) as caught:
            await call
        assert caught.value.status == 404
    assert list(await service.listed(other, before=None, limit=10)) == []


def event(project: ProjectReference) -> DeliveredEvent:
    """Return an event of the project."""
    return DeliveredEvent(
        id=uuid7(), type=RUN_FINISHED, time=datetime.now(UTC), project=project.slug, subject="waiver:1", data={}
    )


def _with_secrets(wish: ConnectionWish, secrets: dict[str, str]) -> ConnectionWish:
    return ConnectionWish(name=wish.name, type=wish.type, settings=wish.settings, secrets=secrets)
