"""What a scrape says of deliveries (C05, D08)."""

import pytest

from quilate.accounts.model import ProjectReference
from quilate.deliveries.gauges import delivery_readings
from quilate.deliveries.sending import SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from tests.support.deliveries import connect, dispatching, happen, settled
from tests.support.receivers import Reply, receiver


async def read(database: Database) -> dict[str, float]:
    """Return the readings by name and labels."""
    readings = await delivery_readings(database)()
    return {" ".join((each.name, *each.labels.values())): each.value for each in readings}


@pytest.mark.asyncio
async def test_a_scrape_tells_what_waits_what_was_delivered_and_what_is_dead(
    database: Database, project: ProjectReference, sending: SendingParts, service: ConnectionService
) -> None:
    with receiver() as outside:
        outside.replies(Reply(status=401), Reply())
        made = await connect(service, project, outside.url)
        await happen(database, project, "waiver:1", "waiver:2", "waiver:3")
        before = await read(database)
        async with dispatching(sending):
            await settled(database, 3)
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE deliveries SET state = 'pending', ended_at = NULL, created_at = now() - interval '1 minute'"
            " WHERE state = 'dead' AND connection_id = %s",
            (made.id,),
        )
    after = await read(database)

    assert before == {"outgoing_events_waiting": 4.0}
    assert (after["outgoing_events_waiting"], after["recent_deliveries webhook delivered"]) == (0.0, 2.0)
    assert (after["deliveries_open webhook"], after["deliveries_failing webhook"]) == (1.0, 1.0)
    assert 59 < after["deliveries_oldest_age_seconds webhook"] < 120
