"""Webhooks: every event to an address of one's own, signed as Standard Webhooks asks for.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (headers
``webhook-id``, ``webhook-timestamp``, ``webhook-signature``; ``v1`` is HMAC-SHA256 over ``id.timestamp.body``; several
signatures, with spaces between, while a secret is rotated; 410 ends the subscription); CloudEvents 1.0, structured
mode; for CDEvents binary mode, as https://github.com/cdevents/spec/blob/v0.4.1/cloudevents-binding.md shows it.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from uuid import uuid4

from quilate.connectors.answers import require_success
from quilate.connectors.notify.cdevents import cdevent
from quilate.deliveries.connector import (
    ALL_EVENTS,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    Outcome,
    OutcomeKind,
    RunReport,
    SecretSpec,
)

_PREFIX = "whsec_"
_SHORTEST_SECRET_BYTES, _LONGEST_SECRET_BYTES = 24, 64
_GONE = 410
_STRUCTURED = {"content-type": "application/cloudevents+json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where events go.

    Attributes:
        url: The receiver.
        format: ``cloudevents``, or ``cdevents`` for what the CDEvents specification has words for.
        with_report: The end of a run carries its verdict, reasons and checks, not only their addresses.
    """

    url: str
    format: Literal["cloudevents", "cdevents"] = "cloudevents"
    with_report: bool = True


class Webhook:
    """Sends events to an address."""

    type: ClassVar[str] = "webhook"
    kind: ClassVar[ConnectorKind] = ConnectorKind.WEBHOOK
    summary: ClassVar[str] = "Events to an address of yours, signed (Standard Webhooks), as CloudEvents or CDEvents"
    settings: ClassVar[Any] = WebhookSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="secret", meaning="`whsec_` and base64 of 24 to 64 random bytes; signs every request"),
        SecretSpec(name="previous_secret", meaning="signs too, while receivers change to the new one", required=False),
    )
    events: ClassVar[frozenset[str]] = ALL_EVENTS

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Send the event.

        Raises:
            DeliveryError: The receiver did not take it.
        """
        settings: WebhookSettings = context.settings
        report = await context.report(event.run_id) if event.run_id and settings.with_report else None
        if settings.format == "cdevents":
            document = cdevent(event, report)
            if document is None:
                return Outcome(summary=f"CDEvents has no word for {event.type}", kind=OutcomeKind.NOTHING_TO_DO)
            return await self._send(context, str(event.id), document, binding_headers(document))
        return await self._send(context, str(event.id), cloudevent(event, report), _STRUCTURED)

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Send a signed event of the type ``dev.quilate.test``."""
        number = str(uuid4())
        document = {
            "specversion": "1.0",
            "id": number,
            "source": "/quilate/connections",
            "type": "dev.quilate.test",
            "datacontenttype": "application/json",
            "data": {"message": "This is a test delivery; nothing happened."},
        }
        return await self._send(context, number, document, _STRUCTURED)

    async def _send(
        self, context: DeliveryContext, number: str, document: Mapping[str, Any], described: Mapping[str, str]
    ) -> Outcome:
        settings: WebhookSettings = context.settings
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        moment = str(int(time.time()))
        # Without a secret nothing leaves: a receiver must be able to rely on every signature.
        keys = [key_of(context.secret("secret"))]
        previous = context.secret("previous_secret")
        if previous:
            keys.append(key_of(previous))
        signatures = " ".join(signature(key, number, moment, body) for key in keys)
        headers = {
            **described,
            "webhook-id": number,
            "webhook-timestamp": moment,
            "webhook-signature": signatures,
        }
        answer = await context.http.request("POST", settings.url, headers=headers, content=body)
        if answer.status == _GONE:
            raise DeliveryError(
                "the receiver wants no events any more (410)",
                next_step="switch the connection on again when it does",
                disables_connection=True,
            )
        require_success(answer)
        return Outcome(summary=f"sent {document.get('type') or described['ce-type']}")


def binding_headers(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that make a CDEvent a CloudEvent in binary mode."""
    context = document["context"]
    return {
        "content-type": "application/json; charset=utf-8",
        "ce-specversion": "1.0",
        "ce-id": context["id"],
        "ce-source": context["source"],
        "ce-type": context["type"],
        "ce-subject": document["subject"]["id"],
        "ce-time": context["timestamp"],
    }


def cloudevent(event: DeliveredEvent, report: RunReport | None) -> dict[str, Any]:
    """Return an event as a CloudEvent in structured mode."""
    data = dict(event.data)
    if report is not None:
        data["report"] = report_document(report)
    return {
        "specversion": "1.0",
        "id": str(event.id),
        "source": f"/quilate/projects/{event.project}",
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


def report_document(report: RunReport) -> dict[str, Any]:
    """Return of a report what a machine acts on; findings by number, for they have their own address."""
    return {
        "run": str(report.id),
        "status": report.status,
        "verdict": report.verdict or None,
        "headline": report.headline,
        "reasons": list(report.reasons),
        "next_steps": list(report.next_steps),
        "checks": [{"id": each.id, "type": each.type, "result": each.result} for each in report.checks],
        "findings": report.findings_total,
        "waivers": list(report.waivers),
        "subject": {"kind": report.subject_kind, "name": report.subject_name, "digest": report.subject_digest},
        "revision": report.revision,
        "branch": report.branch,
        "blueprint": report.blueprint,
        "blueprint_digest": report.blueprint_digest,
        "decision_digest": report.decision_digest,
        "superseded": report.superseded,
        "url": report.url,
    }


def key_of(secret: str) -> bytes:
    """Return the bytes of a secret.

    Raises:
        DeliveryError: It has not the form that the specification asks for.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or not _SHORTEST_SECRET_BYTES <= len(key) <= _LONGEST_SECRET_BYTES:
        raise DeliveryError(
            "the connection's secret is none of Standard Webhooks",
            next_step="set `whsec_` followed by base64 of 24 to 64 random bytes",
            permanent=True,
        )
    return key


def signature(key: bytes, number: str, moment: str, body: bytes) -> str:
    """Return the signature of a request."""
    signed = b".".join((number.encode(), moment.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
