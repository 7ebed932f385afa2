"""The API's listening socket: bound once by whoever starts the API, so that a restart of it refuses nobody."""

import errno
import os
import socket

from quilate.app.service.settings import bracketed
from quilate.domain.errors import ConfigurationError

LISTEN_VARIABLE = "QUILATE_LISTEN_DESCRIPTOR"
_BACKLOG = 2048

_REASONS = {
    errno.EADDRINUSE: ("is in use", "stop what uses it, or take another: --port PORT (0 takes any free one)"),
    errno.EACCES: ("needs more rights", "take a port from 1024 on: --port PORT"),
    errno.EADDRNOTAVAIL: ("is no address of this machine", "give one of its own addresses: --host ADDRESS"),
}


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        ConfigurationError: The port is in use, the address is not this machine's, or the host is unknown.
    """
    where = f"{bracketed(host)}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        # Not SO_REUSEPORT: a second service on the port must be refused, not share it.
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"the host {host!r} is unknown: {error.strerror}", next_step="give an address of this machine: --host"
        ) from error
    except OSError as error:
        reason, next_step = _REASONS.get(error.errno or 0, (f"cannot be used: {error.strerror}", "give another"))
        raise ConfigurationError(f"the address {where} {reason}", next_step=next_step) from error


def inherited_socket() -> socket.socket | None:
    """Return the socket that our parent bound for us, if any."""
    descriptor = os.environ.pop(LISTEN_VARIABLE, "")
    if not descriptor:
        return None
    opened = socket.socket(fileno=int(descriptor))
    opened.set_inheritable(False)
    return opened
