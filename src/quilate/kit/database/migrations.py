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
from quilate.kit.database.faults import said_by

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
        ConfigurationError: The schema is newer than this program, a step that was applied has changed since, the
            database takes no writes, or it refused a step.
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
    await _refuse_a_standby(connection)
    present = await applied_migrations(connection)
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
        try:
            await _take(connection, migration)
        except psycopg.Error as error:
            raise _refused(migration, error) from error
    return MigrationReport(before=before, after=len(migrations), applied=tuple(step.name for step in pending))


async def _refuse_a_standby(connection: Connection) -> None:
    cursor = await connection.execute("SELECT current_setting('transaction_read_only') = 'on' AS refused")
    row = await cursor.fetchone()
    if row is not None and row["refused"]:
        raise ConfigurationError(
            "the database takes no writes: it is a standby, or its user may only read",
            next_step="give the primary's address, or with several hosts add target_session_attrs=read-write to it",
        )


async def _take(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(_CREATE)
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO quilate_migrations (version, name, digest) VALUES (%s, %s, %s)",
            (migration.version, migration.name, migration.digest),
        )


def _refused(migration: Migration, error: psycopg.Error) -> ConfigurationError:
    why = said_by(error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        next_step = "let the database's user make tables in it, best by ALTER DATABASE … OWNER TO that user"
    elif isinstance(error, psycopg.errors.DuplicateTable | psycopg.errors.DuplicateObject):
        next_step = "something else has tables there: give Quilate a database of its own"
    else:
        next_step = "see to what the database says, and start again: it goes on from there"
    return ConfigurationError(
        f"the database refused step {migration.version} of its schema ({migration.name}): {why}", next_step=next_step
    )


async def applied_migrations(connection: Connection) -> dict[int, str]:
    """Return the digest of each step that was applied; only reads, as whoever audits the database may."""
    cursor = await connection.execute("SELECT to_regclass('quilate_migrations') IS NOT NULL AS there")
    row = await cursor.fetchone()
    if row is None or not row["there"]:
        return {}
    cursor = await connection.execute("SELECT version, digest FROM quilate_migrations ORDER BY version")
    return {row["version"]: row["digest"] for row in await cursor.fetchall()}


async def schema_version(connection: Connection) -> int:
    """Return the version of the schema, zero for an empty database."""
    return max(await applied_migrations(connection), default=0)
