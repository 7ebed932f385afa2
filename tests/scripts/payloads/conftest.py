"""Payload stores over a fresh database and fresh directories."""

from pathlib import Path

import pytest

from quilate.kit.database.database import Database
from tests.support.payloads import PayloadSite, payload_site


@pytest.fixture
def site(database: Database, tmp_path: Path) -> PayloadSite:
    return payload_site(database, tmp_path)
