"""What a database server says about itself."""

import time
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from quilate.domain.errors import ConfigurationError
from quilate.kit.database.addresses import connection_arguments, shown_address
from quilate.kit.database.migrations import schema_version
from quilate.kit.database.queries import load_queries

LEAST_SERVER = 15
"""Major version of PostgreSQL that the statements need."""
_CONNECT_SECONDS = 10
_QUERIES = "inspection.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """One look at a server.

    Attributes:
        major_version: Of PostgreSQL.
        schema_version: Of Quilate's schema; 0 for none.
        clock_ahead_seconds: How much the server's clock is ahead of ours.
        clock_error_seconds: How wrong that may be: half the time of the question.
        connections: Open connections.
        most_connections: Connections that the server allows.
    """

    major_version: int
    schema_version: int
    clock_ahead_seconds: float
    clock_error_seconds: float
    connections: int
    most_connections: int


async def inspect_server(url: str) -> ServerFacts:
    """Ask a server about itself.

    Raises:
        ConfigurationError: It cannot be reached.
    """
    arguments = connection_arguments(url)
    arguments.setdefault("connect_timeout", _CONNECT_SECONDS)
    statement = load_queries("quilate.kit.database", _QUERIES)["server_state"]
    try:
        async with await psycopg.AsyncConnection.connect(
            **arguments, autocommit=True, row_factory=dict_row
        ) as connection:
            before = time.time()
            cursor = await connection.execute(statement)
            after = time.time()
            row = await cursor.fetchone() or {}
            return ServerFacts(
                major_version=connection.info.server_version // 10000,
                schema_version=await schema_version(connection),
                clock_ahead_seconds=float(row["seconds"]) - (before + after) / 2,
                clock_error_seconds=(after - before) / 2,
                connections=row["connections"],
                most_connections=row["most_connections"],
            )
    except psycopg.OperationalError as error:
        # An indented line is only a question about what the line above it says.
        said = [line for line in str(error).strip().splitlines() if line == line.lstrip()] or ["no answer"]
        raise ConfigurationError(
            f"the database {shown_address(url)} cannot be reached: {said[-1]}",
            next_step="start it, or correct QUILATE_DATABASE_URL",
        ) from error


async def refuse_old_server(url: str) -> ServerFacts:
    """Refuse a database that cannot be reached or is older than the statements need; return what it says.

    Raises:
        ConfigurationError: It is so.
    """
    found = await inspect_server(url)
    if found.major_version < LEAST_SERVER:
        raise ConfigurationError(
            f"the database {shown_address(url)} is PostgreSQL {found.major_version},"
            f" the service needs {LEAST_SERVER} or newer",
            next_step="upgrade the server",
        )
    return found
