"""A backup of one database by ``pg_dump``, taken before every change of an existing schema, and its way back."""

import asyncio
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from quilate.domain.errors import ConfigurationError
from quilate.kit.database.addresses import connection_arguments, shown_address
from quilate.kit.database.embedded_place import MAJOR_VERSION, program_directory
from quilate.kit.database.inspection import inspect_server

LOCK_WAIT = "60s"
"""How long pg_dump waits for a table that somebody changes."""
_OPEN_TO_OWNER = 0o600


async def back_up(url: str, directory: Path, *, schema_version: int, now: datetime) -> Path:
    """Write the whole database into a file of ``directory`` that only its owner may read, and return its path.

    The file has PostgreSQL's custom format; ``pg_restore`` reads it.

    Args:
        url: The database.
        directory: Where the file goes; made where it is missing.
        schema_version: Version of the schema, part of the name.
        now: The time for the name, aware.

    Raises:
        ConfigurationError: There is no pg_dump as new as the server, or it failed; then no file is left.
    """
    arguments = connection_arguments(url)
    program = await _program(url, "pg_dump")
    name = f"quilate-schema-{schema_version:04d}-{now:%Y%m%dT%H%M%S%fZ}.dump"
    try:
        partial = _new_file(directory, f"{name}.partial")
    except OSError as error:
        raise _failed(url, f"{directory}: {error.strerror}") from error
    try:
        await _dump(program, arguments, partial, url)
        file = directory / name
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    return file


def _new_file(directory: Path, name: str) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / name
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OPEN_TO_OWNER))
    return path


async def restore(url: str, file: Path) -> None:
    """Read a backup into an empty database: whole, or not at all.

    Args:
        url: The database.
        file: What ``back_up`` wrote.

    Raises:
        ConfigurationError: The database is not empty, the file is no backup, or its reading failed.
    """
    if (await inspect_server(url)).schema_version:
        raise ConfigurationError(
            f"the database {shown_address(url)} is not empty",
            next_step="restore into a new one: set QUILATE_STATE or QUILATE_DATABASE_URL",
        )
    arguments = connection_arguments(url)
    said = await _run(
        await _program(url, "pg_restore"), arguments, "--exit-on-error", "--single-transaction", "--no-owner", str(file)
    )
    if said is not None:
        raise ConfigurationError(
            f"{file} cannot be restored: {said}", next_step="give a file that `quilate admin backup` wrote"
        )


async def _dump(program: str, arguments: dict[str, Any], target: Path, url: str) -> None:
    said = await _run(
        program, arguments, "--format=custom", "--no-owner", f"--lock-wait-timeout={LOCK_WAIT}", f"--file={target}"
    )
    if said is not None:
        raise _failed(url, said)
    # What is not on disk is no backup.
    descriptor = os.open(target, os.O_RDONLY)
    try:
        await asyncio.to_thread(os.fsync, descriptor)
    finally:
        os.close(descriptor)


async def _run(program: str, arguments: dict[str, Any], *options: str) -> str | None:
    """Run a program of PostgreSQL on a database; return what it says where it fails, else ``None``."""
    # The password goes by the environment: everybody on the machine can read a command line.
    password = str(arguments.pop("password", "") or "")
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    process = await asyncio.create_subprocess_exec(
        program, "--no-password", f"--dbname={make_conninfo(**arguments)}", *options,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return said.decode(errors="replace").strip()[-400:] if process.returncode else None


def _failed(url: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the backup of {shown_address(url)} failed: {why}",
        next_step="mend what it says; without a backup the schema is not changed",
    )


async def _program(url: str, name: str) -> str:
    """Return a ``pg_dump`` or ``pg_restore`` at least as new as the server: the embedded one, else one on the path."""
    server = (await inspect_server(url)).major_version
    if server <= int(MAJOR_VERSION):
        try:
            embedded = program_directory() / name
        except ConfigurationError:
            embedded = None
        if embedded is not None and embedded.is_file():
            return str(embedded)
    installed = shutil.which(name)
    if installed is None:
        raise ConfigurationError(
            f"there is no {name} for the PostgreSQL {server} at {shown_address(url)}",
            next_step=f"install the client programs of PostgreSQL {server} or newer",
        )
    return installed
