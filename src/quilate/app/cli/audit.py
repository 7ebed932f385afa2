"""``quilate audit``: export and verify the audit log, rotate its key."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from quilate.audit.findings import LogReport, Trust

_TAKE_UP_SECONDS = 10.0
_DATABASE = click.option("--database", "url", default="", help="The database; by default the service's own.")


@click.group("audit")
def command() -> None:
    """Export and verify the audit log; it is tamper-evident: changes cannot be prevented, but are found."""


@command.command("export")
@_DATABASE
@click.option("--server", default="", help="The service's address, in place of a database.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with an auditor's token; else QUILATE_TOKEN, else `quilate login`.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
def export(url: str, server: str, token_file: Path | None, output: Path) -> int:
    """Write the whole log into one file, which `quilate audit verify` judges without the service."""
    from quilate.app.cli.audit_export import export_database, export_server  # noqa: PLC0415 - keeps --help fast
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above

    if server and url:
        raise click.UsageError("give --server or --database, not both")
    size = export_server(server, token_file, output) if server else export_database(_address(url), output)
    current_terminal().line(f"wrote {output} ({size} bytes)")
    return 0


@command.command("verify")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@_DATABASE
@click.option("--key", "keys", multiple=True, help="A trusted public key of the log, or a file with such keys.")
@click.option("--witness", "witnesses", multiple=True, help="A witness's public key, or a file with such keys.")
@click.option(
    "--head",
    "heads",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="An `audit-head` file or an older checkpoint, kept elsewhere.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def verify(  # noqa: PLR0913 - one argument per option, which click passes by name
    file: Path | None,
    url: str,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    heads: tuple[Path, ...],
    *,
    as_json: bool,
) -> int:
    """Verify the export FILE offline, or the log in a database.

    Without FILE and --database it is the service's own database, held against its `audit-head`. Exit 0: intact,
    1: tampered with (what and where is named), 2: usage.
    """
    from quilate.app.cli.audit_report import report_document, report_lines  # noqa: PLC0415 - keeps --help fast
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above

    if file is not None and url:
        raise click.UsageError("give a FILE or --database, not both")
    trust = _trust(keys, witnesses, heads if file is not None or url or heads else _own_head())
    report = _verified_file(file, trust) if file is not None else _verified_database(_address(url), trust)
    terminal = current_terminal()
    for line in report_document(report) if as_json else report_lines(report):
        terminal.line(line)
    return 0 if report.intact else 1


@command.command("keys")
@_DATABASE
def keys(url: str) -> int:
    """Print the log's public keys, for `quilate audit verify --key` and `quilate verify --log-key`."""
    import asyncio  # noqa: PLC0415 - keeps --help fast

    from quilate.app.cli.audit_database import opened_database  # noqa: PLC0415 - as above
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.audit.store import read_keys  # noqa: PLC0415 - as above

    async def read() -> list[str]:
        async with opened_database(_address(url)) as database, database.connection() as connection:
            return [str(key) for _, each in await read_keys(connection) for key in each]

    for line in asyncio.run(read()):
        current_terminal().line(line)
    return 0


@command.command("rotate-key")
@_DATABASE
@click.option("--old-key-lost", is_flag=True, help="Do without the old key's signature; verifiers must be told.")
def rotate_key(url: str, *, old_key_lost: bool) -> int:
    """Make a new key for the log and hand it over: the old and the new key both sign the entry."""
    import asyncio  # noqa: PLC0415 - keeps --help fast
    import os  # noqa: PLC0415 - as above

    from quilate.app.cli.audit_database import opened_database  # noqa: PLC0415 - as above
    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.audit import rotation  # noqa: PLC0415 - as above
    from quilate.audit.keys import FileKeyring  # noqa: PLC0415 - as above

    address, keyring = _address(url), FileKeyring(load_settings().state.absolute())

    async def rotate() -> tuple[list[str], bool]:
        async with opened_database(address) as database:
            actor = f"local:{os.geteuid()}"
            new = await rotation.rotate_key(database, keyring, actor, old_key_lost=old_key_lost)
            taken_up = await rotation.wait_until_taken_up(database, new, _TAKE_UP_SECONDS)
            return list(map(str, new)), taken_up

    lines, taken_up = asyncio.run(rotate())
    terminal = current_terminal()
    for line in lines:
        terminal.line(line)
    terminal.line("the log signs with this key now" if taken_up else "the service takes it up once it runs")
    return 0


def _address(url: str) -> str:
    if url:
        return url
    from quilate.app.service.service_database import database_address  # noqa: PLC0415 - keeps --help fast
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above

    return database_address(load_settings())


def _own_head() -> tuple[Path, ...]:
    """Return the head of the service's own state directory, if it has signed already."""
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - keeps --help fast
    from quilate.audit.head import HeadFile  # noqa: PLC0415 - as above

    path = HeadFile(load_settings().state).path
    return (path,) if path.exists() else ()


def _trust(keys: tuple[str, ...], witnesses: tuple[str, ...], heads: tuple[Path, ...]) -> "Trust":
    from quilate.app.cli.verifier_keys import read_file, verifier_keys  # noqa: PLC0415 - keeps --help fast
    from quilate.audit.findings import Reference, Trust  # noqa: PLC0415 - as above
    from quilate.audit.head import parse_head  # noqa: PLC0415 - as above

    return Trust(
        keys=verifier_keys(keys, "--key"),
        witnesses=verifier_keys(witnesses, "--witness"),
        references=tuple(Reference(name=str(path), head=parse_head(read_file(path), str(path))) for path in heads),
    )


def _verified_file(file: Path, trust: "Trust") -> "LogReport":
    from quilate.audit.verification import verify_lines  # noqa: PLC0415 - keeps --help fast
    from quilate.domain.errors import ConfigurationError  # noqa: PLC0415 - as above

    try:
        with file.open("rb", buffering=1 << 20) as stream:
            return verify_lines(stream, trust)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {file}: {error.strerror}", next_step="make an export: quilate audit export"
        ) from error


def _verified_database(url: str, trust: "Trust") -> "LogReport":
    import asyncio  # noqa: PLC0415 - keeps --help fast

    from quilate.app.cli.audit_database import opened_database  # noqa: PLC0415 - as above
    from quilate.audit.database_verification import verify_database  # noqa: PLC0415 - as above

    async def run() -> "LogReport":
        async with opened_database(url) as database:
            return await verify_database(database, trust)

    return asyncio.run(run())
