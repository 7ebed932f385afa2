"""A stop is clean and soon, whatever receivers do; what was under way is attempted again at once (C05, A14)."""

import asyncio
import time
from dataclasses import replace

import pytest

from quilate.accounts.model import ProjectReference
from quilate.deliveries.dispatching import run_deliveries
from quilate.deliveries.sending import SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from tests.support.deliveries import connect, dispatching, happen, quick, settled, states
from tests.support.receivers import Receiver, Reply, receiver


async def asked(outside: Receiver, number: int) -> None:
    """Wait until so many requests have come."""
    deadline = time.monotonic() + 20
    while len(outside.received) < number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_a_receiver_that_does_not_answer_does_not_hold_up_a_stop(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    stop = asyncio.Event()
    options = replace(quick(attempt_seconds=60.0), finish_seconds=0.2)
    with receiver(lambda _: Reply(delay=3.0)) as outside:
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1", "waiver:2")
        task = asyncio.create_task(run_deliveries(sending, stop, options))
        await asked(outside, 2)
        begin = time.monotonic()
        stop.set()
        await task
        taken = time.monotonic() - begin
        rows = await states(database)
        outside.answer = lambda _: Reply()
        async with dispatching(sending):
            ended = await settled(database, 2)

    assert taken < 2.0
    assert [row["state"] for row in rows] == ["pending", "pending"]
    assert [(row["state"], row["attempts"]) for row in ended] == [("delivered", 2)] * 2


@pytest.mark.asyncio
async def test_an_attempt_that_ends_soon_is_waited_for(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver(lambda _: Reply(delay=0.3)) as outside:
        await connect(service, project, outside.url)
        await happen(database, project, "waiver:1")
        async with dispatching(sending, quick(attempt_seconds=60.0)):
            await asked(outside, 1)
        [row] = await states(database)

    assert (row["state"], row["attempts"]) == ("delivered", 1)
