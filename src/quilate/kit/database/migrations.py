"""Forward-only migrations under an advisory lock; a schema newer than the program is refused."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import LiteralString

import psycopg
from psycopg.rows import dict_row

from quilate.domain.errors import ConfigurationError
from quilate.kit.database.addresses import connection_arguments
from quilate.kit.database.database import Connection

_LOCK = 7_215_003_081
"""Any number that no other program uses; processes that start at once take turns."""

_CREATE = """
CREATE TABLE IF NOT EXISTS quilate_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step forward; versions count from one without a gap."""

    version: int
    name: str
    sql: LiteralString

    @property
    def digest(self) -> str:
        """Digest of the text, so that a step that changed after it was applied is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """What ``migrate`` did: the version before and after, and the names of the steps taken."""

    before: int
    after: int
    applied: tuple[str, ...]


def read_migrations(listed: Iterable[str]) -> tuple[Migration, ...]:
    """Return the migrations of files named ``package.path:file.sql``, numbered in the order of the list."""
    found = []
    for version, entry in enumerate(listed, start=1):
        package, _, file = entry.partition(":")
        sql = files(package).joinpath(file).read_text(encoding="utf-8")
        found.append(Migration(version=version, name=entry, sql=sql))
    return tuple(found)


async def migrate(
    url: str, migrations: tuple[Migration, ...], *, before_change: Callable[[int], Awaitable[None]] | None = None
) -> MigrationReport:
    """Bring a database to the newest version, each step in a transaction of its own.

    Args:
        url: The database.
        migrations: Every step there is, oldest first.
        before_change: Called once with the present version before an existing schema changes (for a backup).

    Raises:
        ConfigurationError: The schema is newer than this program, or a step that was applied has changed since.
    """
    arguments = connection_arguments(url)
    async with await psycopg.AsyncConnection.connect(**arguments, autocommit=True, row_factory=dict_row) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            return await _migrate(connection, migrations, before_change)
        finally:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _migrate(
    connection: Connection,
    migrations: tuple[Migration, ...],
    before_change: Callable[[int], Awaitable[None]] | None,
) -> MigrationReport:
    present = await _applied(connection)
    before = max(present, default=0)
    if before > len(migrations):
        raise ConfigurationError(
            f"the database has schema version {before}, this program knows {len(migrations)}",
            next_step="install the version of Quilate that wrote it, or a newer one",
        )
    for migration in migrations[:before]:
        if present.get(migration.version) != migration.digest:
            raise ConfigurationError(
                f"migration {migration.version} ({migration.name}) is not the one that this database was made with",
                next_step="install an official release of Quilate; a released migration never changes",
            )
    pending = migrations[before:]
    if pending and before and before_change is not None:
        await before_change(before)
    for migration in pending:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO quilate_migrations (version, name, digest) VALUES (%s, %s, %s)",
                (migration.version, migration.name, migration.digest),
            )
    return MigrationReport(before=before, after=len(migrations), applied=tuple(step.name for step in pending))


async def _applied(connection: Connection) -> dict[int, str]:
    await connection.execute(_CREATE)
    cursor = await connection.execute("SELECT version, digest FROM quilate_migrations ORDER BY version")
    return {row["version"]: row["digest"] for row in await cursor.fetchall()}


async def schema_version(connection: Connection) -> int:
    """Return the version of the schema, zero for an empty database."""
    cursor = await connection.execute("SELECT to_regclass('quilate_migrations') IS NOT NULL AS there")
    row = await cursor.fetchone()
    if row is None or not row["there"]:
        return 0
    return max(await _applied(connection), default=0)
