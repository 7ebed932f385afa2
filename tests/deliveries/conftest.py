"""A project with a service for its connections."""

from pathlib import Path

import pytest
import pytest_asyncio

from quilate.accounts.model import ProjectReference
from quilate.deliveries.sending import SendingParts
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from tests.support.deliveries import parts
from tests.support.run_rows import add_project


@pytest_asyncio.fixture
async def project(database: Database) -> ProjectReference:
    return await add_project(database, "fraud")


@pytest.fixture
def sending(database: Database, tmp_path: Path) -> SendingParts:
    return parts(database, tmp_path)


@pytest.fixture
def service(sending: SendingParts) -> ConnectionService:
    return ConnectionService(sending)
