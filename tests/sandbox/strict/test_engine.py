"""The strict engine answers, fails in the right class and counts the same fuel each time (A06, A08)."""

import dataclasses
import json
import subprocess
import sys
import time
from typing import TypedDict, Unpack

import pytest

from quilate.sandbox.engine import CallResult
from quilate.sandbox.model import FailureClass, Format, Limits, Payload, Program
from quilate.sandbox.strict.engine import FUEL_PER_CPU_SECOND, StrictEngine

RECORDS = b'[{"a":1},{"a":2},{"a":null}]'
SMALL = Limits(cpu_seconds=0.1, heap_bytes=16 << 20)


class Options(TypedDict, total=False):
    """Of one call."""

    form: Format
    answer: Format
    seed: int
    now: int | None


def run(
    engine: StrictEngine, source: str, data: bytes = RECORDS, *, limits: Limits = SMALL, **options: Unpack[Options]
) -> CallResult:
    program = Program(source=source, seed=options.get("seed"), now_milliseconds=options.get("now", 1_700_000_000_000))
    session = engine.open(program, limits)
    payload = Payload(data=data, format=options.get("form", Format.JSON))
    try:
        return session.call(payload, "process", options.get("answer", Format.JSON), limits)
    finally:
        session.close()


def kind(result: CallResult) -> FailureClass | None:
    return None if result.failure is None else result.failure.kind


def test_result_as_json(engine: StrictEngine) -> None:
    result = run(engine, "function process(data) { return data.map((record) => record.a) }")

    assert (result.output, result.failure) == (b"[1,2,null]", None)
    assert result.fuel is not None
    assert 0 < result.fuel < SMALL.cpu_seconds * FUEL_PER_CPU_SECOND


@pytest.mark.parametrize(
    "source", ["const process = (data) => 1", "let process = (data) => 1", "var process = () => 1"]
)
def test_function_may_be_declared_in_any_way(engine: StrictEngine, source: str) -> None:
    assert run(engine, source).output == b"1"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("function process() { for (;;); }", FailureClass.CPU),
        ("for (;;);", FailureClass.CPU),
        ("const again = async () => { for (;;) await 0 }; again(); function process() { return 1 }", FailureClass.CPU),
        ("function process() { throw { toString() { for (;;); } } }", FailureClass.CPU),
        ("function process() { return /^(a+)+\\1$/.test('a'.repeat(40) + 'b') }", FailureClass.CPU),
        ("function process() { return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 99) }", FailureClass.CPU),
        ("function process() { const kept = []; for (;;) kept.push(new Uint8Array(1 << 20)) }", FailureClass.MEMORY),
        (
            "function process() { const kept = []; for (;;) kept.push('x'.repeat(1000) + kept.length) }",
            FailureClass.MEMORY,
        ),
        ("function process() { return 'x'.repeat(5e8).length }", FailureClass.MEMORY),
        ("function process() { let text = 'x'; for (;;) text += text }", FailureClass.MEMORY),
        ("function process() { try { 'x'.repeat(5e8) } catch { return 'caught' } }", None),
        ("function process() { const deep = () => deep() + 1; return deep() }", FailureClass.RECURSION),
        ("function process() { return [].constructor.constructor('return 1')() }", FailureClass.RUNTIME),
        ("function process() { return (0, eval)('1') }", FailureClass.RUNTIME),
        ("function process() { return String(11n ** 711111111n) }", FailureClass.CPU),
        ("function process() { throw null }", FailureClass.RUNTIME),
        ("function process() { throw { toString() { throw 1 } } }", FailureClass.RUNTIME),
        ("function other() {}", FailureClass.RUNTIME),
        ("const process = 1", FailureClass.RUNTIME),
        ("with ({}) {}", FailureClass.SYNTAX),
        ("function process( {", FailureClass.SYNTAX),
        ("function process() {}", FailureClass.RESULT),
        ("function process() { return () => 1 }", FailureClass.RESULT),
        ("async function process() { return 1 }", FailureClass.RESULT),
        ("function process() { return import('fs') }", FailureClass.RESULT),
        ("function process() { const circle = {}; circle.circle = circle; return circle }", FailureClass.RESULT),
        ("function process() { return { big: 1n } }", FailureClass.RESULT),
        ("function process() { return 'x'.repeat(200) }", FailureClass.OUTPUT),
    ],
)
def test_class_of_failure(engine: StrictEngine, source: str, expected: FailureClass | None) -> None:
    result = run(engine, source, limits=dataclasses.replace(SMALL, output_bytes=100, cpu_seconds=0.3))

    assert kind(result) is expected
    assert (result.output is None) is (expected is not None)
    assert run(engine, "function process() { return 1 }").output == b"1"


def test_deep_source_is_a_failure_of_the_script(engine: StrictEngine) -> None:
    result = run(engine, "(" * 200_000 + ")" * 200_000)

    assert kind(result) in {FailureClass.SYNTAX, FailureClass.RECURSION}


def test_wall_time(engine: StrictEngine) -> None:
    limits = Limits(wall_seconds=0.2, cpu_seconds=1000.0)
    begin = time.monotonic()

    result = run(engine, "function process() { for (;;); }", limits=limits)

    assert kind(result) is FailureClass.TIMEOUT
    assert time.monotonic() - begin < 5
    assert result.session_lost
    assert run(engine, "function process() { return 1 }").output == b"1"


def test_syntax_error_has_its_place(engine: StrictEngine) -> None:
    failure = run(engine, "function process(data) {\n  return 1 +;\n}").failure

    assert failure is not None
    assert (failure.kind, failure.line, failure.column) == (FailureClass.SYNTAX, 2, 13)


def test_throw_has_its_place_and_its_record(engine: StrictEngine) -> None:
    source = "function process(data) {\n  return data.map((record) => record.a.toFixed(1));\n}"

    failure = run(engine, source).failure

    assert failure is not None
    assert (failure.kind, failure.line, failure.record) == (FailureClass.RUNTIME, 2, 2)
    assert failure.message.startswith("TypeError: ")


def test_throw_of_half_a_surrogate_pair_is_a_message(engine: StrictEngine) -> None:
    failure = run(engine, "function process() { throw new Error('a\\udc00b') }").failure

    assert failure is not None
    assert (failure.kind, failure.message) == (FailureClass.RUNTIME, "Error: a?b")


def test_place_on_the_first_line_does_not_count_what_we_put_before(engine: StrictEngine) -> None:
    failure = run(engine, "function process() { nothing() }").failure

    assert failure is not None
    assert (failure.line, failure.column) == (1, 22)


def test_same_fuel_on_every_run(engine: StrictEngine) -> None:
    source = """function process(data) {
      const groups = new Map();
      for (let i = 0; i < 2000; i++) groups.set('k' + (i * Math.random() % 97 | 0), i);
      return [...groups].sort((a, b) => a[1] - b[1]).concat(data)
    }"""

    results = [run(engine, source) for _ in range(3)]

    assert len({result.fuel for result in results}) == 1
    assert len({result.output for result in results}) == 1


def test_same_fuel_in_another_process(engine: StrictEngine) -> None:
    source = "function process(data) { return JSON.stringify(data).split('').sort().join('') }"
    code = f"""
import sys
sys.path[:0] = sys.argv[1:]
from quilate.sandbox.model import Format, Limits, Payload, Program
from quilate.sandbox.strict.engine import StrictEngine
engine = StrictEngine()
engine.boot(heap_bytes=1 << 26, stack_kibibytes=512)
limits = Limits(cpu_seconds=0.1, heap_bytes=16 << 20)
session = engine.open(Program(source={source!r}), limits)
print(session.call(Payload(data={RECORDS!r}), "process", Format.JSON, limits).fuel)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *[entry for entry in sys.path if entry]],
        capture_output=True,
        check=True,
        timeout=120,
    )

    assert int(done.stdout) == run(engine, source).fuel


def test_fuel_is_what_processor_seconds_buy(engine: StrictEngine) -> None:
    source = "function process() { for (;;); }"

    short = run(engine, source, limits=Limits(cpu_seconds=0.01))
    longer = run(engine, source, limits=Limits(cpu_seconds=0.02))

    assert (short.fuel, longer.fuel) == (FUEL_PER_CPU_SECOND // 100, FUEL_PER_CPU_SECOND // 50)


def test_random_numbers_are_of_the_seed(engine: StrictEngine) -> None:
    source = "function process() { return [Math.random(), Math.random()] }"

    first, same, other = (run(engine, source, seed=seed).output for seed in (7, 7, 8))

    assert first == same != other
    assert first is not None
    assert json.loads(first) == [0.011704753153026104, 0.06195825757458806]


def test_clock_is_the_one_given_and_stands_still(engine: StrictEngine) -> None:
    source = """function process() {
      const begin = Date.now();
      for (let i = 0; i < 1e5; i++);
      return [begin, Date.now() - begin, new Date().getTimezoneOffset(), String(new Date())]
    }"""

    output = run(engine, source, now=86_400_000).output

    assert output == b'[86400000,0,0,"Fri Jan 02 1970 00:00:00 GMT+0000"]'


def test_real_clock_where_none_is_given(engine: StrictEngine) -> None:
    output = run(engine, "function process() { return Date.now() }", now=None).output

    assert output is not None
    assert abs(int(output) / 1000 - time.time()) < 60


def test_console_is_kept_and_cut(engine: StrictEngine) -> None:
    source = "console.log('read'); function process() { console.warn('é', { a: 1 }, [2]); return 1 }"

    assert run(engine, source).console == ("read", 'é {"a":1} [2]')

    source = "function process() { for (let i = 0; i < 100; i++) console.log('0123456789'); return 1 }"
    result = run(engine, source, limits=dataclasses.replace(SMALL, console_bytes=50))
    assert result.console_truncated
    assert sum(len(line) for line in result.console) <= 50


def test_console_of_a_script_that_threw(engine: StrictEngine) -> None:
    result = run(engine, "function process() { console.log('before'); throw new Error('x') }")

    assert result.console == ("before",)


def test_promises_run_before_the_call_ends(engine: StrictEngine) -> None:
    source = "const seen = []; Promise.resolve().then(() => seen.push(1)); function process() { return seen }"

    assert run(engine, source).output == b"[1]"


def test_lines_in_and_out(engine: StrictEngine) -> None:
    source = "function process(data) { return data.map((record) => ({ b: record.a })) }"

    result = run(engine, source, b'{"a":1}\n\n{"a":"\xc3\xa9"}\r\n', form=Format.NDJSON, answer=Format.NDJSON)

    assert result.output == '{"b":1}\n{"b":"é"}\n'.encode()


@pytest.mark.parametrize(
    ("data", "form", "said"),
    [
        (b"[1,2", Format.JSON, "byte 4"),
        (b'{"a":1}\n{"a":\n', Format.NDJSON, "line 2"),
        (b'["\xff"]', Format.JSON, "byte 2"),
        (b'[{"a":{"b":9007199254740993}}]', Format.JSON, "$[0].a.b"),
        (b"", Format.JSON, "broken"),
    ],
)
def test_input_that_cannot_be_read(engine: StrictEngine, data: bytes, form: Format, said: str) -> None:
    failure = run(engine, "function process(data) { return data }", data, form=form).failure

    assert failure is not None
    assert failure.kind is FailureClass.INPUT
    assert said in failure.message


def test_payload_larger_than_the_heap(engine: StrictEngine) -> None:
    result = run(engine, "function process(data) { return 1 }", b'"' + b"x" * (20 << 20) + b'"')

    assert kind(result) is FailureClass.MEMORY


def test_input_nested_too_deep(engine: StrictEngine) -> None:
    result = run(engine, "function process(data) { return 1 }", b"[" * 100_000 + b"]" * 100_000)

    assert kind(result) in {FailureClass.RECURSION, FailureClass.INPUT}


def test_nothing_stays_for_the_next_session(engine: StrictEngine) -> None:
    leak = (
        "var counter = (globalThis.counter || 0) + 1; Object.prototype.left = 1; function process() { return counter }"
    )

    assert run(engine, leak).output == b"1"
    assert (
        run(engine, "function process() { return [typeof counter, {}.left ?? null] }").output == b'["undefined",null]'
    )


def test_session_keeps_its_state_between_calls(engine: StrictEngine) -> None:
    session = engine.open(
        Program(source="let sum = 0; function process(n) { return sum += n } function combine() { return -sum }"), SMALL
    )

    outputs = [session.call(Payload(data=data), "process", Format.JSON, SMALL).output for data in (b"1", b"2", b"3")]
    combined = session.call(Payload(data=b"null"), "combine", Format.JSON, SMALL).output
    session.close()

    assert (outputs, combined) == ([b"1", b"3", b"6"], b"-6")


def test_session_lives_on_after_a_throw(engine: StrictEngine) -> None:
    session = engine.open(Program(source="function process(n) { if (n > 1) throw new Error('no'); return n }"), SMALL)

    first, second, third = (
        session.call(Payload(data=data), "process", Format.JSON, SMALL) for data in (b"1", b"2", b"1")
    )
    session.close()

    assert (first.output, kind(second), second.session_lost, third.output) == (b"1", FailureClass.RUNTIME, False, b"1")


def test_script_that_changes_builtins_changes_only_its_own(engine: StrictEngine) -> None:
    source = "JSON.stringify = () => '\"changed\"'; JSON.parse = () => 0; Array.isArray = () => false;"

    assert run(engine, source + "function process(data) { return data.length }").output == b"3"


def test_prelude_cannot_be_reached(engine: StrictEngine) -> None:
    source = """function process() {
      const found = [];
      for (const name of Object.getOwnPropertyNames(globalThis)) found.push(name);
      const hidden = /internal|quilate|std|os|host|qjs|print|Atomics|Shared|WeakRef|performance/i;
      return found.filter((name) => hidden.test(name))
    }"""

    assert run(engine, source).output == b"[]"


def test_no_time_and_no_fuel_at_all(engine: StrictEngine) -> None:
    source = "function process() { return 1 }"

    assert kind(run(engine, "for (;;);", limits=Limits(wall_seconds=1e-9))) is FailureClass.TIMEOUT
    assert kind(run(engine, source, limits=Limits(cpu_seconds=0.0))) is FailureClass.CPU
    assert kind(run(engine, "const t = 'x'.repeat(9e5);", limits=Limits(heap_bytes=1 << 16))) is FailureClass.MEMORY
    assert run(engine, source).output == b"1"


def test_session_outlives_the_end_of_another_ones_time(engine: StrictEngine) -> None:
    session = engine.open(Program(source="let n = 0; function process() { return ++n }"), SMALL)
    session.call(Payload(data=b"0"), "process", Format.JSON, SMALL)

    other = run(engine, "for (;;);", limits=Limits(wall_seconds=0.05, cpu_seconds=1000.0))
    changed = dataclasses.replace(SMALL, heap_bytes=32 << 20)
    second = session.call(Payload(data=b"0"), "process", Format.JSON, changed)
    session.close()

    assert kind(other) is FailureClass.TIMEOUT
    assert second.output == b"2"


def test_missing_function_leaves_the_session_as_it_is(engine: StrictEngine) -> None:
    session = engine.open(Program(source="let n = 0; function process() { return ++n }"), SMALL)

    missing = session.call(Payload(data=b"0"), "combine", Format.JSON, SMALL)
    found = session.call(Payload(data=b"0"), "process", Format.JSON, SMALL)
    session.close()

    assert (kind(missing), missing.session_lost, found.output) == (FailureClass.RUNTIME, False, b"1")


def test_long_session_does_not_grow(engine: StrictEngine) -> None:
    limits = dataclasses.replace(SMALL, heap_bytes=4 << 20)
    session = engine.open(Program(source="function process(text) { return text.length }"), limits)
    data = b'"' + b"x" * 400_000 + b'"'

    outputs = {session.call(Payload(data=data), "process", Format.JSON, limits).output for _ in range(60)}
    session.close()

    assert outputs == {b"400000"}
