"""``/health`` as the source documents have it, ``/health/live``, ``/health/ready`` and ``/metrics``."""

import hmac
from typing import Any

from fastapi import APIRouter, Request, Response

from quilate.kit.metrics import CONTENT_TYPE, Metrics
from quilate.kit.web.answers import json_answer, problem_responses
from quilate.kit.web.problems import Problem
from quilate.ops.health import Health, HealthService
from quilate.ops.schemas import HealthView, LiveView, PartView

TAG = "operations"
_UNAVAILABLE = 503


def make_router(health: HealthService, metrics: Metrics, *, metrics_token: str = "") -> APIRouter:
    """Return the routes, to be mounted at the root.

    Args:
        health: Looks at the parts.
        metrics: Of this process.
        metrics_token: What a scraper sends as ``Authorization: Bearer``; empty where anybody may scrape.
    """
    router = APIRouter(tags=[TAG])

    @router.get(
        "/health",
        operation_id="health",
        summary="Is the service well, as text or JSON",
        response_model=None,
        responses={**_both_forms(200, "It is."), **_both_forms(503, "It is not.")},
    )
    async def get_health(request: Request) -> Response:
        found = await health.health()
        status = 200 if found.is_ready else _UNAVAILABLE
        if wants_json(request.headers.get("accept", "")):
            return json_answer(health_view(found), status=status, headers={"Vary": "Accept"})
        text = "Healthy" if found.is_ready else "Unhealthy"
        return Response(text, status_code=status, media_type="text/plain", headers={"Vary": "Accept"})

    @router.get("/health/live", operation_id="health_live", summary="Does the process answer", response_model=LiveView)
    async def get_live() -> Response:
        return json_answer(LiveView(status="ok"))

    @router.get(
        "/health/ready",
        operation_id="health_ready",
        summary="Can requests be served: database, queue and disk",
        response_model=HealthView,
        responses={503: {"model": HealthView, "description": "They cannot."}},
    )
    async def get_ready() -> Response:
        found = await health.health()
        return json_answer(health_view(found), status=200 if found.is_ready else _UNAVAILABLE)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics in the text format of Prometheus",
        response_model=None,
        responses={
            200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **problem_responses(401),
        },
    )
    async def get_metrics(request: Request) -> Response:
        if metrics_token and not _is_scraper(request, metrics_token):
            raise Problem(
                status=401,
                type="unauthenticated",
                detail="the metrics need the scraper's token",
                next_step="send QUILATE_METRICS_TOKEN as Authorization: Bearer",
                headers={"WWW-Authenticate": 'Bearer realm="quilate"'},
            )
        return Response(await metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    return router


def _is_scraper(request: Request, token: str) -> bool:
    sent = request.headers.get("authorization", "")
    return hmac.compare_digest(sent.encode("utf-8", "replace"), f"Bearer {token}".encode())


def _both_forms(status: int, meaning: str) -> dict[int | str, dict[str, Any]]:
    content = {
        "text/plain": {"schema": {"type": "string", "enum": ["Healthy" if status == 200 else "Unhealthy"]}},  # noqa: PLR2004 - OK
        "application/json": {"schema": {"$ref": "#/components/schemas/HealthView"}},
    }
    return {status: {"description": meaning, "content": content}}


def wants_json(accept: str) -> bool:
    """Tell whether a caller prefers JSON to text; who takes both alike, as curl does, gets the text."""
    qualities = {"json": 0.0, "text": 0.0}
    for each in accept[:1024].split(",") if accept else ["*/*"]:
        media, *parameters = [part.strip().lower() for part in each.split(";")]
        quality = _quality(parameters)
        if media in {"application/json", "application/*", "*/*"}:
            qualities["json"] = max(qualities["json"], quality)
        if media in {"text/plain", "text/*", "*/*"}:
            qualities["text"] = max(qualities["text"], quality)
    return qualities["json"] > qualities["text"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return 0.0
    return 1.0


def health_view(health: Health) -> HealthView:
    """Return the health as it goes over the wire."""
    return HealthView(
        status=health.wellness.value,
        message="Healthy" if health.is_ready else "Unhealthy",
        checks={
            part.name: PartView(status=part.wellness.value, detail=part.detail, milliseconds=part.milliseconds)
            for part in health.parts
        },
    )
