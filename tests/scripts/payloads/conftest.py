"""Payload stores over a fresh database and fresh directories, for a project that is there."""

from pathlib import Path

import pytest_asyncio

from quilate.kit.database.database import Database
from tests.support.payloads import PayloadSite, payload_site


@pytest_asyncio.fixture
async def site(database: Database, tmp_path: Path) -> PayloadSite:
    made = payload_site(database, tmp_path)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO projects (id, slug, name) VALUES (%s, %s, 'Shop')", (made.project, made.access.project.slug)
        )
    return made
