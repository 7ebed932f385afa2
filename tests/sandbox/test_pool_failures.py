"""Every way to have no result has its class, and leaves the pool fit for the next execution (A05, A06, A13)."""

import asyncio
import json

import pytest

from quilate.sandbox.model import FailureClass, Format, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = Limits(wall_seconds=0.3, cpu_seconds=5, output_bytes=1 << 20)
PATIENT = Limits(wall_seconds=10, cpu_seconds=10, output_bytes=1 << 20)
RECORDS = Payload(data=b'[{"a":1},{"a":2},null,{"a":4}]')

FAILURES: dict[str, tuple[str, FailureClass]] = {
    "broken syntax": ("function process(data) {\n  return data +;\n}", FailureClass.SYNTAX),
    "module syntax": ("export function process(data) { return 1 }", FailureClass.SYNTAX),
    "sloppy mode": ("function process(data) { with (data) { return length } }", FailureClass.SYNTAX),
    "throw": ("function process(data) { throw new Error('no') }", FailureClass.RUNTIME),
    "throw at the top": ("throw new Error('no'); function process(data) { return 1 }", FailureClass.RUNTIME),
    "throw of no error": ("function process(data) { throw null }", FailureClass.RUNTIME),
    "throw of half a character": ("function process(data) { throw '\\ud83d' }", FailureClass.RUNTIME),
    "no function": ("const handle = (data) => 1", FailureClass.RUNTIME),
    "no function but a value": ("const process = 5", FailureClass.RUNTIME),
    "eval": ("function process(data) { return eval('1+1') }", FailureClass.RUNTIME),
    "constructor walk": ("function process(data) { return [].map.constructor('return 1')() }", FailureClass.RUNTIME),
    "no host": ("function process(data) { return fetch('http://169.254.169.254/') }", FailureClass.RUNTIME),
    "recursion": ("function process(data) { const f = (n) => f(n + 1) + 1; return f(0) }", FailureClass.RECURSION),
    "recursion at the top": ("function f(n) { return f(n + 1) + 1 } f(0)", FailureClass.RECURSION),
    "recursion of the parser": ("(" * 60_000 + "1" + ")" * 60_000, FailureClass.RECURSION),
    "endless loop": ("function process(data) { for (;;); }", FailureClass.TIMEOUT),
    "endless loop at the top": ("for (;;); function process(data) { return 1 }", FailureClass.TIMEOUT),
    "endless description": ("function process(data) { throw { toString() { for (;;); } } }", FailureClass.TIMEOUT),
    "endless result": ("function process(data) { return { toJSON() { for (;;); } } }", FailureClass.TIMEOUT),
    "catastrophic expression": (
        "function process(data) { return /^(a+)+\\1$/.test('a'.repeat(40) + 'b') }",
        FailureClass.TIMEOUT,
    ),
    "nothing": ("function process(data) { data.length }", FailureClass.RESULT),
    "a function": ("function process(data) { return process }", FailureClass.RESULT),
    "a cycle": ("function process(data) { const a = []; a.push(a); return a }", FailureClass.RESULT),
    "a BigInt": ("function process(data) { return { n: 1n } }", FailureClass.RESULT),
    "a promise": ("async function process(data) { return data }", FailureClass.RESULT),
    "a long text": ("function process(data) { return 'x'.repeat(2 << 20) }", FailureClass.OUTPUT),
    "two bytes a letter": ("function process(data) { return '\\u00e9'.repeat(700000) }", FailureClass.OUTPUT),
    "a gigabyte": ("function process(data) { return Array(1e5).fill('x'.repeat(1e4)) }", FailureClass.OUTPUT),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_each_failure_has_its_class_and_the_next_execution_works(pool: SandboxPool, name: str) -> None:
    source, expected = FAILURES[name]
    limits = QUICK if expected is FailureClass.TIMEOUT else PATIENT
    outcome = await pool.execute(Program(source=source), RECORDS, limits=limits)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.output) == (expected, None), outcome.failure
    after = await pool.execute(Program(source="function process(d) { return d.length }"), RECORDS)
    assert after.output == b"4"


MEMORY_BOMBS = {
    "buffers": "function process(data) { const k = []; for (;;) k.push(new ArrayBuffer(1 << 24)) }",
    "filled buffers": "function process(data) { const k = []; for (;;) k.push(new Uint8Array(1 << 22).fill(1)) }",
    "objects": "function process(data) { const k = []; for (;;) k.push({ a: [1, 2] }) }",
    "a map": "function process(data) { const m = new Map(); for (let i = 0; ; i++) m.set(i, 'v' + i) }",
    "doubled text": "function process(data) { let s = 'x'; for (;;) s += s.slice(1) + 'yy' }",
    "one huge text": "function process(data) { return 'x'.repeat(5e8).toUpperCase().length }",
    "a filled array": "function process(data) { return new Array(1e8).fill(1).length }",
    "a spread": "function process(data) { return [...'.'.repeat(5e8)].length }",
    "padding": "function process(data) { const k = []; for (let i = 0; ; i++) k.push('x'.padEnd(5e7, 'y' + i) + i) }",
}


@pytest.mark.parametrize("name", MEMORY_BOMBS)
async def test_memory_bombs_end_as_memory_failures_within_the_limit_of_the_process(
    pool: SandboxPool, name: str
) -> None:
    limits = Limits(wall_seconds=20, cpu_seconds=20, heap_bytes=24 << 20)
    outcome = await pool.execute(Program(source=MEMORY_BOMBS[name]), RECORDS, limits=limits)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.MEMORY, outcome.failure
    assert outcome.peak_memory_bytes < limits.data_bytes + (128 << 20)
    after = await pool.execute(Program(source="function process(d) { return d.length }"), RECORDS)
    assert after.output == b"4"


async def test_a_pool_that_gives_large_heaps_gives_them_only_where_they_are_asked_for() -> None:
    bomb = Program(source="function process() { const k = []; for (;;) k.push(new Uint8Array(1 << 24).fill(1)); }")
    large = Program(source="function process() { const k = []; while (k.push({ n: {} }) < 2e6); return k.length; }")
    usual = Limits(wall_seconds=20, cpu_seconds=20)
    granted = Limits(wall_seconds=20, cpu_seconds=20, heap_bytes=400 << 20)
    async with SandboxPool(PoolSettings(workers=1, heap_bytes=512 << 20)) as pool:
        for _ in range(2):
            stopped = await pool.execute(bomb, RECORDS, limits=usual)
            assert stopped.failure is not None
            assert stopped.failure.kind is FailureClass.MEMORY
            assert stopped.peak_memory_bytes < usual.data_bytes + (128 << 20)
            given, _ = await pool.execute_many([(large, RECORDS, granted), (bomb, RECORDS, usual)])
            assert given.output == b"2000000", given.failure
            refused = await pool.execute(large, RECORDS, limits=usual)
            assert refused.failure is not None
            assert refused.failure.kind is FailureClass.MEMORY


async def test_processor_time_has_its_own_limit(pool: SandboxPool) -> None:
    limits = Limits(wall_seconds=20, cpu_seconds=0.2)
    outcome = await pool.execute(Program(source="function process(d) { for (;;); }"), RECORDS, limits=limits)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.CPU
    assert 150 <= outcome.cpu_milliseconds < 2000


async def test_an_allocation_of_bigint_bits_is_stopped(pool: SandboxPool) -> None:
    source = "function process(d) { return String(11n ** 711111111n).length }"
    outcome = await pool.execute(Program(source=source), RECORDS, limits=QUICK)
    assert outcome.failure is not None
    assert outcome.failure.kind in {FailureClass.RUNTIME, FailureClass.TIMEOUT, FailureClass.MEMORY}


async def test_a_throw_names_line_column_and_the_first_record_that_causes_it(pool: SandboxPool) -> None:
    source = "function process(data) {\n  return data.map((r) =>\n    r.a * 2)\n}"
    outcome = await pool.execute(Program(source=source), RECORDS)
    assert outcome.failure is not None
    assert outcome.failure.message == "TypeError: Cannot read properties of null (reading 'a')"
    assert (outcome.failure.line, outcome.failure.column, outcome.failure.record) == (3, 7, 2)


async def test_a_throw_after_the_records_were_read_names_the_record_that_tips_it(pool: SandboxPool) -> None:
    source = (
        "function process(data) { let sum = 0; for (const r of data) sum += r.v;"
        " if (sum > 10) throw new Error('too much'); return sum }"
    )
    payload = Payload(data=json.dumps([{"v": v} for v in (3, 3, 9, 1, 1)]).encode())
    outcome = await pool.execute(Program(source=source), payload)
    assert outcome.failure is not None
    assert outcome.failure.record == 2


async def test_a_throw_that_no_record_causes_names_none(pool: SandboxPool) -> None:
    outcome = await pool.execute(Program(source="function process(d) { throw new Error('always') }"), RECORDS)
    assert outcome.failure is not None
    assert outcome.failure.record is None


async def test_a_first_line_keeps_its_columns(pool: SandboxPool) -> None:
    outcome = await pool.execute(Program(source="function process(d) { null.x }"), RECORDS)
    assert outcome.failure is not None
    assert (outcome.failure.line, outcome.failure.column) == (1, 28)


BROKEN: dict[str, tuple[bytes, Format, str]] = {
    "json": (
        b'[1,\n {"a" 1}]',
        Format.JSON,
        "The input is broken at line 2, column 7 (byte 10): Expecting ':' delimiter",
    ),
    "json that ends": (b'{"a": [1, 2', Format.JSON, "The input is broken at line 1, column 12 (byte 11)"),
    "nothing": (b"", Format.JSON, "The input is broken at line 1, column 1 (byte 0)"),
    "python's own words": (b"[NaN]", Format.JSON, "The input is broken"),
    "a line": (b'{"a":1}\n\n{"a":2,}\n{"a":3}\n', Format.NDJSON, "The input is broken at line 3, column 8 (byte 16)"),
    "two values on a line": (b"1,2\n", Format.NDJSON, "The input is broken at line 1, column 2 (byte 1)"),
    "no UTF-8": (b'["\xff"]', Format.JSON, "The input is not UTF-8: byte 2 (line 1)"),
    "long integer": (
        b'{"a":[{"b":"12345678901234567"},{"b":12345678901234567}]}',
        Format.JSON,
        "The integer at $.a[1].b is",
    ),
    "long integer in a line": (b'{"a":1}\n{"a":-9007199254740993}\n', Format.NDJSON, "The integer at $[1].a is"),
    "no columns": (b"not an Arrow stream", Format.ARROW, "The input's columns cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_input_is_named_with_its_place(pool: SandboxPool, name: str) -> None:
    data, form, message = BROKEN[name]
    outcome = await pool.execute(Program(source="function process(d) { return d }"), Payload(data=data, format=form))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.INPUT
    assert outcome.failure.message.startswith(message), outcome.failure.message


async def test_what_a_pool_does_not_give_is_refused_before_anything_runs(pool: SandboxPool) -> None:
    program, payload = Program(source="function process(d) { return d }"), Payload(data=b"1")
    heap = await pool.execute(program, payload, limits=Limits(heap_bytes=1 << 40))
    long = await pool.execute(program, payload, limits=Limits(source_bytes=10))
    assert [o.failure and (o.failure.kind, o.failure.rule) for o in (heap, long)] == [
        (FailureClass.REJECTED, "heap_bytes"),
        (FailureClass.REJECTED, "source_bytes"),
    ]
    with pytest.raises(ValueError, match="no name of a function"):
        await pool.execute(program, payload, function="process();")


async def test_failures_of_many_at_once_stay_with_their_own_execution(pool: SandboxPool) -> None:
    sources = [FAILURES[name][0] for name in ("throw", "endless loop", "nothing", "recursion")]
    programs = [Program(source=source) for source in sources] + [Program(source="function process(d) { return 7 }")] * 4
    outcomes = await asyncio.gather(*(pool.execute(program, RECORDS, limits=QUICK) for program in programs))
    kinds = [outcome.failure.kind if outcome.failure else outcome.output for outcome in outcomes]
    wanted = [FailureClass.RUNTIME, FailureClass.TIMEOUT, FailureClass.RESULT, FailureClass.RECURSION]
    assert kinds == [*wanted, b"7", b"7", b"7", b"7"]
