"""The slice over a fresh database."""

import pytest

from quilate.kit.database.database import Database
from tests.support.accounts import AccountsSite, make_site


@pytest.fixture
def site(database: Database) -> AccountsSite:
    return make_site(database)
