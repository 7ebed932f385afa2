"""The service's database as the programs around it see it: its address, its schema, the backup before a change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from quilate.app.service.schema import service_migrations
from quilate.app.service.settings import Settings
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.backup import back_up
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.embedded_files import running_address
from quilate.kit.database.embedded_place import has_data
from quilate.kit.database.inspection import inspect_server, refuse_old_server
from quilate.kit.database.migrations import MigrationReport, migrate

UP_FILE = "up.lock"
"""Held by the `quilate up` that runs over a state directory, and says its process and address; empty after its end."""


def database_address(settings: Settings) -> str:
    """Return the address of a database that runs: the configured one, else the embedded one of a ``quilate up``.

    Raises:
        ConfigurationError: None is configured and none runs.
    """
    url = settings.database_url or running_address(settings.postgres_directory)
    if not url:
        raise ConfigurationError(
            f"no database: QUILATE_DATABASE_URL is not set and no `quilate up` runs over {settings.state}",
            next_step="set QUILATE_DATABASE_URL to the database of the service, or start it here: quilate up",
        )
    return url


def links_base(settings: Settings) -> str:
    """Return the address that links begin with: the public one, else the one of the ``quilate up`` that runs here."""
    if settings.public_url:
        return settings.public_url
    try:
        note = (settings.state / UP_FILE).read_text(encoding="utf-8")
    except OSError:
        return settings.base_url
    return note.partition(", ")[2].strip() or settings.base_url


@contextmanager
def some_database(settings: Settings, *, make: bool = False) -> Iterator[str]:
    """Give the address of the service's database; an embedded one that does not run is started for the time.

    Args:
        settings: The service's settings.
        make: Make an embedded database where there is none.

    Raises:
        ConfigurationError: There is no database yet.
    """
    url = settings.database_url or running_address(settings.postgres_directory)
    if url:
        yield url
        return
    if not make and not has_data(settings.postgres_directory):
        raise ConfigurationError(
            f"there is no database in {settings.state}", next_step="set QUILATE_STATE or QUILATE_DATABASE_URL"
        )
    server = EmbeddedPostgres(settings.postgres_directory)
    try:
        yield server.start()
    finally:
        server.stop()


async def upgrade(url: str, backups: Path) -> tuple[MigrationReport, Path | None]:
    """Bring the schema to this program's version and return what was done and the backup taken before it.

    Raises:
        ConfigurationError: The database cannot be reached, is too old or newer than this program, or the backup failed.
    """
    taken: list[Path] = []

    async def before_change(version: int) -> None:
        taken.append(await back_up(url, backups, schema_version=version, now=datetime.now(UTC)))

    await refuse_old_server(url)
    report = await migrate(url, service_migrations(), before_change=before_change)
    return report, taken[0] if taken else None


async def back_up_now(url: str, backups: Path) -> Path:
    """Back the database up and return the file."""
    found = await inspect_server(url)
    return await back_up(url, backups, schema_version=found.schema_version, now=datetime.now(UTC))


async def refuse_other_schema(url: str) -> None:
    """Refuse a database whose schema is not this program's.

    Raises:
        ConfigurationError: It is older or newer, or the database cannot be reached.
    """
    found, known = (await refuse_old_server(url)).schema_version, len(service_migrations())
    if found > known:
        raise ConfigurationError(
            f"the database has schema version {found}, this program knows {known}",
            next_step="install the version of Quilate that wrote it, or a newer one",
        )
    if found < known:
        raise ConfigurationError(
            f"the database has schema version {found}, this program needs {known}",
            next_step="upgrade it with a backup taken first: quilate admin migrate",
        )
