"""Connections to outside systems and what was delivered to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.client.pages import items_of
from quilate.client.transport import Transport, path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSecret:
    """A secret that a connector knows."""

    name: str
    meaning: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorType:
    """A connector of the service; ``settings`` is a JSON Schema."""

    type: str
    kind: str = ""
    summary: str = ""
    events: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[ConnectorSecret, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideConnection:
    """A connection; its secrets only by their names."""

    id: UUID
    name: str
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    enabled: bool = True
    disabled_reason: str = ""
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentRequest:
    """A request that a dry run did not send."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a test delivery or a dry run did."""

    succeeded: bool
    summary: str
    next_step: str = ""
    requests: tuple[UnsentRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One attempt of a delivery."""

    attempt: int
    outcome: str
    detail: str = ""
    duration_ms: int = 0
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event to one connection; ``tried`` is empty in lists."""

    id: UUID
    connection: UUID
    connection_name: str
    connector: str
    event: UUID
    type: str
    subject: str
    state: str
    attempts: int = 0
    due_at: datetime | None = None
    summary: str = ""
    reference: str = ""
    error: str = ""
    next_step: str = ""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    tried: tuple[DeliveryAttempt, ...] = ()


class Connections:
    """Outside systems that a project's events go to."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def types(self) -> Sequence[ConnectorType]:
        """Return the connectors that the service knows."""
        answer = self._transport.request("GET", path_of("connector-types"))
        return self._transport.convert(answer, _Types).items

    def create(  # noqa: PLR0913 - the parts of a connection
        self,
        project: str,
        *,
        name: str,
        type: str,  # noqa: A002 - the API's own word
        settings: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        events: Sequence[str] = (),
        enabled: bool = True,
    ) -> OutsideConnection:
        """Make a connection; it is told of events from now on.

        Args:
            project: The project's slug.
            name: What it is called; once in a project.
            type: The connector.
            settings: As the connector's schema says.
            secrets: By name; never shown again.
            events: Event types, ``*`` at the end for all that begin so; those that the connector knows by default.
            enabled: New events are delivered.

        Raises:
            ConflictError: The name is taken.
            InvalidRequestError: The connector does not know a setting or a secret, or needs one.
        """
        body = {
            "name": name,
            "type": type,
            "settings": dict(settings or {}),
            "secrets": dict(secrets or {}),
            "events": list(events),
            "enabled": enabled,
        }
        answer = self._transport.request("POST", self._path(project), json=body)
        return self._transport.convert(answer, OutsideConnection)

    def list(self, project: str) -> Iterator[OutsideConnection]:
        """Yield connections, newest first."""
        return items_of(self._transport, self._path(project), OutsideConnection)

    def get(self, project: str, connection: UUID | str) -> OutsideConnection:
        """Return a connection."""
        answer = self._transport.request("GET", self._path(project, str(connection)))
        return self._transport.convert(answer, OutsideConnection)

    def delete(self, project: str, connection: UUID | str) -> None:
        """Take a connection away, in whatever state it is; what was not delivered becomes a dead letter."""
        self._transport.request("DELETE", self._path(project, str(connection)), headers={"If-Match": "*"})

    def test(self, project: str, connection: UUID | str) -> Trial:
        """Try address and credentials; nothing that matters is changed outside."""
        return self._trial(self._path(project, str(connection), "test"), None)

    def dry_run(self, project: str, connection: UUID | str, run: UUID | str) -> Trial:
        """Return the requests that the end of a run would cause; none of them is sent."""
        return self._trial(self._path(project, str(connection), "dry-run"), {"run": str(run)})

    def _trial(self, path: str, body: Mapping[str, Any] | None) -> Trial:
        return self._transport.convert(self._transport.request("POST", path, json=body), Trial)

    def _path(self, project: str, *more: str) -> str:
        return path_of("projects", project, "connections", *more)


class Deliveries:
    """What went, or is to go, to a project's connections."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        state: str | None = None,
        connection: UUID | str | None = None,
        subject: str | None = None,
    ) -> Iterator[Delivery]:
        """Yield deliveries, newest first.

        Args:
            project: The project's slug.
            state: ``pending``, ``sending``, ``delivered`` or ``dead``.
            connection: Only those to this connection.
            subject: Only those about this, for example ``run:ID``.
        """
        words = {"state": state, "connection": str(connection) if connection else None, "subject": subject}
        return items_of(self._transport, path_of("projects", project, "deliveries"), Delivery, words)

    def get(self, project: str, delivery: UUID | str) -> Delivery:
        """Return a delivery with its attempts."""
        answer = self._transport.request("GET", path_of("projects", project, "deliveries", str(delivery)))
        return self._transport.convert(answer, Delivery)

    def replay(self, project: str, delivery: UUID | str) -> Delivery:
        """Have a dead letter tried again, with the event id that it always had.

        Raises:
            ConflictError: It is not dead.
        """
        path = path_of("projects", project, "deliveries", str(delivery), "replay")
        return self._transport.convert(self._transport.request("POST", path), Delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Types:
    items: tuple[ConnectorType, ...]
