"""The routes of events over a fresh database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from quilate.kit.database.database import Database
from tests.support.triggers_api import TriggersApi, triggers_api


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncIterator[TriggersApi]:
    async with triggers_api(database) as opened:
        yield opened
