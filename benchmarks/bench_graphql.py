"""Fifty runs with checks, findings and decisions: one GraphQL query beside the requests of REST that give the same.

The service's own application in this process, over an embedded PostgreSQL; statements are counted at the driver. What
both sides say of each run is compared.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from asgi_lifespan import LifespanManager

from measure import report
from quilate.app.service.http import create_app
from quilate.app.service.schema import service_migrations
from quilate.app.service.settings import Settings
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.migrations import migrate
from quilate.kit.ids import uuid7

RUNS, CHECKS, FINDINGS = 50, 16, 4
ROUNDS = 15
SLUG = "bench"
QUERY = """
query ($first: Int!) { project(slug: "bench") { runs(first: $first) { nodes {
  id status verdict
  checks { id result }
  findings(first: 100) { nodes { check rule line } }
  decision { verdict decisionDigest }
} } } }
"""


Call = Callable[[httpx.AsyncClient], Awaitable[list[dict[str, Any]]]]


def fill(url: str) -> None:
    """Put finished runs with attempts, findings and decisions into the tables, as the engine leaves them."""
    project = uuid7()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO projects (id, slug, name) VALUES (%s, %s, 'Benchmark')", (project, SLUG))
        for _ in range(RUNS):
            run = uuid7()
            connection.execute(
                "INSERT INTO runs (id, project_id, status, verdict, ended_at) VALUES (%s, %s, 'failed', 'FAIL', now())",
                (run, project),
            )
            connection.execute(
                "INSERT INTO run_submissions (run_id, project_id, event, actor, document, request_digest)"
                " VALUES (%s, %s, 'push', 'system:quilate', '{}', 'sha256:0')",
                (run, project),
            )
            connection.execute(
                "INSERT INTO check_attempts (run_id, check_id, attempt, project_id, run_version, completion, result,"
                " final) SELECT %s, 'check_' || n, 1, %s, 2, 'completed', 'fail', true"
                " FROM generate_series(1, %s) AS n",
                (run, project, CHECKS),
            )
            connection.execute(
                "INSERT INTO findings (run_id, project_id, check_id, attempt, place, fingerprint, rule, severity,"
                " message, path, line) SELECT %s, %s, 'check_1', 1, n, 'f' || n, 'ruff/E501', 'high', 'too long',"
                " 'a.py', n FROM generate_series(1, %s) AS n",
                (run, project, FINDINGS),
            )
            connection.execute(
                "INSERT INTO decisions (run_id, project_id, verdict, subject_digest, blueprint_id, blueprint_digest,"
                " decision_digest, input_digest, seal_digest, decision, input, seal, failing) VALUES (%s, %s, 'FAIL',"
                " 'sha256:1', 'ds-batch', 'sha256:2', 'sha256:3', 'sha256:4', 'sha256:5', %s, '{}', '{}', '[]')",
                (run, project, b'{"verdict":"FAIL"}'),
            )
        connection.execute("ANALYZE")


async def by_graphql(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Ask one query."""
    answer = await client.post("/api/v1/graphql", json={"query": QUERY, "variables": {"first": RUNS}})
    nodes = answer.json()["data"]["project"]["runs"]["nodes"]
    return [
        {
            "id": run["id"],
            "verdict": run["verdict"],
            "checks": {check["id"]: check["result"].lower() for check in run["checks"]},
            "findings": [(each["check"], each["rule"], each["line"]) for each in run["findings"]["nodes"]],
            "decision": run["decision"]["verdict"],
        }
        for run in nodes
    ]


async def by_rest(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Ask for the list, then for each run, its findings and its decision, one after the other."""
    base = f"/api/v1/projects/{SLUG}/runs"
    found = []
    for listed in (await client.get(base, params={"limit": RUNS})).json()["items"]:
        place = f"{base}/{listed['id']}"
        run = (await client.get(place)).json()
        findings = (await client.get(f"{place}/findings", params={"limit": 100})).json()["items"]
        decision = (await client.get(f"{place}/decision")).json()
        found.append(
            {
                "id": run["id"],
                "verdict": run["verdict"],
                "checks": {check["id"]: check["result"] for stage in run["stages"] for check in stage["checks"]},
                "findings": [(each["check"], each["rule"], each["line"]) for each in findings],
                "decision": decision["verdict"],
            }
        )
    return found


async def measured(url: str, state: Path) -> dict[str, Any]:
    """Return the figures of both sides."""
    statements = 0
    execute: Any = psycopg.AsyncConnection.execute

    async def counted(connection: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal statements
        statements += 1
        return await execute(connection, *arguments, **named)

    psycopg.AsyncConnection.execute = counted  # type: ignore[method-assign,assignment]
    app = create_app(Settings(state=state, database_url=url, local=True, requests_per_second=0, log_level="error"))
    figures: dict[str, Any] = {}
    answers = {}
    async with LifespanManager(app) as living:
        transport = httpx.ASGITransport(app=living.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", timeout=60) as client:
            sides: dict[str, Call] = {"graphql": by_graphql, "rest": by_rest}
            times: dict[str, list[float]] = {name: [] for name in sides}
            for number in range(ROUNDS + 1):
                for name, call in sides.items():
                    statements, begin = 0, time.perf_counter()
                    answers[name] = await call(client)
                    if number:
                        times[name].append((time.perf_counter() - begin) * 1000)
                        figures[f"{name}_statements"] = statements
    psycopg.AsyncConnection.execute = execute  # type: ignore[method-assign]
    figures |= {f"{name}_p50_ms": statistics.median(values) for name, values in times.items()}
    return figures | {"same": answers["graphql"] == answers["rest"], "runs_answered": len(answers["graphql"])}


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="quilate-bench-") as directory:
        server = EmbeddedPostgres(Path(directory) / "postgres")
        try:
            url = server.start()
            asyncio.run(migrate(url, service_migrations()))
            fill(url)
            figures = asyncio.run(measured(url, Path(directory) / "state"))
        finally:
            server.stop()
    report(
        "graphql",
        runs=RUNS,
        checks=RUNS * CHECKS,
        findings=RUNS * FINDINGS,
        **figures,
        ratio_rest_to_graphql=figures["rest_p50_ms"] / figures["graphql_p50_ms"],
    )


if __name__ == "__main__":
    main()
