"""Sessions: an isolate from call to call, functions by their names, columns after text (A05, A06, A21)."""

import importlib
import json
from typing import Any

import pytest

from quilate.sandbox.model import FailureClass, Format, Limits, Outcome, Payload, Program
from quilate.sandbox.pool import SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOUBLE = Program(source="function process(data) { return data.map((r) => r.a * 2) }")
RECORDS = Payload(data=b'[{"a":1},{"a":2.5},{"a":-3}]')


async def test_a_session_keeps_its_isolate_until_a_failure_costs_it(pool: SandboxPool) -> None:
    source = (
        "let n = 0; function process(d) { n++; if (d === 'loop') for (;;); if (d === 'throw') throw new Error('x');"
        " if (d === 'heap') { const k = []; for (;;) k.push(new ArrayBuffer(1 << 24)) } return n }"
        " const combine = (parts) => parts.length + n"
    )
    async with pool.session(Program(source=source), limits=Limits(wall_seconds=1.0)) as session:

        async def call(word: str) -> Outcome:
            return await session.call(Payload(data=json.dumps(word).encode()))

        assert [(await call("")).output for _ in range(3)] == [b"1", b"2", b"3"]
        assert (await session.call(Payload(data=b"[1,2]"), function="combine")).output == b"5"
        thrown = await call("throw")
        assert thrown.failure is not None
        assert thrown.failure.kind is FailureClass.RUNTIME
        assert (await call("")).output == b"5"
        for word, kind in (("loop", FailureClass.TIMEOUT), ("heap", FailureClass.MEMORY)):
            failed = await call(word)
            assert failed.failure is not None
            assert failed.failure.kind is kind
            assert (await call("")).output == b"1"
    closed = await session.call(Payload(data=b"1"))
    assert closed.failure is not None
    assert closed.failure.kind is FailureClass.UNAVAILABLE


async def test_each_call_of_a_session_finds_the_function_that_it_names(pool: SandboxPool) -> None:
    source = """
    function process(data) { console.log(data); return data }
    function define() { globalThis.later = (data) => `later ${data}`; return 0 }
    const number = 5;
    """

    async def call(function: str) -> bytes | FailureClass:
        outcome = await session.call(Payload(data=b"7"), function=function)
        return outcome.output if outcome.failure is None else outcome.failure.kind  # type: ignore[return-value]

    async with pool.session(Program(source=source)) as session:
        assert await call("later") is FailureClass.RUNTIME
        assert [await call("process") for _ in range(2)] == [b"7", b"7"]
        assert await call("number") is FailureClass.RUNTIME
        assert await call("define") == b"0"
        assert await call("later") == b'"later 7"'
        assert await call("process") == b"7"
        assert await call("absent") is FailureClass.RUNTIME
        assert await call("later") == b'"later 7"'


async def test_a_name_means_the_first_function_that_was_found_for_it(pool: SandboxPool) -> None:
    source = """
    function process() { globalThis.process = () => "second"; return "first" }
    function other() { return "other" }
    Promise.resolve().then(() => { globalThis.late = () => "late" });
    """
    async with pool.session(Program(source=source)) as session:
        calls = [("process", b"1"), ("process", b"[1234567890123456]"), ("other", b"1"), ("process", b"1")]
        outcomes = [await session.call(Payload(data=data), function=name) for name, data in calls]
        assert [outcome.output for outcome in outcomes] == [b'"first"', b'"first"', b'"other"', b'"first"']
        assert (await session.call(RECORDS, function="late")).output == b'"late"'
    async with pool.session(Program(source=source)) as session:
        outcomes = [await session.call(RECORDS, function="late") for _ in range(3)]
        assert [outcome.output for outcome in outcomes] == [None, b'"late"', b'"late"']


async def test_columns_are_built_of_what_no_script_has_changed(pool: SandboxPool) -> None:
    pa: Any = importlib.import_module("pyarrow")
    source = """
    const Small = ArrayBuffer;
    globalThis.ArrayBuffer = function () { return new Small(1, { maxByteLength: 8 }) };
    let calls = 0;
    function process(data) { if (data.length === 3) throw new Error("three"); return [++calls, data[0].a] }
    """
    sink = pa.BufferOutputStream()
    table = pa.table({"a": [7, 8]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    columns = Payload(data=sink.getvalue().to_pybytes(), format=Format.ARROW)
    async with pool.session(Program(source=source)) as session:
        assert [(await session.call(Payload(data=b'[{"a":1}]'))).output for _ in range(2)] == [b"[1,1]", b"[2,1]"]
        assert [(await session.call(columns)).output for _ in range(2)] == [b"[1,7]", b"[2,7]"], "it began anew"
        assert (await session.call(Payload(data=b'[{"a":1}]'))).output == b"[3,1]"
    throwing = Program(source=source.replace("data.length === 3", "data.some((r) => r.a === 8)"))
    outcome = await pool.execute(throwing, columns)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.record) == (FailureClass.RUNTIME, 1)


async def test_open_sessions_take_no_worker_from_executions(pool: SandboxPool) -> None:
    async with pool.session(DOUBLE) as one, pool.session(DOUBLE) as two, pool.session(DOUBLE) as three:
        for session in (one, two, three):
            assert (await session.call(RECORDS)).output == b"[2,5,-6]"
        assert (await pool.execute(DOUBLE, RECORDS)).output == b"[2,5,-6]"
