"""Every rule of scripts: what it refuses, where, and what it must let through (A07)."""

import re
from pathlib import Path

import pytest

from quilate.sandbox.validation.rules import RULES, Rule
from quilate.sandbox.validation.validate import Validator
from quilate.sandbox.validation.violations import refuses

END = "\nfunction process(data) { return data; }"
PLAIN = "function process(data) { return data; }"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "script-rules.md"
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def places(validator: Validator, source: str) -> list[tuple[str, int, int]]:
    return [(each.rule, each.line, each.column) for each in await validator.validate(source)]


async def rules(validator: Validator, source: str) -> set[str]:
    return {each.rule for each in await validator.validate(source)}


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
        "class A { static m() { return new this.constructor('x'); } } const process = () => A.m();",
        "class A { static { this.constructor('x'); } } const process = () => A;",
        "class A { m() { return function () { return this.constructor; }; } } const process = () => A;",
        "class A { m() { return this.constructor.constructor('x'); } } const process = () => A;",
        "class A { m() { return this.constructor['constr' + 'uctor']; } } const process = () => A;",
        "const a = { m() { return this.constructor; } }; const process = () => a;",
    ],
)
async def test_a_walk_to_a_constructor_is_seen_by_every_way(validator: Validator, source: str) -> None:
    assert "JS110" in await rules(validator, source)


@pytest.mark.parametrize(
    "member",
    [
        "com(x) { return new this.constructor(x); }",
        "static base = 1; com() { return this.constructor.base; }",
        "static feitos = 0; constructor() { this.constructor.feitos++; }",
        "nomes = () => [1].map(() => this.constructor.name.length);",
        "static base = 1; valor = this.constructor.base;",
        "get dobro() { const { base } = this.constructor; return base; }",
    ],
)
async def test_classes_may_name_themselves_by_their_constructor(validator: Validator, member: str) -> None:
    assert await rules(validator, f"class Serie {{ {member} }} const process = (d) => new Serie(d);") == set()


async def test_a_process_that_is_unpacked_from_an_object_passes(validator: Validator) -> None:
    source = "const library = { process: (d) => d, other: 1 }; const { process, other } = library;"
    assert await rules(validator, source) == set()
    assert "JS012" in await rules(validator, "let process;")


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
        "const fila = [1, 2]; while (fila.length) { fila.pop(); }",
        "const pilha = [0], n = pilha; do { n.pop(); } while (pilha.length > 0);",
        "const estado = [1]; while (estado[0] < 3) { estado[0] += 1; }",
        "const vistos = ['a']; while (vistos.join('') !== 'aaa') { vistos.push('a'); }",
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


def sections() -> dict[str, str]:
    text = PAGE.read_text(encoding="utf-8")
    found = re.split(r"^## (JS\d{3})\n", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
async def test_the_page_says_what_the_catalogue_says_and_its_example_breaks_the_rule(
    validator: Validator, rule: Rule
) -> None:
    section = sections()[rule.id]
    for sentence in (f"*{rule.severity}*, {rule.title}.", f"> {rule.message}", f"Fix: {rule.fix}"):
        assert sentence.replace("{{", "{").replace("}}", "}") in section
    assert f"| [{rule.id}](#{rule.id.lower()}) | {rule.severity} | {rule.title} |" in PAGE.read_text(encoding="utf-8")
    example = re.search(r"```js\n(.*?)```", section, re.DOTALL)
    if example:
        found = await validator.validate(example[1], shape_needs_combine=rule.id == "JS011")
        assert rule.id in {each.rule for each in found}
        assert {each.severity for each in found if each.rule == rule.id} == {rule.severity}


async def test_the_page_has_no_rule_that_there_is_not() -> None:
    assert list(sections()) == list(RULES)
