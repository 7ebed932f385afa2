"""Signed webhooks over real HTTP, verified by the published specifications alone (C05, A14).

Signatures are verified by what https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
tells receivers to do and against the vector that its libraries are tested with (libraries/python/tests/
test_webhooks.py). CDEvents are validated against the published schemas of version 0.4.1
(https://github.com/cdevents/spec/tree/v0.4.1/schemas, Apache-2.0), kept in ``tests/support/schemas/cdevents-0.4.1``.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from quilate.connectors.notify.webhook import Webhook, WebhookSettings, key_of, signature
from quilate.deliveries.connector import DeliveredEvent, DeliveryError, OutcomeKind
from tests.support.connectors import (
    failing,
    finished_event,
    open_context,
    other_event,
    passing,
    queued,
    queued_event,
    superseded,
    unknown,
)
from tests.support.receivers import Received, Reply, receiver

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
SCHEMAS = Path(__file__).parents[2] / "support" / "schemas" / "cdevents-0.4.1"


def verified(request: Received, secret: str) -> bool:
    """Tell whether a receiver with this secret takes the request, by the specification's own steps."""
    number, moment = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert "." not in number
    assert abs(time.time() - int(moment)) < 300
    signed = f"{number}.{moment}.".encode() + request.body
    expected = hmac.digest(base64.b64decode(secret.partition("_")[2]), signed, hashlib.sha256)
    parts = [part.partition(",") for part in request.headers["webhook-signature"].split(" ")]
    assert all(version == "v1" for version, _, _ in parts)
    return any(hmac.compare_digest(base64.b64decode(text), expected) for _, _, text in parts)


async def sent(event: DeliveredEvent, *, secrets: Mapping[str, str] | None = None, **settings: Any) -> list[Received]:
    """Deliver an event with all reports known; return what arrived."""
    with receiver() as outside:
        made = WebhookSettings(url=f"{outside.url}/hook", **settings)
        async with open_context(made, secrets=secrets or {"secret": OLD}) as context:
            for report in (queued(), failing(2), passing(3), unknown(4), superseded(5)):
                context.learn(report)
            await Webhook().deliver(event, context)
        return outside.received


def test_the_published_vector_is_met() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.asyncio
async def test_a_verdict_is_a_signed_structured_cloudevent() -> None:
    report = failing(2)
    event = finished_event(report)
    [request] = await sent(event)
    document = request.json()

    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert verified(request, OLD)
    assert not verified(request, NEW)
    assert document["specversion"] == "1.0"
    assert document["id"] == request.headers["webhook-id"] == str(event.id)
    assert (document["type"], document["subject"]) == ("dev.quilate.run.finished", f"run:{report.id}")
    told = document["data"]["report"]
    assert (told["verdict"], told["findings"], told["reasons"]) == ("FAIL", 3, list(report.reasons))
    assert told["decision_digest"] == report.decision_digest


@pytest.mark.asyncio
async def test_a_body_that_was_changed_is_not_taken() -> None:
    [request] = await sent(finished_event(failing(2)))
    forged = Received(
        method="POST", path="/hook", headers=request.headers, body=request.body.replace(b'"FAIL"', b'"PASS"')
    )
    assert forged.body != request.body
    assert not verified(forged, OLD)


@pytest.mark.asyncio
async def test_while_a_secret_is_rotated_receivers_with_either_take_it() -> None:
    [request] = await sent(finished_event(passing(3)), secrets={"secret": NEW, "previous_secret": OLD})
    assert verified(request, NEW)
    assert verified(request, OLD)


@pytest.mark.asyncio
async def test_a_repetition_has_the_same_id_so_that_receivers_know_it() -> None:
    event = finished_event(passing(3))
    first, second = await sent(event) + await sent(event)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.json() == second.json()


@pytest.mark.asyncio
async def test_without_report_only_what_happened_is_told() -> None:
    [request] = await sent(finished_event(failing(2)), with_report=False)
    assert set(request.json()["data"]) == {"run", "status", "verdict"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("event", "schema", "outcome"),
    [
        (queued_event(queued()), "pipelinerunqueued", None),
        (finished_event(passing(3)), "pipelinerunfinished", "success"),
        (finished_event(failing(2)), "pipelinerunfinished", "failure"),
        (finished_event(unknown(4)), "pipelinerunfinished", "error"),
        (finished_event(superseded(5)), "pipelinerunfinished", "cancel"),
    ],
    ids=["queued", "passed", "failed", "unknown", "superseded"],
)
async def test_a_cdevent_keeps_to_the_published_schema_and_binding(
    event: DeliveredEvent, schema: str, outcome: str | None
) -> None:
    [request] = await sent(event, format="cdevents")
    document = request.json()

    validator(schema).validate(document)
    assert document["subject"]["content"].get("outcome") == outcome
    assert ("errors" in document["subject"]["content"]) == (outcome in {"failure", "error", "cancel"})
    assert verified(request, OLD)
    # The binding: https://github.com/cdevents/spec/blob/v0.4.1/cloudevents-binding.md
    context = document["context"]
    bound = {name: request.headers[f"ce-{name}"] for name in ("specversion", "id", "source", "type", "subject", "time")}
    assert bound == {
        "specversion": "1.0",
        "id": context["id"],
        "source": context["source"],
        "type": context["type"],
        "subject": document["subject"]["id"],
        "time": context["timestamp"],
    }
    assert request.headers["content-type"].startswith("application/json")


@pytest.mark.asyncio
async def test_what_cdevents_has_no_word_for_is_nothing_to_do() -> None:
    with receiver() as outside:
        settings = WebhookSettings(url=outside.url, format="cdevents")
        async with open_context(settings, secrets={"secret": OLD}) as context:
            outcome = await Webhook().deliver(other_event(), context)
    assert outcome.kind is OutcomeKind.NOTHING_TO_DO
    assert outside.received == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reply", "permanent", "disables", "pause"),
    [
        (Reply(status=410), True, True, None),
        (Reply(status=401), True, False, None),
        (Reply(status=404), True, False, None),
        (Reply(status=500, body=b"<html>", headers={"content-type": "text/html"}), False, False, None),
        (Reply(status=429, headers={"retry-after": "17"}), False, False, 17.0),
        (Reply(status=503, headers={"retry-after": "2"}), False, False, 2.0),
    ],
    ids=["gone", "revoked", "unknown", "page", "limited", "away"],
)
async def test_what_an_answer_means(reply: Reply, *, permanent: bool, disables: bool, pause: float | None) -> None:
    with receiver(lambda _: reply) as outside:
        async with open_context(WebhookSettings(url=outside.url), secrets={"secret": OLD}) as context:
            with pytest.raises(DeliveryError) as caught:
                await Webhook().deliver(other_event(), context)
    error = caught.value
    assert (error.permanent, error.disables_connection, error.retry_after_seconds) == (permanent, disables, pause)
    assert bool(error.next_step) or not permanent
    assert "<html>" not in error.message


@pytest.mark.asyncio
@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", OLD.removeprefix("whsec_")])
async def test_a_secret_of_another_form_signs_nothing_and_is_not_repeated(secret: str) -> None:
    with receiver() as outside:
        async with open_context(WebhookSettings(url=outside.url), secrets={"secret": secret}) as context:
            with pytest.raises(DeliveryError) as caught:
                await Webhook().deliver(other_event(), context)
    assert caught.value.permanent
    assert len(secret) < 7 or secret not in str(caught.value)
    assert outside.received == []


@pytest.mark.asyncio
async def test_the_test_delivery_is_signed_and_a_dry_run_sends_nothing() -> None:
    with receiver() as outside:
        settings = WebhookSettings(url=outside.url)
        async with open_context(settings, secrets={"secret": OLD}) as context:
            await Webhook().probe(context)
        async with open_context(settings, secrets={"secret": OLD}, dry_run=True) as context:
            await Webhook().deliver(other_event(), context)
            recorded = context.http.recorded
    [probe] = outside.received
    assert verified(probe, OLD)
    assert probe.json()["type"] == "dev.quilate.test"
    assert [json.loads(each.body)["type"] for each in recorded] == ["dev.quilate.waiver.expired"]


def validator(name: str) -> jsonschema.Draft202012Validator:
    """Return a validator of a published schema, with the schemas that it names."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.rglob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        (document["$id"], Resource.from_contents(document)) for document in documents
    )
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(
        schema, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
