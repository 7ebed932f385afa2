"""Every error is a problem document and tells nothing that it should not (C06, A12)."""

import json
from typing import Annotated, Any

import psycopg
import pytest
from fastapi import FastAPI, HTTPException, Query
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field, field_validator
from structlog.testing import capture_logs

from quilate.domain.errors import (
    ConfigurationError,
    ConfigurationErrors,
    EvidenceError,
    EvidenceTimeoutError,
    InternalError,
    SourcePosition,
)
from quilate.kit.web.problems import Problem
from tests.support.web_apps import client_of, small_app

SECRET = "hunter2-hunter2"  # noqa: S105 - what must not be told

ERRORS: dict[str, Exception] = {
    "problem": Problem(
        status=409, type="conflict", detail="no", next_step="wait", extensions={"n": 1}, headers={"Retry-After": "3"}
    ),
    "configuration": ConfigurationError(
        "bad limit", next_step="mend it", position=SourcePosition(path="b.yaml", line=2, column=3)
    ),
    "configurations": ConfigurationErrors((ConfigurationError("one"), ConfigurationError("two"))),
    "evidence": EvidenceError("no file", next_step="bind it"),
    "slow": EvidenceTimeoutError("too slow"),
    "own-fault": InternalError(f"internal {SECRET}"),
    "fault": RuntimeError(f"internal {SECRET}"),
    "database": psycopg.OperationalError(f"connection to {SECRET} failed"),
    "pool": PoolTimeout("no connection"),
    "nul": psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
    "syntax": psycopg.errors.SyntaxError(f"at {SECRET}"),
    "teapot": HTTPException(418, "short and stout"),
}


class Body(BaseModel):
    name: str = Field(max_length=5)
    password: str = Field(max_length=8)
    kind: str = "a"

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "a":
            raise ValueError("has to be a")
        return value


def _routes(app: FastAPI) -> None:
    @app.get("/raise/{name}")
    async def raise_it(name: str) -> None:
        raise ERRORS[name]

    @app.post("/pipelines/run")
    @app.post("/body")
    async def take(body: Body, limit: Annotated[int, Query(le=10)] = 1) -> Body:
        del limit
        return body

    @app.get("/body")
    async def read() -> dict[str, Any]:
        return {}

    @app.get("/api/v1/raise")
    @app.get("/api/raise")
    async def foreign() -> None:
        raise Problem(status=404, type="not-found", detail="nothing here", next_step="look there")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "status", "type_name"),
    [
        ("problem", 409, "conflict"),
        ("configuration", 422, "invalid-request"),
        ("configurations", 422, "invalid-request"),
        ("evidence", 422, "no-evidence"),
        ("slow", 503, "unavailable"),
        ("own-fault", 500, "internal"),
        ("fault", 500, "internal"),
        ("database", 503, "unavailable"),
        ("pool", 503, "unavailable"),
        ("nul", 422, "invalid-request"),
        ("syntax", 500, "internal"),
        ("teapot", 418, "refused"),
    ],
)
async def test_an_error_is_a_document_without_internals(name: str, status: int, type_name: str) -> None:
    async with client_of(small_app(_routes)) as client:
        answer = await client.get(f"/raise/{name}")

    document = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["type"] == f"https://quilate.example/problems/{type_name}"
    assert document["title"]
    assert document["detail"]
    assert SECRET not in answer.text
    assert "retry-after" in answer.headers or name not in {"problem", "database", "pool"}


@pytest.mark.asyncio
async def test_a_fault_is_logged_under_the_incident_that_is_told() -> None:
    with capture_logs() as lines:
        async with client_of(small_app(_routes)) as client:
            answer = await client.get("/raise/fault")

    logged = next(line for line in lines if line.get("incident"))
    assert logged["incident"] == answer.json()["incident"]
    assert logged["log_level"] == "error"


@pytest.mark.asyncio
async def test_configuration_errors_keep_their_places_and_next_steps() -> None:
    async with client_of(small_app(_routes)) as client:
        one = (await client.get("/raise/configuration")).json()
        several = (await client.get("/raise/configurations")).json()

    assert one["next_step"] == "mend it"
    assert one["errors"] == [{"detail": "bad limit", "next_step": "mend it", "path": "b.yaml", "line": 2, "column": 3}]
    assert [each["detail"] for each in several["errors"]] == ["one", "two"]


@pytest.mark.asyncio
async def test_a_wrong_body_names_each_place_and_repeats_no_value() -> None:
    body = {"name": 7, "password": SECRET, "kind": "b"}
    async with client_of(small_app(_routes)) as client:
        answer = await client.post("/body?limit=99", json=body)

    errors = {(each["in"], each["pointer"]): each["detail"] for each in answer.json()["errors"]}
    assert answer.status_code == 422
    assert set(errors) == {("query", "#/limit"), ("body", "#/name"), ("body", "#/password"), ("body", "#/kind")}
    assert errors["body", "#/kind"] == "has to be a"
    assert SECRET not in answer.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"9" * 10_000, "application/json", 400),
        (b"name=a", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"", "application/json", 422),
        (b'{"name": "\\ud800", "password": "a"}', "application/json", 422),
        (b'{"name": "\\ud800' + b"x" * 99 + b'", "pass\\ud800": 1}', "application/json", 422),
    ],
)
async def test_unreadable_bodies_are_refused(content: bytes, content_type: str, status: int) -> None:
    async with client_of(small_app(_routes)) as client:
        answer = await client.post("/body", content=content, headers={"Content-Type": content_type})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.asyncio
async def test_unknown_routes_and_methods() -> None:
    async with client_of(small_app(_routes)) as client:
        unknown = await client.get("/none%0A<script>")
        method = await client.delete("/body")

    assert unknown.status_code == 404
    assert unknown.json()["type"].endswith("/not-found")
    assert method.status_code == 405
    assert method.headers["allow"] == "GET, POST"


@pytest.mark.asyncio
async def test_the_source_documents_routes_carry_their_own_members() -> None:
    async with client_of(small_app(_routes)) as client:
        foreign = (await client.get("/api/raise")).json()
        own = (await client.get("/api/v1/raise")).json()
        invalid = (await client.post("/pipelines/run", json={"name": "a"})).json()

    assert foreign["message"] == "nothing here"
    assert foreign["statusCode"] == 404
    assert foreign["details"] == "look there"
    assert "statusCode" not in own
    assert invalid["details"] == [{"pointer": "#/password", "in": "body", "detail": "Field required"}]


@pytest.mark.asyncio
async def test_a_header_cannot_begin_another() -> None:
    def add(app: FastAPI) -> None:
        @app.get("/")
        async def fail() -> None:
            raise Problem(status=409, type="conflict", detail="no", headers={"Location": "/a\r\nSet-Cookie: a=b"})

    async with client_of(small_app(add)) as client:
        answer = await client.get("/")

    assert answer.headers["location"] == "/aSet-Cookie: a=b"
    assert "set-cookie" not in answer.headers


def test_documents_hold_any_text() -> None:
    from quilate.kit.web.documents import encode  # noqa: PLC0415 - the one test of it

    assert json.loads(encode({"a": ["\ud800"], "\udfff": 1})) == {"a": ["?"], "?": 1}
