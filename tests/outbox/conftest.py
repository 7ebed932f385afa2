"""The routes of governance over a fresh database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from quilate.kit.database.database import Database
from tests.support.governance import GovernanceApi, governance_api


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncIterator[GovernanceApi]:
    async with governance_api(database) as opened:
        yield opened
