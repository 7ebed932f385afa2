"""Events reach outside systems at least once, in order, and a bad receiver harms nobody else (C05, A14)."""

import asyncio
import base64
import hashlib
import hmac
import time
from pathlib import Path

import pytest

from quilate.accounts.model import ProjectReference
from quilate.deliveries.dispatching import fan_out, forget_old
from quilate.deliveries.model import DeliveryFilter, DeliveryState
from quilate.deliveries.sending import SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.outbox.events import OutgoingEvent, append_events
from tests.support.deliveries import (
    QUICK,
    SECRET,
    access_to,
    connect,
    dispatching,
    happen,
    parts,
    quick,
    settled,
    states,
)
from tests.support.receivers import Received, Reply, receiver
from tests.support.run_rows import add_project


def is_signed(request: Received) -> bool:
    """Tell whether a request is signed as the specification of Standard Webhooks says."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return expected in request.headers["webhook-signature"].split(" ")


async def until_delivered(database: Database) -> None:
    """Wait until the newest delivery has arrived."""
    deadline = time.monotonic() + 20
    while (await states(database))[-1]["state"] != "delivered":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_each_event_arrives_signed_and_once(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        await connect(service, project, outside.url)
        await happen(database, project, *(f"waiver:{number}" for number in range(30)))
        async with dispatching(sending):
            rows = await settled(database, 30)

    assert {row["state"] for row in rows} == {"delivered"}
    assert len({request.headers["webhook-id"] for request in outside.received}) == len(outside.received) == 30
    assert all(is_signed(request) for request in outside.received)
    assert outside.received[0].json()["source"] == "/quilate/projects/fraud"


@pytest.mark.asyncio
async def test_events_of_one_subject_keep_their_order_even_through_failures(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        outside.replies(Reply(status=500), Reply(status=503), Reply())
        await connect(service, project, outside.url)
        await happen(database, project, *(["waiver:same"] * 10))
        async with dispatching(sending):
            await settled(database, 10)

    taken = [request.json()["data"]["number"] for request in outside.received][2:]
    assert taken == list(range(10))


@pytest.mark.asyncio
async def test_an_event_of_a_transaction_that_ends_late_is_not_lost(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        await connect(service, project, outside.url)
        async with database.transaction() as slow:
            early = OutgoingEvent(type="dev.quilate.x", project_id=project.id, subject="waiver:early", data={})
            await append_events(slow, [early])
            async with database.transaction() as other:
                await other.execute("SELECT pg_current_xact_id()")
                late = OutgoingEvent(type="dev.quilate.x", project_id=project.id, subject="waiver:late", data={})
                await append_events(other, [late])
            for _ in range(3):
                await fan_out(database)
        while await fan_out(database):
            pass

    assert {row["subject"] for row in await states(database)} == {"waiver:early", "waiver:late"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=401), "refused the credentials"),
        (Reply(status=404, body=b'{"message": "no such hook"}'), "no such hook"),
        (Reply(status=302, headers={"location": "http://169.254.169.254/latest/meta-data"}), "sends requests on"),
    ],
    ids=["revoked", "unknown", "internal"],
)
async def test_what_cannot_get_better_is_a_dead_letter_at_once(  # noqa: PLR0913, PLR0917 - fixtures and cases
    database: Database,
    project: ProjectReference,
    sending: SendingParts,
    service: ConnectionService,
    reply: Reply,
    error: str,
) -> None:
    with receiver(lambda _: reply) as outside:
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1")
        async with dispatching(sending):
            [row] = await settled(database, 1)

    assert (row["state"], row["attempts"]) == ("dead", 1)
    assert error in row["error"]
    assert row["next_step"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), Reply(status=200, delay=3.0), Reply(status=429, headers={})],
    ids=["500", "silence", "429"],
)
async def test_what_may_get_better_is_tried_until_it_is_a_dead_letter_and_can_be_replayed(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService, reply: Reply
) -> None:
    with receiver(lambda _: reply) as outside:
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1")
        async with dispatching(sending, quick(attempt_seconds=0.3)):
            [row] = await settled(database, 1)
            assert (row["state"], row["attempts"]) == ("dead", 4)
            assert await service.deliveries(
                access_to(project), DeliveryFilter(state=DeliveryState.DEAD), before=None, limit=5
            )
            outside.answer = lambda _: Reply()
            await service.replay(access_to(project), row["id"])
            await until_delivered(database)
            found = await service.delivery(access_to(project), row["id"])

    assert [attempt["outcome"] for attempt in found.attempts] == ["failed"] * 4 + ["delivered"]
    assert len({request.headers["webhook-id"] for request in outside.received}) == 1
    with pytest.raises(Problem, match="not dead"):
        await service.replay(access_to(project), row["id"])


@pytest.mark.asyncio
async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        outside.replies(Reply(status=429, headers={"retry-after": "1"}), Reply())
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1")
        begin = time.monotonic()
        async with dispatching(sending):
            await settled(database, 1)

    assert time.monotonic() - begin >= 1.0


@pytest.mark.asyncio
async def test_a_dead_and_a_slow_receiver_hold_up_nobody_else(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as healthy, receiver(lambda _: Reply(delay=0.4)) as slow, receiver() as gone:
        await connect(service, project, slow.url, "slow")
        await connect(service, project, gone.url, "dead")
        # The last one, so that it is told of no other connection's making.
        connected = await connect(service, project, healthy.url, "healthy")
        gone.answer = lambda _: Reply(status=503)
        await happen(database, project, *(f"waiver:{number}" for number in range(100)))
        begin = time.monotonic()
        async with dispatching(sending, quick(most_attempts=50)):
            while len(healthy.received) < 100:
                assert time.monotonic() - begin < 15, len(healthy.received)
                await asyncio.sleep(0.02)

    assert {row["state"] for row in await states(database, connected.id)} <= {"delivered", "sending"}
    assert len(slow.received) < 100


@pytest.mark.asyncio
async def test_a_receiver_that_fails_on_and_on_is_left_alone_without_using_attempts_up(
    database: Database, tmp_path: Path, project: ProjectReference
) -> None:
    sending = parts(database, tmp_path, failures=3)
    service = ConnectionService(sending)
    with receiver(lambda _: Reply(status=500)) as outside:
        await connect(service, project, outside.url)
        await happen(database, project, *(f"waiver:{number}" for number in range(40)))
        async with dispatching(sending, quick(most_attempts=1_000)):
            await asyncio.sleep(0.4)
            asked = len(outside.received)
            outside.answer = lambda _: Reply()
            rows = await settled(database, 40)

    assert asked < 20
    assert {row["state"] for row in rows} == {"delivered"}


@pytest.mark.asyncio
async def test_a_receiver_that_is_gone_for_good_switches_its_connection_off(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver(lambda _: Reply(status=410)) as outside:
        made = await connect(service, project, outside.url)
        await happen(database, project, "waiver:1")
        async with dispatching(sending):
            await settled(database, 1)
            found = await service.get(access_to(project), made.id)

    assert not found.enabled
    assert "410" in found.disabled_reason


@pytest.mark.asyncio
async def test_an_attempt_whose_process_died_is_made_again_and_its_late_word_does_not_count(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1")
        while await fan_out(database):
            pass
        async with database.transaction() as connection:
            await connection.execute(
                "UPDATE deliveries SET state = 'sending', token = 1, attempts = 1, due_at = now() - interval '1 second'"
            )
        async with dispatching(sending):
            [row] = await settled(database, 1)

    assert (row["state"], row["token"]) == ("delivered", 2)
    assert len(outside.received) == 1


@pytest.mark.asyncio
async def test_several_dispatchers_deliver_each_event_once(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        await connect(service, project, outside.url)
        await happen(database, project, *(f"waiver:{number}" for number in range(60)))
        async with dispatching(sending), dispatching(sending), dispatching(sending):
            await settled(database, 60)

    assert len(outside.received) == 60


@pytest.mark.asyncio
async def test_only_events_that_are_asked_for_and_of_the_own_project_go_out(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    other = await add_project(database, "other")
    with receiver() as outside:
        await connect(service, project, outside.url)
        await happen(database, other, "waiver:foreign")
        await happen(database, project, "waiver:own")
        async with dispatching(sending):
            await settled(database, 1)

    assert [row["subject"] for row in await states(database)] == ["waiver:own"]


@pytest.mark.asyncio
async def test_old_deliveries_and_events_are_forgotten(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1", "waiver:2")
        async with dispatching(sending, QUICK):
            await settled(database, 2)
    async with database.transaction() as connection:
        await connection.execute("UPDATE deliveries SET ended_at = now() - interval '31 days'")
        await connection.execute("UPDATE outgoing_events SET created_at = now() - interval '31 days'")
    assert await forget_old(database, 0) == 0
    assert await forget_old(database, 30, batch=2) == 5
    assert await forget_old(database, 30) == 0

    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT (SELECT count(*) FROM deliveries) AS deliveries, (SELECT count(*) FROM outgoing_events) AS events"
        )
        assert await cursor.fetchone() == {"deliveries": 0, "events": 0}
