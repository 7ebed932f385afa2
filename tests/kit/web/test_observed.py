"""Each request has an id, a line, a count, a span and safe headers (A12, A13)."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from quilate.accounts.model import Actor, ActorKind, Principal
from quilate.kit.metrics import Metrics
from quilate.kit.tracing import configure_tracing, current_traceparent, shut_down_tracing
from tests.support.web_apps import client_of, small_app

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _routes(app: FastAPI) -> None:
    router = APIRouter(prefix="/projects/{project}")

    @router.get("/runs/{run}")
    async def run(request: Request, project: str, run: str) -> str:
        actor = Actor(kind=ActorKind.USER, id="u1")
        request.state.principal = Principal(actor=actor, user_id=None)
        return f"{project} {run} {request.state.request_id} {current_traceparent()}"

    app.include_router(router, prefix="/api/v1")

    @app.get("/health")
    async def health() -> Response:
        return Response("ok", headers={"Cache-Control": "max-age=5", "Content-Security-Policy": "own"})

    @app.get("/cut")
    async def cut() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"a"
            raise RuntimeError("in the middle")

        return StreamingResponse(pieces())


@pytest.mark.asyncio
async def test_a_request_is_one_line_without_its_path() -> None:
    with capture_logs() as lines:
        async with client_of(small_app(_routes)) as client:
            answer = await client.get("/api/v1/projects/secret-project/runs/17", headers={"X-Request-ID": "abcd-1234"})

    assert answer.headers["x-request-id"] == "abcd-1234"
    (line,) = lines
    assert line["event"] == "request"
    assert line["route"] == "/api/v1/projects/{project}/runs/{run}"
    assert (line["method"], line["status"], line["actor"]) == ("GET", 200, "user:u1")
    assert line["request_id"] == "abcd-1234"
    assert line["ms"] > 0
    assert "secret-project" not in str(line)


@pytest.mark.asyncio
@pytest.mark.parametrize("given", ["short", "with space 12345", "x" * 65, ""])
async def test_a_request_id_of_another_form_is_replaced(given: str) -> None:
    async with client_of(small_app(_routes)) as client:
        answer = await client.get("/health", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.asyncio
async def test_an_unknown_path_is_logged_masked_and_never_a_label() -> None:
    metrics = Metrics()
    with capture_logs() as lines:
        async with client_of(small_app(_routes, metrics=metrics)) as client:
            await client.get("/reset/ana@example.org")
            await client.request("BREW", "/pot")

    assert lines[0]["path"] == "/reset/[masked]"
    page = (await metrics.render()).decode()
    assert 'quilate_http_requests_total{method="GET",route="unknown",status="404"} 1.0' in page
    assert 'method="OTHER"' in page
    assert "ana" not in page


@pytest.mark.asyncio
async def test_headers_protect_and_do_not_overwrite() -> None:
    async with client_of(small_app(_routes)) as client:
        own = await client.get("/health")
        refused = await client.get("/none")

    assert own.headers["cache-control"] == "max-age=5"
    assert own.headers["content-security-policy"] == "own"
    for answer in (own, refused):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert refused.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in refused.headers["content-security-policy"]


@pytest.mark.asyncio
async def test_a_trace_goes_on_from_the_callers() -> None:
    exporter = InMemorySpanExporter()
    configure_tracing("test", exporter=exporter)
    try:
        with capture_logs() as lines:
            async with client_of(small_app(_routes)) as client:
                answer = await client.get("/api/v1/projects/a/runs/1", headers={"traceparent": PARENT})
                await client.get("/health")
    finally:
        shut_down_tracing()

    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /api/v1/projects/{project}/runs/{run}"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert f"{span.context.trace_id:032x}" == PARENT[3:35]
    assert PARENT[3:35] in answer.text
    assert PARENT[36:52] not in answer.text
    assert lines[0]["trace_id"] == PARENT[3:35]


@pytest.mark.asyncio
async def test_without_traces_the_callers_trace_still_crosses() -> None:
    async with client_of(small_app(_routes)) as client:
        answer = await client.get("/api/v1/projects/a/runs/1", headers={"traceparent": PARENT})
        nonsense = await client.get("/api/v1/projects/a/runs/1", headers={"traceparent": "00-xyz"})

    assert answer.json().endswith(PARENT)
    assert nonsense.json().endswith(" ")


@pytest.mark.asyncio
async def test_an_answer_that_breaks_in_the_middle_is_cut_and_logged() -> None:
    with capture_logs() as lines:
        async with client_of(small_app(_routes)) as client:
            answer = await client.get("/cut")

    assert answer.content == b"a"
    assert [line["event"] for line in lines] == ["internal error", "request"]
