"""Columns go into and out of the strict engine as they do with the default one (A21)."""

import base64
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import yaml

from quilate.sandbox.model import Format, Limits, Payload, Program
from quilate.sandbox.strict import module
from quilate.sandbox.strict.engine import StrictEngine


def _differential() -> ModuleType:
    found = importlib.util.spec_from_file_location("differential", Path(__file__).with_name("test_differential.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


differential = _differential()


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=700)
    content: bytes = sink.getvalue().to_pybytes()
    return content


TABLE = pa.table(
    {
        "id": pa.array(range(2000), pa.int64()),
        "amount": pa.array([None if i % 7 == 0 else i / 3 for i in range(2000)], pa.float64()),
        "name": pa.array([["é", "b", "😀", None][i % 4] for i in range(2000)], pa.string()),
        "flag": pa.array([i % 3 == 0 for i in range(2000)], pa.bool_()),
        "list": pa.array([[i, i + 1] for i in range(2000)], pa.list_(pa.int32())),
    }
)
SCRIPTS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("column_scripts.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def both() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    calls = [differential.call(source, stream(TABLE), format="arrow", answer="arrow") for source in SCRIPTS.values()]
    default, strict = (differential.results(engine, calls, "locked")["results"] for engine in ("default", "strict"))
    return dict(zip(SCRIPTS, zip(default, strict, strict=True), strict=True))


@pytest.mark.parametrize("name", SCRIPTS)
def test_same_columns(both: dict[str, tuple[dict[str, Any], dict[str, Any]]], name: str) -> None:
    default, strict = both[name]

    assert [strict[part] for part in ("output", "kind", "line", "record")] == [
        default[part] for part in ("output", "kind", "line", "record")
    ]


def test_identity_gives_the_rows_back(both: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    output = base64.b64decode(both["identity"][1]["output"])

    assert pa.ipc.open_stream(output).read_all().to_pylist() == TABLE.to_pylist()


def test_columns_in_and_text_out() -> None:
    source = "function process(data) { return [data.length, data[5], data.filter((r) => r.flag).length] }"
    calls = [differential.call(source, stream(TABLE), format="arrow")]

    default, strict = (differential.results(engine, calls)["results"][0]["output"] for engine in ("default", "strict"))

    assert strict is not None
    assert strict == default


def test_broken_stream() -> None:
    calls = [differential.call("function process(data) { return 1 }", b"no stream", format="arrow")]

    assert differential.results("strict", calls)["results"][0]["kind"] == "ScriptInputInvalid"


def test_many_chunks_in_one_session() -> None:
    engine = StrictEngine(module.compiled_code_file())
    engine.boot(heap_bytes=1 << 26, stack_kibibytes=512)
    limits = Limits(heap_bytes=8 << 20)
    session = engine.open(Program(source="function process(data) { return data.filter((r) => r.flag) }"), limits)
    payload = Payload(data=stream(TABLE), format=Format.ARROW)

    results = [session.call(payload, "process", Format.ARROW, limits) for _ in range(40)]
    session.close()

    assert {result.failure for result in results} == {None}
    kept = [record for record in TABLE.to_pylist() if record["flag"]]
    assert all(pa.ipc.open_stream(result.output).read_all().to_pylist() == kept for result in results)
