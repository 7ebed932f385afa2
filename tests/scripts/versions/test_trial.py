"""Running a script once on sample data (A01, A07, A10)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quilate.app.service.script_sandbox import ScriptSandbox
from quilate.kit.database.database import Database
from quilate.kit.web.problems import Problem
from quilate.sandbox.model import Engine, Level, Limits
from quilate.sandbox.pool import PoolSettings
from quilate.scripts.versions.model import PushWish
from quilate.scripts.versions.service import VersionService
from tests.scripts.versions.conftest import BASE, SOURCE, ScriptsApi, scripts_api, validate

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


_PEOPLE = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "n": {"type": "string", "x-tokenise": True},
            "mail": {"type": "string", "x-sensitive": True},
            "id": {"type": "string"},
        },
    },
}
_TELLING = """
function process(data) {
  console.log(data[0].n);
  console.log("to " + data[0].mail);
  if (data[0].fails) { throw new Error("no card of " + data[0].mail); }
  return data;
}
"""
_MARIA = {"n": "Maria", "mail": "maria at shop", "id": "7"}


@pytest_asyncio.fixture
async def real(database: Database, tmp_path: Path) -> AsyncIterator[ScriptsApi]:
    """Give the routes over a sandbox that runs what it is given."""
    sandbox = ScriptSandbox(PoolSettings(workers=1, min_level=Level.PROCESS))
    try:
        async with scripts_api(database, tmp_path, sandbox.run) as opened:
            yield opened
    finally:
        await sandbox.close()


async def answered(api: ScriptsApi, route: str, data: Any, **asks: Any) -> dict[str, Any]:
    """Test the source by itself, or as a version of a script."""
    body: dict[str, Any] = {"source": _TELLING, "input_schema": _PEOPLE, **asks}
    if route == "version":
        address = f"{BASE}/{(await api.create(**body))['id']}/versions/1.0.0/test"
        answer = await api.as_caller("dev").post(address, json={"data": data})
    else:
        answer = await api.as_caller("dev").post(_TEST, json={**body, "data": data})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("route", ["source", "version"])
async def test_a_script_under_test_sees_tokens_and_its_console_is_masked(real: ScriptsApi, route: str) -> None:
    found = await answered(real, route, [_MARIA, {**_MARIA, "n": "Ana"}, _MARIA])
    names = [each["n"] for each in found["output"]]
    assert (names[0] == names[2] != names[1], {name[:4] for name in names}) == (True, {"tok_"})
    assert found["output"][0]["mail"] == "maria at shop", "sensitive, not tokenised: the script may see it"
    assert found["console"] == ["[masked]", "to [masked]"]
    assert "Maria" not in json.dumps(found)


@pytest.mark.asyncio
@pytest.mark.parametrize("route", ["source", "version"])
async def test_failures_of_a_test_name_no_sensitive_values(real: ScriptsApi, route: str) -> None:
    broken = {**_MARIA, "fails": True}
    found = await answered(real, route, [broken])
    assert (found["failure"]["class"], found["failure"]["line"]) == ("ScriptRuntimeError", 5)
    assert found["failure"]["message"].endswith("no card of [masked]")
    assert "maria" not in json.dumps(found).lower()


@pytest.mark.asyncio
async def test_failed_parts_of_a_test_name_no_sensitive_values(real: ScriptsApi) -> None:
    broken = {**_MARIA, "fails": True}
    found = await answered(real, "source", [broken], shape={"mode": "group", "key": ["mail"]})
    [part] = found["parts"]["failed"]
    assert part["message"].endswith("no card of [masked]")
    assert part["key"] == '["[masked]"]'
    assert "maria" not in json.dumps(found).lower()


def files_below(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


@pytest.mark.asyncio
async def test_a_test_stores_nothing_of_long_sensitive_data(real: ScriptsApi, tmp_path: Path) -> None:
    before = await asyncio.to_thread(files_below, tmp_path)
    people = [{**_MARIA, "mail": "m" * 1000} for _ in range(500)]
    assert len((await answered(real, "source", people))["output"]) == 500
    assert await asyncio.to_thread(files_below, tmp_path) == before


@pytest.mark.asyncio
async def test_integers_reach_a_script_under_test_as_they_reach_executions(api: ScriptsApi) -> None:
    long = 9007199254740993
    body = {"source": SOURCE, "input_schema": _PEOPLE, "data": [{"id": long}]}
    assert (await api.as_caller("dev").post(_TEST, json=body)).json()["output"] == [{"id": str(long)}]
    body["data"] = [{"other": long}]
    refused = (await api.as_caller("dev").post(_TEST, json=body)).json()
    assert [each["path"] for each in refused["input_violations"]] == ["/0/other"]


@pytest.mark.asyncio
async def test_what_has_no_keys_tests_nothing_and_says_so(api: ScriptsApi) -> None:
    without = VersionService(api.database, validate)
    with pytest.raises(Problem) as caught:
        await without.test_source(api.access("dev"), PushWish(source=SOURCE, input_schema=_PEOPLE), b"[]")
    assert (caught.value.status, caught.value.detail) == (503, "this process runs no scripts")
