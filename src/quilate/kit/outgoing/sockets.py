"""Connections of other protocols than HTTP to addresses that users name, under the same rules."""

import asyncio
import socket

from quilate.kit.outgoing.addresses import AddressPolicy, AddressRefusedError, address_literal
from quilate.kit.outgoing.http import OutgoingError


async def connected_socket(host: str, port: int, policy: AddressPolicy, timeout: float) -> socket.socket:  # noqa: ASYNC109 - the limit of all addresses together
    """Return a socket to a host whose addresses were looked up once and judged.

    Raises:
        OutgoingError: The host leads into a private network, is not known, or nobody answers.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            addresses = await _addresses(loop, host, port)
            policy.require(host, addresses)
            return await _first(loop, addresses, port, host)
    except AddressRefusedError as error:
        raise OutgoingError(error.message, next_step=error.next_step, permanent=True) from error
    except TimeoutError as error:
        raise OutgoingError(f"{host}:{port} did not answer within {timeout:g} s") from error


async def _addresses(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[str]:
    literal = address_literal(host)
    if literal is not None:
        return [str(literal)]
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OutgoingError("the host's name is not valid", next_step="correct it", permanent=True) from error
    except OSError as error:
        raise OutgoingError(f"{host} is not known") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _first(loop: asyncio.AbstractEventLoop, addresses: list[str], port: int, host: str) -> socket.socket:
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            await loop.sock_connect(opened, (address, port))
        except OSError:
            opened.close()
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise OutgoingError(f"nobody answers at {host}:{port}")
