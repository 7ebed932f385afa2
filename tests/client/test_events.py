"""Following a run over connections that break (C06)."""

import http.server
import time
from collections.abc import Iterator

import pytest

from quilate.client import ConnectionFailedError
from quilate.client.events import follow
from quilate.client.transport import Connection, Transport
from tests.support.servers import QuietServer, serving

PATIENCE_SECONDS = 0.6
EVENT = b'id: 1\nevent: check\ndata: {"state": "running"}\n\n'
HEARTBEAT = b": still here\n\n"


class _Stream(http.server.BaseHTTPRequestHandler):
    """Tells something, keeps silence for longer than the patience, and is cut off; is away once; then all is told."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.resumed_from.append(self.headers.get("Last-Event-ID", ""))
        if len(server.resumed_from) == 2:
            self.close_connection = True
            return
        if len(server.resumed_from) > server.cuts:
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(server.told)
        self.wfile.flush()
        time.sleep(server.silence_seconds)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(QuietServer):
    told = EVENT
    silence_seconds = 2 * PATIENCE_SECONDS
    cuts = 2

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Stream)
        self.resumed_from: list[str] = []


@pytest.fixture
def server() -> Iterator[_Server]:
    opened = _Server()
    with serving(opened):
        yield opened


@pytest.fixture
def transport(server: _Server) -> Iterator[Transport]:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    opened = Transport(Connection(url=url, patience_seconds=PATIENCE_SECONDS))
    yield opened
    opened.close()


@pytest.mark.parametrize("told", [EVENT, HEARTBEAT])
def test_a_stream_that_breaks_after_a_long_silence_is_resumed(
    server: _Server, transport: Transport, told: bytes
) -> None:
    server.told = told
    events = list(follow(transport, "/events"))
    assert len(events) == (told == EVENT)
    assert server.resumed_from == ["", *["1" if told == EVENT else ""] * 2]


def test_connections_that_tell_nothing_use_the_patience_up(server: _Server, transport: Transport) -> None:
    server.told, server.silence_seconds, server.cuts = b"", 0.0, 1000
    with pytest.raises(ConnectionFailedError):
        list(follow(transport, "/events"))
    assert len(server.resumed_from) < server.cuts
