"""``quilate admin``: what needs the database itself: a lost administrator, an upgrade, a backup and its way back."""

from pathlib import Path

import click


@click.group("admin")
def command() -> None:
    """Recover an administrator, upgrade or back up the service's database.

    Works on QUILATE_DATABASE_URL, else on the embedded database of the state directory, whether it runs or not.
    """


@command.command("recover")
@click.argument("email")
def recover(email: str) -> int:
    """Print a link by which EMAIL becomes an administrator with a new password.

    It opens once, within 24 hours, while the service runs. The person's earlier logins end when it is used; somebody
    who is not known yet becomes a user.
    """
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.accounts.bootstrap import recovery_link  # noqa: PLC0415 - as above
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.service_database import (  # noqa: PLC0415 - as above
        links_base,
        refuse_other_schema,
        some_database,
    )
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.kit.database.database import Database  # noqa: PLC0415 - as above
    from quilate.kit.database.embedded_files import running_address  # noqa: PLC0415 - as above

    settings = load_settings()

    async def link(url: str) -> str:
        await refuse_other_schema(url)
        async with Database.open(url, name="quilate admin", max_size=1) as database:
            return await recovery_link(database, links_base(settings), email)

    runs = bool(settings.database_url or running_address(settings.postgres_directory))
    with some_database(settings) as url:
        current_terminal().line(asyncio.run(link(url)))
    told = "opens once, within 24 hours; whoever uses it sets a new password and is an administrator"
    if not runs:
        told += f"\n  the service does not run: start it first (quilate up), so that {links_base(settings)} answers"
    # Not on the standard output, which is the link alone.
    click.echo(f"  {told}", err=True)
    return 0


@command.command("migrate")
def migrate() -> int:
    """Bring the schema to this program's version; a backup is taken first."""
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.service_database import some_database, upgrade  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above

    settings = load_settings()
    terminal = current_terminal()
    with some_database(settings) as url:
        report, backup = asyncio.run(upgrade(url, settings.backup_directory))
    if backup is not None:
        terminal.line(f"backup: {backup}")
    for name in report.applied:
        terminal.line(f"applied {name}")
    terminal.line(f"schema version {report.after}")
    return 0


@command.command("backup")
@click.option(
    "--directory", type=click.Path(file_okay=False, path_type=Path), help="Where to; `backups` in the state directory."
)
def backup(directory: Path | None) -> int:
    """Write the whole database into a file that pg_restore reads, and print its path."""
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.service_database import back_up_now, some_database  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above

    settings = load_settings()
    with some_database(settings) as url:
        file = asyncio.run(back_up_now(url, (directory or settings.backup_directory).absolute()))
    current_terminal().line(str(file))
    return 0


@command.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> int:
    """Read a backup into an empty database; nothing is ever overwritten.

    Give QUILATE_STATE a new directory, or QUILATE_DATABASE_URL a new database, then start the service on it.
    """
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.service_database import some_database  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.kit.database.backup import restore as restore_backup  # noqa: PLC0415 - as above

    settings = load_settings()
    with some_database(settings, make=True) as url:
        asyncio.run(restore_backup(url, file.absolute()))
    current_terminal().line(f"restored {file}; `quilate up` goes on from it")
    return 0
