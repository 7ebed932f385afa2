"""One tenant never sees, changes or hears of another's anything, on any route (A12, A13).

Every route of the composed application is walked: a new one is in the walk by itself. A route that forgets to ask who
calls, or whose project it is, fails here; one that is meant for everybody has to be named in ``PUBLIC``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from quilate.app.service.openapi import describe
from quilate.audit.sequencer import run_sequencer
from quilate.kit.database.database import Database
from tests.support.projects import LINT_BLUEPRINT
from tests.support.tenants import MARKER, OWN, THEIRS, Operation, Tenants, make_tenants, operations_of
from tests.support.web_apps import whole_site

NOWHERE = "no-project"
PUBLIC = {
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/setup",
    "POST /api/v1/auth/oidc/exchange",
    "POST /api/v1/auth/oidc/redeem",
    "GET /api/v1/auth/oidc/providers",
    "GET /api/v1/auth/oidc/{provider}/login",
    "GET /api/v1/auth/oidc/{provider}/callback",
    "GET /",
    "GET /hangfire",
    "GET /welcome",
    "POST /welcome",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /openapi.json",
    "GET /api/v1/audit/checkpoint",
    "GET /api/v1/audit/checkpoints/{size}",
    "GET /api/v1/audit/consistency",
    "POST /api/v1/audit/witness/cosignatures",
    "POST /hooks/{hook_id}",
    "GET /badges/{project}/{key}.svg",
}
"""What needs no login, each for a reason: it gives one, tells of the service and of nobody's project, is what witnesses
of the audit log need (hashes and signatures), is taken by its sender's signature alone (hooks), or has its secret in
its address (badges)."""

PUBLIC_PREFIXES = ("GET /swagger", "GET /problems")

BODIES: Mapping[str, Any] = {
    "PATCH /api/v1/projects/{project}/members/{user_id}": {"role": "viewer"},
    "POST /api/v1/projects/{project}/executions/{execution}/dataset-versions": {"dataset": "totals"},
    "PATCH /api/v1/projects/{project}/service-accounts/{service_account}": {"name": "x"},
    "POST /api/v1/projects/{project}/service-accounts/{service_account}/tokens": {"name": "x", "expires_in_days": 1},
    "POST /api/v1/projects/{project}/runs/{run_id}/cancel": {},
    "POST /api/v1/projects/{project}/runs/{run_id}/rerun": {},
    "PUT /api/v1/projects/{project}/blueprints/{name}/draft": {"text": LINT_BLUEPRINT.replace("lint-only", "NAME")},
    "POST /api/v1/projects/{project}/blueprints/{name}/versions/{version}/withdraw": {"reason": "a reason to"},
    "POST /api/v1/projects/{project}/waivers/{waiver}/revoke": {"reason": "a reason to"},
    "POST /api/v1/projects/{project}/waivers/{waiver}/approve": {"comment": "a comment"},
    "POST /api/v1/projects/{project}/waivers/{waiver}/reject": {"reason": "a reason to"},
    "PUT /api/v1/projects/{project}/schedules/{schedule}": {"name": "x", "cron": "0 3 * * *"},
    "PUT /api/v1/projects/{project}/hooks/{hook}": {"name": "x", "provider": "github"},
    "POST /api/v1/projects/{project}/hooks/{hook}/rotate": {},
    "PATCH /api/v1/projects/{project}/datasets/{name}": {"description": "x"},
    "PATCH /api/v1/projects/{project}/models/{name}": {"description": "x"},
    "POST /api/v1/projects/{project}/datasets/{name}/versions/import": {"path": "/data/x.csv"},
    "POST /api/v1/projects/{project}/models/{name}/versions/import": {"path": "/data/x.csv"},
    "PATCH /api/v1/projects/{project}/scripts/{script}": {"description": "x"},
    "POST /api/v1/projects/{project}/scripts/{script}/versions": {"source": "function process(data) { return data; }"},
    "POST /api/v1/projects/{project}/scripts/{script}/versions/{version}/test": {"data": 1},
    "POST /api/v1/projects/{project}/scripts/{script}/versions/{version}/approve": {"reason": "a reason"},
    "POST /api/v1/projects/{project}/scripts/{script}/versions/{version}/refuse": {"reason": "a reason"},
    "PATCH /api/v1/users/{user_id}": {"name": "x"},
    "PATCH /api/v1/identity-providers/{provider}": {"name": "x"},
    "POST /api/v1/pipelines/run": {"project_id": THEIRS},
    "POST /pipelines/run": {"project_id": THEIRS},
}
"""Bodies that would be taken, for routes that name something by an id: a refusal must be about the id."""

QUERIES: Mapping[str, str] = {
    "GET /api/v1/projects/{project}/blueprints/{name}/diff": "?before=1&after=1",
    "GET /api/v1/projects/{project}/datasets/{name}/versions/{number}/content": "?path=x",
    "GET /api/v1/projects/{project}/models/{name}/versions/{number}/content": "?path=x",
    "GET /api/v1/projects/{project}/scripts/{script}/versions/{version}/diff": "?against=1",
    "GET /api/v1/projects/{project}/scripts/{script}/versions/{version}/compatibility": "?against=1",
    "GET /api/v1/pipelines/runs": f"?project_id={THEIRS}",
    "GET /pipelines/runs": f"?project_id={THEIRS}",
}
_DEADLINE_SECONDS = 20.0


def _is_public(operation: Operation) -> bool:
    return str(operation) in PUBLIC or str(operation).startswith(PUBLIC_PREFIXES)


@asynccontextmanager
async def _tenants(database: Database, state: Path) -> AsyncIterator[Tenants]:
    async with whole_site(database, state, requests_per_second=0) as site:
        yield await make_tenants(site)


async def _ask(
    client: httpx.AsyncClient, operation: Operation, ids: Mapping[str, str], *, query: str = ""
) -> httpx.Response:
    """Send a request; a stream that opens would never end, so that its time is limited."""
    body = json.dumps(BODIES.get(str(operation))).replace("NAME", ids.get("name", ""))
    query = query or QUERIES.get(str(operation), "")
    async with asyncio.timeout(_DEADLINE_SECONDS):
        return await client.request(
            operation.method,
            operation.address(_Filled(ids)) + query,
            headers={"If-Match": '"1"', "Accept": "application/json", "Content-Type": "application/json"},
            content=body if str(operation) in BODIES else b"",
        )


class _Filled(dict[str, str]):
    """Ids by name; a parameter that no tenant has anything for gets a number, which every form takes."""

    def __missing__(self, name: str) -> str:
        return "1"


async def faults_without_login(tenants: Tenants, operations: Sequence[Operation], credential: str = "") -> list[str]:
    """Return each route that answers somebody who is not logged in with anything but 401."""
    faults = []
    async with tenants.site.client(credential) as client:
        for operation in operations:
            if _is_public(operation):
                continue
            answer = await _ask(client, operation, tenants.ids)
            if answer.status_code != 401 or MARKER in answer.text:
                faults.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    return faults


async def faults_in_foreign_project(tenants: Tenants, operations: Sequence[Operation], credential: str) -> list[str]:
    """Return each route of a project that tells a stranger more than one of a project that does not exist."""
    faults = []
    async with tenants.site.client(credential) as client:
        for operation in operations:
            if "project" not in operation.parameters:
                continue
            there = await _ask(client, operation, tenants.ids)
            nowhere = await _ask(client, operation, {**tenants.ids, "project": NOWHERE})
            same = there.text.replace(THEIRS, NOWHERE) == nowhere.text
            if there.status_code != 404 or nowhere.status_code != 404 or not same:
                faults.append(f"{operation}: {there.status_code} {there.text[:200]}")
    return faults


async def faults_by_foreign_ids(tenants: Tenants, operations: Sequence[Operation], credential: str) -> list[str]:
    """Return each route that takes another tenant's id, or tells it from one that does not exist.

    The stranger's own project stands in the path, in which they may do everything.
    """
    faults = []
    others = tenants.others()
    async with tenants.site.client(credential) as client:
        for operation in operations:
            if _is_public(operation) or not set(operation.parameters) & set(tenants.ids) - {"project"}:
                continue
            theirs = await _ask(client, operation, {**tenants.ids, "project": OWN})
            nobodys = await _ask(client, operation, {**others, "project": OWN})
            if theirs.status_code not in {403, 404} or theirs.status_code != nobodys.status_code:
                faults.append(f"{operation}: {theirs.status_code} {theirs.text[:200]}")
            elif _without(theirs.text, tenants.ids) != _without(nobodys.text, others):
                faults.append(f"{operation}: {theirs.text[:200]} unlike {nobodys.text[:200]}")
    return faults


def _without(text: str, ids: Mapping[str, str]) -> str:
    for value in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(value, "ID")
    return text


async def faults_in_lists(tenants: Tenants, operations: Sequence[Operation], credential: str) -> list[str]:
    """Return each list that shows a stranger anything of the other tenant."""
    faults = []
    secrets = {value for name, value in tenants.ids.items() if len(value) > 20 and name != "digest"}
    async with tenants.site.client(credential) as client:
        for operation in operations:
            if operation.method != "GET" or set(operation.parameters) - {"project"}:
                continue
            answer = await _ask(client, operation, {"project": OWN}, query="?archived=true")
            if answer.status_code >= 500 or any(secret in answer.text for secret in {MARKER, THEIRS, *secrets}):
                faults.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
    return faults


def _operations(tenants: Tenants) -> list[Operation]:
    found = operations_of(tenants.site.app)
    described = {f"{method.upper()} {path}" for path, item in describe()["paths"].items() for method in item}
    assert described <= {str(operation) for operation in found}
    assert len(found) > 80
    return found


async def _state(tenants: Tenants) -> list[Any]:
    """Return what the owner sees of the project."""
    base = f"/projects/{THEIRS}"
    paths = [base, f"{base}/members", f"{base}/waivers", f"{base}/schedules", f"{base}/datasets", f"{base}/models",
             f"{base}/blueprints", f"{base}/runs", "/me/tokens", "/me"]  # fmt: skip
    answers = [await tenants.site.call("GET", path, by=tenants.owner) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    assert all(MARKER in answer.text for answer in answers)
    return [answer.json() for answer in answers]


@pytest.mark.asyncio
async def test_without_a_login_every_route_answers_401(database: Database, tmp_path: Path) -> None:
    async with _tenants(database, tmp_path) as tenants:
        operations = _operations(tenants)
        for credential in ("", "ql_0123456789_" + "0" * 64):
            faults = await faults_without_login(tenants, operations, credential)
            assert not faults, "\n".join(faults)


@pytest.mark.asyncio
async def test_a_stranger_sees_and_changes_nothing_by_any_credential(database: Database, tmp_path: Path) -> None:
    async with _tenants(database, tmp_path) as tenants:
        operations = _operations(tenants)
        before = await _state(tenants)
        for kind, credential in tenants.credentials.items():
            faults = [
                *await faults_in_foreign_project(tenants, operations, credential),
                *await faults_by_foreign_ids(tenants, operations, credential),
                *await faults_in_lists(tenants, operations, credential),
            ]
            assert not faults, "\n".join([kind, *faults])
        assert await _state(tenants) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("prefix", ["/api/v1", ""])
async def test_a_project_in_a_body_or_a_query_is_guarded_like_one_in_a_path(
    database: Database, tmp_path: Path, prefix: str
) -> None:
    async with _tenants(database, tmp_path) as tenants:
        for credential in tenants.credentials.values():
            async with tenants.site.client(credential) as client:
                answers = []
                for project in (THEIRS, NOWHERE):
                    body = {"project_id": project, "event_type": "manual_trigger", "parameters": {"branch": "main"}}
                    answers.append(await client.post(f"{prefix}/pipelines/run", json=body))
                    answers.append(await client.get(f"{prefix}/pipelines/runs?project_id={project}"))
                assert [answer.status_code for answer in answers] == [404] * 4
                texts = [answer.text.replace(THEIRS, NOWHERE) for answer in answers]
                assert texts[:2] == texts[2:]
        for method, path in (("POST", "/pipelines/run"), ("GET", f"/pipelines/runs?project_id={THEIRS}")):
            async with tenants.site.client() as client:
                answer = await client.request(method, f"{prefix}{path}", json={"project_id": THEIRS})
                assert answer.status_code == 401


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/api/executions", "/api/Executions", "/api/Processing", "/api/processing"])
async def test_a_script_named_in_a_body_is_guarded(database: Database, tmp_path: Path, path: str) -> None:
    async with _tenants(database, tmp_path) as tenants:
        words = (tenants.ids["script"], tenants.others()["script"])
        for credential in tenants.credentials.values():
            async with tenants.site.client(credential) as client:
                answers = [await client.post(path, json={"scriptId": script, "data": []}) for script in words]
                assert [answer.status_code for answer in answers] == [404, 404]
                assert answers[0].text.replace(*words) == answers[1].text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/scripts"), ("POST", "/api/scripts"), ("GET", "/api/executions")]
)
async def test_a_project_named_for_the_source_api_is_guarded(
    database: Database, tmp_path: Path, method: str, path: str
) -> None:
    body = {"name": "x", "content": "function process(data) { return data; }"}
    async with _tenants(database, tmp_path) as tenants:
        for credential in tenants.credentials.values():
            async with tenants.site.client(credential) as client:
                answers = [
                    await client.request(method, f"{path}?project={project}", json=body)
                    for project in (THEIRS, NOWHERE)
                ]
                assert [answer.status_code for answer in answers] == [404, 404]
                assert answers[0].text.replace(THEIRS, NOWHERE) == answers[1].text
                assert (await client.get("/api/scripts")).json() == []


@pytest.mark.asyncio
async def test_the_audit_log_shows_a_stranger_the_entries_of_their_own_project_only(
    database: Database, tmp_path: Path
) -> None:
    async with _tenants(database, tmp_path) as tenants:
        stop = asyncio.Event()
        stop.set()
        await run_sequencer(database, tmp_path, stop)
        rows = await tenants.site.sql(
            "SELECT e.entry_index, p.slug FROM audit_entries AS e LEFT JOIN projects AS p ON p.id = e.project_id"
        )
        own = {row["entry_index"] for row in rows if row["slug"] == OWN}
        assert {THEIRS, OWN, None} <= {row["slug"] for row in rows}
        for credential in tenants.credentials.values():
            async with tenants.site.client(credential) as client:
                beyond = await client.get(f"/api/v1/audit/entries/{len(rows)}")
                seen = set()
                for index in range(len(rows)):
                    answer = await client.get(f"/api/v1/audit/entries/{index}")
                    if answer.status_code == 200:
                        seen.add(index)
                    else:
                        assert answer.status_code == beyond.status_code == 404
                        assert answer.text == beyond.text.replace(f"entry {len(rows)}", f"entry {index}")
                assert seen == own
                listed = (await client.get(f"/api/v1/projects/{OWN}/audit/entries")).json()["items"]
                assert {entry["index"] for entry in listed} == own
                assert (await client.get("/api/v1/audit/entries")).status_code == 403
                assert (await client.get("/api/v1/audit/export")).status_code == 403


@pytest.mark.asyncio
async def test_the_walk_notices_a_route_that_forgets_to_ask(database: Database, tmp_path: Path) -> None:
    forgetful = APIRouter()

    @forgetful.get("/projects/{project}/forgotten")
    async def of_a_project(project: str) -> dict[str, str]:
        return {"project": project}

    @forgetful.get("/projects/{project}/forgotten/{run_id}")
    async def of_an_id(project: str, run_id: str) -> dict[str, str]:
        return {"project": project, "run": run_id, "text": MARKER}

    @forgetful.get("/forgotten")
    async def of_all() -> list[str]:
        return [MARKER]

    async with _tenants(database, tmp_path) as tenants:
        tenants.site.app.include_router(forgetful, prefix="/api/v1")
        added = [each for each in _operations(tenants) if "/forgotten" in each.path]
        assert len(added) == 3
        credential = tenants.credentials["login"]
        assert len(await faults_without_login(tenants, added)) == 3
        assert len(await faults_in_foreign_project(tenants, added, credential)) == 2
        assert len(await faults_by_foreign_ids(tenants, added, credential)) == 1
        assert len(await faults_in_lists(tenants, added, credential)) == 1


def test_every_public_route_exists_and_every_body_is_of_a_route() -> None:
    described = {f"{method.upper()} {path}" for path, item in describe()["paths"].items() for method in item}
    assert set(BODIES) <= described
    assert set(QUERIES) <= described
    hidden = {"GET /", "GET /hangfire", "GET /welcome", "POST /welcome", "GET /openapi.json"}
    assert described >= PUBLIC - hidden
