"""The slice over a fresh database."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from quilate.kit.database.database import Database
from tests.support.accounts import AccountsSite, make_site
from tests.support.issuer import Issuer, loopback_http, running_issuer


@pytest.fixture
def site(database: Database) -> AccountsSite:
    return make_site(database)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest_asyncio.fixture
async def connected(database: Database) -> AsyncIterator[AccountsSite]:
    """The slice, which may reach issuers on loopback."""
    site = make_site(database, http=loopback_http())
    yield site
    await site.service.close()
