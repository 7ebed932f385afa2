"""Server-sent events (WHATWG HTML, section 9.2): resumable, with a heartbeat, ended when the reader goes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEARTBEAT_SECONDS = 15.0
LONGEST_EVENT_ID = 256
MEDIA_TYPE = "text/event-stream"

EVENT_SCHEMA: Mapping[str, Any] = {
    "title": "ServerSentEvent",
    "description": "One event of the stream.",
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {"type": "string", "description": "JSON of one line."},
        "event": {"type": "string", "description": "Its name."},
        "id": {"type": "string", "description": "To be sent as `Last-Event-ID` by a reader that comes back."},
        "retry": {"type": "integer", "description": "Milliseconds after which to come back."},
    },
}
"""Describes a stream in OpenAPI, event by event as its readers take it."""

_HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: Its text; line ends are kept.
        event: Its name; the reader's default is ``message``.
        id: Where the stream stands after it; a reader that comes back names it as ``Last-Event-ID``.
        retry_milliseconds: After how long a reader shall come back; zero says nothing.
    """

    data: str
    event: str = ""
    id: str = ""
    retry_milliseconds: int = 0

    def encode(self) -> bytes:
        """Return the event as it goes over the wire; nothing in it can begin another field or event."""
        lines = [f"id: {_one_line(self.id)}"] if self.id else []
        lines += [f"event: {_one_line(self.event)}"] if self.event else []
        lines += [f"retry: {self.retry_milliseconds}"] if self.retry_milliseconds else []
        text = self.data.replace("\r\n", "\n").replace("\r", "\n")
        lines += [f"data: {line}" for line in text.split("\n")]
        return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


def _one_line(text: str) -> str:
    return "".join(sign for sign in text if sign not in "\r\n\0")


def last_event_id(request: Request) -> str:
    """Return where a reader that comes back stopped, empty for one that begins or names nonsense.

    The query parameter ``last_event_id`` serves readers that cannot send headers, as a browser's first connection.
    """
    text = request.headers.get("last-event-id") or request.query_params.get("last_event_id", "")
    return text if len(text) <= LONGEST_EVENT_ID and text.isprintable() else ""


class EventStream(Response):
    """Sends events as they come.

    Each event is sent before the next is asked for, so a slow reader slows its source and nothing piles up. When the
    reader goes, or the server stops, the source is closed.

    Args:
        events: The source: events, or bytes that are events already.
        heartbeat_seconds: A comment is sent after this long without an event, so that a dead connection is noticed.
        headers: Further headers.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent | bytes],
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._events = events
        self._heartbeat = heartbeat_seconds
        self.status_code = 200
        self.background = None
        # Proxies that collect an answer before they pass it on would hold the events back.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send until the source or the reader ends."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                task.cancel()
            await asyncio.wait({sending, leaving})
            if isinstance(self._events, AsyncGenerator):
                await self._events.aclose()
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send_all(self, send: Send) -> None:
        pending: asyncio.Task[ServerSentEvent | bytes | None] | None = None
        try:
            while True:
                pending = pending or asyncio.create_task(_next(self._events))
                done, _ = await asyncio.wait({pending}, timeout=self._heartbeat)
                if not done:
                    await _send_piece(send, _HEARTBEAT)
                    continue
                event, pending = pending.result(), None
                if event is None:
                    break
                await _send_piece(send, event if isinstance(event, bytes) else event.encode())
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if pending is not None:
                pending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await pending


async def _next(events: AsyncIterator[ServerSentEvent | bytes]) -> ServerSentEvent | bytes | None:
    return await anext(events, None)


async def _send_piece(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
