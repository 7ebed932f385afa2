"""A registry without webhooks is asked; each of its versions is an event once (C03, C05).

The server answers as MLflow's REST API documents "Search RegisteredModels" and "Search ModelVersions": pages with
``next_page_token``, times in milliseconds, the filter ``name = "…"``.
"""

import http.server
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.runs.triggers.polling import RegistryPoller
from tests.support.servers import QuietServer, serving
from tests.support.triggers_api import TriggersApi
from tests.support.webhooks import mlflow_version

_LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)


@dataclass(slots=True)
class _Registry:
    """What the server holds, and what it was asked."""

    url: str = ""
    versions: list[tuple[str, str, int]] = field(default_factory=list)
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("page_token", ["0"])[0])
        if path.endswith("/registered-models/search"):
            assert query["order_by"] == ["last_updated_timestamp DESC"]
            moved: dict[str, int] = {}
            for name, _, created in self.versions:
                moved[name] = max(moved.get(name, 0), created)
            rows: list[dict[str, Any]] = [
                {"name": name, "last_updated_timestamp": at}
                for name, at in sorted(moved.items(), key=lambda item: -item[1])
            ]
            member = "registered_models"
        else:
            assert path.endswith("/model-versions/search")
            wanted = query["filter"][0].removeprefix("name = ")[1:-1]
            rows = [
                {"name": name, "version": version, "creation_timestamp": at, "run_id": "r"}
                for name, version, at in sorted(self.versions, key=lambda each: -each[2])
                if name == wanted
            ]
            member = "model_versions"
        page: dict[str, Any] = {member: rows[start : start + 2]}
        if start + 2 < len(rows):
            page["next_page_token"] = str(start + 2)
        return page


@pytest.fixture
def registry() -> Iterator[_Registry]:
    held = _Registry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            held.asked.append((parts.path, self.headers.get("Authorization", "")))
            body = b"<html>" if held.status == 299 else b"{}"
            if held.status == 200:
                body = json.dumps(held.answer(parts.path, parse_qs(parts.query))).encode()
            self.send_response(200 if held.status == 299 else held.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    with serving(server) as port:
        held.url = f"http://127.0.0.1:{port}"
        yield held


async def _asked(api: TriggersApi) -> None:
    http_client = OutgoingHttp(policy=_LOOPBACK, timeout=5)
    await api.rows("UPDATE registry_polls SET next_poll = now()")
    try:
        assert await RegistryPoller(api.database, http_client, api.secrets).poll_once()
    finally:
        await http_client.close()


async def _events(api: TriggersApi) -> list[tuple[str, str]]:
    rows = await api.rows(
        "SELECT facts ->> 'subject' AS name, facts ->> 'version' AS version FROM inbound_events ORDER BY sequence"
    )
    return [(row["name"], row["version"]) for row in rows]


@pytest.mark.asyncio
async def test_each_new_version_is_an_event_once_and_those_before_are_none(
    api: TriggersApi, registry: _Registry
) -> None:
    now = int(time.time() * 1000)
    registry.versions = [("old", "1", now - 3_600_000), ("churn", "1", now - 3_600_000)]
    body = {"name": "mlflow", "url": registry.url, "token": "secret-token", "interval_seconds": 10}
    made = await api.call("POST", "/fraud/registry-polls", json=body)
    assert made.status_code == 201, made.text
    assert "secret-token" not in made.text
    await _asked(api)
    assert await _events(api) == []
    registry.versions += [("churn", str(number), now + number) for number in range(2, 7)]
    registry.versions += [("it's", "1", now + 9)]
    for _ in range(3):
        await _asked(api)
    assert sorted(await _events(api)) == [("churn", str(number)) for number in range(2, 7)] + [("it's", "1")]
    assert (await _events(api))[1] == ("churn", "2")
    assert {authorization for _, authorization in registry.asked} == {"Bearer secret-token"}
    await api.worked()
    assert [run["event"] for run in await api.runs()] == ["model_version"] * 6
    (row,) = await api.rows("SELECT token, position FROM registry_polls")
    assert b"secret-token" not in bytes(row["token"])
    assert row["position"] >= now + 9


@pytest.mark.asyncio
async def test_a_version_that_came_by_the_hook_does_not_come_again_by_a_look(
    api: TriggersApi, registry: _Registry
) -> None:
    hook = await api.hook("mlflow")
    body = {"name": "mlflow", "url": registry.url, "hook": str(hook.id)}
    assert (await api.call("POST", "/fraud/registry-polls", json=body)).status_code == 201
    await api.taken(hook, mlflow_version("churn", "3"))
    now = int(time.time() * 1000)
    registry.versions = [("churn", "3", now), ("churn", "4", now + 1)]
    await _asked(api)
    assert await _events(api) == [("churn", "3"), ("churn", "4")]
    answer = await api.deliver(hook, mlflow_version("churn", "4"))
    assert answer.json()["events"][0]["duplicate"] is True


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [401, 404, 500, 299])
async def test_a_registry_that_does_not_answer_is_asked_again_and_says_why(
    api: TriggersApi, registry: _Registry, status: int
) -> None:
    assert (
        await api.call("POST", "/fraud/registry-polls", json={"name": "mlflow", "url": registry.url})
    ).status_code == 201
    registry.status = status
    await _asked(api)
    (seen,) = (await api.call("GET", "/fraud/registry-polls", by="viewer")).json()["items"]
    assert (seen["failures"], bool(seen["error"])) == (1, True)
    registry.status = 200
    registry.versions = [("churn", "1", int(time.time() * 1000))]
    await _asked(api)
    (seen,) = (await api.call("GET", "/fraud/registry-polls", by="viewer")).json()["items"]
    assert (seen["failures"], seen["error"]) == (0, "")
    assert await _events(api) == [("churn", "1")]


@pytest.mark.asyncio
async def test_a_registry_within_the_installation_is_not_reached_unless_allowed(
    api: TriggersApi, registry: _Registry
) -> None:
    await api.call("POST", "/fraud/registry-polls", json={"name": "mlflow", "url": registry.url})
    http_client = OutgoingHttp(policy=AddressPolicy(allow_plain_http=True))
    assert await RegistryPoller(api.database, http_client, api.secrets).poll_once()
    await http_client.close()
    assert registry.asked == []
    (seen,) = (await api.call("GET", "/fraud/registry-polls")).json()["items"]
    assert "private network" in seen["error"]


@pytest.mark.asyncio
async def test_registries_belong_to_their_project_and_its_administrators(api: TriggersApi) -> None:
    body = {"name": "mlflow", "url": "https://mlflow.example"}
    made = await api.call("POST", "/fraud/registry-polls", json=body)
    address = f"/fraud/registry-polls/{made.json()['id']}"
    assert (await api.call("POST", "/fraud/registry-polls", json=body)).status_code == 409
    assert (await api.call("POST", "/fraud/registry-polls", by="dev", json=body)).status_code == 403
    assert (await api.call("GET", "/fraud/registry-polls", by="eve")).status_code == 404
    assert (await api.call("DELETE", address, by="eve")).status_code == 404
    for wrong in ("file:///etc/passwd", "https://u:p@x.example", "https://x/?a=b", "x", "https://["):
        refused = await api.call("POST", "/fraud/registry-polls", json={"name": "w", "url": wrong})
        assert refused.status_code == 422, wrong
    unknown = {"name": "w", "url": "https://x.example", "hook": made.json()["id"]}
    assert (await api.call("POST", "/fraud/registry-polls", json=unknown)).status_code == 422
    assert (await api.call("DELETE", address)).status_code == 204
    assert (await api.call("DELETE", address)).status_code == 404
