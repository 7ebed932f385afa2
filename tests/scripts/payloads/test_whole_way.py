"""Sensitive data and outputs the whole way: from a request through a real sandbox to erasure, catalogue and gate."""

import gzip
import json
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.trail.recording import AccessTrail
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from quilate.runs.durable.intake import Intake
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads import handing_on
from quilate.scripts.payloads.endpoints import make_router
from quilate.scripts.payloads.outputs import OutputParts, OutputStore
from quilate.scripts.payloads.service import PayloadService
from tests.support.script_executions import Site, running_worker, site

SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["cpf", "total"],
        "properties": {
            "cpf": {"type": "string", "x-tokenise": "cpf", "x-subject": True},
            "email": {"type": "string", "x-sensitive": True},
            "id": {"type": "string"},
            "total": {"type": "number"},
        },
    },
}
TOTALS = """
function process(data) {
  console.log("first is " + data[0].email + " with " + data[0].cpf);
  if (data[0].total < 0) { throw new Error("bad total of " + data[0].email); }
  const totals = {};
  for (const row of data) { totals[row.cpf] = (totals[row.cpf] || 0) + row.total; }
  return Object.keys(totals).map((who) => ({ who: who, total: totals[who], id: data[0].id }));
}
"""
PEOPLE = [
    {"cpf": "111.444.777-35", "email": "ana@shop.example", "total": 1.5, "id": 9007199254740993},
    {"cpf": "111.444.777-35", "email": "ana@shop.example", "total": 2.0},
    {"cpf": "935.411.347-80", "email": "bia@shop.example", "total": 4.0},
]


@pytest_asyncio.fixture
async def scripts(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(database, tmp_path) as opened, running_worker(database.url, tmp_path, sandboxes=1):
        yield opened


@pytest_asyncio.fixture
async def payloads(scripts: Site) -> AsyncIterator[httpx.AsyncClient]:
    """Give the routes of payloads beside those of executions."""
    access = Access(scripts.callers, AccessTrail(scripts.database))
    catalogue = CatalogueService(scripts.database, DirectoryArtifactStore(scripts.directory / "artifacts"))
    await catalogue.create(scripts.granted(), EntryKind.DATASET, "totals", "")
    outputs = OutputStore(
        OutputParts(
            database=scripts.database, store=scripts.store, catalogue=catalogue, intake=Intake(scripts.database)
        )
    )
    assert scripts.store.vault is not None
    service = PayloadService(scripts.database, scripts.store, scripts.store.vault, days=30)
    app = FastAPI()
    app.include_router(make_router(service, outputs, access), prefix="/api/v1")
    onward = handing_on.make_router(scripts.service, scripts.versions, outputs, access, scripts.database)
    app.include_router(onward, prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": "Bearer dev"}
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test/api/v1", headers=headers) as client:
        yield client


async def executed(
    scripts: Site, version: ScriptVersion, content: bytes, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = await scripts.client.post(
        f"/projects/fraud/scripts/{version.script_id}/executions?wait=20",
        content=content,
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    assert answer.status_code in {200, 201, 202}, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.asyncio
async def test_personal_data_is_tokenised_masked_sealed_and_erased(scripts: Site, payloads: httpx.AsyncClient) -> None:
    version = await scripts.script(TOTALS, input_schema=SCHEMA)
    headers = {"Content-Encoding": "gzip"}
    found = await executed(scripts, version, gzip.compress(json.dumps(PEOPLE).encode()), headers)
    assert (found["status"], found["erased"]) == ("completed", None), found
    execution = found["id"]
    output = (await scripts.client.get(f"/projects/fraud/executions/{execution}/output")).json()
    assert [row["total"] for row in output] == [3.5, 4.0]
    assert all(row["who"].startswith("tok_cpf_") for row in output)
    assert output[0]["id"] == "9007199254740993"
    console = (await scripts.client.get(f"/projects/fraud/executions/{execution}/console")).text
    assert "[masked]" in console
    stored = repr(await scripts.rows("SELECT * FROM script_payloads")) + repr(
        await scripts.rows("SELECT * FROM script_executions")
    )
    for secret in ("111.444", "ana@", "tok_cpf"):
        assert secret not in console
        assert secret not in stored

    failed = await executed(scripts, version, json.dumps([{**PEOPLE[0], "total": -1}]).encode())
    assert failed["status"] == "failed"
    assert "ana@shop.example" not in json.dumps(failed)

    admin = {"Authorization": "Bearer admin"}
    wish = {"subject": "111.444.777-35", "reason": "request 17"}
    erased = await payloads.post("/projects/fraud/script-erasures", json=wish, headers=admin)
    assert (erased.status_code, erased.json()["executions"]) == (201, 2)
    for one, part in product((execution, failed["id"]), ("input", "output", "console")):
        gone = await scripts.client.get(f"/projects/fraud/executions/{one}/{part}")
        assert (gone.status_code, gone.json()["erasure"]) == (410, erased.json()["id"]), (one, part)
    again = (await scripts.client.get(f"/projects/fraud/executions/{execution}")).json()
    assert (again["status"], again["output"]) == ("completed", None), "that there was an execution stays"
    listed = (await scripts.client.get("/projects/fraud/executions")).json()["items"]
    assert {each["erased"] for each in (again, *listed)} == {erased.json()["id"]}
    data = (again["input"], again["output_data"])
    assert [(each["digest"], each["inline"]) for each in data] == [("", False)] * 2
    assert await scripts.rows("SELECT * FROM script_payloads") == []


@pytest.mark.asyncio
async def test_an_input_that_breaks_its_schema_is_refused_with_its_places(scripts: Site) -> None:
    version = await scripts.script(TOTALS, input_schema=SCHEMA)
    lines = b'{"cpf": "1", "total": 1}\n{"cpf": 7391, "total": 2}\n{"cpf": "3"}\n'
    answer = await scripts.client.post(
        f"/projects/fraud/scripts/{version.script_id}/executions",
        content=lines,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"].endswith("/input-invalid")
    assert [(each["pointer"], each["record"], each["line"]) for each in problem["errors"]] == [
        ("#/1/cpf", 1, 2),
        ("#/2", 2, 3),
    ]
    assert "7391" not in answer.text
    assert await scripts.rows("SELECT * FROM script_executions") == []


@pytest.mark.asyncio
async def test_an_output_becomes_a_version_that_the_gate_judges(scripts: Site, payloads: httpx.AsyncClient) -> None:
    source = "function process(data) { return data.map((row) => ({ a: row.a, b: row.a * 2 })); }"
    version = await scripts.script(source)
    found = await executed(scripts, version, b'[{"a": 1}, {"a": 2}]')
    path = f"/projects/fraud/executions/{found['id']}/dataset-versions"
    first = await payloads.post(path, json={"dataset": "totals", "gate": True, "blueprint": "ds-batch"})
    assert first.status_code == 201, first.text
    told = first.json()
    assert (told["version"], told["rows"]) == (1, 2)
    assert first.headers["location"] == "/api/v1/projects/fraud/datasets/totals/versions/1"
    again = await payloads.post(path, json={"dataset": "totals", "gate": True, "blueprint": "ds-batch"})
    assert (again.status_code, again.json()) == (200, told), "the same version and the same run"
    (run,) = await scripts.rows("SELECT run_id, event FROM run_submissions")
    assert (str(run["run_id"]), run["event"]) == (told["run"], "script_output")
    lineage = (await payloads.get("/projects/fraud/datasets/totals/versions/1/lineage")).json()["items"]
    assert [(each["execution_id"], each["script_version"]) for each in lineage] == [(found["id"], version.semver)]
    other = f"/projects/credit/executions/{found['id']}/dataset-versions"
    assert (await payloads.post(other, json={"dataset": "totals"})).status_code == 404
    unknown = (await payloads.post(path, json={"dataset": "total"})).json()
    assert (unknown["status"], "POST" in unknown["next_step"]) == (404, True)
    viewer = {"Authorization": "Bearer viewer"}
    assert (await payloads.post(path, json={"dataset": "totals"}, headers=viewer)).status_code == 403


@pytest.mark.asyncio
async def test_an_execution_without_output_gives_no_version(scripts: Site, payloads: httpx.AsyncClient) -> None:
    version = await scripts.script('function process() { throw new Error("no"); }')
    found = await executed(scripts, version, b"[]")
    path = f"/projects/fraud/executions/{found['id']}/dataset-versions"
    assert (await payloads.post(path, json={"dataset": "totals"})).status_code == 409


@pytest.mark.asyncio
async def test_csv_is_read_as_its_schema_says(scripts: Site) -> None:
    schema = {
        "type": "array",
        "items": {"type": "object", "properties": {"code": {"type": "string", "pattern": "^00"}}},
    }
    version = await scripts.script("function process(data) { return data; }", input_schema=schema)
    found = await executed(scripts, version, b"code,n\n007,1\n008,2\n", {"Content-Type": "text/csv"})
    assert found["status"] == "completed", found
    output = (await scripts.client.get(f"/projects/fraud/executions/{found['id']}/output")).text
    assert "007" in output
