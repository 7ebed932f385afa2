"""Each attempt is refused by the validator as written, and contained by the sandbox without it (A06, A08)."""

import json
from pathlib import Path

import pytest

from quilate.sandbox.escapes.cases import EscapeCase, escape_cases
from quilate.sandbox.escapes.selftest import CASE_LIMITS, Ending, run_selftest
from quilate.sandbox.model import Engine, Payload, Program
from quilate.sandbox.pool import SandboxPool
from quilate.sandbox.validation.validate import Validator

SHARED = Path(__file__).resolve().parents[4] / "shared" / "sandbox" / "escapes.json"
CASES = {case.name: case for case in escape_cases()}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_without_the_validator_it_is_contained(pool: SandboxPool, case: EscapeCase) -> None:
    report = await run_selftest(pool, validated=(False,), cases=[case])
    (result,) = report.results
    assert (result.ending, result.problem, report.problems) == (Ending.CONTAINED, "", ())


async def test_the_validator_refuses_as_written_and_lets_the_rest_through(pool: SandboxPool) -> None:
    async with Validator(pool) as validator:
        for case in CASES.values():
            found = await validator.validate(case.source)
            errors = sorted({each.rule for each in found if each.severity == "error"})
            assert errors == sorted(case.refused), case.name


def of_shared() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(SHARED.read_text(encoding="utf-8")) if SHARED.exists() else []
    return found


@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.exists(), reason="the shared folder is not there")
async def test_every_case_of_the_shared_suite_is_among_them() -> None:
    assert {case["name"]: case["code"] for case in of_shared()}.keys() <= CASES.keys()
    different = [
        case["name"] for case in of_shared() if CASES[str(case["name"])].source.strip() != str(case["code"]).strip()
    ]
    # Its marker is another word there.
    assert different == ["clock-determinism"]


@pytest.mark.parametrize("category", sorted({case.category for case in CASES.values()}))
async def test_the_deadly_are_followed_by_an_answer(pool: SandboxPool, category: str) -> None:
    plain = Program(source="function process(data) { return data.a; }")
    attacks = [case for case in CASES.values() if case.category == category][:6]
    for case in attacks:
        await pool.execute(Program(source=case.source), Payload(data=case.data), limits=CASE_LIMITS)
        answer = await pool.execute(plain, Payload(data=b'{"a": "untouched"}'))
        assert answer.output == b'"untouched"', case.name


async def test_there_are_enough_of_each_kind() -> None:
    assert len(CASES) >= 70
    assert {"codegen", "host", "native", "pollution", "cpu", "memory", "stack", "result", "syntax"} <= {
        case.category for case in CASES.values()
    }
    assert all(case.allowed(Engine.STRICT) for case in CASES.values())
