"""Connections and deliveries on the wire; secrets only come in."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.deliveries.catalog import described_settings
from quilate.deliveries.connector import Connector
from quilate.deliveries.model import ConnectionWish, DeliveryState, StoredConnection, StoredDelivery
from quilate.deliveries.service import LONGEST_SECRET, Trial
from quilate.deliveries.store import Row

_NO_NUL = r"^[^\x00]*$"
_EVENT = r"^(?:[A-Za-z0-9_.-]{1,200}\*?|\*)$"
_LONGEST_BODY = 4_000

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Secret = Annotated[str, StringConstraints(max_length=LONGEST_SECRET, pattern=_NO_NUL)]
SecretName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z][a-z0-9_]*$")]
SettingName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z][a-z0-9_]*$")]
SettingValue = (
    bool
    | int
    | Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_NUL)]
    | list[Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_NUL)]]
)


class ConnectionBody(BaseModel):
    """A connection as somebody wants it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Name = Field(description="What it is called; once in a project.")
    type: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9._-]+$")] = Field(
        description="The connector."
    )
    settings: dict[SettingName, SettingValue] = Field(
        default_factory=dict, max_length=50, description="As the connector's schema says."
    )
    events: list[Annotated[str, StringConstraints(pattern=_EVENT)]] = Field(
        default_factory=list,
        max_length=50,
        description="Event types, `*` at the end for all that begin so; those that the connector knows by default.",
    )
    enabled: bool = Field(default=True, description="New events are delivered.")
    secrets: dict[SecretName, Secret] = Field(
        default_factory=dict,
        max_length=20,
        description="To be set; those not named stay, an empty one is forgotten. Never shown again.",
    )

    def wish(self) -> ConnectionWish:
        """Return it as the service takes it."""
        return ConnectionWish(
            name=self.name,
            type=self.type,
            settings=self.settings,
            events=tuple(dict.fromkeys(self.events)),
            enabled=self.enabled,
            secrets=self.secrets,
        )


class ConnectionView(BaseModel):
    """A connection."""

    id: UUID = Field(description="The connection.")
    name: str = Field(description="What it is called.")
    type: str = Field(description="The connector.")
    settings: dict[str, Any] = Field(description="As the connector's schema says.")
    events: list[str] = Field(description="Event types that it is told of.")
    enabled: bool = Field(description="New events are delivered.")
    disabled_reason: str = Field(description="Why the service switched it off; empty where people did or nobody.")
    secrets: list[str] = Field(description="Names of the secrets that it holds.")
    created_at: datetime = Field(description="Events before this are not delivered.")


def connection_view(stored: StoredConnection) -> ConnectionView:
    """Return a connection as it goes over the wire."""
    return ConnectionView(
        id=stored.id,
        name=stored.name,
        type=stored.type,
        settings=dict(stored.settings),
        events=list(stored.events),
        enabled=stored.enabled,
        disabled_reason=stored.disabled_reason,
        secrets=list(stored.secrets),
        created_at=stored.created_at,
    )


class ConnectionPage(BaseModel):
    """A page of connections."""

    items: list[ConnectionView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class SecretView(BaseModel):
    """A secret that a connector knows."""

    name: str = Field(description="Its name.")
    meaning: str = Field(description="What it is and which rights it needs.")
    required: bool = Field(description="Without it nothing works.")


class ConnectorView(BaseModel):
    """A connector."""

    type: str = Field(description="Its name.")
    kind: str = Field(description="What it is for.")
    summary: str = Field(description="What it does.")
    events: list[str] = Field(description="Event types that it does something with.")
    settings: dict[str, Any] = Field(description="JSON Schema of its settings.")
    secrets: list[SecretView] = Field(description="What it needs to be let in.")


def connector_view(connector: Connector) -> ConnectorView:
    """Return a connector as it goes over the wire."""
    return ConnectorView(
        type=connector.type,
        kind=connector.kind.value,
        summary=connector.summary,
        events=sorted(connector.events),
        settings=described_settings(connector),
        secrets=[
            SecretView(name=each.name, meaning=each.meaning, required=each.required) for each in connector.secrets
        ],
    )


class ConnectorList(BaseModel):
    """All connectors."""

    items: list[ConnectorView] = Field(description="In the order of their names.")


class DryRunBody(BaseModel):
    """Which run a dry run tells of."""

    model_config = ConfigDict(extra="forbid")

    run: UUID = Field(description="A run of the project; as if it had ended now.")


class RequestView(BaseModel):
    """A request that was not sent."""

    method: str = Field(description="Its method.")
    url: str = Field(description="Where it would have gone.")
    headers: dict[str, str] = Field(description="Credentials are masked.")
    body: str = Field(description="The beginning of what it would have said.")


class TrialView(BaseModel):
    """What a test or a dry run did."""

    succeeded: bool = Field(description="It would work.")
    summary: str = Field(description="What happened.")
    next_step: str = Field(description="What to do, where it does not work.")
    requests: list[RequestView] = Field(description="Of a dry run: what would have been sent.")


def trial_view(trial: Trial) -> TrialView:
    """Return a trial as it goes over the wire."""
    return TrialView(
        succeeded=trial.succeeded,
        summary=trial.summary,
        next_step=trial.next_step,
        requests=[
            RequestView(
                method=sent.method,
                url=sent.url,
                headers=dict(sent.headers),
                body=sent.body[:_LONGEST_BODY].decode("utf-8", "replace"),
            )
            for sent in trial.requests
        ],
    )


class DeliveryView(BaseModel):
    """One event to one connection."""

    id: UUID = Field(description="The delivery.")
    connection: UUID = Field(description="To whom.")
    connection_name: str = Field(description="What it is called.")
    connector: str = Field(description="Its connector.")
    event: UUID = Field(description="The event's id, the same in every attempt.")
    type: str = Field(description="The event's type.")
    subject: str = Field(description="What the event is about.")
    state: DeliveryState = Field(description="`pending`, `sending`, `delivered` or `dead`.")
    attempts: int = Field(description="How often it was tried.")
    due_at: datetime = Field(description="When it is tried next.")
    summary: str = Field(description="What was done outside.")
    reference: str = Field(description="The address or id of what was made outside.")
    error: str = Field(description="What went wrong last.")
    next_step: str = Field(description="What to do about it.")
    created_at: datetime = Field(description="When it was made.")
    ended_at: datetime | None = Field(description="When it was delivered or given up.")


class DeliveryPage(BaseModel):
    """A page of deliveries."""

    items: list[DeliveryView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class DeliveryAttemptView(BaseModel):
    """One attempt."""

    attempt: int = Field(description="Counts from one.")
    outcome: str = Field(description="`delivered`, `nothing-to-do` or `failed`.")
    detail: str = Field(description="What happened.")
    duration_ms: int = Field(description="How long it took.")
    ended_at: datetime = Field(description="When.")


class DeliveryDetail(DeliveryView):
    """A delivery with its attempts."""

    tried: list[DeliveryAttemptView] = Field(description="First to last.")


def _fields(row: Row) -> dict[str, Any]:
    names = ("id", "connection_name", "connector", "type", "subject", "state", "attempts", "due_at", "summary")
    more = ("reference", "error", "next_step", "created_at", "ended_at")
    return {"connection": row["connection_id"], "event": row["event_id"], **{name: row[name] for name in names + more}}


def delivery_view(row: Row) -> DeliveryView:
    """Return a delivery as lists show it."""
    return DeliveryView(**_fields(row))


def delivery_detail(found: StoredDelivery) -> DeliveryDetail:
    """Return a delivery with its attempts."""
    return DeliveryDetail(**_fields(found.row), tried=[DeliveryAttemptView(**each) for each in found.attempts])
