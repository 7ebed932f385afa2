"""The background process forgets what is over, and goes on when the database was away (C06, C19)."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from quilate.app.service.housekeeping import Retention, forget_once, retention_of, run_housekeeping
from quilate.app.service.settings import load_settings
from quilate.kit.database.database import Database
from quilate.runs.durable.retention import RunRetention
from tests.support.durable import rows, until

pytestmark = pytest.mark.asyncio

_KEY = (
    "INSERT INTO idempotency_keys (principal, route, key, fingerprint, attempt, lease_until, expires_at)"
    " SELECT 'user:1', 'POST /x', n::text, '', gen_random_uuid(), now(), now() + make_interval(hours => n % 2 * 2 - 1)"
    " FROM generate_series(1, 5000) AS n"
)


async def test_the_settings_say_how_long(tmp_path: Path) -> None:
    given = {"QUILATE_CACHE_DAYS": "7", "QUILATE_CACHE_ANSWERS": "9", "QUILATE_CHECK_LOG_DAYS": "8"}
    given["QUILATE_DELIVERY_DAYS"] = "0"
    runs = RunRetention(cache_days=7, cache_answers=9, log_days=8)
    assert retention_of(load_settings(given, state=tmp_path)) == Retention(runs=runs, delivery_days=0)
    assert retention_of(load_settings({}, state=tmp_path)) == Retention()


async def test_a_round_forgets_everything_that_is_over(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(_KEY)
        await connection.execute(
            "INSERT INTO result_cache (project_id, key, attempts, created_at)"
            " VALUES (%s, 'k', '', now() - interval '31 d')",
            (uuid4(),),
        )

        await connection.execute(
            "INSERT INTO outgoing_events (id, type, project_id, subject, data, created_at, fanned_out)"
            " SELECT gen_random_uuid(), 'x', gen_random_uuid(), 's', '{}', now() - interval '31 days', n <> 7"
            " FROM generate_series(1, 4500) AS n"
        )

    await forget_once(database, Retention(), asyncio.Event())

    assert (await rows(database, "SELECT count(*) AS n, min(expires_at) > now() AS alive FROM idempotency_keys")) == [
        {"n": 2500, "alive": True}
    ]
    assert await rows(database, "SELECT 1 FROM result_cache") == []
    # One was not told to anybody yet.
    assert await rows(database, "SELECT count(*) AS n FROM outgoing_events") == [{"n": 1}]


async def test_it_goes_on_until_it_is_stopped(database: Database) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run_housekeeping(database, stop, Retention(), round_seconds=0.02))
    for _ in range(2):
        async with database.connection() as connection:
            await connection.execute(_KEY)
        await until(lambda: _is_tidy(database))
        async with database.connection() as connection:
            await connection.execute("DELETE FROM idempotency_keys")
    stop.set()
    async with asyncio.timeout(10):
        await running


async def _is_tidy(database: Database) -> bool:
    return not await rows(database, "SELECT 1 FROM idempotency_keys WHERE expires_at <= now()")
