"""Running a script once on sample data (A01, A07, A10)."""

import json

import pytest

from quilate.sandbox.model import Engine, Limits
from tests.scripts.versions.conftest import BASE, SOURCE, ScriptsApi

_TEST = f"{BASE}/test"


@pytest.mark.asyncio
async def test_a_source_runs_on_the_data_as_it_was_sent_and_nothing_is_stored(api: ScriptsApi) -> None:
    body = f'{{"source": {SOURCE!r}, "data": [1.10, 12345678901234567890, {{"a": "\\u00e9"}}]}}'.replace("'", '"')
    answer = await api.as_caller("dev").post(_TEST, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert api.echo.asked[0][2] == b'[1.10, 12345678901234567890, {"a": "\\u00e9"}]'
    assert b'"output":[1.10, 12345678901234567890' in answer.content
    assert answer.json()["console"] == ["seen"]
    assert answer.json()["cost"]["wall_milliseconds"] == 1.5
    assert (answer.json()["engine"], answer.json()["level"], answer.json()["failure"]) == ("default", "process", None)
    assert await api.rows("SELECT 1 FROM scripts") == []
    assert await api.audited() == []


@pytest.mark.asyncio
async def test_failures_are_answers_and_refusals_are_not(api: ScriptsApi) -> None:
    dev = api.as_caller("dev")
    thrown = (await dev.post(_TEST, json={"source": "throw 1", "data": []})).json()
    assert thrown["output"] is None
    place = {"line": 2, "column": 9, "record": 1, "rule": None}
    assert thrown["failure"] == {"class": "ScriptRuntimeError", "message": "no such card", **place}
    broken = (await dev.post(_TEST, json={"source": "broken", "data": []})).json()
    assert (broken["output"], broken["failure"]["class"]) == (None, "ScriptResultInvalid")
    assert (await dev.post(_TEST, json={"source": "eval(1)", "data": []})).status_code == 422
    assert (await dev.post(_TEST, json={"source": SOURCE})).status_code == 422


@pytest.mark.asyncio
async def test_data_that_breaks_the_schema_is_named_and_nothing_runs(api: ScriptsApi) -> None:
    schema = {"items": {"properties": {"cpf": {"type": "string"}}, "required": ["cpf"]}}
    body = {"source": SOURCE, "input_schema": schema, "data": [{"cpf": "1"}, {"cpf": 12345}, {}]}
    answer = (await api.as_caller("dev").post(_TEST, json=body)).json()
    assert [each["path"] for each in answer["input_violations"]] == ["/1/cpf", "/2"]
    assert "12345" not in str(answer)
    assert (answer["cost"], answer["output"]) == (None, None)
    assert api.echo.asked == []
    body = {"source": SOURCE, "output_schema": {"type": "array"}, "data": {"a": 1}}
    answer = (await api.as_caller("dev").post(_TEST, json=body)).json()
    assert (answer["output"], [each["path"] for each in answer["output_violations"]]) == ({"a": 1}, [""])


@pytest.mark.asyncio
async def test_what_nobody_has_reviewed_is_tested_with_the_defaults(api: ScriptsApi) -> None:
    asks = {"engine": "fast", "reuse": True, "deterministic": True, "limits": {"wall_seconds": 60, "cpu_seconds": 1}}
    script = (await api.create(source=SOURCE, **asks))["id"]
    address = f"{BASE}/{script}/versions/1.0.0"
    dev, ben = api.as_caller("dev"), api.as_caller("ben")
    answer = (await dev.post(f"{address}/test", json={"data": 5})).json()
    assert (answer["output"], answer["reduced"]) == (5, True)
    program, limits, _ = api.echo.asked[-1]
    assert (program.engine, program.reuse, program.seed, limits) == (Engine.DEFAULT, False, 1, Limits(cpu_seconds=1))
    await dev.post(f"{address}/submit")
    await ben.post(f"{address}/approve", json={})
    answer = (await dev.post(f"{address}/test", json={"data": 5})).json()
    assert answer["reduced"] is False
    program, limits, _ = api.echo.asked[-1]
    assert (program.engine, program.reuse, limits.wall_seconds) == (Engine.FAST, True, 60)


@pytest.mark.asyncio
@pytest.mark.parametrize("data", ["NaN", "-Infinity", '"\\ud800"', '{"\\udc00\\ud800": 1}'])
async def test_data_that_is_no_json_is_refused_and_nothing_runs(api: ScriptsApi, data: str) -> None:
    body = f'{{"source": {json.dumps(SOURCE)}, "data": {data}}}'
    headers = {"Content-Type": "application/json"}
    refused = await api.as_caller("dev").post(_TEST, content=body, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/data")
    assert api.echo.asked == []
