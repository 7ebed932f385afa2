"""What a push says of compatibility, and what differs between versions (A09, A10)."""

from typing import Any

import pytest

from tests.scripts.versions.conftest import BASE, SOURCE, ScriptsApi


def _records(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "required": list(required), "properties": properties}}


_FIRST = _records("produto", produto={"type": "string"})


@pytest.mark.asyncio
async def test_an_input_that_breaks_callers_needs_a_number_that_says_so(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE, input_schema=_FIRST))["id"]
    dev, address = api.as_caller("dev"), f"{BASE}/{script}/versions"
    stricter = {"source": SOURCE, "input_schema": _records("produto", "trimestre", produto={"type": "string"})}
    for semver in ({}, {"semver": "1.7.0"}):
        refused = await dev.post(address, json={**stricter, **semver})
        assert (refused.status_code, refused.json()["type"].endswith("breaking-change")) == (409, True)
        assert "push it as 2.0.0" in refused.json()["next_step"]
        assert [(each["path"], each["effect"]) for each in refused.json()["changes"]] == [("/*/trimestre", "narrowed")]
    pushed = await dev.post(address, json={**stricter, "semver": "2.0.0"})
    assert pushed.status_code == 201
    report = pushed.json()["compatibility"]
    assert (report["before"], report["after"], report["breaks_callers"]) == ("1.0.0", "2.0.0", True)
    assert report["input"]["compatibility"] == "forward"
    assert report["output"] == {"compatibility": "full", "changes": [], "truncated": False}
    # A correction of the older line is compared with that line.
    patch = await dev.post(address, json={"source": SOURCE, "input_schema": _FIRST, "semver": "1.0.1"})
    assert patch.json()["compatibility"]["before"] == "1.0.0"
    allowed = await dev.post(
        address, json={"source": SOURCE, "input_schema": {"type": "object"}, "semver": "2.0.1", "allow_breaking": True}
    )
    assert (allowed.status_code, allowed.json()["compatibility"]["input"]["compatibility"]) == (201, "breaking")


@pytest.mark.asyncio
async def test_an_output_that_gives_more_is_reported_to_readers(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE, output_schema=_records("total", total={"type": "number"})))["id"]
    pushed = await api.push(script, output_schema=_records("total", total={"type": ["number", "null"]}))
    report = pushed["compatibility"]
    assert (report["breaks_callers"], report["breaks_readers"]) == (False, True)
    assert report["output"]["changes"] == [
        {"path": "/*/total", "keyword": "type", "effect": "widened", "reason": "takes null as well"}
    ]
    asked = await api.as_caller("viewer").get(
        f"{BASE}/{script}/versions/1.0.1/compatibility", params={"against": "1.0.0"}
    )
    assert asked.json() == report


@pytest.mark.asyncio
async def test_a_diff_shows_source_properties_and_schemas(api: ScriptsApi) -> None:
    lines = [f"const c{number} = {number};" for number in range(30)]
    script = (await api.create(source="\n".join([*lines, SOURCE]), input_schema=_FIRST))["id"]
    lines[20] = "const c20 = 21;"
    await api.push(
        script,
        source="\n".join([*lines, SOURCE.rstrip()]),
        semver="2.0.0",
        engine="strict",
        shape={"mode": "group", "key": ["produto"], "combine": True},
        limits={"cpu_seconds": 1},
    )
    address = f"{BASE}/{script}/versions"
    diff = (await api.as_caller("viewer").get(f"{address}/2.0.0/diff", params={"against": "1.0.0"})).json()
    assert diff["source"].splitlines() == [
        "--- 1.0.0.js",
        "+++ 2.0.0.js",
        "@@ -18,7 +18,7 @@",
        *(f" const c{number} = {number};" for number in (17, 18, 19)),
        "-const c20 = 20;",
        "+const c20 = 21;",
        *(f" const c{number} = {number};" for number in (21, 22, 23)),
        "@@ -28,4 +28,4 @@",
        *(f" const c{number} = {number};" for number in (27, 28, 29)),
        f"-{SOURCE.rstrip()}",
        f"+{SOURCE.rstrip()}",
        "\\ No newline at end of file",
    ]
    assert {each["field"]: (each["before"], each["after"]) for each in diff["fields"]} == {
        "engine": ("default", "strict"),
        "shape.mode": ("whole", "group"),
        "shape.key": ([], ["produto"]),
        "shape.combine": (False, True),
        "limits.cpu_seconds": (2.0, 1.0),
    }
    assert diff["compatibility"]["input"]["compatibility"] == "backward"
    same = (await api.as_caller("viewer").get(f"{address}/1/diff", params={"against": "1.0.0"})).json()
    assert (same["source"], same["fields"]) == ("", [])
    assert (await api.as_caller("viewer").get(f"{address}/1/diff", params={"against": "7.0.0"})).status_code == 404
    assert (await api.as_caller("viewer").get(f"{address}/1/diff")).status_code == 422
