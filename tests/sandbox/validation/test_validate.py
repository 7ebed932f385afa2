"""Scripts are refused with rule, line and column before they are stored, and realistic ones are not (A07)."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quilate.domain.errors import QuilateError
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import FailureClass, Level, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.sandbox.validation.rules import RULES
from quilate.sandbox.validation.validate import AVAILABLE, Validator, validate
from quilate.sandbox.validation.violations import refuses

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.js"))}
END = "\nfunction process(data) { return data; }"
PLAIN = "function process(data) { return data; }"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("name", SCRIPTS)
async def test_realistic_scripts_pass_without_a_word(pool: SandboxPool, validator: Validator, name: str) -> None:
    combines = name == "parts_and_combine"
    found = await validator.validate(SCRIPTS[name], shape_needs_combine=combines)
    assert [str(each) for each in found] == []
    # Some want other data than an empty list, but none is at fault itself.
    outcome = await pool.execute(Program(source=SCRIPTS[name]), Payload(data=b"[]"))
    if outcome.failure is not None:
        assert outcome.failure.kind is FailureClass.RUNTIME
        assert outcome.failure.message.startswith("TypeError")


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("\ufeffx;" + END, 1, 1),
        ("\ufeff  x;" + END, 1, 3),
        ("\n\ufeffx;" + END, 2, 2),
        ("'a';\r\n x;" + END, 2, 2),
        ("'a';\r x;" + END, 2, 2),
        ("'a';\u2028 x;" + END, 2, 2),
        ("'a';\u2029\n x;" + END, 3, 2),
        ("'😀'; x;" + END, 1, 7),
        ("'ç'; x;" + END, 1, 6),
        ("`\n\n`; x;" + END, 3, 4),
        ("\t\tx;" + END, 1, 3),
    ],
)
async def test_places_are_those_of_the_script(validator: Validator, source: str, line: int, column: int) -> None:
    (found,) = await validator.validate(source)
    assert (found.rule, found.line, found.column) == ("JS120", line, column)
    assert (found.end_line, found.end_column) == (line, column + 1)


@pytest.mark.parametrize("source", ["'use strict'; let x = 08;" + END, "let a = 1;\r\n let a = 2;" + END, "x(" + END])
async def test_syntax_errors_are_where_v8_finds_the_script_wrong(
    pool: SandboxPool, validator: Validator, source: str
) -> None:
    (found,) = await validator.validate(source)
    outcome = await pool.execute(Program(source=source), Payload(data=b"1"))
    assert outcome.failure is not None
    assert (found.rule, outcome.failure.kind) == ("JS001", FailureClass.SYNTAX)
    assert found.line == outcome.failure.line


@pytest.mark.parametrize(
    "source",
    [
        *("#!/usr/bin/env node", "--> x", "/* */ --> x", "/*\n*/ --> x", "1\n--> x", "<!-- x", "1 <!-- x", "\n--> x"),
        *("'\\08'", "0777", "'\\1'", "with (data) {}", "delete data", "arguments = 1", "yield = 1", "let [a, a] = []"),
        *("return 1", "await 1", "new.target", "super.x", "import.meta", "import x from 'y'", "export default 1"),
        *("label: function f() {}", "if (1) function f() {}", "({ a = 1 })", "a?.b = 1", "enum X {}", "@d class A {}"),
        *("`${", "/[/", "`\\u{`", "/a/vu", "/(?<a>x)(?<a>y)/", "/(?<a>x)|(?<a>y)/", "/(?i:a)b/", "/[a--b]/v", "1_000"),
        *("'\u2028'", "class A { static { } #x = 1; m() { return #x in this; } }", "1_", "x = 1 // \u2028)", "\ufeff1"),
        *("var undefined = 1", "{ using x = null; }", "using x = null", "a ??= 1", "const a;"),
        *("for (const x of [], []) ;", "for (let of []) ;", "({ get a(b) { } })", "(a, a) => 1", "function f(a, a) {}"),
        *("'use strict'; 010", "function f(a = 1) { 'use strict'; }", "x\\u{6c}", "ret\\u0075rn", "\\u0061 = 1", "}"),
        *("class A { constructor() {} constructor() {} }", "class A extends B { x = super.y }", "async () => await 1"),
    ],
)
async def test_acorn_and_v8_read_alike(pool: SandboxPool, validator: Validator, source: str) -> None:
    whole = f"{source}{END}"
    found = await validator.validate(whole)
    outcome = await pool.execute(Program(source=whole), Payload(data=b"1"))
    syntax_error = outcome.failure is not None and outcome.failure.kind is FailureClass.SYNTAX
    assert any(each.rule in {"JS001", "JS103", "JS114"} for each in found) == syntax_error, (found, outcome.failure)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 20_000 + ")" * 20_000,
        "[" * 100_000,
        "{" * 50_000 + "}" * 50_000,
        "`${" * 20_000,
        "a=>" * 60_000 + "1",
        "x" + "+1" * 100_000,
        "!" * 200_000 + "1",
        "if(1)" * 40_000 + ";",
        "f" + "()" * 100_000,
        "x" + ".a" * 100_000,
        "/" + "(" * 5_000 + ")" * 5_000 + "/",
        "a?b:" * 50_000 + "c",
    ],
    ids=lambda source: f"{source[:4]}-{len(source)}",
)
async def test_a_parser_bomb_is_a_refusal_and_the_next_script_is_read(validator: Validator, source: str) -> None:
    found = await validator.validate(source)
    assert refuses(found)
    assert {each.rule for each in found} <= {"JS001", "JS003", "JS010", "JS120"}
    assert await validator.validate(PLAIN) == ()


async def test_what_is_too_long_or_no_text_is_refused_before_it_is_read(pool: SandboxPool) -> None:
    (long,) = await validate(pool, PLAIN + " " * 300_000)
    assert (long.rule, "300,039 bytes" in long.message, "262,144" in long.message) == ("JS002", True, True)
    (short,) = await validate(pool, PLAIN, limits=Limits(source_bytes=10))
    assert short.rule == "JS002"
    (half,) = await validate(pool, f"{PLAIN}\n'\ud83d'")
    assert (half.rule, half.line, half.column) == ("JS004", 2, 2)


async def test_a_large_ordinary_script_is_read(validator: Validator) -> None:
    lines = "".join(f"  if (d.uf === 'U{n}') return [{n}, 'região {n}', {{ a: {n} }}];\n" for n in range(3_500))
    assert await validator.validate(f"function regiao(d) {{\n{lines}}}\nconst process = (d) => d.map(regiao);") == ()


async def test_the_next_call_has_a_new_session_where_one_died(pool: SandboxPool) -> None:
    async with Validator(pool) as validator:
        assert await validator.validate(PLAIN) == ()
        worker = validator._session._worker  # type: ignore[union-attr] # noqa: SLF001 - killed as the system would
        assert worker is not None
        worker.kill()
        assert await validator.validate("const process = eval;") != ()


async def test_scripts_at_the_same_time_get_each_their_own_answer(validator: Validator) -> None:
    sources = [f"const process = (d) => [{', '.join(['d'] * number)}, x];" for number in range(1, 20)]
    answers = await asyncio.gather(*(validator.validate(source) for source in sources))
    assert [found[0].column for found in answers] == [25 + 3 * number for number in range(1, 20)]


async def test_a_script_cannot_change_how_the_next_one_is_read(validator: Validator) -> None:
    hostile = "Object.prototype.type = 'x'; Array.prototype.push = null; '}); process = () => []; ({'"
    first = await validator.validate(f"{hostile}{END}")
    assert await validator.validate(f"{hostile}{END}") == first
    assert await validator.validate(PLAIN) == ()


async def test_without_a_sandbox_nothing_is_let_through() -> None:
    stopped = SandboxPool(PoolSettings(min_level=Level.PROCESS))
    with pytest.raises(SandboxUnavailableError):
        await validate(stopped, PLAIN)


async def test_every_name_that_is_let_through_is_there(pool: SandboxPool) -> None:
    names = [name for name in AVAILABLE if name not in {"undefined", "Function", "eval", "Promise", "globalThis"}]
    asked = ", ".join(f"typeof {name}" for name in names)
    outcome = await pool.execute(Program(source=f"const process = () => [{asked}];"), Payload(data=b"1"))
    assert outcome.output is not None
    assert b"undefined" not in outcome.output
    async with Validator(pool) as validator:
        assert await validator.validate(f"const process = () => [{', '.join(names)}];") == ()


WORDS = st.sampled_from(
    [
        *(
            "os",
            "constructorName",
            "evaluate",
            "eval_",
            "processo",
            "requireds",
            "importacao",
            "window",
            "self",
            "módulo",
        ),
        *("prototypeId", "Functional", "setTimeoutMs", "withdraw", "asyncId", "dados", "ação", "$valor", "_proto_"),
        *("caller", "callee", "prototype", "module", "exports", "global", "fetch", "top", "name", "length", "Function"),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.lists(WORDS, min_size=1, max_size=6, unique=True), texts=st.lists(st.text(max_size=20), max_size=3))
async def test_no_field_or_text_is_taken_for_something_else(
    validator: Validator, fields: list[str], texts: list[str]
) -> None:
    reads = " + ".join(f"item.{field} + item['{field}']" for field in fields)
    made = ", ".join(f"{field}: 1, '{field}x': 2" for field in fields)
    literals = ", ".join(json.dumps(text) for text in texts if text.isprintable())
    body = f"return [{reads}, {{{made}}}, [{literals}]];"
    source = f"function process(dados) {{ return dados.map(function(item) {{ {body} }}); }}"
    assert [str(each) for each in await validator.validate(source)] == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from(
                ["function process(d)", "{", "}", "(", ")", "=>", "while(", "`${", "/(a+)+/", "eval", "[", "]"]
            ),
            st.sampled_from(
                ["class A", "constructor", ".", "=", "\r\n", "\u2028", "<!--", "-->", "\ufeff", "x", ";", "\\u"]
            ),
        ),
        max_size=30,
    )
)
async def test_any_text_gets_an_answer_with_places_within_it(validator: Validator, pieces: list[str]) -> None:
    source = "".join(pieces)
    try:
        found = await validator.validate(source)
    except QuilateError as error:  # pragma: no cover - what must not happen
        pytest.fail(str(error))
    lines = source.replace("\r\n", "\n")
    for end in "\r\u2028\u2029":
        lines = lines.replace(end, "\n")
    longest = [len(line.encode("utf-16-le", "surrogatepass")) // 2 + 1 for line in lines.split("\n")]
    for each in found:
        assert each.rule in RULES
        assert 1 <= each.line <= len(longest)
        assert 1 <= each.column <= longest[each.line - 1] + 1
        assert (each.line, each.column) <= (each.end_line, each.end_column)
        assert "{" not in each.fix or each.rule in {"JS004", "JS010", "JS011", "JS114"}
