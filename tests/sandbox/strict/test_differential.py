"""The strict engine gives what the default engine gives: results, failures, places, records, console (A06)."""

import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

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


SCRIPTS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("scripts.yaml").read_text(encoding="utf-8"))
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
        call(identity, b"\xef\xbb\xbf[1,\n NaN]"),
        call(identity, b'\xef\xbb\xbf{"a":1}\n{"a":2}\n', format="ndjson"),
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
