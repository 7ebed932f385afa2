"""The routes of runs over a fresh database with two projects."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from quilate.accounts.model import Role
from quilate.kit.database.database import Database
from tests.support.run_rows import add_project
from tests.support.runs_api import Callers, RunsApi, runs_api


@pytest_asyncio.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[RunsApi]:
    callers = Callers()
    callers.projects = {
        "fraud": await add_project(database, "fraud", "https://git.example/fraud.git"),
        "other": await add_project(database, "other"),
    }
    callers.roles = {
        "dev": {"fraud": Role.DEVELOPER},
        "viewer": {"fraud": Role.VIEWER},
        "stranger": {"other": Role.ADMIN},
    }
    async with runs_api(database, tmp_path, callers) as opened:
        yield opened
