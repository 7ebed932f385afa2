"""A real PostgreSQL for tests: one server for each test process, one fresh database for each test.

Fixtures (registered in ``tests/conftest.py``): ``postgres`` (the server's address), ``database_url`` (an empty migrated
database of this test alone), ``database`` (a pool on it).
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from quilate.app.service.schema import service_migrations
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate

_TEMPLATE = "quilate_template"


def with_database(url: str, name: str) -> str:
    """Return an address with another database's name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a server whose template database is migrated; its data need not outlive a power cut."""
    directory = Path(tempfile.mkdtemp(prefix="quilate-test-pg-"))
    server = EmbeddedPostgres(directory, settings={"fsync": "off", "full_page_writes": "off", "max_connections": "200"})
    url = server.start()
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        asyncio.run(migrate(with_database(url, _TEMPLATE), service_migrations()))
        yield url
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """Make a migrated database for one test."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
    yield with_database(postgres, name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a pool on this test's database."""
    async with Database.open(database_url, name="test", max_size=8) as opened:
        yield opened


def made_database(server: str) -> str:
    """Make an empty database on a server and return its address."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return with_database(server, name)
