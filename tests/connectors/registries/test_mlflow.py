"""Verdicts as tags of model versions: over the documented requests, and at a real MLflow (B10, C05)."""

import base64
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from quilate.connectors.registries.mlflow import MLflow, MLflowSettings
from quilate.deliveries.connector import DeliveryError, OutcomeKind, RunReport
from tests.support.connectors import (
    failing,
    finished_event,
    open_context,
    passing,
    queued,
    queued_event,
    superseded,
    trigger,
    unknown,
)
from tests.support.mlflow_server import mlflow_is_there, mlflow_server
from tests.support.receivers import Received, Reply, receiver

LOGIN = {"username": "quilate", "password": "password-of-mlflow"}
SET_TAG = "/api/2.0/mlflow/model-versions/set-tag"


@dataclass(slots=True, kw_only=True)
class ModelRegistry:
    """What https://mlflow.org/docs/latest/rest-api.html says of tags: of ``scorer`` there is version 3."""

    tags: dict[str, str] = field(default_factory=dict)
    authorization: str = ""

    def __call__(self, request: Received) -> Reply:
        """Answer a request."""
        if self.authorization and request.headers.get("authorization") != self.authorization:
            return Reply(status=401, body=b"You are not authenticated", headers={"content-type": "text/plain"})
        if (request.method, request.path) == ("GET", "/api/2.0/mlflow/registered-models/search?max_results=1"):
            return Reply(body=b'{"registered_models": []}')
        assert (request.method, request.path) == ("POST", SET_TAG)
        body = request.json()
        assert set(body) == {"name", "version", "key", "value"}
        assert all(isinstance(each, str) for each in body.values())
        if (body["name"], body["version"]) != ("scorer", "3"):
            return Reply(status=404, body=b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')
        if len(body["key"].encode()) > 250 or len(body["value"].encode()) > 5_000:
            return Reply(status=400, body=b'{"error_code": "INVALID_PARAMETER_VALUE"}')
        self.tags[body["key"]] = body["value"]
        return Reply()


def of_model(report: RunReport, version: str = "3") -> RunReport:
    """Return a report as one about a model version that MLflow told of."""
    told = trigger(provider="mlflow", kind="model_version", subject="scorer", version=version)
    return replace(report, trigger=told)


async def told(
    registry: ModelRegistry, *reports: RunReport, secrets: Mapping[str, str] | None = None, prefix: str = "quilate."
) -> None:
    """Deliver the ends of runs."""
    with receiver(registry) as outside:
        settings = MLflowSettings(base_url=outside.url, prefix=prefix)
        async with open_context(settings, secrets=secrets or {}) as context:
            for report in reports:
                context.learn(report)
                await MLflow().deliver(finished_event(report), context)


@pytest.mark.asyncio
@pytest.mark.parametrize("report", [passing(), failing(), unknown()], ids=["pass", "fail", "unknown"])
async def test_a_verdict_is_written_on_the_version_that_was_judged(report: RunReport) -> None:
    registry = ModelRegistry()
    await told(registry, of_model(report), of_model(report))
    assert registry.tags["quilate.verdict"] == report.verdict
    assert registry.tags["quilate.run"] == report.url
    assert registry.tags["quilate.decision"] == report.decision_digest
    assert report.blueprint_digest in registry.tags["quilate.blueprint"]
    assert report.headline in registry.tags["quilate.reasons"]
    assert len(registry.tags) == 5


@pytest.mark.asyncio
async def test_a_later_verdict_takes_the_place_and_long_reasons_are_shortened() -> None:
    registry = ModelRegistry()
    await told(registry, of_model(passing(1)), of_model(failing(2, reasons=("é" * 9_000,))), prefix="gate.")
    assert registry.tags["gate.verdict"] == "FAIL"
    assert 4_500 < len(registry.tags["gate.reasons"].encode()) <= 5_000


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("secrets", "authorization"),
    [
        (LOGIN, "Basic " + base64.b64encode(b"quilate:password-of-mlflow").decode()),
        ({**LOGIN, "token": "token-of-mlflow"}, "Bearer token-of-mlflow"),
    ],
    ids=["user", "token"],
)
async def test_users_and_tokens_are_sent_and_refused_ones_not_repeated(
    secrets: dict[str, str], authorization: str
) -> None:
    registry = ModelRegistry(authorization=authorization)
    await told(registry, of_model(passing()), secrets=secrets)
    assert registry.tags
    registry.authorization = "Basic other"
    with pytest.raises(DeliveryError) as caught:
        await told(registry, of_model(passing()), secrets=secrets)
    assert caught.value.permanent
    assert "of-mlflow" not in str(caught.value)


@pytest.mark.asyncio
async def test_runs_of_other_things_are_nothing_to_do_and_a_dry_run_sends_nothing() -> None:
    with receiver(ModelRegistry()) as outside:
        settings = MLflowSettings(base_url=outside.url)
        async with open_context(settings) as context:
            for report in (failing(), of_model(superseded()), replace(failing(), trigger=None)):
                context.learn(report)
                outcome = await MLflow().deliver(finished_event(report), context)
                assert outcome.kind is OutcomeKind.NOTHING_TO_DO
            outcome = await MLflow().deliver(queued_event(queued()), context)
            assert outcome.kind is OutcomeKind.NOTHING_TO_DO
        async with open_context(settings, secrets=LOGIN, dry_run=True) as context:
            context.learn(of_model(failing()))
            await MLflow().deliver(finished_event(failing()), context)
    assert outside.received == []
    assert {each.url for each in context.http.recorded} == {f"{outside.url}{SET_TAG}"}
    assert json.loads(context.http.recorded[0].body)["value"] == "FAIL"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reply", "permanent", "pause"),
    [
        (Reply(status=403), True, None),
        (Reply(status=404, body=b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}'), True, None),
        (Reply(status=429, headers={"retry-after": "4"}), False, 4.0),
        (Reply(status=500, body=b"<html>", headers={"content-type": "text/html"}), False, None),
    ],
)
async def test_what_an_answer_means(reply: Reply, *, permanent: bool, pause: float | None) -> None:
    with receiver(lambda _: reply) as outside:
        async with open_context(MLflowSettings(base_url=outside.url), secrets=LOGIN) as context:
            context.learn(of_model(failing()))
            with pytest.raises(DeliveryError) as caught:
                await MLflow().deliver(finished_event(failing()), context)
    assert (caught.value.permanent, caught.value.retry_after_seconds) == (permanent, pause)


@pytest.mark.asyncio
@pytest.mark.skipif(not mlflow_is_there(), reason="`make peers` makes the environment of MLflow")
async def test_a_real_mlflow_takes_the_tags(tmp_path: Path) -> None:
    with mlflow_server(tmp_path) as url:
        ask(url, "registered-models/create", {"name": "scorer"})
        for _ in range(2):
            ask(url, "model-versions/create", {"name": "scorer", "source": "s3://models/scorer"})
        async with open_context(MLflowSettings(base_url=url)) as context:
            await MLflow().probe(context)
            for report in (of_model(passing(1), "2"), of_model(failing(2), "2")):
                context.learn(report)
                await MLflow().deliver(finished_event(report), context)
            context.learn(of_model(failing(3), "9"))
            with pytest.raises(DeliveryError) as caught:
                await MLflow().deliver(finished_event(failing(3)), context)
        first, second = (ask(url, f"model-versions/get?name=scorer&version={number}") for number in (1, 2))
    tags = {each["key"]: each["value"] for each in second["model_version"]["tags"]}
    assert tags["quilate.verdict"] == "FAIL"
    assert tags["quilate.run"] == failing(2).url
    assert not first["model_version"].get("tags")
    assert caught.value.permanent


def ask(url: str, path: str, body: Any = None) -> Any:
    """Send a request of the documented interface as a person would."""
    data = None if body is None else json.dumps(body).encode()
    kind = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/{path}", data=data, headers=kind)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        return json.load(answer)
