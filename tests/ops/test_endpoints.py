"""``/health`` in both forms, readiness and the scraper's token (C04, A13)."""

import pytest
from fastapi import FastAPI

from quilate.kit.metrics import Metrics
from quilate.ops.endpoints import make_router, wants_json
from quilate.ops.health import HealthService, Probe, Wellness
from tests.support.web_apps import client_of, small_app


def _app(wellness: Wellness, token: str = "") -> FastAPI:
    async def look() -> Probe:
        return Probe(wellness=wellness, detail="found")

    return small_app(
        lambda app: app.include_router(make_router(HealthService({"part": look}), Metrics(), metrics_token=token))
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wellness", "status", "word"),
    [(Wellness.OK, 200, "Healthy"), (Wellness.WARNING, 200, "Healthy"), (Wellness.FAILED, 503, "Unhealthy")],
)
async def test_health_is_text_or_json(wellness: Wellness, status: int, word: str) -> None:
    async with client_of(_app(wellness)) as client:
        text = await client.get("/health", headers={"Accept": "*/*"})
        json = await client.get("/health", headers={"Accept": "application/json"})
        ready = await client.get("/health/ready")
        live = await client.get("/health/live")

    assert (text.status_code, text.text) == (status, word)
    assert text.headers["content-type"].startswith("text/plain")
    assert json.status_code == ready.status_code == status
    assert json.json()["message"] == word
    assert ready.json()["checks"]["part"]["status"] == wellness.value
    assert ready.json()["checks"]["part"]["milliseconds"] >= 0
    assert (live.status_code, live.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/json", True),
        ("application/json, */*;q=0.8", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/json;q=0.1, text/plain", False),
        ("application/json;q=x", False),
        ("application/*", True),
        (",;,;q=", False),
    ],
)
def test_whoever_takes_both_gets_the_text(accept: str, json: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert wants_json(accept) is json


@pytest.mark.asyncio
async def test_metrics_can_be_kept_to_the_scraper() -> None:
    async with client_of(_app(Wellness.OK, "s3cret-token")) as client:
        refused = await client.get("/metrics")
        wrong = await client.get("/metrics", headers={"Authorization": "Bearer other"})
        page = await client.get("/metrics", headers={"Authorization": "Bearer s3cret-token"})
    async with client_of(_app(Wellness.OK)) as client:
        open_page = await client.get("/metrics")

    assert refused.status_code == wrong.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert "s3cret" not in refused.text
    assert page.status_code == open_page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    assert "quilate_http_requests" in page.text
