"""The strict engine in a pool's locked workers: escapes contained, fuel the same, memory given back (A06, A08)."""

import pytest

from quilate.sandbox.escapes.cases import MARK, NOT_ESCAPED, escape_cases
from quilate.sandbox.model import Engine, FailureClass, Format, Level, Limits, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool

SETTINGS = PoolSettings(workers=1, engines=frozenset({Engine.STRICT}))
SHORT = Limits(wall_seconds=10.0, cpu_seconds=0.05)
"""Fuel ends long before the wall clock does, so that no busy machine changes what a case ends with."""


def strict(source: str, *, seed: int | None = None, now: int | None = None) -> Program:
    return Program(source=source, engine=Engine.STRICT, seed=seed, now_milliseconds=now)


@pytest.mark.asyncio
async def test_every_escape_is_contained() -> None:
    wrong = []
    async with SandboxPool(SETTINGS) as pool:
        for case in escape_cases():
            seed, now = (0, 0) if case.deterministic else (None, None)
            outputs = []
            for _ in range(case.runs):
                program = strict(case.source, seed=seed, now=now)
                outcome = await pool.execute(program, Payload(data=case.data), limits=SHORT)
                outputs.append(outcome.output)
                ending = NOT_ESCAPED if outcome.failure is None else outcome.failure.kind.value
                if ending not in case.strict or MARK in (outcome.output or b""):
                    wrong.append((case.name, ending, (outcome.output or b"")[:80]))
            if case.same and len(set(outputs)) != 1:
                wrong.append((case.name, "differs", b""))
        kills = pool.statistics.kills

    assert wrong == []
    assert kills == 0


@pytest.mark.asyncio
async def test_workers_are_shut_in_and_say_what_they_tried() -> None:
    async with SandboxPool(SETTINGS) as pool:
        outcome = await pool.execute(strict("function process() { return 1 }"), Payload(data=b"0"))

    assert outcome.level in {Level.LOCKED, Level.JAILED}
    assert outcome.engine is Engine.STRICT
    refused = {attempt.name for attempt in pool.report.attempts if attempt.refused}
    assert {"open", "socket", "fork", "exec", "strict: eval", "strict: Function", "strict: fuel"} <= refused


@pytest.mark.asyncio
async def test_same_fuel_in_each_worker() -> None:
    program = strict("function process(data) { return data.map((x) => [x, Math.random()]).sort() }")
    async with SandboxPool(PoolSettings(workers=2, engines=SETTINGS.engines)) as pool:
        payload = Payload(data=b"[3,1,2]")
        outcomes = await pool.execute_many([(program, payload, Limits())] * 20)
    async with SandboxPool(SETTINGS) as pool:
        outcomes.append(await pool.execute(program, payload))

    assert len({outcome.fuel for outcome in outcomes}) == 1
    assert len({outcome.output for outcome in outcomes}) == 1
    assert outcomes[0].output is not None


@pytest.mark.asyncio
async def test_session_goes_on_in_a_new_machine_after_its_memory_ended() -> None:
    source = """let n = 0; function process(x) {
      if (x < 0) { const kept = []; for (;;) kept.push(new Uint8Array(1 << 20)) }
      return n += x
    }"""
    async with SandboxPool(SETTINGS) as pool, pool.session(strict(source)) as session:
        first = await session.call(Payload(data=b"1"))
        second = await session.call(Payload(data=b"-1"))
        third = await session.call(Payload(data=b"5"))

    assert (first.output, third.output) == (b"1", b"5")
    assert second.failure is not None
    assert second.failure.kind is FailureClass.MEMORY


@pytest.mark.asyncio
async def test_memory_comes_back() -> None:
    source = """function process() {
      const kept = [];
      for (let i = 0; i < 40; i++) kept.push(new Uint8Array(1 << 20).fill(1));
      return 1
    }"""
    async with SandboxPool(SETTINGS) as pool:
        for _ in range(30):
            outcome = await pool.execute(strict(source), Payload(data=b"0"))
            assert outcome.output == b"1"
        large = await pool.execute(strict("function process() { return 1 }"), Payload(data=b"0"))

    assert outcome.peak_memory_bytes > 40 << 20
    assert large.peak_memory_bytes < outcome.peak_memory_bytes - (30 << 20)


@pytest.mark.asyncio
async def test_large_answers_and_inputs() -> None:
    data = b"[" + b",".join(b'{"a":%d,"b":"%s"}' % (i, b"x" * 50) for i in range(40_000)) + b"]"
    async with SandboxPool(SETTINGS) as pool:
        outcome = await pool.execute(
            strict("function process(data) { return data }"), Payload(data=data), answer=Format.JSON
        )

    assert outcome.failure is None
    assert outcome.output == data
