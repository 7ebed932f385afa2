"""Every case of the escape suite, with the validator in front and without it, on both engines.

Counted is how each ended, and, without the validator, with which class: a class of its own for each kind of abuse is
what a caller can act on. ``met`` says that nothing escaped, that every case ended as it is written, that the workers
answered a plain script after each, and that the host had back its processes and its memory. The time is that of the
whole suite; cases that never end take the 0.3 s of processor time that the suite gives them.
"""

import asyncio
from collections import Counter

from measure import report
from quilate.sandbox.escapes.selftest import Ending, SelfTestReport, run_selftest
from quilate.sandbox.model import Engine, Level
from quilate.sandbox.pool import PoolSettings, SandboxPool


async def measured(engine: Engine) -> SelfTestReport:
    """Run the suite on one engine."""
    settings = PoolSettings(workers=1, engines=frozenset({Engine.DEFAULT, engine}), min_level=Level.PROCESS)
    async with SandboxPool(settings) as pool:
        return await run_selftest(pool, engine=engine)


def counts(found: SelfTestReport, *, validated: bool) -> dict[str, int]:
    """Return how many cases ended in each way, the empty ones left out but for ``escaped``."""
    counted = found.count(validated=validated)
    return {ending.value: counted[ending] for ending in Ending if counted[ending] or ending is Ending.ESCAPED}


def classes(found: SelfTestReport) -> dict[str, int]:
    """Return how many cases ended with each class where no validator was asked."""
    return dict(Counter(each.classes[-1] for each in found.results if not each.validated).most_common())


def growth(found: SelfTestReport) -> float | None:
    """Return by how many MiB all processes together grew from before the suite to after it."""
    if found.before is None or found.after is None:
        return None
    return (found.after.memory_bytes - found.before.memory_bytes) / (1 << 20)


def main() -> None:
    """Print the figures."""
    for engine in (Engine.DEFAULT, Engine.STRICT):
        found = asyncio.run(measured(engine))
        refused = sorted(each.milliseconds for each in found.results if each.ending is Ending.REFUSED)
        report(
            "sandbox_escapes",
            engine=engine.value,
            level=found.level.level.value,
            cases=len({each.name for each in found.results}),
            validator_on=counts(found, validated=True),
            validator_off=counts(found, validated=False),
            classes_validator_off=classes(found),
            refusal_median_ms=refused[len(refused) // 2],
            seconds=found.seconds,
            grown_mib=growth(found),
            problems=[*(f"{each.name}: {each.problem}" for each in found.results if each.problem), *found.problems],
            met=found.passed,
        )


if __name__ == "__main__":
    main()
