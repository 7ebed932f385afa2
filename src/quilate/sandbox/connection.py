"""The parent's end of the socket to a worker: cuts what arrives into frames, and believes no length."""

import asyncio
from collections.abc import Callable

from quilate.sandbox import protocol


class Connection(asyncio.Protocol):
    """Cuts what arrives into frames; holds at most one frame that is not complete.

    Args:
        arrived: Gets header and body of each frame; may raise ``ProtocolError``.
        lost: Called when the other end has gone.

    Attributes:
        body_most: Gives the longest body that may come now.
        broken: Called with a reason when the other side does not keep to the protocol.
    """

    def __init__(self, arrived: Callable[[memoryview, memoryview], None], lost: Callable[[], None]) -> None:
        self._arrived = arrived
        self._lost = lost
        self._buffer = bytearray()
        self.body_most: Callable[[], int] = lambda: protocol.SHARED_ABOVE
        self.broken: Callable[[str], None] = lambda _reason: None

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        self._buffer += data
        prefix = protocol.PREFIX.size
        while len(self._buffer) >= prefix:
            try:
                header, body = protocol.lengths(self._buffer, self.body_most())
                if len(self._buffer) < prefix + header + body:
                    return
                with memoryview(bytes(self._buffer[prefix : prefix + header + body])) as content:
                    del self._buffer[: prefix + header + body]
                    self._arrived(content[:header], content[header:])
            except protocol.ProtocolError as error:
                self._buffer.clear()
                self.broken(str(error))
                return

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - of the protocol
        """The other end has closed."""
        self._lost()
