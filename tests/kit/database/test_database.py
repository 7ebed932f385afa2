"""Connections, transactions and their repetition (C07)."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine

import psycopg
import pytest

from quilate.kit.database.database import Connection, Database
from quilate.kit.database.notices import LARGEST_PAYLOAD, Notice, notices


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


async def end_backend(database: Database, connection: Connection) -> None:
    """Cut a connection as a failover does."""
    async with database.connection() as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))


@pytest.mark.asyncio
async def test_a_cut_connection_is_repeated(database: Database) -> None:
    attempts = 0

    async def work(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await end_backend(database, connection)
        cursor = await connection.execute("SELECT 7 AS n")
        row = await cursor.fetchone()
        assert row is not None
        return int(row["n"])

    assert await database.run(work) == 7
    assert attempts == 2


@pytest.mark.asyncio
async def test_who_was_slower_to_take_a_name_finds_it_taken(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (id int PRIMARY KEY, name text UNIQUE)")
        await connection.execute("INSERT INTO things VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    both_looked = asyncio.Barrier(2)

    async def rename(number: int) -> str:
        attempts = 0

        async def work(connection: Connection) -> str:
            nonlocal attempts
            attempts += 1
            cursor = await connection.execute("SELECT 1 FROM things WHERE name = 'same'")
            if await cursor.fetchone() is not None:
                return "taken"
            if attempts == 1:
                await both_looked.wait()
            await connection.execute("UPDATE things SET name = 'same' WHERE id = %s", (number,))
            return "renamed"

        return await database.run(work)

    assert sorted(await asyncio.gather(rename(1), rename(2))) == ["renamed", "taken"]

    async def careless(connection: Connection) -> None:
        await connection.execute("UPDATE things SET name = 'same' WHERE id = 3")

    with pytest.raises(psycopg.errors.UniqueViolation):
        await database.run(careless)


async def names(database: Database) -> list[str]:
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT name FROM things ORDER BY name")
        return [row["name"] for row in await cursor.fetchall()]


NextPayload = Callable[[], Coroutine[None, None, str]]


@pytest.fixture
def told(database: Database) -> NextPayload:
    """The next payload on the channel of these tests."""

    async def next_payload() -> str:
        async for payload in notices(database.url, "of_the_test"):
            if payload:
                return payload
        raise AssertionError

    return next_payload


@pytest.mark.asyncio
async def test_a_pipeline_commits_and_then_tells(database: Database, told: NextPayload) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (name text PRIMARY KEY)")

    async def work(connection: Connection) -> list[str]:
        await connection.execute("INSERT INTO things VALUES ('a')")
        cursor = await connection.execute("INSERT INTO things VALUES ('b') RETURNING name")
        row = await cursor.fetchone()
        assert row is not None
        await connection.execute("INSERT INTO things VALUES ('c')")
        return [row["name"]]

    async with database.connection() as connection:
        heard = asyncio.create_task(told())
        await listening(connection)
        assert await database.run_pipelined(work, announce=notice_of_the_test) == ["b"]
    assert await asyncio.wait_for(heard, 10) == "b"
    assert await names(database) == ["a", "b", "c"]


@pytest.mark.asyncio
async def test_what_was_committed_counts_where_the_notice_fails(database: Database) -> None:
    async def work(connection: Connection) -> list[str]:
        await connection.execute("CREATE TABLE things (name text PRIMARY KEY)")
        return ["x" * (LARGEST_PAYLOAD + 1)]

    result = await database.run_pipelined(work, announce=notice_of_the_test)
    assert len(result) == 1
    assert await names(database) == []


@pytest.mark.asyncio
async def test_a_commit_is_heard_of_before_its_notice_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (name text PRIMARY KEY)")
    lines: list[socket.socket] = []

    async def slow(connection: Connection, _: Notice) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    async def work(connection: Connection) -> list[str]:
        lines.append(socket.socket(fileno=os.dup(connection.fileno())))
        await connection.execute("INSERT INTO things VALUES ('a')")
        return ["told"]

    async def cut_once_it_is_there() -> None:
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if await names(database):
                break
        # What the server has sent by then is read before the end of the line is seen.
        await asyncio.sleep(0.1)
        lines[0].shutdown(socket.SHUT_RDWR)

    monkeypatch.setattr("quilate.kit.database.database.notify", slow)
    cutting = asyncio.create_task(cut_once_it_is_there())
    # A second attempt would find the name taken.
    assert await database.run_pipelined(work, announce=notice_of_the_test) == ["told"]
    await cutting
    assert await names(database) == ["a"]
    for each in lines:
        each.close()


def notice_of_the_test(payloads: list[str]) -> Notice:
    return Notice(channel="of_the_test", payloads=payloads)


async def listening(connection: Connection) -> None:
    """Wait until somebody listens on the channel of these tests."""
    while True:
        cursor = await connection.execute("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%of_the_test%'")
        if await cursor.fetchone():
            return
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
@pytest.mark.parametrize("last", ["INSERT INTO things VALUES ('a')", "SELECT 1/0", "CREATE TABLE things ()"])
async def test_a_pipeline_whose_last_statement_fails_leaves_nothing(database: Database, last: str) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (name text PRIMARY KEY)")

    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO things VALUES ('a')")
        # Nobody fetches its result.
        await connection.execute(last)

    with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.DivisionByZero, psycopg.errors.DuplicateTable)):
        await database.run_pipelined(work)
    assert await names(database) == []

    async def broken(connection: Connection) -> None:
        await connection.execute("INSERT INTO things VALUES ('a')")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the test's own
        await database.run_pipelined(broken)
    assert await names(database) == []
    # The connection that failed serves the next one.
    async with database.connection() as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.mark.asyncio
async def test_a_pipeline_whose_transaction_was_rolled_back_is_no_success(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE things (name text PRIMARY KEY)")

    attempts = 0

    async def work(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute("INSERT INTO things VALUES ('a')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            await (await connection.execute("INSERT INTO things VALUES ('a') RETURNING name")).fetchone()

    with pytest.raises(psycopg.InternalError):
        await database.run_pipelined(work)
    assert attempts == 1
    assert await names(database) == []


@pytest.mark.asyncio
async def test_a_pipeline_over_a_cut_connection_is_repeated(database: Database) -> None:
    attempts = 0

    async def work(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await end_backend(database, connection)
        await connection.execute("CREATE TABLE IF NOT EXISTS things (name text PRIMARY KEY)")

    await database.run_pipelined(work)
    assert attempts == 2
    assert await names(database) == []
