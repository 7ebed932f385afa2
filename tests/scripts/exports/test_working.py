"""Outputs that a submission sends on: into a dataset, through its gate, into an object store (A11, A13, A14)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quilate.accounts.trail.recording import AccessTrail
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.backoff import Backoff
from quilate.kit.database.database import Database
from quilate.runs.durable.intake import Intake
from quilate.scripts.executions.gauges import execution_readings
from quilate.scripts.exports import store
from quilate.scripts.exports.model import ClaimedExport, Exported
from quilate.scripts.exports.working import Exporter, ExportOptions, ExportParts, run_exports
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.object_stores import ObjectStores, read_rule
from quilate.scripts.payloads.outputs import OutputParts, OutputStore
from tests.support.object_servers import ObjectServer, object_server
from tests.support.script_executions import Site, running_worker, site, until

DOUBLE = "function process(data) { return data.map((row) => ({ a: row.a, b: row.a * 2 })); }"
OPTIONS = ExportOptions(
    look_seconds=0.02, most_attempts=3, lease_seconds=30, backoff=Backoff(first_seconds=0.01, longest_seconds=0.02)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """The routes with a script worker, and what exports are carried out with."""

    scripts: Site
    catalogue: CatalogueService
    parts: ExportParts
    server: ObjectServer

    async def submitted(
        self, version: ScriptVersion, query: str, *, key: str | None = None, content: bytes = b'[{"a":1},{"a":2}]'
    ) -> dict[str, Any]:
        """Submit an execution and return its end."""
        path = f"/projects/fraud/scripts/{version.script_id}/executions?wait=20&{query}"
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        answer = await self.scripts.client.post(path, content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def export(self, execution: str) -> dict[str, Any]:
        """Return what the API says of an export."""
        found: dict[str, Any] = (await self.scripts.client.get(f"/projects/fraud/executions/{execution}")).json()
        export: dict[str, Any] = found["export"]
        return export

    async def listed(self, state: str) -> list[str]:
        """Return the executions whose export is in a state."""
        answer = await self.scripts.client.get("/projects/fraud/executions", params={"export": state})
        return [each["id"] for each in answer.json()["items"]]

    async def exported(self, execution: str) -> dict[str, Any]:
        """Return an export once it has ended."""

        async def ended() -> bool:
            return (await self.export(execution))["state"] in {"completed", "failed"}

        await until(ended, "the end of the export")
        return await self.export(execution)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Carry exports out for the time of the block."""
        stop = asyncio.Event()
        task = asyncio.create_task(run_exports(self.parts, stop, OPTIONS))
        try:
            yield
        finally:
            stop.set()
            await task


@pytest_asyncio.fixture
async def exporting(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Exporting]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    with object_server() as server:
        rule = read_rule(f"s3://bucket/{{project}}/out?endpoint={server.url}&region=eu-west-1")
        objects = ObjectStores(rules=(rule,), seconds=5, retry_seconds=0.1)
        async with site(database, tmp_path, objects=objects) as opened, running_worker(database.url, tmp_path):
            catalogue = CatalogueService(database, DirectoryArtifactStore(tmp_path / "artifacts"))
            await catalogue.create(opened.granted(), EntryKind.DATASET, "totals", "")
            outputs = OutputStore(
                OutputParts(database=database, store=opened.store, catalogue=catalogue, intake=Intake(database))
            )
            parts = ExportParts(database=database, outputs=outputs, trail=AccessTrail(database))
            yield Exporting(scripts=opened, catalogue=catalogue, parts=parts, server=server)


@pytest.mark.asyncio
async def test_an_output_becomes_a_version_that_a_run_judges(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    async with exporting.working():
        found = await exporting.submitted(
            version, "output_dataset=totals&output_gate=true&output_blueprint=ds-batch&output_format=ndjson"
        )
        export = await exporting.exported(found["id"])
        assert (export["state"], export["dataset"], export["version"]) == ("completed", "totals", 1), export
        (run,) = await exporting.scripts.rows("SELECT run_id, event FROM run_submissions")
        assert (export["run"], run["event"]) == (str(run["run_id"]), "script_output")
        lineage = await exporting.scripts.rows("SELECT execution_id, script_version, created_by FROM script_lineage")
        assert [(str(row["execution_id"]), row["script_version"]) for row in lineage] == [(found["id"], version.semver)]
        assert lineage[0]["created_by"] == "user:dev", "whoever has submitted it"
        other = await exporting.submitted(version, "output_dataset=totals&output_format=ndjson")
        assert (await exporting.exported(other["id"]))["version"] == 1, "the same content is the same version"
    listed = (await exporting.scripts.client.get("/projects/fraud/executions")).json()["items"]
    assert [each["export"]["state"] for each in listed] == ["completed", "completed"]
    seen = await exporting.scripts.rows("SELECT subject FROM access_records WHERE route = 'script export'")
    assert {row["subject"] for row in seen} == {f"execution:{found['id']}/output", f"execution:{other['id']}/output"}
    actions = await exporting.scripts.rows(
        "SELECT action FROM audit_pending WHERE action LIKE 'script.execution.exp%%'"
    )
    assert [row["action"] for row in actions] == ["script.execution.exported"] * 2
    events = await exporting.scripts.rows("SELECT subject FROM outgoing_events WHERE type LIKE '%%.execution.exported'")
    assert {row["subject"] for row in events} == {f"execution:{found['id']}", f"execution:{other['id']}"}


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["json", "ndjson", "parquet", "arrow"])
async def test_tables_of_every_format_become_versions(exporting: Exporting, form: str) -> None:
    version = await exporting.scripts.script(DOUBLE)
    async with exporting.working():
        found = await exporting.submitted(version, f"output_dataset=totals&output_format={form}")
        export = await exporting.exported(found["id"])
    assert (export["state"], export["version"]) == ("completed", 1), export
    project = exporting.scripts.granted().project
    registered = await exporting.catalogue.version(project, EntryKind.DATASET, "totals", 1)
    assert (registered.rows, [column.name for column in registered.columns]) == (2, ["a", "b"])


@pytest.mark.asyncio
async def test_a_provider_that_is_away_is_asked_again_and_the_fault_is_shown(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    exporting.server.refuses = 503
    found = await exporting.submitted(version, "output_url=s3://bucket/fraud/out/day")
    assert found["status"] == "completed", "the execution itself is none the worse"
    assert (found["export"]["state"], found["export"]["attempts"]) == ("pending", 0)
    async with exporting.working():
        export = await exporting.exported(found["id"])
        assert (export["state"], export["attempts"]) == ("failed", OPTIONS.most_attempts), export
        assert export["problem"]
        assert "internal-address" not in str(export)
        assert await exporting.listed("failed") == [found["id"]]
        exporting.server.refuses = 0
        admin = {"Authorization": "Bearer admin"}
        path = f"/projects/fraud/executions/{found['id']}/replay"
        replayed = await exporting.scripts.client.post(path, headers=admin)
        assert (replayed.status_code, replayed.json()["status"]) == (202, "completed")
        export = await exporting.exported(found["id"])
        assert (export["state"], export["url"]) == ("completed", f"s3://bucket/fraud/out/day/{found['id']}.json")
        assert export["problem"] is None
        assert (await exporting.listed("failed"), await exporting.listed("completed")) == ([], [found["id"]])
        stored = exporting.server.objects[f"bucket/fraud/out/day/{found['id']}.json"]
        assert stored == b'[{"a":1,"b":2},{"a":2,"b":4}]'
        assert (await exporting.scripts.client.post(path, headers=admin)).status_code == 409, "nothing is left to do"


@pytest.mark.asyncio
async def test_what_can_never_be_done_is_given_up_at_once(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    found = await exporting.submitted(version, "output_dataset=totals")
    await _archive(exporting, archived=True)
    async with exporting.working():
        export = await exporting.exported(found["id"])
        assert (export["state"], export["attempts"], export["version"]) == ("failed", 1, None), export
        assert "archived" in export["problem"]
    archived = await exporting.scripts.client.post(
        f"/projects/fraud/scripts/{version.script_id}/executions?output_dataset=totals", content=b"[]"
    )
    assert (archived.status_code, "archived" in archived.json()["detail"]) == (409, True)


async def _archive(exporting: Exporting, *, archived: bool) -> None:
    access = exporting.scripts.granted()
    await exporting.catalogue.change(
        access, EntryKind.DATASET, "totals", description=None, archived=archived, revision=None
    )


@pytest.mark.asyncio
async def test_who_waits_sees_the_export_that_a_later_reader_sees(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    found = await exporting.submitted(version, "output_dataset=totals", key="same")
    assert found["export"] == await exporting.export(found["id"])
    assert found["export"]["state"] == "pending"
    async with exporting.working():
        export = await exporting.exported(found["id"])
    again = await exporting.submitted(version, "output_dataset=totals", key="same")
    assert (again["id"], again["export"]) == (found["id"], export)
    assert export["state"] == "completed"


@pytest.mark.asyncio
async def test_a_result_that_is_no_table_is_told(exporting: Exporting) -> None:
    version = await exporting.scripts.script("function process(data) { return data.length; }")
    async with exporting.working():
        found = await exporting.submitted(version, "output_dataset=totals")
        export = await exporting.exported(found["id"])
    assert (export["state"], export["attempts"], export["version"]) == ("failed", 1, None)
    assert "records" in export["next_step"]


@pytest.mark.asyncio
async def test_what_a_dead_process_held_is_carried_out_by_another_once(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    found = await exporting.submitted(version, "output_dataset=totals&output_format=ndjson")
    database = exporting.scripts.database

    async def claim(lease: float) -> list[ClaimedExport]:
        return await database.run(lambda each: store.claim(each, limit=4, lease_seconds=lease))

    readings = {each.name: each.value for each in await execution_readings(database)()}
    assert readings["script_exports_pending"] == 1
    assert readings["script_exports_oldest_seconds"] > 0
    (dead,) = await claim(0.0)
    assert str(dead.execution_id) == found["id"]
    (living,) = await claim(30.0)
    assert await claim(30.0) == [], "as long as its lease lasts nobody else has it"
    assert not await database.run(lambda each: store.end(each, dead, Exported(version=7))), "a late end counts nothing"
    await Exporter(exporting.parts, OPTIONS).carry_out(living)
    export = await exporting.export(found["id"])
    assert (export["state"], export["version"], export["attempts"]) == ("completed", 1, 2)


@pytest.mark.asyncio
async def test_an_execution_without_output_exports_nothing(exporting: Exporting) -> None:
    version = await exporting.scripts.script('function process() { throw new Error("no"); }')
    found = await exporting.submitted(version, "output_dataset=totals")
    assert (found["status"], found["export"]["state"]) == ("failed", "skipped")
    assert await exporting.scripts.rows("SELECT * FROM script_exports") == []


@pytest.mark.asyncio
async def test_an_output_that_has_expired_is_told(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    found = await exporting.submitted(version, "output_dataset=totals")
    async with exporting.scripts.database.connection() as connection:
        await connection.execute("DELETE FROM script_payloads")
    async with exporting.working():
        export = await exporting.exported(found["id"])
    assert (export["state"], export["problem"]) == ("failed", "the output is not kept any more")


SENSITIVE = {"type": "array", "items": {"type": "object", "properties": {"a": {"x-sensitive": True}}}}


@pytest.mark.asyncio
async def test_what_could_never_be_carried_out_is_refused_before_anything_is_queued(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    sealed = await exporting.scripts.script(DOUBLE, output_schema=SENSITIVE)
    client = exporting.scripts.client

    async def refused(query: str, asked: ScriptVersion = version, caller: str = "dev") -> tuple[int, str]:
        path = f"/projects/fraud/scripts/{asked.script_id}/executions?{query}"
        answer = await client.post(path, content=b"[]", headers={"Authorization": f"Bearer {caller}"})
        return answer.status_code, answer.json()["type"].rpartition("/")[2]

    assert await refused("output_dataset=missing") == (404, "not-found")
    assert await refused("output_dataset=Not%20One") == (422, "invalid-request")
    assert await refused("output_dataset=totals%0a") == (422, "invalid-request")
    assert await refused("output_gate=true") == (422, "invalid-request")
    assert await refused("output_dataset=totals&output_blueprint=ds-batch") == (422, "invalid-request")
    assert await refused("output_url=s3://bucket/credit/out") == (422, "source-refused")
    assert await refused("output_url=s3://bucket/fraud/out/../../credit") == (422, "source-refused")
    assert await refused("output_url=https://shop.example/put") == (422, "source-refused")
    assert await refused("output_dataset=totals", asked=sealed) == (422, "invalid-request")
    assert await refused("output_url=s3://bucket/fraud/out", asked=sealed) == (422, "invalid-request")
    assert await exporting.scripts.rows("SELECT * FROM script_executions") == []


@pytest.mark.asyncio
async def test_the_target_is_part_of_the_request_that_a_key_names(exporting: Exporting) -> None:
    version = await exporting.scripts.script(DOUBLE)
    first = await exporting.submitted(version, "output_dataset=totals", key="one")
    again = await exporting.submitted(version, "output_dataset=totals", key="one")
    assert again["id"] == first["id"]
    path = f"/projects/fraud/scripts/{version.script_id}/executions"
    other = await exporting.scripts.client.post(
        path, content=b'[{"a":1},{"a":2}]', headers={"Idempotency-Key": "one", "Content-Type": "application/json"}
    )
    assert (other.status_code, other.json()["execution"]) == (422, first["id"])
    assert len(await exporting.scripts.rows("SELECT * FROM script_exports")) == 1
