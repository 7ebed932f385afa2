"""Events that begin runs: sending, looking at and replaying them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from quilate.client.pages import items_of
from quilate.client.transport import Transport, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedEvent:
    """An event that the service keeps; ``duplicate`` where it did before."""

    id: UUID
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as the service keeps it: what it said, and what became of it."""

    id: UUID
    source: str
    source_id: str
    provider: str
    kind: str
    type: str
    state: str
    received_at: datetime
    action: str = ""
    subject: str = ""
    version: str = ""
    repository: str = ""
    branch: str = ""
    tag: str = ""
    commit: str = ""
    pull_request: int | None = None
    rule: str = ""
    run: UUID | None = None
    reason: str = ""
    next_step: str = ""
    replays: int = 0
    payload_digest: str = ""
    payload_bytes: int = 0


class Events:
    """Incoming events of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(  # noqa: PLR0913 - the attributes of a CloudEvent
        self,
        project: str,
        *,
        type: str,  # noqa: A002 - the specification's own word
        source: str,
        id: str = "",  # noqa: A002 - as above
        subject: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> AcceptedEvent:
        """Send a CloudEvent; the same ``source`` and ``id`` count once.

        Args:
            project: The project's slug.
            type: What happened, for example ``dev.quilate.key.rotated``.
            source: Where, a URI reference.
            id: Unique within the source; a new one where it is empty.
            subject: What it is about.
            data: Anything else; ``branch`` and ``commit`` choose what of the project's repository is judged.

        Raises:
            InvalidRequestError: It does not keep to CloudEvents 1.0.
        """
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": id or uuid4().hex,
            "source": source,
            "type": type,
            "time": datetime.now(UTC).isoformat(),
        }
        if subject:
            event["subject"] = subject
        if data is not None:
            event["data"] = dict(data)
        body = msgspec.json.encode(event)
        answer = self._transport.request(
            "POST",
            self._path(project),
            headers={"Content-Type": "application/cloudevents+json"},
            body=lambda: (body,),
        )
        return self._transport.convert(answer, _Receipt).events[0]

    def list(self, project: str, *, state: str | None = None, kind: str | None = None) -> Iterator[Event]:
        """Yield events, newest first."""
        return items_of(self._transport, self._path(project), Event, {"state": state, "kind": kind})

    def get(self, project: str, event: UUID | str) -> Event:
        """Return an event."""
        return self._transport.convert(self._transport.request("GET", self._path(project, str(event))), Event)

    def replay(self, project: str, event: UUID | str) -> Event:
        """Have an event worked off again, by the rules as they are now.

        Raises:
            ConflictError: It is waiting to be worked off.
        """
        answer = self._transport.request("POST", self._path(project, str(event), "replay"))
        return self._transport.convert(answer, Event)

    def _path(self, project: str, *more: str) -> str:
        return path_of("projects", project, "events", *more)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Receipt:
    events: tuple[AcceptedEvent, ...]
