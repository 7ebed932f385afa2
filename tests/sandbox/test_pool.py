"""Executions, batches and sessions over real worker processes (A05, A06, A11, A13)."""

import asyncio
import importlib
import json
import time
from typing import Any

import pytest

from quilate.sandbox.model import Engine, FailureClass, Format, Level, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOUBLE = Program(source="function process(data) { return data.map((r) => r.a * 2) }")
RECORDS = Payload(data=b'[{"a":1},{"a":2.5},{"a":-3}]')
FOREVER = Program(source="function process(data) { for (;;); }")
PATIENT = Limits(wall_seconds=30, cpu_seconds=30)


async def test_an_execution_gives_its_result_and_what_it_used(pool: SandboxPool) -> None:
    outcome = await pool.execute(DOUBLE, RECORDS)
    assert (outcome.output, outcome.failure) == (b"[2,5,-6]", None)
    assert outcome.engine is Engine.DEFAULT
    assert outcome.level is pool.report.level
    assert 0 < outcome.cpu_milliseconds < 1000
    assert 0 < outcome.wall_milliseconds < 5000
    assert 10 << 20 < outcome.peak_memory_bytes < 500 << 20


async def test_lines_go_in_and_out(pool: SandboxPool) -> None:
    payload = Payload(data=b'\xef\xbb\xbf{"a":1}\n\n  \n{"a":2}', format=Format.NDJSON)
    source = "function process(data) { return data.map((r) => ({ b: r.a })) }"
    outcome = await pool.execute(Program(source=source), payload, answer=Format.NDJSON)
    assert outcome.output == b'{"b":1}\n{"b":2}\n'
    one = await pool.execute(Program(source="function process(data) { return 7 }"), payload, answer=Format.NDJSON)
    assert one.output == b"7\n"


async def test_columns_go_in_and_out(pool: SandboxPool) -> None:
    pa: Any = importlib.import_module("pyarrow")

    table = pa.table({"a": [1.0, 2.5, None], "name": ["x", "y", "z"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    payload = Payload(data=sink.getvalue().to_pybytes(), format=Format.ARROW)
    source = (
        "function process(data) { return data.map((r) => ({ name: r.name + r.name, a: r.a === null ? -1 : r.a })) }"
    )
    outcome = await pool.execute(Program(source=source), payload, answer=Format.ARROW)
    assert outcome.output is not None, outcome.failure
    records = pa.ipc.open_stream(outcome.output).read_all().to_pylist()
    assert records == [{"name": "xx", "a": 1.0}, {"name": "yy", "a": 2.5}, {"name": "zz", "a": -1.0}]
    wrong = await pool.execute(Program(source="function process(d) { return 5 }"), payload, answer=Format.ARROW)
    assert wrong.failure is not None
    assert wrong.failure.kind is FailureClass.RESULT


async def test_a_throw_over_columns_names_its_record(pool: SandboxPool) -> None:
    pa: Any = importlib.import_module("pyarrow")

    table = pa.table({"name": ["x", None, "z"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    payload = Payload(data=sink.getvalue().to_pybytes(), format=Format.ARROW)
    source = "function process(data) { return data.map((r) => r.name.length) }"
    outcome = await pool.execute(Program(source=source), payload)
    assert outcome.failure is not None
    assert outcome.failure.record == 1


@pytest.mark.parametrize("size", [100, 900_000, 3_000_000, 9_000_000])
async def test_payloads_and_results_of_every_length_arrive_whole(pool: SandboxPool, size: int) -> None:
    text = json.dumps(["é" + "x" * size], ensure_ascii=False).encode()
    outcome = await pool.execute(Program(source="function process(d) { return d }"), Payload(data=text))
    assert outcome.failure is None
    assert outcome.output == text


async def test_a_heap_grows_with_the_payload_it_has_to_hold(pool: SandboxPool) -> None:
    records = b"[" + b",".join([b'{"name":"value of the field","number":12345}'] * 300_000) + b"]"
    outcome = await pool.execute(
        Program(source="function process(d) { return d.filter((r) => r.number > 1).length }"),
        Payload(data=records),
        limits=Limits(heap_bytes=8 << 20, wall_seconds=30, cpu_seconds=30),
    )
    assert outcome.output == b"300000", outcome.failure


async def test_each_execution_has_a_global_object_of_its_own(pool: SandboxPool) -> None:
    source = (
        "globalThis.seen = (globalThis.seen || 0) + 1; Object.prototype.mark = (Object.prototype.mark || 0) + 1;"
        " function process(data) { return [seen, ({}).mark] }"
    )
    outcomes = [await pool.execute(Program(source=source), RECORDS) for _ in range(6)]
    assert [outcome.output for outcome in outcomes] == [b"[1,1]"] * 6


async def test_a_warm_program_keeps_its_state_and_shares_it_with_no_other(pool: SandboxPool) -> None:
    source = "let n = 0; function process(data) { return ++n }"
    warm = [await pool.execute(Program(source=source, reuse=True), RECORDS) for _ in range(12)]
    assert max(int(outcome.output or b"0") for outcome in warm) > 1
    other = await pool.execute(Program(source=source + " ", reuse=True), RECORDS)
    assert other.output == b"1"


async def test_a_warm_program_that_ran_out_of_time_begins_anew(pool: SandboxPool) -> None:
    source = "let n = 0; function process(data) { n++; if (data === 1) for (;;); return n }"
    program = Program(source=source, reuse=True)
    for _ in range(4):
        await pool.execute(program, Payload(data=b"0"))
    failed = [await pool.execute(program, Payload(data=b"1"), limits=Limits(wall_seconds=0.2)) for _ in range(4)]
    assert {outcome.failure and outcome.failure.kind for outcome in failed} == {FailureClass.TIMEOUT}
    after = [await pool.execute(program, Payload(data=b"0")) for _ in range(3)]
    assert min(int(outcome.output or b"0") for outcome in after) == 1


async def test_what_a_script_overwrites_reaches_no_result(pool: SandboxPool) -> None:
    source = (
        "JSON.stringify = () => '\"stolen\"'; JSON.parse = () => []; Array.isArray = () => true;"
        " Object.prototype.toJSON = undefined; String.prototype.slice = () => 'x';"
        " Array.prototype[Symbol.iterator] = null;"
        " globalThis.String = () => 'y'; Promise.prototype.then = null; console.log('said');"
        " function process(data) { return data.length }"
    )
    outcome = await pool.execute(Program(source=source), RECORDS)
    assert (outcome.output, outcome.console) == (b"3", ("said",))


async def test_only_listed_globals_are_there(pool: SandboxPool) -> None:
    source = "function process(names) { return names.filter((name) => typeof globalThis[name] !== 'undefined') }"
    names = [
        "Atomics", "SharedArrayBuffer", "WebAssembly", "WeakRef", "FinalizationRegistry", "setTimeout", "fetch",
        "require", "process", "Deno", "Bun", "Temporal", "AsyncDisposableStack", "performance", "importScripts", "Map",
    ]  # fmt: skip
    outcome = await pool.execute(Program(source=source), Payload(data=json.dumps(names).encode()))
    assert outcome.output == b'["process","Map"]'  # The script's own function is a global too.


async def test_console_lines_are_kept_and_cut_at_their_limit(pool: SandboxPool) -> None:
    source = (
        "console.info('while read'); function process(data) {"
        " console.log('a', 1, { b: [null] }, undefined, () => 1); console.error(new TypeError('t')); return 1 }"
    )
    outcome = await pool.execute(Program(source=source), RECORDS)
    assert outcome.console == ("while read", 'a 1 {"b":[null]} undefined () => 1', "TypeError: t")
    assert not outcome.console_truncated
    flood = Program(source="function process(d) { for (let i = 0; i < 1e5; i++) console.log('é'.repeat(50)); throw 1 }")
    outcome = await pool.execute(flood, RECORDS, limits=Limits(console_bytes=1000))
    assert outcome.failure is not None
    assert outcome.console_truncated
    assert 900 <= sum(len(line.encode()) for line in outcome.console) <= 1000


async def test_the_deterministic_mode_gives_the_same_every_time(pool: SandboxPool) -> None:
    source = (
        "function process(data) { const style = { dateStyle: 'short', timeStyle: 'medium' };"
        " const format = new Intl.DateTimeFormat('en', style);"
        " return [Math.random(), Math.random(), Date.now(), new Date().toISOString(), Date(),"
        " new (new Date(0).constructor)().getTime(), format.format(), format.formatToParts().length,"
        " new Date(5).getTime(), new Date() instanceof Date,"
        " Date.UTC(2020, 1), new Date().getTimezoneOffset(), new Intl.NumberFormat().format(1234.5)] }"
    )
    program = Program(source=source, seed=42, now_milliseconds=1_000_000_000_000)
    outputs = {(await pool.execute(program, RECORDS)).output for _ in range(4)}
    assert len(outputs) == 1
    values = json.loads(outputs.pop() or b"")
    assert values[0] != values[1]
    assert values[2:6] == [10**12, "2001-09-09T01:46:40.000Z", values[4], 10**12]
    assert values[4].startswith("Sun Sep 09 2001 01:46:40 GMT+0000")
    assert values[6].startswith("9/9/01, 1:46:40")
    assert values[7:] == [13, 5, True, 1580515200000, 0, "1,234.5"]
    other = await pool.execute(Program(source=source, seed=43, now_milliseconds=10**12), RECORDS)
    assert json.loads(other.output or b"")[0] != values[0]


async def test_numbers_keep_their_value_or_are_refused(pool: SandboxPool) -> None:
    same = Program(source="function process(d) { return d }")
    exact = b"[9007199254740991,-9007199254740991,0.1,1e300,-0,12345678.25,1e20]"
    outcome = await pool.execute(same, Payload(data=exact))
    assert outcome.output == b"[9007199254740991,-9007199254740991,0.1,1e+300,0,12345678.25,100000000000000000000]"
    odd = await pool.execute(Program(source="function process(d) { return [NaN, Infinity, new Date(0)] }"), RECORDS)
    assert odd.output == b'[null,null,"1970-01-01T00:00:00.000Z"]'
    texts = b'{"id":"12345678901234567890","text":"see 12345678901234567890, please"}'
    assert (await pool.execute(same, Payload(data=texts))).output == texts


async def test_another_stack_limit_has_a_worker_of_its_own(pool: SandboxPool) -> None:
    source = "let n = 0; function process(d) { const f = () => { n++; f() }; try { f() } catch {} return n }"
    small = await pool.execute(Program(source=source), RECORDS, limits=Limits(stack_kibibytes=128))
    usual = await pool.execute(Program(source=source), RECORDS)
    assert 0 < int(small.output or b"0") * 3 < int(usual.output or b"0")


async def test_many_come_back_in_order_with_each_failure_in_its_place(pool: SandboxPool) -> None:
    broken = Program(source="function process(d) { throw new Error('x') }")
    endless = Limits(wall_seconds=0.2)
    requests = [(DOUBLE, Payload(data=f'[{{"a":{n}}}]'.encode()), Limits()) for n in range(60)]
    requests[7] = (broken, RECORDS, Limits())
    requests[20] = (FOREVER, RECORDS, endless)
    requests[33] = (DOUBLE, RECORDS, Limits(heap_bytes=1 << 40))
    requests[40] = (DOUBLE, Payload(data=b"[" + b",".join([b'{"a":1}'] * 400_000) + b"]"), PATIENT)
    bomb = Program(source="function process(d) { const k = []; for (;;) k.push(new ArrayBuffer(1 << 24)) }")
    requests[50] = (bomb, RECORDS, Limits())
    outcomes = await pool.execute_many(requests)
    wanted = {7: FailureClass.RUNTIME, 20: FailureClass.TIMEOUT, 33: FailureClass.REJECTED, 50: FailureClass.MEMORY}
    for index, outcome in enumerate(outcomes):
        if index in wanted:
            assert outcome.failure is not None
            assert outcome.failure.kind is wanted[index]
        elif index == 40:
            assert outcome.output is not None
            assert len(outcome.output) == 800_001
        else:
            assert outcome.output == f"[{2 * index}]".encode()
    assert await pool.execute_many([]) == []


async def test_long_results_of_many_do_not_mix(pool: SandboxPool) -> None:
    source = "function process(d) { return String(d).repeat(1 << 21) }"
    requests = [(Program(source=source), Payload(data=str(n).encode()), PATIENT) for n in range(8)]
    outcomes = await pool.execute_many(requests)
    for n, outcome in enumerate(outcomes):
        assert outcome.output == b'"' + str(n).encode() * (1 << 21) + b'"'


async def test_a_function_behind_a_getter_is_looked_up_once_in_each_isolate(pool: SandboxPool) -> None:
    source = """
    let found = 0;
    const failing = (data) => { for (const r of data) if (r.a === 2) throw new Error(`found ${found}`) };
    Object.defineProperty(globalThis, "process", { get() { found++; return failing } });
    """
    outcome = await pool.execute(Program(source=source), Payload(data=b'[{"a":1},{"a":2}]'))
    assert outcome.failure is not None
    assert outcome.failure.record == 1


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("console.log(Object.setPrototypeOf(() => 1, null))", FailureClass.RUNTIME),
        ("const a = 'x'.repeat((1 << 29) - 30); console.log(a, a)", FailureClass.MEMORY),
    ],
)
async def test_what_the_console_throws_while_a_script_is_read(
    pool: SandboxPool, source: str, kind: FailureClass
) -> None:
    outcome = await pool.execute(Program(source=source), RECORDS)
    assert outcome.failure is not None
    assert outcome.failure.kind is kind
    assert "prelude" not in outcome.failure.message


async def test_more_executions_than_workers_wait_for_their_turn(pool: SandboxPool) -> None:
    outcomes = await asyncio.gather(*(pool.execute(DOUBLE, RECORDS) for _ in range(80)))
    assert {outcome.output for outcome in outcomes} == {b"[2,5,-6]"}
    assert pool.statistics.waiting == 0


async def test_a_cancelled_execution_ends_at_once_and_the_next_one_works(pool: SandboxPool) -> None:
    task = asyncio.create_task(pool.execute(FOREVER, RECORDS, limits=PATIENT))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 2
    assert (await pool.execute(DOUBLE, RECORDS)).output == b"[2,5,-6]"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await pool.execute(FOREVER, RECORDS, limits=PATIENT)
    assert (await pool.execute(DOUBLE, RECORDS)).output == b"[2,5,-6]"


async def test_all_engines_agree_on_plain_scripts() -> None:
    source = (
        "function process(data) { console.log(data.length); return [Math.random(), Date.now(),"
        " data.map((r) => r.a * 2).sort((x, y) => x - y), JSON.stringify({ b: 1 })] }"
    )
    async with SandboxPool(PoolSettings(engines=frozenset(Engine), min_level=Level.PROCESS)) as own:
        outcomes = [
            await own.execute(Program(source=source, engine=engine, seed=7, now_milliseconds=9), RECORDS)
            for engine in Engine
        ]
        assert len({(outcome.output, outcome.console) for outcome in outcomes}) == 1
        assert [outcome.engine for outcome in outcomes] == list(Engine)
        assert outcomes[0].output is not None


async def test_an_engine_that_is_not_enabled_is_refused(pool: SandboxPool) -> None:
    outcome = await pool.execute(Program(source="1", engine=Engine.FAST), RECORDS)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.rule) == (FailureClass.REJECTED, "engine")


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200, 5000, 20_000])
async def test_arrays_that_are_written_in_parts_are_the_same_text(pool: SandboxPool, count: int) -> None:
    source = (
        "function process(n) { const make = (_, i) => i % 7 ? { i, s: 'x'.repeat(i % 50) } : i % 2"
        " ? undefined : [null]; return Array.from({ length: n }, make) }"
    )
    outcome = await pool.execute(Program(source=source), Payload(data=str(count).encode()))
    wanted = [{"i": i, "s": "x" * (i % 50)} if i % 7 else None if i % 2 else [None] for i in range(count)]
    assert outcome.output == json.dumps(wanted, separators=(",", ":")).encode()
