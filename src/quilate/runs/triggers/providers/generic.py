"""CloudEvents, and deliveries by Standard Webhooks: what an event without a forge says.

``data`` may name ``branch`` and ``commit``: what is judged of the project's own repository, as for any submitted run.
Such an event never names a repository or a request: nobody may have verdicts written where they have no say.
"""

from collections.abc import Mapping
from typing import Any

from quilate.domain.errors import ConfigurationError
from quilate.kit.web.problems import Problem
from quilate.runs.triggers.cloudevents import CloudEvent, read_events
from quilate.runs.triggers.model import CLOUDEVENTS, EventFacts, EventKind, Provider
from quilate.runs.triggers.providers.payload import PayloadError, Reading, commit, moment, text

_KINDS: Mapping[str, tuple[EventKind, str]] = {
    "dev.quilate.key.created": (EventKind.KEY, "created"),
    "dev.quilate.key.rotated": (EventKind.KEY, "rotated"),
    "dev.quilate.dataset.version.registered": (EventKind.DATASET_VERSION, "registered"),
    "dev.quilate.model.version.registered": (EventKind.MODEL_VERSION, "registered"),
    "dev.quilate.schedule.due": (EventKind.SCHEDULE, "due"),
    "dev.quilate.manual.requested": (EventKind.MANUAL, "requested"),
}
"""Types that have a kind of their own; every other one is ``other`` and is told by its type."""


def facts_of(event: CloudEvent) -> EventFacts:
    """Return what a CloudEvent says."""
    kind, action = _KINDS.get(event.type, (EventKind.OTHER, ""))
    subject = text({"subject": event.subject}, "subject")
    version = ""
    if kind in {EventKind.DATASET_VERSION, EventKind.MODEL_VERSION}:
        subject, version = text(event.data, "name") or subject, text(event.data, "version")
    return EventFacts(
        provider=CLOUDEVENTS,
        kind=kind,
        type=event.type[:256],
        action=action or text(event.data, "action", most=64),
        subject=subject,
        version=version,
        order_key=f"{event.source[:512]}:{subject}",
        branch=text(event.data, "branch", most=255),
        commit=commit(event.data, "commit"),
        occurred_at=event.time,
    )


def read(headers: Mapping[str, str], document: Mapping[str, Any]) -> Reading:
    """Return what a delivery by Standard Webhooks says: ``type``, ``timestamp`` and ``data``, or a CloudEvent.

    Raises:
        PayloadError: It is neither.
    """
    if "specversion" in document:
        return (facts_of(_cloud_event(document)),)
    kind = text(document, "type", most=256)
    if not kind:
        raise PayloadError("the body has no type", next_step="send type, timestamp and data, or a CloudEvent")
    data = document.get("data")
    event = CloudEvent(
        id=headers.get("webhook-id", ""),
        source=Provider.GENERIC.value,
        type=kind,
        subject=text(data, "subject"),
        time=moment(document, "timestamp"),
        data=data,
    )
    return (facts_of(event),)


def _cloud_event(document: Mapping[str, Any]) -> CloudEvent:
    import msgspec  # noqa: PLC0415 - only this rare form needs it

    body = msgspec.json.encode(document)
    try:
        return read_events({"content-type": "application/cloudevents+json"}, body, longest=len(body))[0]
    except Problem as problem:
        faults = "; ".join(f"{each['pointer']} {each['detail']}" for each in problem.extensions.get("errors", [])[:5])
        raise PayloadError(f"{problem.detail}: {faults}"[:500], next_step="correct it at the sender") from problem
    except ConfigurationError as error:
        raise PayloadError(error.message, next_step=error.next_step) from error
