"""Hearing what other processes notify (LISTEN), for as long as somebody listens."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
from psycopg import sql

from quilate.kit.database.addresses import connection_arguments

_PAUSE_SECONDS = 1.0


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
