"""Server-sent events as they come, over as many connections as it takes."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from quilate.client.errors import (
    ClientError,
    ConnectionFailedError,
    NotAuthenticatedError,
    ServiceFaultError,
    TooManyRequestsError,
)
from quilate.client.model import RunEvent
from quilate.client.transport import Transport

_NO_CONTENT = 204


def follow(transport: Transport, path: str, last_event_id: str = "") -> Iterator[RunEvent]:
    """Yield events until the service says that there are no more; a broken stream is resumed where it broke.

    Raises:
        ServiceError: The service refused the stream.
        ConnectionFailedError: It could not be resumed within the patience.
    """
    end, number = time.monotonic() + transport.patience_seconds, 0
    while True:
        used, broken = transport.access_token, None
        connection = _Connection()
        try:
            for event in connection.events(transport, path, last_event_id):
                if event is None:
                    return
                last_event_id = event.id or last_event_id
                yield event
        except (ConnectionFailedError, ServiceFaultError, TooManyRequestsError, NotAuthenticatedError) as error:
            broken = error
        if connection.alive:
            # Patience begins when a stream breaks: a check that tells nothing for an hour uses none of it up.
            end, number = time.monotonic() + transport.patience_seconds, 0
        if broken is not None:
            _require_hope(transport, broken, used, end)
        transport.pause(number)
        number += 1


def _require_hope(transport: Transport, error: ClientError, used: str, end: float) -> None:
    """Raise what broke a stream again, where another connection cannot help."""
    renewable = isinstance(error, NotAuthenticatedError)
    if (renewable and not transport.renew(used)) or (not renewable and time.monotonic() >= end):
        raise error


class _Connection:
    """One connection to a stream.

    Attributes:
        alive: Whether it has told anything: an event, or a sign of life between two of them.
    """

    def __init__(self) -> None:
        self.alive = False

    def events(self, transport: Transport, path: str, last_event_id: str) -> Iterator[RunEvent | None]:
        """Yield the events of the connection, and ``None`` where the service says that all has been read."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        with transport.stream(path, headers) as answer:
            if answer.status_code == _NO_CONTENT:
                yield None
                return
            yield from parse_events(self._heard(answer.iter_lines()))

    def _heard(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.alive = True
            yield line


def parse_events(lines: Iterator[str]) -> Iterator[RunEvent]:
    """Yield the events of a stream's lines; what was not finished by an empty line is left out.

    Raises:
        ClientError: The data of an event is no JSON object.
    """
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        elif fields:
            if "data" in fields:
                yield RunEvent(
                    name=fields.get("event", ["message"])[-1],
                    id=fields.get("id", [""])[-1],
                    data=_data("\n".join(fields["data"])),
                )
            fields = {}


def _data(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ClientError("an event of the stream is not understood", next_step="update quilate") from error
