"""Scripts are refused with rule, line and column before they are stored, and realistic ones are not (A07)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quilate.domain.errors import QuilateError
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import FailureClass, Level, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.sandbox.validation.rules import RULES
from quilate.sandbox.validation.validate import AVAILABLE, Validator, validate
from quilate.sandbox.validation.violations import refuses

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.js"))
END = "\nfunction process(data) { return data; }"
PLAIN = "function process(data) { return data; }"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def validator(pool: SandboxPool) -> AsyncIterator[Validator]:
    async with Validator(pool) as opened:
        yield opened


async def places(validator: Validator, source: str) -> list[tuple[str, int, int]]:
    return [(each.rule, each.line, each.column) for each in await validator.validate(source)]


async def rules(validator: Validator, source: str) -> set[str]:
    return {each.rule for each in await validator.validate(source)}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_realistic_scripts_pass_without_a_word(validator: Validator, path: Path) -> None:
    combines = path.stem == "parts_and_combine"
    found = await validator.validate(path.read_text(encoding="utf-8"), shape_needs_combine=combines)
    assert [str(each) for each in found] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("function process(d) { return eval(d); }", [("JS101", 1, 30)]),
        ("const process = (d) =>\n  new Function(d);", [("JS102", 2, 7)]),
        ("class Made extends Function {}" + END, [("JS102", 1, 20)]),
        ("export function process(d) { return d; }", [("JS103", 1, 1)]),
        ("import fs from 'fs';" + END, [("JS103", 1, 1)]),
        ("const process = () => import('fs');", [("JS103", 1, 23)]),
        ("const process = () => import.meta.url;", [("JS103", 1, 23)]),
        ("const process = (d) => require('x')(d);", [("JS103", 1, 24)]),
        ("const process = (d) => { queueMicrotask(d); return d; };", [("JS104", 1, 26)]),
        ("async function process(d) { return d; }", [("JS105", 1, 1)]),
        ("const process = (d) => Promise.resolve(d);", [("JS105", 1, 24)]),
        ("this.x = 1;" + END, [("JS106", 1, 1)]),
        ("(() => this.x)();" + END, [("JS106", 1, 8)]),
        ("const process = (d) => WebSocket(d);", [("JS107", 1, 24)]),
        ("const process = (d) => Atomics.load(d, 0);", [("JS108", 1, 24)]),
        ("const process = (d) => d.__proto__;", [("JS111", 1, 26)]),
        ("const process = (d) => ({ __proto__: d });", [("JS111", 1, 27)]),
        ("Array.prototype.x = 1;" + END, [("JS111", 1, 1)]),
        ("Error.stackTraceLimit = 0;" + END, [("JS112", 1, 7)]),
        ("const process = (d) => { with (d) return 1; };", [("JS114", 1, 26)]),
        ("const process = (d) => d.map(x => y);", [("JS120", 1, 35)]),
        ("function process(d) {\n  for (;;) { d.pop(); }\n}", [("JS130", 2, 3)]),
        ("function outra(d) { return d; }", [("JS010", 1, 1)]),
        ("const process = 3;", [("JS012", 1, 17)]),
        ("const process = { a: 1 };", [("JS012", 1, 17)]),
        ("let process;", [("JS012", 1, 1)]),
        ("function* process(d) { yield d; }", [("JS012", 1, 1)]),
        ("function process(d) { d.pop(); }", [("JS013", 1, 1)]),
        ("debugger;" + END, [("JS140", 1, 1)]),
        ("const process = () => Math.random();", [("JS150", 1, 23)]),
        ("let undefined = 1;" + END, [("JS001", 1, 1)]),
        ("function process(d) { return d", [("JS001", 1, 31)]),
        ("function process(d) { return 010; }", [("JS001", 1, 30)]),
    ],
)
async def test_each_breach_has_its_rule_and_place(
    validator: Validator, source: str, expected: list[tuple[str, int, int]]
) -> None:
    assert await places(validator, source) == expected


SPELLED = [
    "'constructor'",
    "'con' + 'structor'",
    "`constr${'uct'}or`",
    "'\\x63onstructor'",
    "'\\u{63}onstructor'",
    "['con', 'structor'].join('')",
    "['constructor']",
    "'rotcurtsnoc'.split('').reverse().join('')",
    "String.fromCharCode(99, 111, 110, 115, 116, 114, 117, 99, 116, 111, 114)",
    "String.fromCharCode.apply(null, [99, 111, 110, 115, 116, 114, 117, 99, 116, 111, 114])",
    "String.fromCodePoint(...[99, 111, 110, 115, 116, 114, 117, 99, 116, 111, 114])",
    "String.raw`constructor`",
    "decodeURIComponent('%63onstructor')",
    "unescape('%63onstructor')",
    "'xconstructorx'.slice(1, -1)",
    "'CONSTRUCTOR'.toLowerCase()",
    "'c-onstructor'.replace('-', '')",
    "(0, 'constructor')",
    "(true ? 'constructor' : 'a')",
    "(null ?? 'constructor')",
    "'constructo' + 'bar'[2]",
]


@pytest.mark.parametrize("key", [*SPELLED, "(k = 'constructor')", "({ toString() { return 'constructor'; } })"])
async def test_a_walk_to_a_constructor_is_seen_however_its_key_is_spelled(validator: Validator, key: str) -> None:
    assert "JS110" in await rules(validator, f"const process = (d, k) => d[{key}];")


@pytest.mark.parametrize("key", SPELLED)
async def test_a_walk_to_a_constructor_is_seen_through_a_variable(validator: Validator, key: str) -> None:
    assert "JS110" in await rules(
        validator, f"let first = {key};\nconst second = first;\nconst process = (d) => d?.[second];"
    )


@pytest.mark.parametrize(
    "source",
    [
        "const process = ({ constructor: F }) => F;",
        "const process = (d) => { let F; ({ ['constr' + 'uctor']: F } = d); return F; };",
        "const process = ([{ constructor: F }]) => F;",
        "const process = (d) => { for (const { constructor: F } of d) return F; };",
        "const process = (d) => Object.getOwnPropertyDescriptor(d, 'constructor');",
        "const process = (d) => Reflect.get(d, 'const' + 'ructor');",
        "const process = (d) => d.c\\u006fnstructor;",
        "const process = (d) => d.constructor.constructor('x');",
        "const process = (d) => [d.constructor.name, d.constructor];",
    ],
)
async def test_a_walk_to_a_constructor_is_seen_by_every_way(validator: Validator, source: str) -> None:
    assert "JS110" in await rules(validator, source)


@pytest.mark.parametrize(
    "change",
    [
        "Object.prototype.x = 1;",
        "const p = Object.prototype; p.x = 1;",
        "const { prototype } = Array; Array['proto' + 'type'].x = 1;",
        "Object.assign(Array.prototype, { x: 1 });",
        "Object.defineProperty(String.prototype, 'x', { value: 1 });",
        "Reflect.set(Object.prototype, 'x', 1);",
        "Object.getPrototypeOf([]).x = 1;",
        "Object.setPrototypeOf(Array.prototype, null);",
        "delete Array.prototype.map;",
        "Math.PI++;",
        "[JSON.parse] = [1];",
        "for (JSON.parse of [1]) break;",
        "({ a: Array.from } = { a: 1 });",
        "JSON = {};",
        "({}).__proto__.x = 1;",
        "({}).__defineGetter__('x', () => 1);",
        "Function.prototype.call = 1;",
    ],
)
async def test_changes_of_what_is_built_in_are_refused(validator: Validator, change: str) -> None:
    assert "JS111" in await rules(validator, change + END)


@pytest.mark.parametrize(
    "loop",
    [
        "while (true) { d.pop(); }",
        "while (1 < 2) { }",
        "while (!0) { while (d) break; }",
        "while ([]) { (() => { return 1; })(); }",
        "while (true) { switch (d) { case 1: break; } }",
        "do { d++; } while (true);",
        "for (let i = 0; ; i++) { inner: { break inner; } }",
        "outer: while (1) { for (const x of d) continue outer; }",
        "while (true) { try { throw 1; } catch { } }",
        "const sempre = true; while (sempre) { d.push(1); }",
        "let i = 0; while (i < 10) { d.push(i); }",
    ],
)
async def test_loops_without_a_way_out_are_refused(validator: Validator, loop: str) -> None:
    assert "JS130" in await rules(validator, f"function process(d) {{ {loop} return d; }}")


@pytest.mark.parametrize(
    "loop",
    [
        "while (true) { if (d.pop()) break; }",
        "while (true) { try { return d; } finally { d.pop(); } }",
        "outer: for (;;) { for (;;) { break outer; } }",
        "outer: for (const x of d) { while (true) { continue outer; } }",
        "try { while (true) { d.next(); } } catch { }",
        "for (;;) { throw new Error('x'); }",
        "let i = 0; while (i < 10) { i++; }",
        "let i = 0; while (i < 10) [i] = [i + 1];",
        "let i = 3; const passo = () => i--; while (i) passo();",
        "for (const x of d) { } for (const k in d) { } for (let i = 0; i < 3; i++) { }",
        "while (false) { }",
        "do { } while (0);",
    ],
)
async def test_loops_with_a_way_out_pass(validator: Validator, loop: str) -> None:
    assert await rules(validator, f"function process(d) {{ {loop} return d; }}") == set()


async def test_a_condition_that_never_changes_is_a_warning(validator: Validator) -> None:
    source = "function process(d) { let i; i = d.length; while (i > 0) { d.pop(); } return d; }"
    (found,) = await validator.validate(source)
    assert (found.rule, found.severity, "(i)" in found.message) == ("JS133", "warning", True)
    assert not refuses((found,))


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
    ("pattern", "rule"),
    [
        ("/^(a+)+$/i", "JS131"),
        ("/^(a|a)*$/u", "JS131"),
        ("/^(\\w+\\s?)*$/i", "JS131"),
        ("/^(a+)+\\1$/", "JS131"),
        ("/^(?=a)(a+)+$/", "JS131"),
        ("new RegExp('^(' + '.*' + ',?)+$', 'i')", "JS131"),
        ("/(?:[a-z]|[a-c])+x/i", "JS131"),
        ("/(a*)*b/i", "JS131"),
        ("/^(a+)+$/", "JS132"),
        ("/^(\\d+\\.?)+$/g", "JS132"),
    ],
)
async def test_regular_expressions_of_exponential_time_are_named(validator: Validator, pattern: str, rule: str) -> None:
    assert await rules(validator, f"const process = (d) => {pattern}.test(d);") == {rule}


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "/^(?:\\d+,)*\\d+$/i",
            "/^(\\w+\\s)*\\w+$/i",
            "/(a|b)*c/i",
            '/^(?:[^"]|"")*$/i',
            "/(a+)+/i",
            "/(?:a{1,3})+$/i",
        ),
        *("/^\\s*(?:-\\s*)?\\d+$/i", "/(\\d{3}\\.){3}x/i", "/[(+*]+$/i", "/\\(a+\\)+$/i", "/(?:\\p{L}+\\P{L})+$/u"),
        *("/^(?:[\\p{L}--[a-z]]+-)*$/v", "/(?<ano>\\d{4})-(?<mes>\\d\\d)\\k<ano>/i", "/^(?:ab|ac)+$/i", "/(?:)*x/i"),
    ],
)
async def test_harmless_regular_expressions_pass(validator: Validator, pattern: str) -> None:
    assert await rules(validator, f"const process = (d) => {pattern}.test(d);") == set()


async def test_an_unknown_name_names_the_nearest(validator: Validator) -> None:
    (one, other, none) = await validator.validate("function process(dados) { return Maths.max(dadso, q); }")
    assert [one.message, other.message, none.message] == [
        "'Maths' is not defined; did you mean 'Math'?",
        "'dadso' is not defined; did you mean 'dados'?",
        "'q' is not defined",
    ]


async def test_combine_is_asked_for_where_the_shape_calls_it(validator: Validator) -> None:
    assert await validator.validate(PLAIN) == ()
    (found,) = await validator.validate(PLAIN, shape_needs_combine=True)
    assert found.rule == "JS011"
    both = f"{PLAIN} const combine = (parts) => parts.length;"
    assert await validator.validate(both, shape_needs_combine=True) == ()


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
    import json  # noqa: PLC0415 - for this test alone

    reads = " + ".join(f"item.{field} + item['{field}']" for field in fields)
    made = ", ".join(f"{field}: 1, '{field}x': 2" for field in fields)
    literals = ", ".join(json.dumps(text) for text in texts if text.isprintable())
    source = f"function process(dados) {{ return dados.map(function(item) {{ return [{reads}, {{{made}}}, [{literals}]]; }}); }}"
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
