"""The strict engine beside the default one: the same scripts and payloads, the same results, in one pool each.

Both have one locked worker and take turns. Timed is what the worker says of its processor time for one execution, a
single-use isolate or machine included, so that what else the computer does matters little. ``fuel_per_cpu_second`` is
how much fuel a second of processor time burned in each of the ``BURNERS``: what ``FUEL_PER_CPU_SECOND`` is chosen from.
"""

import asyncio
import json
import random
import statistics

from measure import report
from quilate.sandbox.model import Engine, Limits, Outcome, Payload, Program
from quilate.sandbox.pool import PoolSettings, SandboxPool
from quilate.sandbox.strict.engine import FUEL_PER_CPU_SECOND

ROUNDS = 15
LIMITS = Limits(wall_seconds=60.0, cpu_seconds=30.0, heap_bytes=256 << 20)
GROUPING = """function process(data) {
  const grouped = data.filter((item) => item.product === "Corporate").reduce((groups, item) => {
    const key = `${item.quarter}-${item.brand}`;
    groups[key] ??= { quarter: item.quarter, brand: item.brand, cards: 0, issued: 0, count: 0, value: 0 };
    for (const name of ["cards", "issued", "count", "value"]) groups[key][name] += item[name];
    return groups;
  }, {});
  return Object.values(grouped);
}"""
SCRIPTS = {
    "group_6_records": (GROUPING, 6),
    "group_3354_records": (GROUPING, 3354),
    "project_20000_records": (
        "function process(data) { return data.map((r) => ({ brand: r.brand, cost: r.value * 2 })) }",
        20_000,
    ),
    "compute": ("function process() { let sum = 0; for (let i = 0; i < 1e6; i++) sum += i % 7; return sum }", 0),
}
BURNERS = {
    "arithmetic": "function process() { for (let i = 0; ; i++) Math.sqrt(i) }",
    "objects": "function process() { for (let i = 0; ; i++) ({ a: i, b: [i] }) }",
    "texts": "function process() { for (let i = 0; ; i++) ('x' + i).split('').reverse().join('') }",
    "json": "function process(data) { for (;;) JSON.parse(JSON.stringify(data)) }",
    "sorting": "function process(data) { for (;;) data.toSorted((a, b) => a.value - b.value) }",
    "maps": "function process() { for (;;) { const m = new Map(); for (let i = 0; i < 1e5; i++) m.set('' + i, i) } }",
    "expressions": "function process() { for (;;) /^(a+)+b$/.test('a'.repeat(24)) }",
    "recursion": "function process() { const f = (n) => n < 2 ? n : f(n - 1) + f(n - 2); for (;;) f(20) }",
    "big_numbers": "function process() { for (;;) 3n ** 5000n }",
    "scattered_memory": """function process() { const list = new Float64Array(6e6);
        for (let i = 0; ; i++) list[(i * 7919777) % 6000000] += i }""",
}


def records(count: int) -> list[dict[str, object]]:
    """Records like those of the central bank's card statistics."""
    numbers = random.Random(3)  # noqa: S311 - data, not a secret
    return [
        {
            "product": numbers.choice(["Corporate", "Gold", "Basic", "Platinum"]),
            "quarter": f"20{numbers.randrange(10, 25)}{numbers.randrange(1, 5)}",
            "brand": numbers.choice(["VISA", "MasterCard", "Elo", "American Express"]),
            "cards": numbers.randrange(10**6),
            "issued": numbers.randrange(10**6),
            "count": numbers.randrange(10**8),
            "value": numbers.randrange(10**12) / 100,
        }
        for _ in range(count)
    ]


async def run(pool: SandboxPool, engine: Engine, source: str, data: bytes, limits: Limits = LIMITS) -> Outcome:
    """Run one execution."""
    return await pool.execute(Program(source=source, engine=engine, seed=1), Payload(data=data), limits=limits)


async def compare(pool: SandboxPool) -> dict[str, object]:
    """Return both engines' times and whether they agree."""
    figures: dict[str, object] = {}
    agree = same_fuel = True
    for name, (source, count) in SCRIPTS.items():
        outcomes = await rounds(pool, source, json.dumps(records(count)).encode())
        default, strict = (middle(outcomes[engine]) for engine in (Engine.DEFAULT, Engine.STRICT))
        outputs = {outcome.output for taken in outcomes.values() for outcome in taken}
        fuels = {outcome.fuel for outcome in outcomes[Engine.STRICT]}
        figures |= {f"{name}_default_ms": default, f"{name}_strict_ms": strict, f"{name}_ratio": strict / default}
        figures[f"{name}_fuel"] = next(iter(fuels))
        agree &= len(outputs) == 1 and None not in outputs
        same_fuel &= len(fuels) == 1
    return {**figures, "same_results": agree, "same_fuel_each_time": same_fuel}


async def rounds(pool: SandboxPool, source: str, data: bytes) -> dict[Engine, list[Outcome]]:
    """Return what both engines give, in turn."""
    outcomes: dict[Engine, list[Outcome]] = {Engine.DEFAULT: [], Engine.STRICT: []}
    for _ in range(ROUNDS + 1):
        for engine, taken in outcomes.items():
            taken.append(await run(pool, engine, source, data))
    return outcomes


def middle(outcomes: list[Outcome]) -> float:
    """Return the median processor time in milliseconds; the first one warms up and is not counted."""
    return statistics.median(outcome.cpu_milliseconds for outcome in outcomes[1:])


async def burn(pool: SandboxPool) -> dict[str, float]:
    """Return how much fuel a second of processor time burns, by kind of work."""
    data = json.dumps(records(500)).encode()
    limits = Limits(wall_seconds=60.0, cpu_seconds=1.0, heap_bytes=256 << 20)
    found = {}
    for name, source in BURNERS.items():
        outcome = await run(pool, Engine.STRICT, source, data, limits)
        found[name] = (outcome.fuel or 0) / (outcome.cpu_milliseconds / 1000)
    return found


async def main() -> None:
    """Print the figures."""
    settings = PoolSettings(workers=1, engines=frozenset({Engine.DEFAULT, Engine.STRICT}), heap_bytes=256 << 20)
    async with SandboxPool(settings) as pool:
        figures = await compare(pool)
        rates = await burn(pool)
        report(
            "strict_engine",
            level=pool.report.level.value,
            **figures,
            fuel_per_cpu_second={name: round(rate / 1e9, 2) for name, rate in rates.items()},
            fuel_of_a_cpu_second_limit=FUEL_PER_CPU_SECOND / 1e9,
            met=figures["same_results"] is True and figures["same_fuel_each_time"] is True,
        )


if __name__ == "__main__":
    asyncio.run(main())
