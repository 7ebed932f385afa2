"""Servers on loopback that live as long as a test."""

import contextlib
import http.server
import socketserver
import threading
from collections.abc import Iterator


class QuietServer(http.server.ThreadingHTTPServer):
    """A server whose clients may hang up without a word on the terminal."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """Let a bound server answer; gives its port, and at the end waits until it is closed."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
