"""Write exports of the audit log: from a database, or from a service over HTTP."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from quilate.app.cli.logins import kept_token
from quilate.app.cli.verifier_keys import read_file
from quilate.domain.errors import ConfigurationError


def export_database(url: str, output: Path) -> int:
    """Write the log of a database and return the file's bytes; that it was taken becomes an entry.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    from quilate.app.cli.audit_database import opened_database  # noqa: PLC0415 - loads the database's library
    from quilate.audit.service import AuditService  # noqa: PLC0415 - as above

    async def write(stream: BinaryIO) -> None:
        async with opened_database(url) as database:
            async for piece in await AuditService(database).export(f"local:{os.geteuid()}"):
                stream.write(piece)

    with _written(output) as stream:
        asyncio.run(write(stream))
    return output.stat().st_size


def export_server(server: str, token_file: Path | None, output: Path) -> int:
    """Write the log of a service and return the file's bytes.

    Raises:
        ConfigurationError: The file cannot be written, or the token not read.
        ServiceError: The service refused it.
    """
    from quilate.client.transport import Connection, Transport  # noqa: PLC0415 - loads the HTTP library

    transport = Transport(Connection(url=server, token=read_token(server, token_file)))
    try:
        with _written(output) as stream, transport.stream("/audit/export", {}) as answer:
            for piece in answer.iter_bytes():
                stream.write(piece)
    finally:
        transport.close()
    return output.stat().st_size


def read_token(server: str, file: Path | None) -> str:
    """Return the token for a service: in the file, in ``QUILATE_TOKEN``, or kept by ``quilate login``; else empty.

    Raises:
        ConfigurationError: It cannot be read, or what was kept has ended or is not safe.
    """
    if file is not None:
        return read_file(file).decode("utf-8", "replace").strip()
    return os.environ.get("QUILATE_TOKEN", "").strip() or kept_token(server)


@contextmanager
def _written(output: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the name only once it is whole; only its owner may read it."""
    partial = ""
    try:
        descriptor, partial = tempfile.mkstemp(dir=output.absolute().parent, prefix=f".{output.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(partial).replace(output)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output}: {error.strerror}", next_step="give another file with --output"
        ) from error
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)
