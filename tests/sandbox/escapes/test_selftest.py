"""The self-test tells what escaped, what went otherwise than written, and what was left behind (A06, A08)."""

import asyncio

import pytest

from quilate.sandbox.escapes.cases import NOT_ESCAPED, EscapeCase
from quilate.sandbox.escapes.footprint import footprint
from quilate.sandbox.escapes.selftest import Ending, run_selftest
from quilate.sandbox.model import Engine, Level
from quilate.sandbox.pool import PoolSettings, SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")


def case(name: str, source: str, *, refused: tuple[str, ...] = (), runtime: str = NOT_ESCAPED) -> EscapeCase:
    allowed = frozenset(runtime.split())
    return EscapeCase(
        name=name, category="made", origin="", source=source, refused=refused, runtime=allowed, strict=allowed
    )


async def test_what_is_refused_and_contained_passes(pool: SandboxPool) -> None:
    cases = [
        case("refused", "const process = () => eval('1');", refused=("JS101",), runtime="ScriptRuntimeError"),
        case("contained", "const process = (d) => d.x.y.z;", runtime="ScriptRuntimeError"),
        case("answer", "const process = () => 'none';"),
    ]
    report = await run_selftest(pool, cases=cases)
    assert report.passed
    assert report.level == pool.report
    assert report.count(validated=True) == {Ending.REFUSED: 1, Ending.CONTAINED: 2}
    assert report.count(validated=False, category="made") == {Ending.CONTAINED: 3}
    assert [(each.name, each.rules, each.classes) for each in report.results if each.validated] == [
        ("refused", ("JS101",), ()),
        ("contained", (), ("ScriptRuntimeError",)),
        ("answer", (), (NOT_ESCAPED,)),
    ]


@pytest.mark.parametrize(
    ("made", "ending", "words"),
    [
        (case("out", "const process = () => 'ESCAPED to the host';"), Ending.ESCAPED, "it answered"),
        (case("other", "const process = (d) => d.x.y;"), Ending.UNEXPECTED, "ScriptRuntimeError instead of NotEscaped"),
        (case("unseen", "const process = (d) => d;", refused=("JS101",)), Ending.UNEXPECTED, "said nothing instead"),
        (case("refused", "const process = () => eval('1');"), Ending.UNEXPECTED, "said JS101 instead of nothing"),
    ],
)
async def test_what_goes_otherwise_fails_the_test(
    pool: SandboxPool, made: EscapeCase, ending: Ending, words: str
) -> None:
    report = await run_selftest(pool, cases=[made], validated=(True,))
    (result,) = report.results
    assert not report.passed
    assert result.ending is ending
    assert words in result.problem


async def test_runs_that_have_to_be_alike_are_compared() -> None:
    made = EscapeCase(
        name="clock",
        category="made",
        origin="",
        source="const process = () => Math.random();",
        refused=(),
        runtime=frozenset({NOT_ESCAPED}),
        strict=frozenset({NOT_ESCAPED}),
        runs=2,
        same=True,
    )
    async with SandboxPool(PoolSettings(workers=1, min_level=Level.PROCESS)) as pool:
        (result,) = (await run_selftest(pool, cases=[made], validated=(False,))).results
        assert result.problem == "its runs answered differently"


async def test_a_pool_that_answers_no_more_is_a_problem() -> None:
    async with SandboxPool(PoolSettings(workers=1, min_level=Level.PROCESS)) as pool:
        running = asyncio.create_task(
            run_selftest(pool, cases=[case("none", "const process = () => 1;")], validated=())
        )
        assert (await running).passed
        wanted = await run_selftest(pool, engine=Engine.STRICT, cases=[], validated=())
    assert not wanted.passed
    assert wanted.problems == ("a plain script got ScriptRejected instead of its answer",)


async def test_the_footprint_counts_what_this_process_has_started() -> None:
    before = footprint()
    if before is None:
        pytest.skip("the system has no /proc")
    child = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        during = footprint()
    finally:
        child.kill()
        await child.wait()
    after = footprint()
    assert during is not None
    assert after is not None
    assert (during.processes - before.processes, after.processes) == (1, before.processes)
    assert during.memory_bytes > 0
