"""A restored backup goes on delivering, also in a cluster that has counted fewer transactions (A14, C05)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from quilate.accounts.model import ProjectReference
from quilate.deliveries.dispatching import fan_out
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.backup import back_up, restore
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from tests.support.deliveries import connect, happen, states


async def all_fanned_out(database: Database) -> list[str]:
    """Make all deliveries that are to be made; return what they are about."""
    while await fan_out(database):
        pass
    return [row["subject"] for row in await states(database)]


@pytest.mark.asyncio
async def test_nothing_is_lost_and_nothing_made_twice_after_a_restore(
    database: Database, database_url: str, tmp_path: Path, project: ProjectReference, service: ConnectionService
) -> None:
    await connect(service, project, "http://127.0.0.1:9/")
    for _ in range(2_000):  # An installation of some age; the new cluster starts with small numbers again.
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_current_xact_id()")
    await happen(database, project, "waiver:before")
    assert await all_fanned_out(database) == ["waiver:before"]
    await happen(database, project, "waiver:waiting")
    backup = await back_up(database_url, tmp_path / "backups", schema_version=1, now=datetime.now(UTC))
    younger = EmbeddedPostgres(tmp_path / "younger", settings={"fsync": "off"})
    url = younger.start()
    try:
        await restore(url, backup)
        async with Database.open(url, name="restored", max_size=2) as restored:
            await happen(restored, project, "waiver:after")
            assert await all_fanned_out(restored) == ["waiver:before", "waiver:waiting", "waiver:after"]
    finally:
        younger.stop()


@pytest.mark.asyncio
async def test_a_transaction_that_lasts_long_holds_up_no_other_events(
    database: Database, project: ProjectReference, service: ConnectionService
) -> None:
    await connect(service, project, "http://127.0.0.1:9/")
    async with database.transaction() as lasting:
        await lasting.execute("SELECT pg_current_xact_id()")
        await happen(database, project, "waiver:1")
        assert await all_fanned_out(database) == ["waiver:1"]
