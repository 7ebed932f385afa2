"""The strict engine gives what the default engine gives: results, failures, places, records, console (A06)."""

import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[4] / "shared" / "data"
GROUPING = """function process(data) {
  const corporative = data.filter((item) => item.produto === "Empresarial");
  const grouped = corporative.reduce((groups, item) => {
    const key = `${item.trimestre}-${item.nomeBandeira}`;
    if (!groups[key]) {
      groups[key] = {
        trimestre: item.trimestre, nomeBandeira: item.nomeBandeira, qtdCartoesAtivos: 0, qtdCartoesEmitidos: 0,
        qtdTransacoesNacionais: 0, valorTransacoesNacionais: 0,
      };
    }
    for (const name of ["qtdCartoesAtivos", "qtdCartoesEmitidos", "qtdTransacoesNacionais", "valorTransacoesNacionais"])
      groups[key][name] += item[name];
    return groups;
  }, {});
  return Object.values(grouped);
}"""


def records(count: int) -> list[dict[str, Any]]:
    """Records with all that JSON has, the same in each run."""
    numbers = random.Random(6)  # noqa: S311 - test data, not a secret
    texts = ["", "a", "Ação", "日本", "😀 x", 'quote " and \\', "line\nbreak", "İstanbul", "ß", "\u2028", "e\u0301"]
    return [
        {
            "id": number,
            "name": numbers.choice(texts),
            "amount": numbers.choice([0, -1, 0.1, 1e21, 1e-7, 123456.789, numbers.random() * 1e6, 2**53]),
            "flag": numbers.choice([True, False, None]),
            "when": f"20{numbers.randrange(10, 30)}-0{numbers.randrange(1, 10)}-1{numbers.randrange(10)}T10:20:30.123Z",
            "tags": numbers.sample(texts, 3),
            "deep": {"x": {"y": [number, None, {"z": numbers.random()}]}},
        }
        for number in range(count)
    ]


SCRIPTS = {
    "identity": "function process(data) { return data }",
    "map": "const process = (data) => data.map(({ id, amount }) => ({ id, double: amount * 2, text: String(amount) }))",
    "sort by text": "function process(data) { return data.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)) }",
    "stable sort": "function process(data) { return data.toSorted((a, b) => a.tags.length - b.tags.length).map((r) => r.id) }",
    "group": "function process(data) { return Object.fromEntries(Map.groupBy(data, (r) => r.name)) }",
    "numbers as text": """function process(data) { return data.map((r) => [r.amount.toFixed(2), r.amount.toPrecision(5),
        r.amount.toExponential(3), (r.id * 7).toString(36), Number(r.amount.toString())]) }""",
    "mathematics": """function process(data) { return data.map((r) => [Math.sqrt(r.id), Math.round(r.amount), Math.trunc(-r.id / 2),
        Math.hypot(r.id, 1), Math.fround(r.amount), Math.clz32(r.id), Math.imul(r.id, 77), Math.max(...[r.id, 3])]) }""",
    "dates": """function process(data) { return data.map((r) => { const date = new Date(r.when);
        return [date.toISOString(), date.getTime(), date.getDay(), new Date(date.getFullYear(), 1, 29).toJSON(),
          Date.UTC(2024, r.id % 12), String(new Date("no date").getTime())] }) }""",
    "texts": """function process(data) { return data.map((r) => [r.name.length, [...r.name].length, r.name.toUpperCase(),
        r.name.toLowerCase(), r.name.normalize("NFD").length, r.name.padStart(8, "-"), r.name.split("").reverse().join(""),
        r.name.at(-1) ?? null, r.name.replaceAll("a", "$&$&"), encodeURIComponent(r.name), r.name.isWellFormed()]) }""",
    "expressions": r"""function process(data) { return data.map((r) => [/^(?<year>\d{4})-(\d\d)/.exec(r.when).groups.year,
        r.when.replace(/(\d+):(\d+)/, "$2:$1"), /\p{L}+/u.test(r.name), [...r.when.matchAll(/\d+/g)].length,
        r.name.search(/(?<=A)ç/), /[\s\S]/y.test(r.name), "a-b_c".split(/[-_]/)]) }""",
    "classes": """class Sum { #total = 0; static of(list) { const sum = new Sum(); for (const x of list) sum.add(x); return sum }
        add(x) { this.#total += x } get total() { return this.#total } toJSON() { return { total: this.#total } } }
        function process(data) { return [Sum.of(data.map((r) => r.id)), Sum.of([1]).total] }""",
    "generators": """function* ids(data) { for (const record of data) yield record.id }
        function process(data) { return [...ids(data)].concat(Array.from(new Set(data.map((r) => r.flag)))) }""",
    "iterator helpers": "function process(data) { return data.values().filter((r) => r.id % 2).map((r) => r.id).take(5).toArray() }",
    "structures": """function process(data) { const map = new Map(data.map((r) => [r.name, r.id])); const weak = new WeakMap([[data, 1]]);
        return [[...map.entries()], map.size, weak.get(data), new Set([1, 2]).union(new Set([3])).size] }""",
    "typed arrays": """function process(data) { const list = Float64Array.from(data, (r) => r.amount); list.sort();
        return [[...list], new DataView(list.buffer).getInt32(0, true), [...new Uint8ClampedArray([300, -5, 1.5])]] }""",
    "big integers": "function process(data) { return data.map((r) => String(BigInt(r.id) ** 40n % 1000007n)) }",
    "reflection": """function process(data) { const proxy = new Proxy(data[0], { get: (t, k) => k === "id" ? -1 : Reflect.get(t, k) });
        return [proxy.id, Object.keys(proxy), Reflect.ownKeys(data[1]), typeof Symbol.iterator, Object.entries(data[2].deep)] }""",
    "numbers JSON lacks": "function process() { return [NaN, Infinity, -0, undefined, () => 1, Symbol('s'), 1e400, 5e-324] }",
    "toJSON and getters": "function process() { return { get a() { return 1 }, b: { toJSON: (key) => key }, c: new Date(0), d: new Map([[1, 2]]) } }",
    "undefined members": "function process(data) { return data.map((r) => ({ id: r.id, missing: r.nothing, nested: [r.nothing] })) }",
    "json inside": "function process(data) { return JSON.parse(JSON.stringify(data, (key, value) => key === 'tags' ? undefined : value)) }",
    "indented json": "function process(data) { return JSON.stringify(data.slice(0, 2), null, 2) }",
    "sloppy things are refused": "function process() { undeclared = 1; return 1 }",
    "frozen": "function process() { const frozen = Object.freeze({ a: 1 }); frozen.a = 2; return frozen }",
    "own error": "class Bad extends Error { name = 'Bad' } function process(data) { throw new Bad('number ' + data.length) }",
    "throw in a record": "function process(data) {\n  return data.map((record) =>\n    record.id === 7 ? record.nothing.here : record.id)\n}",
    "throw in a loop": "function process(data) {\n  for (const r of data) if (r.id > 11) throw new Error('id ' + r.id)\n}",
    "throw later": "function process(data) { const kept = data.filter((r) => r.id > 4); return kept.map((r) => r.nothing.x) }",
    "throw at the top": "\nthrow new TypeError('at once')",
    "syntax": "function process(data) {\n  return data.map(;\n}",
    "missing": "function other() {}",
    "no function": "let process = 1",
    "promise": "async function process() { return 1 }",
    "undefined result": "function process() {}",
    "cycle": "function process(data) { data[0].self = data[0]; return data }",
    "big integer result": "function process() { return { big: 10n } }",
    "recursion": "function process() { const again = (n) => again(n + 1) + 1; return again(0) }",
    "console": """function process(data) { console.log("text", 1, null, undefined, true, { a: [1, "x"] }, [1, 2], new Error("e"), () => 1, 1n);
        console.warn("ä\\u0000"); console.error(); console.log(Symbol("s")); return data.length }""",
    "much console": "function process() { for (let i = 0; i < 5000; i++) console.log('0123456789'.repeat(5)); return 1 }",
    "microtasks": "const log = []; Promise.resolve().then(() => log.push('then')); function process() { log.push('process'); return log }",
    "globals": "function process() { return Object.getOwnPropertyNames(globalThis).filter((n) => !['Intl', 'InternalError'].includes(n)).sort() }",
    "random": "function process() { return [Math.random(), Math.random(), Math.random()] }",
    "time": "function process() { return [Date.now(), new Date().toISOString(), new Date(2024, 0, 1).getTimezoneOffset()] }",
}
KNOWN_MESSAGES = {"own error", "throw in a loop", "throw at the top", "missing", "no function", "promise", "cycle"}


def results(engine: str, calls: list[dict[str, Any]], *words: str) -> dict[str, Any]:
    """What an engine makes of calls, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_scripts.py")), engine, *words],
        input=json.dumps(calls).encode(),
        capture_output=True,
        check=False,
        timeout=240,
        env={"TZ": "UTC"},
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def call(source: str, data: Any, **more: Any) -> dict[str, Any]:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return {"source": source, "data": base64.b64encode(content).decode(), "seed": 5, "now": 1_700_000_000_123, **more}


@pytest.fixture(scope="module")
def both() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    data = records(40)
    calls = [call(source, data) for source in SCRIPTS.values()]
    default, strict = results("default", calls)["results"], results("strict", calls, "locked")
    assert all(strict["refused"])
    assert strict["locked"]["filtered"] or sys.platform != "linux"
    return dict(zip(SCRIPTS, zip(default, strict["results"], strict=True), strict=True))


def value(result: dict[str, Any]) -> Any:
    return None if result["output"] is None else json.loads(base64.b64decode(result["output"]))


@pytest.mark.parametrize("name", SCRIPTS)
def test_same_result(both: dict[str, tuple[dict[str, Any], dict[str, Any]]], name: str) -> None:
    default, strict = both[name]

    assert value(strict) == value(default)
    for part in ("output", "kind", "line", "record", "console", "truncated"):
        assert strict[part] == default[part], part
    if name in KNOWN_MESSAGES:
        assert strict["message"] == default["message"]


def test_same_lines_and_broken_inputs() -> None:
    identity = "function process(data) { return data }"
    calls = [
        call(identity, b'{"a":1}\n\n{"a":2}\n', format="ndjson", answer="ndjson"),
        call(identity, b'{"a":1}\n{"a":\n', format="ndjson"),
        call(identity, b'{"a":[1,{"b":90071992547409931}]}'),
        call(identity, b'{"a":"90071992547409931","c":1.00000000000000000001}'),
        call(identity, b'{"a":1}\n{"b":[-90071992547409931]}\n', format="ndjson"),
        call(identity, b"[1,2"),
        call(identity, b'{"a":01}'),
        call(identity, b'["\xc3"]'),
        call(identity, b"\xef\xbb\xbf[1]"),
        call(identity, b'{"__proto__":{"a":1},"a":1,"a":2}'),
        call(identity, b'["\\ud800","\\u0000",1e400,-0]'),
        call(identity, b"[]", answer="ndjson"),
        call("function process(data) { return 'x'.repeat(1000) }", b"[]", limits={"output_bytes": 100}),
        call("function process(data) { return '\u00e9'.repeat(60) }", b"[]", limits={"output_bytes": 100}),
    ]

    default, strict = results("default", calls)["results"], results("strict", calls)["results"]

    assert [{**item, "fuel": None} for item in strict] == [{**item, "fuel": None} for item in default]


@pytest.mark.real_data
def test_central_bank_records() -> None:
    six = json.loads((SHARED / "bacen_seed_six_records.json").read_bytes())
    real = (SHARED / "bacen_cartoes_trimestral.json").read_bytes()
    calls = [call(GROUPING, six), call(GROUPING, real)]

    default, strict = results("default", calls)["results"], results("strict", calls, "locked")["results"]

    assert [item["output"] for item in strict] == [item["output"] for item in default]
    assert len(value(strict[0])) == 3
    assert len(value(strict[1])) == 252


def test_same_fuel_locked_and_not() -> None:
    calls = [call(SCRIPTS["group"], records(40)), call(SCRIPTS["console"], records(40))]

    first, second = results("strict", calls)["results"], results("strict", calls, "locked")["results"]

    assert [item["fuel"] for item in first] == [item["fuel"] for item in second]
    assert all(item["fuel"] > 0 for item in first)
