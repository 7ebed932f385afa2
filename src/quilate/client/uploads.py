"""Sending files without holding them in memory."""

from collections.abc import Iterator
from pathlib import Path

from quilate.client.transport import Body
from quilate.domain.errors import ConfigurationError

_PIECE = 1 << 18


def file_body(path: Path) -> tuple[Body, dict[str, str]]:
    """Return a file's content as a body that can be sent again, and the headers that describe it.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", next_step="give a file") from error

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                yield piece

    return pieces, {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
