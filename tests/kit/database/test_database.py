"""Connections, transactions and their repetition (C07)."""

import pytest

from quilate.kit.database.database import Connection, Database


@pytest.mark.asyncio
async def test_work_that_fails_leaves_nothing(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (name text PRIMARY KEY)")

    async def broken(connection: Connection) -> None:
        await connection.execute("INSERT INTO things VALUES ('a')")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the test's own
        await database.run(broken)
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT count(*) AS n FROM things")
        assert await cursor.fetchone() == {"n": 0}


@pytest.mark.asyncio
async def test_a_cut_connection_is_repeated(database: Database) -> None:
    attempts = 0

    async def work(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            async with database.connection() as other:
                await other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        cursor = await connection.execute("SELECT 7 AS n")
        row = await cursor.fetchone()
        assert row is not None
        return int(row["n"])

    assert await database.run(work) == 7
    assert attempts == 2
