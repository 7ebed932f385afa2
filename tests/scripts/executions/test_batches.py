"""Executions in chunks and groups, of files, and what becomes of them when some parts fail (A11, A14, A21)."""

import datetime as dt
import io
import json
import os
import signal
from decimal import Decimal

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from quilate.sandbox.model import FailureClass, Limits
from quilate.scripts.executions.model import Execution, Options, Status
from quilate.scripts.model import FileFormat, Mode, ScriptVersion, Shape
from tests.support.sandbox_processes import computing_sandbox
from tests.support.script_executions import DEADLINE_SECONDS, Site, running_worker, until

DOUBLE = "function process(data) { return data.map(each => ({n: each.n * 2})); }"


def lines(*numbers: int) -> bytes:
    """Return records as NDJSON."""
    return b"".join(json.dumps({"n": number}).encode() + b"\n" for number in numbers)


async def run(
    site: Site, version: ScriptVersion, data: bytes, form: FileFormat, options: Options | None = None
) -> Execution:
    """Submit data and wait for the end."""
    payload = await site.store.keep_bytes(data, form)
    submitted = await site.service.submit(
        site.granted(), version, payload, options=options, wait_seconds=DEADLINE_SECONDS
    )
    assert submitted.ended is not None
    return submitted.ended


async def content(site: Site, execution: Execution) -> bytes:
    """Return an execution's output."""
    assert execution.output is not None, execution.failure
    return await site.store.read(execution.output, execution.project_id)


@pytest.mark.asyncio
async def test_chunks_of_lines_give_lines(executions: Site, database_url: str) -> None:
    version = await executions.script(DOUBLE, shape=Shape(mode=Mode.CHUNK, size=10))
    async with running_worker(database_url, executions.directory):
        ended = await run(executions, version, lines(*range(35)), FileFormat.NDJSON)
    assert ended.status is Status.COMPLETED
    assert ended.output is not None
    assert ended.output.format is FileFormat.NDJSON
    found = [json.loads(line)["n"] for line in (await content(executions, ended)).splitlines()]
    assert found == [2 * n for n in range(35)]
    assert ended.parts is not None
    assert (ended.parts["parts"], ended.parts["records_in"], ended.parts["records_out"]) == (4, 35, 35)
    assert ended.cpu_us


@pytest.mark.asyncio
async def test_parquet_goes_in_and_out(executions: Site, database_url: str) -> None:
    version = await executions.script(DOUBLE, shape=Shape(mode=Mode.CHUNK, size=100))
    file = io.BytesIO()
    parquet.write_table(pa.table({"n": list(range(250))}), file)
    async with running_worker(database_url, executions.directory):
        ended = await run(executions, version, file.getvalue(), FileFormat.PARQUET)
    assert ended.status is Status.COMPLETED, ended.failure
    table = parquet.read_table(io.BytesIO(await content(executions, ended)))
    assert table.column("n").to_pylist() == [2 * n for n in range(250)]


@pytest.mark.asyncio
async def test_arrow_comes_out_as_a_stream_that_goes_in_again(executions: Site, database_url: str) -> None:
    version = await executions.script(DOUBLE, shape=Shape(mode=Mode.CHUNK, size=100))
    async with running_worker(database_url, executions.directory):
        wish = Options(output_format=FileFormat.ARROW)
        ended = await run(executions, version, lines(*range(250)), FileFormat.NDJSON, wish)
        assert ended.status is Status.COMPLETED, ended.failure
        stream = await content(executions, ended)
        with pa.ipc.open_stream(stream) as reader:
            assert reader.read_all().column("n").to_pylist() == [2 * n for n in range(250)]
        again = await executions.client.post(
            f"/projects/fraud/scripts/{version.script_id}/executions?wait=20",
            content=stream,
            headers={"Content-Type": "application/vnd.apache.arrow.stream"},
        )
    assert (again.status_code, again.json()["status"]) == (200, "completed"), again.text
    assert again.json()["output_data"]["format"] == "arrow"


@pytest.mark.asyncio
async def test_an_arrow_stream_in_one_call_has_the_values_of_a_parquet_file(
    executions: Site, database_url: str
) -> None:
    moment = dt.datetime(2024, 2, 29, 3, 4, 5, 678000, tzinfo=dt.UTC)
    table = pa.table(
        {
            "price": pa.array([Decimal("12.30")], pa.decimal128(10, 2)),
            "at": pa.array([moment], pa.timestamp("ms", "UTC")),
            "day": [moment.date()],
            "time": [moment.time()],
            "took": pa.array([1500], pa.duration("ms")),
            "raw": [b"a"],
            "name": pa.array(["a longer text than twelve bytes"], pa.string_view()),
            "pair": pa.array([[1.5, 2]], pa.list_(pa.float64(), 2)),
            "tags": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
        }
    )
    sink, file = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    parquet.write_table(table, file)
    version = await executions.script("function process(data) { return data; }")
    async with running_worker(database_url, executions.directory):
        given = ((sink, FileFormat.ARROW), (file, FileFormat.PARQUET))
        ended = [await run(executions, version, data.getvalue(), form) for data, form in given]
    assert [each.status for each in ended] == [Status.COMPLETED] * 2, [each.failure for each in ended]
    one, other = [json.loads(await content(executions, each)) for each in ended]
    assert one == other
    assert one[0]["price"] == "12.30"
    assert one[0]["at"] == "2024-02-29T03:04:05.678Z"


@pytest.mark.asyncio
async def test_a_part_that_fails_is_named_and_the_others_are_kept(executions: Site, database_url: str) -> None:
    source = """function process(data) {
      return data.map(each => { if (each.n === 17) throw new Error('seventeen'); return each; });
    }"""
    version = await executions.script(source, shape=Shape(mode=Mode.CHUNK, size=10))
    async with running_worker(database_url, executions.directory):
        ended = await run(executions, version, lines(*range(30)), FileFormat.NDJSON)
    assert ended.status is Status.FAILED
    assert ended.failure is not None
    assert ended.failure.kind is FailureClass.RUNTIME
    assert "1 of 3 parts failed" in ended.failure.message
    assert "seventeen" in ended.failure.message
    assert ended.parts is not None
    assert [(each["part"], each["first_record"]) for each in ended.parts["failed"]] == [(1, 10)]
    kept = [json.loads(line)["n"] for line in (await content(executions, ended)).splitlines()]
    assert kept == [*range(10), *range(20, 30)]


@pytest.mark.asyncio
async def test_groups_are_combined_into_one_answer(executions: Site, database_url: str) -> None:
    source = """function process(data) { return {k: data[0].k, n: data.length}; }
    function combine(partials) { return partials.sort((a, b) => a.k < b.k ? -1 : 1); }"""
    version = await executions.script(source, shape=Shape(mode=Mode.GROUP, key=("k",), combine=True))
    data = json.dumps([{"k": "ab"[n % 2], "n": n} for n in range(7)]).encode()
    async with running_worker(database_url, executions.directory):
        ended = await run(executions, version, data, FileFormat.JSON)
    assert ended.status is Status.COMPLETED, ended.failure
    assert json.loads(await content(executions, ended)) == [{"k": "a", "n": 4}, {"k": "b", "n": 3}]


@pytest.mark.asyncio
async def test_only_the_parts_whose_sandbox_died_run_again(executions: Site, database_url: str) -> None:
    # Every chunk takes a while; one sandbox is killed under the second one.
    source = """function process(data) {
      const end = Date.now() + 700; while (Date.now() < end) {} return data;
    }"""
    version = await executions.script(source, shape=Shape(mode=Mode.CHUNK, size=1))
    payload = await executions.store.keep_bytes(lines(*range(4)), FileFormat.NDJSON)
    async with running_worker(database_url, executions.directory, sandboxes=1):
        submitted = await executions.service.submit(executions.granted(), version, payload, options=Options(attempts=3))

        async def first_part_kept() -> bool:
            return any(b'{"n":0}' in kept.read_bytes() for kept in executions.directory.glob("scripts/*/parts/*"))

        await until(first_part_kept, "the result of the first part")
        os.kill(await computing_sandbox(os.getpid()), signal.SIGKILL)
        ended = await executions.ended(submitted.id)
    assert ended.status is Status.COMPLETED, ended.failure
    assert [json.loads(line)["n"] for line in (await content(executions, ended)).splitlines()] == [0, 1, 2, 3]
    assert ended.parts is not None
    assert ended.attempts == 2
    assert ended.parts["reused"] >= 1


@pytest.mark.asyncio
async def test_an_answer_in_another_format_and_limits_of_each_call(executions: Site, database_url: str) -> None:
    version = await executions.script(DOUBLE)
    async with running_worker(database_url, executions.directory):
        options = Options(output_format=FileFormat.NDJSON)
        ended = await run(executions, version, b'[{"n":1},{"n":2}]', FileFormat.JSON, options)
        broken = await run(executions, version, b'[{"n":1},', FileFormat.JSON)
    assert (await content(executions, ended)).splitlines() == [b'{"n":2}', b'{"n":4}']
    assert broken.failure is not None
    assert broken.failure.kind is FailureClass.INPUT
    assert Limits() == version.limits


@pytest.mark.asyncio
@pytest.mark.parametrize("shape", [Shape(mode=Mode.CHUNK, size=1), Shape(mode=Mode.GROUP, key=("name",))])
async def test_failed_parts_tell_no_sensitive_values(executions: Site, database_url: str, shape: Shape) -> None:
    person = {"type": "object", "properties": {"name": {"type": "string", "x-sensitive": True}}}
    version = await executions.script(
        "function process(data) { throw new Error('no card for ' + data[0].name); }",
        shape=shape,
        input_schema={"type": "array", "items": person},
    )
    path = f"/projects/fraud/scripts/{version.script_id}/executions?wait=20"
    people = [{"name": "Maria Aparecida"}, {"name": "Bia Lopes"}]
    async with running_worker(database_url, executions.directory):
        answer = await executions.client.post(path, json=people)
    failed = answer.json()["parts"]["failed"]
    assert len(failed) == 2
    assert all(each["message"].startswith("Error: no card for ") for each in failed)
    assert "Maria" not in answer.text
    assert "Bia" not in answer.text
    (row,) = await executions.rows("SELECT parts::text AS parts, failure_message FROM script_executions")
    assert "Maria" not in row["parts"] + row["failure_message"]
