"""History lies in a partition for each month (C07)."""

from datetime import UTC, datetime

import pytest

from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from tests.support.durable import PROJECT, rows

pytestmark = pytest.mark.asyncio


async def test_an_attempt_lies_in_the_month_of_its_run(database: Database) -> None:
    now = datetime.now(UTC)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO check_attempts (run_id, check_id, attempt, project_id, run_version, completion, result, final)"
            " VALUES (%s, 'a', 1, %s, 1, 'completed', 'pass', true)",
            (uuid7(), PROJECT),
        )
        await connection.execute(
            "INSERT INTO check_attempts (run_id, check_id, attempt, project_id, run_version, completion, result, final)"
            " VALUES (%s, 'a', 1, %s, 1, 'completed', 'pass', true)",
            (uuid7(1_000), PROJECT),
        )
    found = await rows(database, "SELECT tableoid::regclass::text AS place FROM check_attempts ORDER BY run_id DESC")
    assert [row["place"] for row in found] == [f"check_attempts_{now:%Y_%m}", "check_attempts_rest"]


async def test_making_partitions_again_makes_none(database: Database) -> None:
    found = await rows(database, "SELECT make_month_partitions(3) AS made")
    assert found == [{"made": 0}]
    ahead = await rows(database, "SELECT make_month_partitions(5) AS made")
    assert ahead == [{"made": 6}]
