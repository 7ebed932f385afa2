"""Telling other processes (NOTIFY), and hearing what they tell (LISTEN) for as long as somebody listens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from quilate.kit.database.addresses import connection_arguments

LARGEST_PAYLOAD = 7999
"""Bytes of a payload that PostgreSQL takes: https://www.postgresql.org/docs/current/sql-notify.html."""

_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told on a channel; each payload at most ``LARGEST_PAYLOAD`` bytes, the same one twice is one."""

    channel: str
    payloads: Sequence[str]


async def notify(connection: psycopg.AsyncConnection[Any], notice: Notice) -> None:
    """Tell whoever listens, outside of a transaction: NOTIFY serialises all commits that hold one."""
    for payload in dict.fromkeys(notice.payloads):
        # Behind a COMMIT that fails it is never prepared, and the driver would take it for prepared from then on.
        await connection.execute("SELECT pg_notify(%s, %s)", (notice.channel, payload), prepare=False)


async def notices(url: str, channel: str) -> AsyncIterator[str]:
    """Yield what is notified on a channel, and an empty text whenever the connection was made anew.

    What is notified while there is no connection is lost: whoever listens looks by itself after an empty text.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                **connection_arguments(url), autocommit=True, application_name="quilate-listen"
            ) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                yield ""
                async for notice in connection.notifies():
                    yield notice.payload
        except psycopg.Error:
            await asyncio.sleep(_PAUSE_SECONDS)
