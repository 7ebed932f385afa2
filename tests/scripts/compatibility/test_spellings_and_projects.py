"""The source documents' routes in both spellings, and the project that a request to them names (A04, A13)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from quilate.kit.database.database import Database
from tests.support.accounts import AccountsSite
from tests.support.web_apps import whole_site

_CONTENT = "function process(data) { return data; }"
_SUBMITTED = {"inputData": [1]}
_NOBODYS = str(UUID(int=1))
_NAMED: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "query": ({"project": "credit-risk"}, {}),
    "header": ({}, {"Quilate-Project": "credit-risk"}),
    "query before header": ({"project": "credit-risk"}, {"Quilate-Project": "default"}),
    "one that does not exist": ({"project": "nope"}, {}),
}
"""Ways to name another project than ``default``: the query and the headers of a request."""


@asynccontextmanager
async def _two_projects(database: Database, state: Path) -> AsyncIterator[tuple[AccountsSite, httpx.AsyncClient]]:
    """Give a client of somebody who may do everything in both projects."""
    async with whole_site(database, state, requests_per_second=0) as site:
        admin = await site.first_admin()
        for slug in ("default", "credit-risk"):
            await site.project(admin, slug)
        async with site.client(admin.access_token) as client:
            yield site, client


async def _made(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/scripts?project=default", json={"name": "echo", "content": _CONTENT})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _executed(client: httpx.AsyncClient, script: str) -> str:
    answer = await client.post(f"/api/scripts/{script}/execute", json=_SUBMITTED)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _requests(script: str, execution: str) -> list[tuple[str, str, Any]]:
    """Return a request to each route that names a script or an execution, the one that deletes last."""
    one = f"/api/scripts/{script}"
    return [
        ("POST", f"{one}/execute", _SUBMITTED),
        ("POST", f"{one}/versions/1.0.0/execute", _SUBMITTED),
        ("POST", "/api/executions", {"scriptId": script, "data": [1]}),
        ("POST", "/api/Processing", {"scriptId": script, "data": [1]}),
        ("GET", f"/api/executions/by-script/{script}", None),
        ("GET", f"/api/executions/{execution}", None),
        ("GET", f"/api/Processing/{execution}", None),
        ("GET", one, None),
        ("PUT", one, {"description": "changed"}),
        ("POST", f"{one}/versions", {"content": _CONTENT, "version": "1.1.0"}),
        ("GET", f"{one}/versions", None),
        ("PATCH", f"{one}/versions/1.0.0/activate", None),
        ("DELETE", one, None),
    ]


@pytest.mark.asyncio
async def test_executions_are_there_in_both_spellings(database: Database, tmp_path: Path) -> None:
    async with _two_projects(database, tmp_path) as (_, client):
        script = await _made(client)
        submitted = await client.post("/api/Executions", json={"scriptId": script, "data": [1]})
        assert submitted.status_code == 202, submitted.text
        execution = submitted.json()["id"]

        for path in (f"/{execution}", f"/by-script/{script}", "?project=default"):
            small, capital = [await client.get(f"/api/{word}{path}") for word in ("executions", "Executions")]
            assert (capital.status_code, capital.json()) == (200, small.json())
            assert execution in capital.text


@pytest.mark.asyncio
@pytest.mark.parametrize("named", _NAMED)
async def test_what_is_of_another_project_than_the_named_one_is_unknown(
    database: Database, tmp_path: Path, named: str
) -> None:
    query, headers = _NAMED[named]
    async with _two_projects(database, tmp_path) as (site, client):
        script = await _made(client)
        execution = await _executed(client, script)
        before = await client.get(f"/api/scripts/{script}")
        known, unknown = _requests(script, execution), _requests(_NOBODYS, _NOBODYS)
        for (method, path, body), (_, other, nothing) in zip(known, unknown, strict=True):
            answer = await client.request(method, path, params=query, headers=headers, json=body)
            nobodys = await client.request(method, other, params=query, headers=headers, json=nothing)
            assert (answer.status_code, nobodys.status_code) == (404, 404), f"{method} {path}: {answer.text}"
            told = answer.text.replace(script, _NOBODYS).replace(execution, _NOBODYS)
            assert told == nobodys.text

        assert (await client.get(f"/api/scripts/{script}")).json() == before.json()
        assert [str(row["id"]) for row in await site.sql("SELECT id FROM script_executions")] == [execution]


@pytest.mark.asyncio
async def test_what_is_of_the_named_project_is_found(database: Database, tmp_path: Path) -> None:
    async with _two_projects(database, tmp_path) as (_, client):
        script = await _made(client)
        execution = await _executed(client, script)
        for method, path, body in _requests(script, execution):
            answer = await client.request(method, path, params={"project": "default"}, json=body)
            assert answer.is_success, f"{method} {path}: {answer.text}"
