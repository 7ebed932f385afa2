"""Fixtures of executions: the routes over a fresh database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from quilate.kit.database.database import Database
from tests.support.script_executions import Site, site


@pytest_asyncio.fixture
async def executions(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """Give the routes; no worker runs."""
    async with site(database, tmp_path) as opened:
        yield opened
