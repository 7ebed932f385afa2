"""A real MLflow server tells a real service of new model versions: by its webhooks, and where it is asked (C03)."""

import base64
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.live_service import LiveService, live_service
from tests.support.mlflow_server import mlflow_is_there, mlflow_server

BASE = "/api/v1/projects/models"
SECONDS = 60
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not mlflow_is_there(), reason="`make peers` makes the environment of MLflow"),
]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    allowed = {"private_addresses": ("127.0.0.1",), "plain_http": True}
    with live_service(database_url, tmp_path / "state", local=True, **allowed) as opened:
        httpx.post(f"{opened.url}/api/v1/projects", json={"slug": "models", "name": "Models"}).raise_for_status()
        yield opened


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    # A registry keeps its secrets encrypted; on loopback it has to be allowed to send there.
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    allowed = {"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    with mlflow_server(folder, MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=key, **allowed) as url:
        yield url


def ask(url: str, path: str, body: Any) -> Any:
    """Send a request of the registry's documented interface."""
    kind = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/{path}", data=json.dumps(body).encode(), headers=kind)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        return json.load(answer)


def events_of(service: LiveService, number: int) -> list[dict[str, Any]]:
    """Return the events of new versions once there are so many."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found = httpx.get(f"{service.url}{BASE}/events", params={"kind": "model_version"}).json()["items"]
        if len(found) >= number:
            return list(reversed(found))
        time.sleep(0.1)
    raise AssertionError(found)


def test_its_webhooks_are_taken_with_their_signature(service: LiveService, registry: str) -> None:
    made = httpx.post(f"{service.url}{BASE}/hooks", json={"name": "registry", "provider": "mlflow"}).json()
    events = [{"entity": "MODEL_VERSION", "action": "CREATED"}, {"entity": "REGISTERED_MODEL", "action": "CREATED"}]
    address = f"{service.url}/hooks/{made['id']}"
    right = {"name": "quilate", "url": address, "events": events, "secret": made["secret"]}
    hook = ask(registry, "webhooks", right)["webhook"]["webhook_id"]
    forged = ask(registry, "webhooks", {**right, "name": "forged", "secret": "another"})["webhook"]["webhook_id"]

    assert ask(registry, f"webhooks/{hook}/test", {})["result"]["response_status"] == 202
    assert ask(registry, f"webhooks/{forged}/test", {})["result"]["response_status"] == 401
    ask(registry, "registered-models/create", {"name": "scorer"})
    for _ in range(2):
        ask(registry, "model-versions/create", {"name": "scorer", "source": "s3://models/scorer"})

    found = [each for each in events_of(service, 3) if each["subject"] == "scorer"]
    assert [(each["action"], each["version"]) for each in found] == [("registered", "1"), ("registered", "2")]
    assert {each["provider"] for each in found} == {"mlflow"}


def test_versions_are_found_once_where_it_is_only_asked(service: LiveService, registry: str) -> None:
    ask(registry, "registered-models/create", {"name": "churn"})
    poll = {"name": "registry", "url": registry, "interval_seconds": 10}
    made = httpx.post(f"{service.url}{BASE}/registry-polls", json=poll)
    assert made.status_code == 201, made.text
    with service.process("background"):
        for number in (1, 2):
            ask(registry, "model-versions/create", {"name": "churn", "source": "s3://models/churn"})
            end = time.monotonic() + SECONDS
            while len(told := _versions(service, "churn")) < number:
                assert time.monotonic() < end
                time.sleep(0.2)
    assert told == ["1", "2"]


def _versions(service: LiveService, model: str) -> list[str]:
    found = httpx.get(f"{service.url}{BASE}/events", params={"kind": "model_version"}).json()["items"]
    return [each["version"] for each in reversed(found) if each["subject"] == model]
