"""The escape suite run on the machine at hand: every case with the validator and without it (A06, A08).

With the validator a case is refused, or it is let through and contained; without it each has to be contained by the
sandbox alone. After each case the pool has to answer a plain script, and at the end, as in between, the host has back
its processes and its memory.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from quilate.sandbox.escapes.cases import MARK, NOT_ESCAPED, EscapeCase, escape_cases
from quilate.sandbox.escapes.footprint import Footprint, footprint
from quilate.sandbox.model import Engine, LevelReport, Limits, Outcome, Payload, Program
from quilate.sandbox.validation.validate import Validator

if TYPE_CHECKING:
    from quilate.sandbox.pool import SandboxPool

CASE_LIMITS = Limits(wall_seconds=2.0, cpu_seconds=0.3)
"""Of each case: what never ends need not be waited for as long as an execution."""
SLACK_BYTES = 64 << 20
"""What all processes may have more than before, besides a heap each: workers keep their heaps for later."""

_BACK_SECONDS, _LOOK_SECONDS = 15.0, 0.02
_CONTROL = "function process(data) { return data.reduce((sum, each) => sum + each, 0) * 7; }"
_CONTROL_DATA, _CONTROL_ANSWER = b"[1, 2, 3]", b"42"


class Ending(StrEnum):
    """How a case ended."""

    REFUSED = "refused"
    CONTAINED = "contained"
    UNEXPECTED = "unexpected"
    ESCAPED = "escaped"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one case.

    Attributes:
        name: Of the case.
        category: Of the case.
        validated: The validator was asked first.
        ending: How it ended.
        rules: Ids of the rules that refused it.
        classes: Failure classes of its runs, or ``NOT_ESCAPED``; empty where it was refused.
        milliseconds: Wall clock, analysis included.
        problem: What is wrong, one sentence; empty where all is as it should be.
    """

    name: str
    category: str
    validated: bool
    ending: Ending
    rules: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    milliseconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestReport:
    """What came of all.

    Attributes:
        engine: That ran them.
        level: How the workers were shut in, with the attempts and the engine's flags.
        results: One for each case with the validator, one without.
        seconds: Wall clock of all.
        before: The host's processes and memory before; ``None`` where they cannot be read.
        after: The same at the end.
        problems: What is wrong beyond single cases.
    """

    engine: Engine
    level: LevelReport
    results: tuple[CaseResult, ...]
    seconds: float
    before: Footprint | None
    after: Footprint | None
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing escaped, nothing went otherwise than written, and the host is as before."""
        return not self.problems and not any(result.problem for result in self.results)

    def count(self, *, validated: bool, category: str | None = None) -> Counter[Ending]:
        """Return how many cases ended in each way, of one category or of all."""
        return Counter(
            result.ending
            for result in self.results
            if result.validated is validated and category in {None, result.category}
        )


async def run_selftest(
    pool: "SandboxPool",
    *,
    engine: Engine = Engine.DEFAULT,
    validated: Sequence[bool] = (True, False),
    cases: Sequence[EscapeCase] | None = None,
) -> SelfTestReport:
    """Run cases one after the other, first with the validator, then without it.

    Args:
        pool: Started; where it has several workers, each of them answers a plain script after each case.
        engine: What runs the cases; the analysis runs on the default one.
        validated: Whether to ask the validator: both, or one of them.
        cases: Which; all of them by default.

    Raises:
        SandboxUnavailableError: The pool cannot analyse scripts.
    """
    begin = time.monotonic()
    results, problems = [], []
    async with Validator(pool) as validator:
        suite = _Suite(pool, validator, engine, escape_cases() if cases is None else cases)
        if problem := await suite.warm_up():
            problems.append(problem)
        before = reference = footprint()
        for validate in validated:
            async for result in suite.results(validated=validate):
                results.append(result)
                if problem := await suite.aftermath(reference):
                    reference = footprint()  # What one case left is not held against the next ones.
                    problems.append(
                        f"after {result.name}, {'with' if validate else 'without'} the validator, {problem}"
                    )
        after = footprint()
    return SelfTestReport(
        engine=engine,
        level=pool.report,
        results=tuple(results),
        seconds=time.monotonic() - begin,
        before=before,
        after=after,
        problems=tuple(problems),
    )


class _Suite:
    def __init__(self, pool: "SandboxPool", validator: Validator, engine: Engine, cases: Sequence[EscapeCase]) -> None:
        self._pool = pool
        self._validator = validator
        self._engine = engine
        self._cases = cases

    async def results(self, *, validated: bool) -> AsyncIterator[CaseResult]:
        for case in self._cases:
            begin = time.monotonic()
            rules = await self._refusals(case) if validated else ()
            if validated and (rules or case.refused):
                yield _refused(case, rules, begin)
            else:
                yield await self._run(case, begin, validated=validated)

    async def _refusals(self, case: EscapeCase) -> tuple[str, ...]:
        found = await self._validator.validate(case.source)
        return tuple(sorted({each.rule for each in found if each.severity == "error"}))

    async def _run(self, case: EscapeCase, begin: float, *, validated: bool) -> CaseResult:
        fixed = 0 if case.deterministic else None
        program = Program(source=case.source, engine=self._engine, seed=fixed, now_milliseconds=fixed)
        outcomes = [
            await self._pool.execute(program, Payload(data=case.data), limits=CASE_LIMITS) for _ in range(case.runs)
        ]
        ending, problem = _judged(case, outcomes, self._engine)
        return CaseResult(
            name=case.name,
            category=case.category,
            validated=validated,
            ending=ending,
            classes=tuple(_class(outcome) for outcome in outcomes),
            milliseconds=(time.monotonic() - begin) * 1000,
            problem=problem,
        )

    async def warm_up(self) -> str:
        """Wait until all workers that the pool keeps are there; return what is wrong with its answers, or nothing."""
        await self._validator.validate(_CONTROL)
        problem = await self.control()
        settings = self._pool.settings
        wanted = settings.workers + settings.spares + 1  # One more works for the validator.
        for _ in range(round(_BACK_SECONDS / _LOOK_SECONDS)):
            if self._pool.statistics.workers >= wanted:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return problem

    async def control(self) -> str:
        """Return what is wrong with the pool's answers to a plain script, or nothing."""
        program = Program(source=_CONTROL, engine=self._engine)
        payload = Payload(data=_CONTROL_DATA)
        calls = (self._pool.execute(program, payload) for _ in range(self._pool.settings.workers))
        answers = await asyncio.gather(*calls)
        for outcome in answers:
            if outcome.output != _CONTROL_ANSWER:
                return f"a plain script got {_class(outcome)} instead of its answer"
        return ""

    async def aftermath(self, before: Footprint | None) -> str:
        """Return what a case has left behind, or nothing."""
        return await self.control() or await _host_is_back(before)


async def _host_is_back(before: Footprint | None) -> str:
    end = time.monotonic() + _BACK_SECONDS
    while before is not None:
        now = footprint()
        if now is None:
            break
        growth = now.memory_bytes - before.memory_bytes
        allowed = SLACK_BYTES + before.processes * CASE_LIMITS.heap_bytes
        if now.processes <= before.processes and growth <= allowed:
            break
        if time.monotonic() > end:
            return f"there are {now.processes} processes instead of {before.processes}, with {growth >> 20} MiB more"
        await asyncio.sleep(_LOOK_SECONDS)
    return ""


def _refused(case: EscapeCase, rules: tuple[str, ...], begin: float) -> CaseResult:
    expected = tuple(sorted(case.refused))
    said = ", ".join(rules) or "nothing"
    return CaseResult(
        name=case.name,
        category=case.category,
        validated=True,
        ending=Ending.REFUSED if rules == expected else Ending.UNEXPECTED,
        rules=rules,
        milliseconds=(time.monotonic() - begin) * 1000,
        problem="" if rules == expected else f"the validator said {said} instead of {', '.join(expected) or 'nothing'}",
    )


def _judged(case: EscapeCase, outcomes: Sequence[Outcome], engine: Engine) -> tuple[Ending, str]:
    if any(MARK in (outcome.output or b"") for outcome in outcomes):
        return Ending.ESCAPED, f"it answered {_answer(outcomes[-1])}"
    allowed = case.allowed(engine)
    for outcome in outcomes:
        if _class(outcome) not in allowed:
            said = outcome.failure.message if outcome.failure else _answer(outcome)
            return Ending.UNEXPECTED, f"{_class(outcome)} instead of {' or '.join(sorted(allowed))}: {said}"
    if case.same and len({outcome.output for outcome in outcomes}) > 1:
        return Ending.UNEXPECTED, "its runs answered differently"
    return Ending.CONTAINED, ""


def _answer(outcome: Outcome) -> str:
    return (outcome.output or b"")[:200].decode(errors="replace")


def _class(outcome: Outcome) -> str:
    return NOT_ESCAPED if outcome.failure is None else outcome.failure.kind.value
