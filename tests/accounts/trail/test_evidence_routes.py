"""Every route that gives evidence leaves a record of who saw it (A18): all of them are walked.

A route that asks for the permission ``evidence:read`` is in the walk by itself; one that is neither in ``ADDRESSES``
nor named in ``OTHERS`` with its reason fails here.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from quilate.accounts.model import Permission, ProjectReference
from quilate.app.service.openapi import describe
from quilate.domain.ids import Digest
from quilate.domain.verdict import CheckResult
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.evidence.model import Artifact, Evidence
from quilate.kit.database.database import Database
from quilate.runs.api.pipelines.model import pipeline_id
from tests.support.accounts import AccountsSite, Person
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run, submitted_run
from tests.support.tenants import operations_of
from tests.support.web_apps import whole_site

CONTENT = b"what a check has left"
SUBJECT = "sha256:" + "a" * 64
RUN = "/api/v1/projects/{project}/runs/{run_id}"
ADDRESSES: Mapping[str, str] = {
    f"{RUN}/findings": "findings",
    f"{RUN}/checks/{{check}}": "check",
    f"{RUN}/checks/{{check}}/evidence": "evidence",
    f"{RUN}/checks/{{check}}/logs": "log",
    f"{RUN}/artifacts/{{digest}}": "artifact",
    f"{RUN}/decision": "decision",
    f"{RUN}/decision/input": "decision",
    f"{RUN}/explanation": "explanation",
    f"{RUN}/seal": "seal",
    "/api/v1/projects/{project}/seals": "seal",
    "/api/v1/pipelines/runs/{pipeline_run_id}/evidence/{evidence_id}": "evidence",
    "/pipelines/runs/{pipeline_run_id}/evidence/{evidence_id}": "evidence",
}
"""Routes and the kind that they record."""

_EXECUTION = "/api/v1/projects/{project}/executions/{execution}"
DATA_ADDRESSES: Mapping[str, tuple[str, ...]] = {
    _EXECUTION: ("output",),
    f"{_EXECUTION}/input": ("input",),
    f"{_EXECUTION}/output": ("output",),
    f"{_EXECUTION}/console": ("console",),
    "/api/executions/{execution_id}": ("input", "output"),
    "/api/Executions/{execution_id}": ("input", "output"),
    "/api/Processing/{execution_id}": ("output",),
    "/api/processing/{execution_id}": ("output",),
}
"""Routes that give data of executions, and the parts that they record."""

OTHERS: frozenset[str] = frozenset()
"""Routes that ask for the permission and give no evidence."""


def _evidence_routes(app: FastAPI) -> Iterator[str]:
    """Return the paths of the routes one of whose dependencies asks for ``evidence:read``."""
    for route in app.routes:
        contexts = getattr(route, "effective_route_contexts", None)
        found: list[Any] = list(contexts()) if contexts is not None else [route]
        for each in found:
            dependant = getattr(each, "dependant", None)
            for inner in dependant.dependencies if dependant is not None else ():
                if getattr(inner.call, "permission", None) is Permission.EVIDENCE_READ:
                    yield each.path


async def _decided_run(
    site: AccountsSite, project: ProjectReference, artifacts: DirectoryArtifactStore
) -> Mapping[str, str]:
    digest = Digest(artifacts.put_bytes(CONTENT))
    left = Artifact(name="left.txt", media_type="text/plain", digest=digest, size=len(CONTENT))
    evidence = Evidence(findings=(finding("R1"),), artifacts=(left,))
    run = await submitted_run(site.database, project)
    await plan_run(site.database, project, run, outlined("a"), subject=SUBJECT)
    ended = Ended(check="a", result=CheckResult.FAIL, evidence=evidence)
    await end_check(site.database, project, run, ended)
    await decide_by_hand(site.database, project, run, [ended], subject=SUBJECT)
    return {
        "project": project.slug,
        "run_id": str(run),
        "check": "a",
        "digest": digest,
        "pipeline_run_id": pipeline_id(run),
        "evidence_id": "a.1",
    }


@pytest.mark.asyncio
async def test_every_evidence_route_leaves_a_record(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        walked = {each.path for each in operations_of(site.app)}
        assert set(ADDRESSES) <= walked
        found = set(_evidence_routes(site.app))
        assert len(found) >= 6
        assert found - set(ADDRESSES) - set(DATA_ADDRESSES) - OTHERS == set()
        tagged = {
            path for path, item in describe()["paths"].items() if "evidence" in item.get("get", {}).get("tags", ())
        }
        assert tagged - set(ADDRESSES) - OTHERS == set()
        admin = await site.first_admin()
        await site.project(admin, "service")
        reader = await site.person(admin, "reader@example.org")
        body = {"user_id": str(reader.id), "role": "viewer"}
        assert (await site.call("POST", "/projects/service/members", by=admin, body=body)).status_code == 201
        document = (await site.call("GET", "/projects/service", by=admin)).json()
        project = ProjectReference(id=UUID(document["id"]), slug="service", name="service")
        ids = await _decided_run(site, project, DirectoryArtifactStore(tmp_path / "artifacts"))
        async with site.client(reader.access_token) as client:
            for route, kind in ADDRESSES.items():
                await site.sql("DELETE FROM access_records")
                query = f"?subject={SUBJECT}" if route.endswith("/seals") else ""
                answer = await client.get(route.format_map(ids) + query, headers={"Accept": "text/plain"})
                assert answer.status_code == 200, f"{route}: {answer.text}"
                (record,) = await site.sql("SELECT * FROM access_records")
                assert (record["route"], record["kind"]) == (route, kind)
                assert record["actor"] == f"user:{reader.id}"
                assert str(record["project_id"]) == str(project.id)
                assert ids["run_id"] in record["subject"] or record["subject"] == f"subject:{SUBJECT}"


async def _ended_execution(site: AccountsSite, admin: Person) -> str:
    """Submit an execution and write its end as a worker does."""
    base = "/projects/service/scripts"
    body = {"name": "echo", "source": "function process(data) { return data; }", "activate": True}
    script = (await site.call("POST", base, by=admin, body=body)).json()["id"]
    taken = await site.call("POST", f"{base}/{script}/executions", by=admin, body={"secret": 1})
    assert taken.status_code == 202, taken.text
    execution = str(taken.json()["id"])
    await site.sql(
        "UPDATE script_executions SET status = 'completed', output_format = 'json', output_size = 2,"
        " output_digest = 'sha256:0', started_at = now(), ended_at = now()"
    )
    await site.sql(
        "INSERT INTO script_payloads (execution_id, part, data) SELECT id, 'output', '42'::bytea FROM script_executions"
    )
    await site.sql(
        "INSERT INTO script_payloads (execution_id, part, data)"
        " SELECT id, 'console', '{\"lines\":[\"seen\"]}'::bytea FROM script_executions"
    )
    await site.sql("DELETE FROM script_queue")
    return execution


@pytest.mark.asyncio
async def test_every_route_that_gives_data_of_an_execution_leaves_a_record(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        assert set(DATA_ADDRESSES) <= {each.path for each in operations_of(site.app)}
        admin = await site.first_admin()
        await site.project(admin, "service")
        execution = await _ended_execution(site, admin)
        ids = {"project": "service", "execution": execution, "execution_id": execution}
        async with site.client(admin.access_token) as client:
            for route, parts in DATA_ADDRESSES.items():
                await site.sql("DELETE FROM access_records")
                answer = await client.get(route.format_map(ids))
                assert answer.status_code == 200, f"{route}: {answer.text}"
                records = await site.sql("SELECT route, kind, subject FROM access_records ORDER BY subject")
                assert [(record["route"], record["kind"], record["subject"]) for record in records] == [
                    (route, "data", f"execution:{execution}/{part}") for part in parts
                ]


@pytest.mark.asyncio
async def test_a_query_leaves_a_record_of_each_run_whose_evidence_it_shows(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        admin = await site.first_admin()
        await site.project(admin, "service")
        document = (await site.call("GET", "/projects/service", by=admin)).json()
        project = ProjectReference(id=UUID(document["id"]), slug="service", name="service")
        ids = await _decided_run(site, project, DirectoryArtifactStore(tmp_path / "artifacts"))
        fields = "id findings { nodes { rule } } decision { verdict } checks { findings { nodes { rule } } }"
        for query in ('{ project(slug: "service") { runs { nodes { id } } } }', None):
            text = query or f'{{ project(slug: "service") {{ runs {{ nodes {{ {fields} }} }} }} }}'
            answer = await site.call("POST", "/graphql", by=admin, body={"query": text})
            assert "errors" not in answer.json(), answer.text
            records = await site.sql("SELECT kind, subject, route FROM access_records ORDER BY kind, subject")
            assert bool(records) is (query is None)
        run = f"run:{ids['run_id']}"
        expected = [("decision", run), ("findings", run), ("findings", f"{run}/check:a")]
        assert [(row["kind"], row["subject"]) for row in records] == expected
        assert {row["route"] for row in records} == {"/api/v1/graphql"}


@pytest.mark.asyncio
async def test_a_downloaded_file_of_a_dataset_is_on_record(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        admin = await site.first_admin()
        await site.project(admin, "service")
        base = "/projects/service/datasets"
        assert (await site.call("POST", base, by=admin, body={"name": "people"})).status_code == 201
        async with site.client(admin.access_token) as client:
            added = await client.post(
                f"/api/v1{base}/people/versions?file_name=a.csv",
                content=b"a,b\n1,2\n",
                headers={"Content-Type": "application/octet-stream"},
            )
            assert added.status_code in {201, 202}, added.text
            listed = await client.get(f"/api/v1{base}/people/versions/1/files")
            path = listed.json()["items"][0]["path"]
            answer = await client.get(f"/api/v1{base}/people/versions/1/content", params={"path": path})
            assert answer.content == b"a,b\n1,2\n"
        (record,) = await site.sql("SELECT kind, subject FROM access_records")
        assert record["kind"] == "data"
        assert record["subject"].startswith("dataset:people@1/sha256:")


@pytest.mark.asyncio
async def test_what_was_refused_or_not_found_is_not_on_record(database: Database, tmp_path: Path) -> None:
    async with whole_site(database, tmp_path, requests_per_second=0) as site:
        admin = await site.first_admin()
        await site.project(admin, "service")
        unknown = "0190b5d0-0000-7000-8000-000000000000"
        for path in (f"/projects/service/runs/{unknown}/decision", f"/projects/service/runs/{unknown}/findings"):
            assert (await site.call("GET", path, by=admin)).status_code == 404
            assert (await site.call("GET", path)).status_code == 401
        assert await site.sql("SELECT id FROM access_records") == []
