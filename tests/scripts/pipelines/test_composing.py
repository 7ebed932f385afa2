"""Pipelines of pure steps: one version that does what its steps do one after the other (A20)."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from quilate.kit.web.problems import Problem
from quilate.sandbox.model import Engine, FailureClass, Limits, Payload, Program
from quilate.sandbox.pool import SandboxPool
from quilate.sandbox.validation.validate import validate
from quilate.scripts.model import Mode, ScriptVersion, Shape, VersionState
from quilate.scripts.pipelines.composing import Step, compose

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEEPS_ACTIVE = "const wanted = true;\nfunction process(data) { return data.filter((r) => r.active === wanted); } // end"
COUNTS = "const wanted = 7;\nfunction process(data) { return [{ count: data.length, wanted }]; }"
SUMS = COUNTS + "\nfunction combine(partials) { return partials.flat().reduce((sum, part) => sum + part.count, 0); }"


def step(source: str, name: str = "step", **fields: Any) -> Step:
    version = ScriptVersion(
        id=uuid4(), script_id=uuid4(), project_id=uuid4(), number=1, semver="1.0.0", source=source,
        digest="sha256:" + "0" * 64, state=VersionState.ACTIVE, created_at=datetime.now(UTC), created_by="user:1",
        **fields,
    )  # fmt: skip
    return Step(name=name, version=version)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    async with SandboxPool() as opened:
        yield opened


async def result(pool: SandboxPool, source: str, data: object, function: str = "process") -> object:
    outcome = await pool.execute(Program(source=source), Payload(data=json.dumps(data).encode()), function=function)
    assert outcome.failure is None, outcome.failure
    assert outcome.output is not None
    return json.loads(outcome.output)


async def test_steps_of_the_same_names_do_not_meet_and_the_validation_takes_the_whole(pool: SandboxPool) -> None:
    wish = compose([step(KEEPS_ACTIVE), step(COUNTS)])
    assert [each for each in await validate(pool, wish.source) if each.severity == "error"] == []
    data = [{"active": True}, {"active": False}, {"active": True}]
    assert await result(pool, wish.source, data) == [{"count": 2, "wanted": 7}]


async def test_a_step_gets_what_it_would_get_alone(pool: SandboxPool) -> None:
    dates = "function process(data) { return data.map((t) => ({ at: new Date(t), not: undefined, nan: NaN })); }"
    types = "function process(data) { return data.map((r) => [typeof r.at, 'not' in r, r.nan]); }"
    wish = compose([step(dates), step(types)])
    alone = await result(pool, types, await result(pool, dates, [0]))
    assert await result(pool, wish.source, [0]) == alone == [["string", False, None]]


async def test_a_step_that_gives_nothing_is_named(pool: SandboxPool) -> None:
    wish = compose([step("function process(data) { data.length; }"), step(COUNTS)])
    outcome = await pool.execute(Program(source=wish.source), Payload(data=b"[]"))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureClass.RUNTIME
    assert "step 1 of the pipeline gave nothing" in outcome.failure.message


async def test_the_last_step_may_combine(pool: SandboxPool) -> None:
    shape = Shape(mode=Mode.CHUNK, size=2, combine=True)
    wish = compose([step(KEEPS_ACTIVE), step(SUMS, shape=shape)])
    assert wish.shape == shape
    partials = [await result(pool, wish.source, [{"active": True}] * 2), [{"count": 1}]]
    assert await result(pool, wish.source, partials, "combine") == 3


async def test_a_name_cannot_end_the_comment_it_stands_in(pool: SandboxPool) -> None:
    wish = compose([step(COUNTS, "a\u2028throw 1;\n throw 2;"), step(COUNTS)])
    assert await result(pool, wish.source, []) == [{"count": 1, "wanted": 7}]


async def test_settings_are_the_most_careful_of_all_steps_and_schemas_those_of_the_ends() -> None:
    first = step(COUNTS, deterministic=True, input_schema=b'{"type":"array"}', limits=Limits(cpu_seconds=1.0))
    last = step(COUNTS, output_schema=b'{"type":"object"}')
    wish = compose([first, last])
    assert (wish.deterministic, wish.limits) == (True, Limits())
    assert (wish.input_schema, wish.output_schema) == ({"type": "array"}, {"type": "object"})


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(COUNTS)], "2 to 20 steps"),
        ([step(COUNTS), step(COUNTS, engine=Engine.STRICT)], "different engines"),
        ([step(SUMS, shape=Shape(combine=True)), step(COUNTS)], "only the last step"),
    ],
)
async def test_steps_that_do_not_go_together_are_refused(steps: list[Step], says: str) -> None:
    with pytest.raises(Problem, match=says):
        compose(steps)
