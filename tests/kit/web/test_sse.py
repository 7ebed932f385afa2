"""Streams of events: resumable, alive, ended with their reader, never ahead of it (C07)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request

from quilate.kit.web.sse import EventStream, ServerSentEvent, last_event_id


class Connection:
    """One ASGI exchange whose reader a test moves."""

    def __init__(self) -> None:
        self.sent = b""
        self.status = 0
        self.ended = False
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.sent += message["body"]
            self.ended = not message["more_body"]

    async def run(self, stream: EventStream) -> None:
        await stream({"type": "http"}, self.receive, self.send)

    async def wait_for(self, text: bytes) -> None:
        async with asyncio.timeout(10):
            while text not in self.sent:  # noqa: ASYNC110 - a condition with a deadline
                await asyncio.sleep(0.001)


class Source:
    def __init__(self, count: int = 3) -> None:
        self.given = 0
        self.closed = False
        self.count = count
        self.hold: asyncio.Event | None = None

    async def events(self) -> AsyncIterator[ServerSentEvent | bytes]:
        try:
            for number in range(self.count):
                self.given += 1
                yield ServerSentEvent(data=str(number), event="run", id=str(number))
            if self.hold is not None:
                await self.hold.wait()
            yield b": bytes\n\n"
        finally:
            self.closed = True


def test_nothing_in_an_event_begins_another() -> None:
    event = ServerSentEvent(data="a\nid: 9\r\rb\r\n", event="x\ndata: y", id="1\n2\0", retry_milliseconds=5)

    assert event.encode() == b"id: 12\nevent: xdata: y\nretry: 5\ndata: a\ndata: id: 9\ndata: \ndata: b\ndata: \n\n"


@pytest.mark.asyncio
async def test_a_stream_ends_with_its_source() -> None:
    connection, source = Connection(), Source()

    await asyncio.wait_for(connection.run(EventStream(source.events(), headers={"X-A": "b"})), 10)

    assert connection.status == 200
    assert connection.headers[b"content-type"].startswith(b"text/event-stream")
    assert connection.headers[b"x-a"] == b"b"
    assert connection.sent.startswith(b"id: 0\nevent: run\ndata: 0\n\n")
    assert connection.sent.endswith(b": bytes\n\n")
    assert connection.ended
    assert source.closed


@pytest.mark.asyncio
async def test_silence_is_broken_and_the_end_of_the_reader_ends_the_source() -> None:
    connection, source = Connection(), Source()
    source.hold = asyncio.Event()
    running = asyncio.create_task(connection.run(EventStream(source.events(), heartbeat_seconds=0.01)))

    await connection.wait_for(b": still here\n\n: still here\n\n")
    connection.gone.set()
    await asyncio.wait_for(running, 10)

    assert source.closed
    assert not connection.ended


@pytest.mark.asyncio
async def test_a_reader_that_does_not_read_stops_the_source() -> None:
    connection, source = Connection(), Source(count=1000)
    running = asyncio.create_task(connection.run(EventStream(source.events(), heartbeat_seconds=0.01)))
    await connection.wait_for(b"data: 0")
    connection.reads.clear()
    for _ in range(50):
        await asyncio.sleep(0)
    before = source.given
    for _ in range(50):
        await asyncio.sleep(0)

    assert source.given == before < 1000
    connection.reads.set()
    await asyncio.wait_for(running, 10)
    assert source.given == 1000


@pytest.mark.asyncio
async def test_a_fault_of_the_source_cuts_the_stream() -> None:
    async def broken() -> AsyncIterator[ServerSentEvent | bytes]:
        yield ServerSentEvent(data="a")
        raise RuntimeError("fault")

    connection = Connection()
    with pytest.raises(RuntimeError, match="fault"):
        await connection.run(EventStream(broken()))

    assert not connection.ended


@pytest.mark.asyncio
async def test_a_cancelled_stream_closes_its_source() -> None:
    connection, source = Connection(), Source()
    source.hold = asyncio.Event()
    running = asyncio.create_task(connection.run(EventStream(source.events())))
    await connection.wait_for(b"data: 2")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert source.closed


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        ("5", "", "5"),
        ("", "last_event_id=7", "7"),
        ("5", "last_event_id=7", "5"),
        ("x" * 300, "", ""),
        ("a\tb", "", ""),
    ],
)
def test_where_a_reader_stopped(header: str, query: str, expected: str) -> None:
    headers = [(b"last-event-id", header.encode())] if header else []
    request = Request({"type": "http", "headers": headers, "query_string": query.encode()})

    assert last_event_id(request) == expected
