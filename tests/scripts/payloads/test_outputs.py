"""Outputs: objects, dataset versions with lineage, the data gate (A11)."""

import io
from collections.abc import AsyncIterator
from uuid import uuid4

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import pytest_asyncio

from quilate.accounts.model import Role
from quilate.datasets.model import EntryKind
from quilate.datasets.service import CatalogueService
from quilate.evidence.artifacts import DirectoryArtifactStore
from quilate.kit.web.problems import Problem
from quilate.runs.durable.intake import Intake
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import Lineage
from quilate.scripts.payloads.object_stores import ObjectStores, read_rule
from quilate.scripts.payloads.outputs import OutputParts, OutputStore
from tests.support.object_servers import object_server
from tests.support.payloads import PayloadSite
from tests.support.projects_access import access_to

RECORDS = b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'


def lineage() -> Lineage:
    return Lineage(
        execution_id=uuid4(),
        script_id=uuid4(),
        script_version_id=uuid4(),
        script_version="1.2.0",
        input_digest="sha256:" + "a" * 64,
        input_address="dataset://raw/1/in.csv",
    )


@pytest_asyncio.fixture
async def outputs(site: PayloadSite) -> AsyncIterator[OutputStore]:
    catalogue = CatalogueService(site.database, DirectoryArtifactStore(site.root / "artifacts"))
    await catalogue.create(site.access, EntryKind.DATASET, "clean", "")
    parts = OutputParts(database=site.database, store=site.store, catalogue=catalogue, intake=Intake(site.database))
    yield OutputStore(parts)


@pytest.mark.asyncio
async def test_an_output_becomes_a_version_with_its_lineage(site: PayloadSite, outputs: OutputStore) -> None:
    made_of = lineage()
    output = await site.store.keep_bytes(RECORDS, FileFormat.NDJSON)
    version, new = await outputs.register(site.access, "clean", output, made_of)
    assert (version.number, version.rows, [column.name for column in version.columns]) == (1, 2, ["a", "b"])
    again, anew = await outputs.register(site.access, "clean", output, made_of)
    assert (again.id, new, anew) == (version.id, True, False), "a repeated registration is the first one"
    (row,) = await outputs.lineage(site.access, "clean", 1)
    assert row["execution_id"] == made_of.execution_id
    assert (row["script_version"], row["input_digest"]) == ("1.2.0", made_of.input_digest)
    assert (row["input_address"], row["output_digest"]) == ("dataset://raw/1/in.csv", output.digest)
    other = lineage()
    await outputs.register(site.access, "clean", output, other)
    assert len(await outputs.lineage(site.access, "clean", 1)) == 2, "the same content of two executions"
    async with site.database.connection() as connection:
        cursor = await connection.execute("SELECT action FROM audit_pending WHERE action LIKE 'dataset.version.%'")
        actions = [row["action"] for row in await cursor.fetchall()]
    assert actions == ["dataset.version.registered", "dataset.version.derived", "dataset.version.derived"]


@pytest.mark.asyncio
async def test_a_long_arrow_output_becomes_parquet(site: PayloadSite, outputs: OutputStore) -> None:
    table, sink = pa.table({"n": list(range(50_000))}), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    output = await site.store.keep_bytes(sink.getvalue(), FileFormat.ARROW)
    version, _ = await outputs.register(site.access, "clean", output, lineage())
    assert (version.rows, [(column.name, column.type) for column in version.columns]) == (50_000, [("n", "Int64")])


@pytest.mark.asyncio
async def test_what_cannot_be_registered_says_why(site: PayloadSite, outputs: OutputStore) -> None:
    output = await site.store.keep_bytes(RECORDS, FileFormat.NDJSON)
    with pytest.raises(Problem) as unknown:
        await outputs.register(site.access, "missing", output, lineage())
    assert unknown.value.status == 404
    sealed = await site.store.keep_bytes(RECORDS, FileFormat.NDJSON, seal_for=site.project)
    with pytest.raises(Problem) as sensitive:
        await outputs.register(site.access, "clean", sealed, lineage())
    assert (sensitive.value.status, "sensitive" in sensitive.value.detail) == (422, True)
    table = await site.store.keep_bytes(b'{"not": broken', FileFormat.NDJSON)
    with pytest.raises(Problem) as broken:
        await outputs.register(site.access, "clean", table, lineage())
    assert broken.value.status == 422
    viewer = access_to(site.access.project, Role.VIEWER)
    with pytest.raises(Problem) as forbidden:
        await outputs.register(viewer, "clean", output, lineage())
    assert forbidden.value.status == 403
    with pytest.raises(Problem) as nothing:
        await outputs.lineage(site.access, "clean", 1)
    assert nothing.value.status == 404


@pytest.mark.asyncio
async def test_the_data_gate_judges_the_version_once(site: PayloadSite, outputs: OutputStore) -> None:
    made_of = lineage()
    output = await site.store.keep_bytes(RECORDS, FileFormat.NDJSON)
    version, _ = await outputs.register(site.access, "clean", output, made_of)
    first = await outputs.gate(site.access, "clean", version, made_of, blueprint="ds-batch")
    again = await outputs.gate(site.access, "clean", version, made_of, blueprint="ds-batch")
    assert (first.created, again.created, again.run_id) == (True, False, first.run_id)
    with pytest.raises(Problem) as other:
        await outputs.gate(site.access, "clean", version, made_of, blueprint="api-secure")
    assert (other.value.status, other.value.extensions["run"]) == (422, str(first.run_id))
    async with site.database.connection() as connection:
        cursor = await connection.execute("SELECT document FROM run_submissions")
        (row,) = await cursor.fetchall()
    document = row["document"] if isinstance(row["document"], dict) else None
    told = str(document or row["document"])
    assert "clean" in told
    assert version.digest in told
    assert str(made_of.script_version_id) in told


@pytest.mark.asyncio
async def test_an_output_goes_to_the_projects_object_store(
    site: PayloadSite, outputs: OutputStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    execution = uuid4()
    output = await site.store.keep_bytes(RECORDS * 5000, FileFormat.NDJSON)
    with object_server() as server:
        rule = read_rule(f"s3://bucket/{{project}}/out?endpoint={server.url}&region=eu-west-1")
        site.store.objects = ObjectStores(rules=(rule,), seconds=5, retry_seconds=1)
        kept = await outputs.keep(site.access, execution, output, target="s3://bucket/shop/out/")
        assert kept.reference == f"s3://bucket/shop/out/{execution}.ndjson"
        assert (kept.digest, kept.size, kept.inline) == (output.digest, output.size, None)
        assert server.objects[f"bucket/shop/out/{execution}.ndjson"] == RECORDS * 5000
        assert await site.text(kept) == RECORDS * 5000
        with pytest.raises(Problem) as elsewhere:
            await outputs.keep(site.access, execution, output, target="s3://bucket/bank/out")
        assert elsewhere.value.type == "source-refused"
        sealed = await site.store.keep_bytes(b"[1]", FileFormat.JSON, seal_for=site.project)
        with pytest.raises(Problem) as sensitive:
            await outputs.keep(site.access, execution, sealed, target="s3://bucket/shop/out")
        assert sensitive.value.status == 422
        assert len(server.objects) == 1


@pytest.mark.asyncio
async def test_without_object_stores_none_is_written(site: PayloadSite, outputs: OutputStore) -> None:
    output = await site.store.keep_bytes(RECORDS, FileFormat.NDJSON)
    with pytest.raises(Problem) as caught:
        await outputs.keep(site.access, uuid4(), output, target="s3://bucket/shop")
    assert caught.value.status == 422
