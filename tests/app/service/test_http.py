"""The whole application: every slice mounted, described, guarded (C04, C06, A12)."""

import ast
import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from schemathesis.specs.openapi import definitions

from quilate.app.service import http
from quilate.app.service.openapi import describe, written
from quilate.app.service.pages import problem_texts
from quilate.kit.database.database import Database
from quilate.kit.web.handlers import _TYPES_OF_STATUS
from tests.support.accounts import AccountsSite, Person
from tests.support.web_apps import service_client, whole_site

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = describe()
OPEN = {
    "login", "refresh", "logout", "setup", "health", "health_live", "health_ready", "metrics", "receive_delivery",
}  # fmt: skip
UUID_TEXT = "0190163d-8694-739b-aea5-966c26f8ad91"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


# Description ----------------------------------------------------------------------------------------------------------


def test_the_committed_description_is_the_codes() -> None:
    for name, text in written().items():
        committed = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert committed == text, f"docs/{name} is stale: python -m quilate.app.service.openapi"


def test_the_description_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert [str(error) for error in definitions.OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []


def test_every_reference_leads_somewhere() -> None:
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT))):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_operation_is_described_once() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names))
    for _, path, operation in operations():
        assert operation["summary"], path
        assert operation["tags"], path


def test_every_error_is_a_problem_document() -> None:
    for method, path, operation in operations():
        for status, answer in operation["responses"].items():
            if status >= "400" and not path.startswith("/health"):
                assert list(answer["content"]) == ["application/problem+json"], f"{method} {path} {status}"
        assert {"400", "429", "500", "503"} <= set(operation["responses"]), path


def test_every_text_that_is_sent_is_bounded() -> None:
    unbounded = [
        f"{method} {path} {parameter['name']}"
        for method, path, operation in operations()
        for parameter in operation.get("parameters", ())
        for schema in parameter["schema"].get("anyOf", [parameter["schema"]])
        if schema.get("type") == "string" and not {"maxLength", "enum", "format", "pattern", "const"} & set(schema)
    ]

    assert unbounded == []


def test_every_list_has_a_limit() -> None:
    for _, path, operation in operations():
        parameters = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", ())}
        if "cursor" in parameters:
            limit = parameters["limit"]
            assert (limit["minimum"], limit["maximum"]) == (1, 200), path


# Problem types --------------------------------------------------------------------------------------------------------


def problem_types() -> set[str]:
    """Every type that code gives to a ``Problem``."""
    found = set(_TYPES_OF_STATUS.values()) | {"refused", "internal"}
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = {keyword.arg: keyword.value for keyword in node.keywords}
                given = named.get("type")
                # Also what a kind of problem of its own gives to ``super().__init__``.
                if "status" in named and "detail" in named and isinstance(given, ast.Constant):
                    found.add(str(given.value))
    return found


def test_every_problem_type_is_explained_and_no_other() -> None:
    assert problem_types() == set(problem_texts())
    assert all(text.startswith("Status ") for text in problem_texts().values())


# Life -----------------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_pages_of_the_service_itself(database_url: str, tmp_path: Path) -> None:
    async with service_client(database_url, tmp_path) as client:
        health = await client.get("/health")
        ready = await client.get("/health/ready")
        metrics = await client.get("/metrics")
        description = await client.get("/openapi.json")

    assert (health.status_code, health.text) == (200, "Healthy")
    assert set(ready.json()["checks"]) == {"database", "queue", "disk", "audit", "sandbox"}
    assert "quilate_workers_alive" in metrics.text
    assert description.json()["paths"].keys() == DOCUMENT["paths"].keys()


@pytest.mark.asyncio
async def test_the_viewer_asks_nobody_else_and_runs_no_inline_script(database_url: str, tmp_path: Path) -> None:
    async with service_client(database_url, tmp_path) as client:
        start = await client.get("/")
        page = await client.get("/swagger")
        named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        files = [await client.get(name) for name in named]
        missing = await client.get("/swagger/index.html")
    assert (start.status_code, start.headers["location"]) == (307, "/swagger"), "the address that `quilate up` prints"

    assert named
    assert all(name.startswith("/swagger/") for name in named)
    assert all(answer.status_code == 200 and answer.content for answer in files)
    assert re.findall(r"<script>|onload|style=", page.text) == []
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert missing.status_code == 404


@pytest.mark.asyncio
async def test_a_problem_type_leads_to_its_page(database_url: str, tmp_path: Path) -> None:
    async with service_client(database_url, tmp_path, public_url="http://127.0.0.1:8080") as client:
        problem = (await client.get("/nothing")).json()
        page = await client.get(problem["type"], headers={"Accept": "text/html"})
        text = await client.get(problem["type"])
        every = await client.get("/problems", headers={"Accept": "text/html"})
        unknown = await client.get("/problems/%3Cscript%3E")

    assert problem["type"] == "http://127.0.0.1:8080/problems/not-found"
    assert "<h2><code>not-found</code></h2>" in page.text
    assert text.headers["content-type"].startswith("text/markdown")
    assert every.text.count("<h2>") == len(problem_texts())
    assert unknown.status_code == 404


@pytest.mark.asyncio
async def test_while_the_database_is_away_answers_say_when_to_come_back(
    postgres: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_PATIENCE_SECONDS", 0.5)
    name = urlsplit(database_url).path.removeprefix("/")
    credential = {"Authorization": "Bearer ql_0123456789_" + "0" * 64}
    async with service_client(database_url, tmp_path) as client:
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            away = await client.get("/api/v1/me", headers=credential)
            ready = await client.get("/health/ready")
            alive = await client.get("/health/live")
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        async with asyncio.timeout(30):
            while (  # noqa: ASYNC110 - the server comes back when it does
                back := await client.get("/api/v1/me", headers=credential)
            ).status_code == 503:
                await asyncio.sleep(0.05)

    assert away.status_code == 503
    assert int(away.headers["retry-after"]) > 0
    assert away.json()["type"].endswith("/unavailable")
    assert name not in away.text
    assert (ready.status_code, ready.json()["checks"]["database"]["status"]) == (503, "failed")
    assert alive.status_code == 200
    assert back.status_code == 401


@pytest.mark.asyncio
async def test_limits_of_the_settings_hold(database_url: str, tmp_path: Path) -> None:
    async with service_client(database_url, tmp_path, requests_per_second=2, request_bytes=1024) as client:
        long = await client.post("/pipelines/run", content=b"x" * 1025)
        answers = await asyncio.gather(*(client.get("/api/v1/me") for _ in range(20)))

    assert (long.status_code, long.json()["statusCode"]) == (413, 413)
    assert [answer.status_code for answer in answers].count(429) >= 2


@pytest.mark.asyncio
async def test_the_single_user_mode_needs_no_login_and_refuses_other_sites(database_url: str, tmp_path: Path) -> None:
    body = {"project_id": "ml-service-123", "event_type": "manual_trigger", "parameters": {"branch": "main"}}
    async with service_client(database_url, tmp_path, local=True) as client:
        started = await client.post("/pipelines/run", json=body)
        foreign = await client.post("/pipelines/run", json=body, headers={"Origin": "https://evil.example"})
        host = await client.get("/pipelines/runs", headers={"Host": "evil.example"})

    assert started.status_code == 202, started.text
    assert started.json()["status"] == "QUEUED"
    assert foreign.status_code == 403
    assert host.status_code == 421


# Who may --------------------------------------------------------------------------------------------------------------


def _address(path: str, project: str) -> str:
    path = path.replace("{project}", project)
    return re.sub(r"\{([a-z_]+)\}", lambda found: _SEGMENTS.get(found[1], UUID_TEXT), path)


_SEGMENTS = {
    "name": "thing", "check": "lint", "digest": "sha256:" + "0" * 64, "version": "1.0.0", "number": "1",
    "pipeline_run_id": f"prun-{UUID_TEXT}", "index": "0", "level": "0", "path": "x", "tile": "0", "size": "1",
}  # fmt: skip


async def _ask(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    body: dict[str, Any] | None = {} if method in {"POST", "PUT", "PATCH"} else None
    headers = {"If-Match": '"1"', "Accept": "application/json"}
    return await client.request(method, path, json=body, headers=headers)


@pytest.mark.asyncio
async def test_without_a_login_no_route_tells_anything(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path) as site, site.client() as client:
        for method, path, operation in operations():
            if operation["operationId"] in OPEN or _is_public(operation):
                continue
            answer = await _ask(client, method, _address(path, "theirs"))
            # A body that is read before the caller is known may be refused first; a project is never looked at.
            assert answer.status_code in {401, 422}, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
            assert "theirs" not in answer.text


def _is_public(operation: dict[str, Any]) -> bool:
    return "401" not in operation["responses"]


@pytest.mark.asyncio
async def test_a_foreign_token_sees_a_project_on_no_route(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        admin, stranger = await _two_people(site)
        await site.project(admin, "theirs")
        await site.project(admin, "own", [(stranger, "admin")])
        tokens = [stranger.access_token, await site.api_token(stranger, ["project:read", "run:submit"])]
        for token in tokens:
            async with site.client(token) as client:
                await _walk_as_stranger(client)


async def _two_people(site: AccountsSite) -> tuple[Person, Person]:
    admin = await site.first_admin()
    return admin, await site.person(admin, "stranger@example.org")


async def _walk_as_stranger(client: httpx.AsyncClient) -> None:
    for method, path, _ in operations():
        if "{project}" not in path:
            continue
        theirs = await _ask(client, method, _address(path, "theirs"))
        nowhere = await _ask(client, method, _address(path, "nowhere"))
        assert theirs.status_code in {404, 422}, f"{method} {path}: {theirs.status_code} {theirs.text[:200]}"
        # A project of others answers exactly as one that does not exist.
        assert theirs.text.replace("theirs", "nowhere") == nowhere.text, f"{method} {path}"
