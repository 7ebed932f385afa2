"""Scripts and their versions over HTTP: create, push, review, activate, roll back, retire (A01, A07, A09, A16)."""

import json
from typing import Any
from uuid import UUID

import pytest

from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess
from quilate.kit.web.problems import Problem
from quilate.sandbox.model import Limits
from quilate.scripts.versions.model import PushWish
from tests.scripts.versions.conftest import BASE, SOURCE, ScriptsApi

_LARGER = {"limits": {"wall_seconds": 60, "cpu_seconds": 30}}


@pytest.mark.asyncio
async def test_a_script_is_created_with_its_first_version_read_changed_and_deleted(api: ScriptsApi) -> None:
    dev = api.as_caller("dev")
    created = await dev.post(BASE, json={"name": "cards", "description": "totals", "source": SOURCE})
    assert created.status_code == 201, created.text
    script = created.json()
    assert (script["name"], script["description"], script["latest"], script["active"]) == ("cards", "totals", 1, None)
    assert (script["version"]["semver"], script["version"]["state"]) == ("1.0.0", "draft")
    assert script["version"]["source"] == SOURCE
    assert script["version"]["compatibility"] is None
    address = f"{BASE}/{script['id']}"
    assert created.headers["location"] == f"/api/v1{address}"

    changed = await dev.patch(address, json={"name": "card totals"}, headers={"If-Match": created.headers["etag"]})
    assert (changed.status_code, changed.json()["name"], changed.json()["description"]) == (
        200,
        "card totals",
        "totals",
    )
    stale = await dev.patch(address, json={"name": "x"}, headers={"If-Match": created.headers["etag"]})
    assert (stale.status_code, stale.json()["type"].rpartition("/")[2].rpartition("#")[2]) == (
        412,
        "precondition-failed",
    )
    assert (await dev.patch(address, json={"name": "x"})).status_code == 428
    read = await api.as_caller("viewer").get(address)
    assert read.headers["etag"] == changed.headers["etag"]

    assert (await dev.delete(address, headers={"If-Match": created.headers["etag"]})).status_code == 412
    assert (await dev.delete(address)).status_code == 204
    for gone in (await dev.get(address), await dev.delete(address), await dev.get(f"{address}/versions")):
        assert gone.status_code == 404
    assert (await dev.get(BASE)).json()["items"] == []
    assert (await dev.post(BASE, json={"name": "card totals"})).status_code == 201
    assert await api.audited() == [
        *("script.created", "script.version.pushed", "script.changed", "script.deleted", "script.created")
    ]
    assert (await api.events())[:2] == [
        ("dev.quilate.script.created", f"script:{script['id']}"),
        ("dev.quilate.script.version.pushed", f"script:{script['id']}"),
    ]


@pytest.mark.asyncio
async def test_scripts_are_listed_in_pages_and_found_by_name(api: ScriptsApi) -> None:
    for number in range(5):
        await api.create(name=f"Cards {number}")
    await api.create(name="100% of cards_")
    viewer = api.as_caller("viewer")
    seen: list[str] = []
    address = f"{BASE}?limit=2&name=cards"
    while address:
        answer = await viewer.get(address)
        assert answer.status_code == 200, answer.text
        seen += [each["name"] for each in answer.json()["items"]]
        address = answer.headers.get("link", "").partition(">")[0].removeprefix("</api/v1")
    assert seen == ["100% of cards_", *(f"Cards {number}" for number in (4, 3, 2, 1, 0))]
    for part, count in (("100%", 1), ("%", 1), ("_", 1), ("CARDS 3", 1), ("none", 0)):
        found = await viewer.get(BASE, params={"name": part})
        assert len(found.json()["items"]) == count, part


@pytest.mark.asyncio
async def test_a_name_belongs_to_one_script(api: ScriptsApi) -> None:
    dev = api.as_caller("dev")
    await api.create(name="a")
    second = await api.create(name="b")
    assert (await dev.post(BASE, json={"name": "a", "source": SOURCE})).status_code == 409
    taken = await dev.patch(f"{BASE}/{second['id']}", json={"name": "a"}, headers={"If-Match": "*"})
    assert taken.status_code == 409
    assert len(await api.rows("SELECT 1 FROM script_versions")) == 0


@pytest.mark.asyncio
async def test_a_request_that_is_repeated_creates_and_pushes_once(api: ScriptsApi) -> None:
    dev = api.as_caller("dev")
    first = await dev.post(BASE, json={"name": "a"}, headers={"Idempotency-Key": "k"})
    again = await dev.post(BASE, json={"name": "a"}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()) == (201, first.json())
    address = f"{BASE}/{first.json()['id']}/versions"
    pushes = [await dev.post(address, json={"source": SOURCE}, headers={"Idempotency-Key": "p"}) for _ in range(2)]
    assert pushes[0].json() == pushes[1].json()
    assert len((await dev.get(address)).json()["items"]) == 1


@pytest.mark.asyncio
async def test_versions_are_numbered_read_by_any_name_and_never_change(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE))["id"]
    assert (await api.push(script))["semver"] == "1.0.1"
    pushed = await api.push(
        script, semver="2.0.0-rc.1+build.7", source="function process(d) { return [d]; }\n", deterministic=True
    )
    assert (pushed["semver"], pushed["number"], pushed["deterministic"]) == ("2.0.0-rc.1+build.7", 3, True)
    assert (await api.push(script))["semver"] == "2.0.0"
    assert (await api.push(script, semver="1.0.7"))["number"] == 5
    dev = api.as_caller("dev")
    address = f"{BASE}/{script}/versions"
    for name in ("2.0.0-rc.1+build.7", "2.0.0-rc.1", "3", pushed["id"]):
        read = await dev.get(f"{address}/{name.replace('+', '%2B')}")
        assert (read.status_code, read.json()["id"]) == (200, pushed["id"]), name
    for taken in ("1.0.0", "2.0.0-rc.1", "2.0.0-rc.1+other"):
        assert (await dev.post(address, json={"source": SOURCE, "semver": taken})).status_code == 409
    for unknown in ("9.9.9", "9", "00000000-0000-0000-0000-000000000000", "nonsense", "1.0"):
        assert (await dev.get(f"{address}/{unknown}")).status_code == 404

    source = await dev.get(f"{address}/3/source")
    assert source.text == "function process(d) { return [d]; }\n"
    assert source.headers["content-type"] == "text/javascript; charset=utf-8"
    assert source.headers["etag"] == f'"{pushed["digest"]}"'
    known = await dev.get(f"{address}/3/source", headers={"If-None-Match": source.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")

    page = (await dev.get(address, params={"limit": 2})).json()
    assert [each["number"] for each in page["items"]] == [5, 4]
    assert "source" not in page["items"][0]
    rest = (await dev.get(address, params={"cursor": page["next_cursor"]})).json()
    assert [each["number"] for each in rest["items"]] == [3, 2, 1]


@pytest.mark.asyncio
async def test_a_script_that_the_validation_refuses_is_not_stored_and_warnings_are_kept(api: ScriptsApi) -> None:
    dev = api.as_caller("dev")
    source = "function process(data) {\n  return eval(data);\n}"
    refused = await dev.post(BASE, json={"name": "bad", "source": source})
    assert refused.status_code == 422
    problem = refused.json()
    assert problem["type"].endswith("script-rejected")
    assert [(each["rule"], each["line"], each["column"], each["fix"]) for each in problem["errors"]] == [
        ("JS100", 2, 10, "write it otherwise")
    ]
    assert await api.rows("SELECT 1 FROM scripts") == []
    script = await api.create(source="var a = 1;\nfunction process(data) { return a; }")
    warnings = script["version"]["warnings"]
    assert [(each["rule"], each["severity"], each["line"]) for each in warnings] == [("JS200", "warning", 1)]
    read = await dev.get(f"{BASE}/{script['id']}/versions/1.0.0")
    assert read.json()["warnings"] == warnings


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"semver": "1.0"}, "no semantic version"),
        ({"source": ""}, ""),
        ({"source": "a\x00"}, ""),
        ({"source": "\ud800"}, ""),
        ({"source": "x" * 300_000}, "300000 bytes long"),
        ({"shape": {"mode": "group"}}, "needs a key"),
        ({"shape": {"mode": "chunk", "key": ["a"]}}, "only the mode group"),
        ({"shape": {"mode": "group", "key": ["a", "a"]}}, "twice"),
        ({"shape": {"mode": "whole", "combine": True}}, "nothing to combine"),
        ({"shape": {"mode": "chunk", "size": 0}}, ""),
        ({"engine": "bun"}, ""),
        ({"limits": {"wall_seconds": 1e9}}, ""),
        ({"limits": {"heap_bytes": 1 << 50}}, ""),
        ({"input_schema": {"type": "strin"}}, "input_schema #/type is not valid"),
        ({"output_schema": {"$ref": "https://example.org/a"}}, "output_schema # refers to something"),
        ({"input_schema": "text"}, ""),
        ({"surprise": 1}, ""),
    ],
)
async def test_what_makes_no_sense_is_refused(api: ScriptsApi, changes: dict[str, Any], words: str) -> None:
    script = (await api.create())["id"]
    body = {"source": SOURCE, **changes}
    content = json.dumps(body)
    answer = await api.as_caller("dev").post(
        f"{BASE}/{script}/versions", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]
    assert await api.rows("SELECT 1 FROM script_versions") == []


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00", "x" * 256])
async def test_names_are_one_line_that_is_not_blank(api: ScriptsApi, name: str) -> None:
    assert (await api.as_caller("dev").post(BASE, json={"name": name})).status_code == 422


@pytest.mark.asyncio
async def test_activation_and_rollback_go_along_what_was_active(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE))["id"]
    for _ in range(3):
        await api.push(script)
    dev, address = api.as_caller("dev"), f"{BASE}/{script}"
    assert (await dev.post(f"{address}/rollback")).status_code == 409
    for version in ("1.0.0", "1.0.1", "1.0.2", "1.0.2"):
        answer = await api.activate(script, version)
        assert (answer.status_code, answer.json()["state"]) == (200, "active"), answer.text

    async def states() -> list[str]:
        items = (await dev.get(f"{address}/versions")).json()["items"]
        return [each["state"] for each in reversed(items)]

    assert await states() == ["approved", "approved", "active", "draft"]
    assert (await dev.get(address)).json()["active_semver"] == "1.0.2"
    back = await dev.post(f"{address}/rollback")
    assert (back.status_code, back.json()["semver"]) == (200, "1.0.1")
    assert await states() == ["approved", "active", "approved", "draft"]
    await api.activate(script, "1.0.3")
    assert [(await dev.post(f"{address}/rollback")).json().get("semver") for _ in range(3)] == ["1.0.1", "1.0.0", None]
    assert (await api.audited())[5:] == [
        *["script.activated"] * 3,
        *("script.rolled_back", "script.activated", "script.rolled_back", "script.rolled_back"),
    ]
    assert ("dev.quilate.script.rolled_back", f"script:{script}") in await api.events()


@pytest.mark.asyncio
async def test_a_rollback_passes_over_what_was_retired_and_names_a_state_where_asked(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE, activate=True))["id"]
    for _ in range(2):
        await api.push(script, activate=True)
    dev, address = api.as_caller("dev"), f"{BASE}/{script}"
    tag = (await dev.get(address)).headers["etag"]
    assert (await dev.post(f"{address}/versions/1.0.1/retire")).json()["state"] == "retired"
    assert (await dev.post(f"{address}/rollback", headers={"If-Match": '"other"'})).status_code == 412
    back = await dev.post(f"{address}/rollback", headers={"If-Match": tag})
    assert (back.status_code, back.json()["semver"]) == (200, "1.0.0")
    assert (await api.activate(script, "1.0.1")).status_code == 409
    retired = await dev.post(f"{address}/versions/1.0.0/retire")
    assert retired.json()["state"] == "retired"
    assert (await dev.get(address)).json()["active"] is None
    # What was rolled back from is not come back to.
    assert (await dev.post(f"{address}/rollback")).status_code == 409
    assert (await api.activate(script, "1.0.2")).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("asks", [_LARGER, {"engine": "fast"}, {"reuse": True}])
async def test_what_asks_for_more_is_reviewed_by_another_person(api: ScriptsApi, asks: dict[str, Any]) -> None:
    ann, dev = api.as_caller("ann"), api.as_caller("dev")
    script = (await api.create())["id"]
    pushed = await ann.post(f"{BASE}/{script}/versions", json={"source": SOURCE, **asks})
    assert (pushed.status_code, pushed.json()["privileged"]) == (201, True)
    address = f"{BASE}/{script}/versions/1.0.0"
    assert (await api.activate(script, "1.0.0")).status_code == 409
    assert (await ann.post(f"{address}/approve", json={})).status_code == 403
    assert (await api.as_caller("ben").post(f"{address}/approve", json={})).status_code == 409
    assert (await dev.post(f"{address}/submit")).json()["submitted_by"] == "user:dev"
    assert (await dev.post(f"{address}/approve", json={})).status_code == 403
    own = await ann.post(f"{address}/approve")
    assert (own.status_code, own.json()["type"].endswith("four-eyes")) == (403, True)
    assert (await api.as_caller("ben").post(f"{address}/refuse", json={})).status_code == 422
    refused = await api.as_caller("ben").post(f"{address}/refuse", json={"reason": "too much memory"})
    assert (refused.json()["state"], refused.json()["review_reason"]) == ("draft", "too much memory")
    assert (await api.activate(script, "1.0.0")).status_code == 409
    assert (await dev.post(f"{address}/submit")).json()["review_reason"] == ""
    approved = await api.as_caller("ben").post(f"{address}/approve", json={"reason": "measured"})
    assert (approved.json()["state"], approved.json()["reviewed_by"]) == ("approved", "user:ben")
    assert (await api.as_caller("ben").post(f"{address}/approve", json={"reason": "measured"})).status_code == 200
    assert (await api.activate(script, "1.0.0")).json()["state"] == "active"
    assert (await api.audited())[2:] == [
        *("script.version.submitted", "script.version.refused"),
        *("script.version.submitted", "script.version.approved", "script.activated"),
    ]


@pytest.mark.asyncio
async def test_what_asks_for_nothing_more_is_not_reviewed(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE, limits={"wall_seconds": 1}, engine="strict"))["id"]
    assert (await api.as_caller("dev").post(f"{BASE}/{script}/versions/1.0.0/submit")).status_code == 409


@pytest.mark.asyncio
async def test_a_push_that_activates_what_needs_a_review_stores_nothing_and_advises_a_draft(api: ScriptsApi) -> None:
    script, dev = (await api.create())["id"], api.as_caller("dev")
    address, wish = f"{BASE}/{script}/versions", {"source": SOURCE, **_LARGER}
    refused = await dev.post(address, json={**wish, "activate": True})
    assert (refused.status_code, refused.json()["type"].endswith("conflict")) == (409, True)
    assert "not stored" in refused.json()["detail"]
    assert not await api.rows("SELECT 1 FROM script_versions")
    step = refused.json()["next_step"]
    assert step.startswith('push it as a draft (--draft, or "activate": false), then submit it for review')
    # What it advises can be done, and what is stored is told to be submitted.
    assert (await dev.post(address, json={**wish, "activate": False})).status_code == 201
    assert (await api.activate(script, "1.0.0")).json()["next_step"] == "submit it for review"
    assert (await dev.post(f"{address}/1.0.0/submit")).json()["state"] == "in_review"


@pytest.mark.asyncio
async def test_nothing_that_cannot_be_done_is_advised_for_a_retired_version(api: ScriptsApi) -> None:
    address = f"{BASE}/{(await api.create(source=SOURCE))['id']}/versions/1.0.0"
    assert (await api.as_caller("dev").post(f"{address}/retire")).status_code == 200
    for who, action in (("ann", "release"), ("dev", "submit")):
        refused = await api.as_caller(who).post(f"{address}/{action}")
        assert (refused.status_code, refused.json()["next_step"]) == (409, "push its source as a new version")


@pytest.mark.asyncio
async def test_an_approval_needs_no_words(api: ScriptsApi) -> None:
    script = (await api.create())["id"]
    await api.as_caller("dev").post(f"{BASE}/{script}/versions", json={"source": SOURCE, **_LARGER})
    address = f"{BASE}/{script}/versions/1.0.0"
    await api.as_caller("dev").post(f"{address}/submit")
    approved = await api.as_caller("ben").post(f"{address}/approve")
    assert (approved.status_code, approved.json()["state"], approved.json()["review_reason"]) == (200, "approved", "")


@pytest.mark.asyncio
async def test_a_third_crash_quarantines_until_a_reviewer_releases(api: ScriptsApi) -> None:
    created = await api.create(source=SOURCE, activate=True)
    script, version = created["id"], created["version"]["id"]
    address = f"{BASE}/{script}/versions/1.0.0"
    for expected in (False, False, True, True):
        async with api.database.transaction() as connection:
            assert await api.service.record_crash(connection, UUID(version)) is expected
    async with api.database.transaction() as connection:
        assert not await api.service.record_crash(connection, UUID(int=5))
    dev, ann = api.as_caller("dev"), api.as_caller("ann")
    assert (await dev.get(address)).json()["quarantined"] is True
    assert (await api.activate(script, "1.0.0")).status_code == 409
    assert (await dev.post(f"{address}/test", json={"data": 1})).status_code == 409
    assert (await dev.post(f"{address}/release")).status_code == 403
    released = await ann.post(f"{address}/release")
    assert (released.json()["quarantined"], released.json()["crashes"]) == (False, 0)
    again = await ann.post(f"{address}/release")
    assert (again.status_code, again.json()["next_step"]) == (409, "execute it: nothing is in its way")
    assert (await api.audited())[-2:] == ["script.quarantined", "script.released"]
    assert [event for event, _ in await api.events()][-2:] == [
        "dev.quilate.script.quarantined",
        "dev.quilate.script.released",
    ]


@pytest.mark.asyncio
async def test_others_see_and_change_nothing(api: ScriptsApi) -> None:
    script = (await api.create(source=SOURCE))["id"]
    address = f"{BASE}/{script}"
    viewer, eve = api.as_caller("viewer"), api.as_caller("eve")
    assert (await viewer.post(BASE, json={"name": "x"})).status_code == 403
    assert (await viewer.patch(f"{address}/versions/1.0.0/activate")).status_code == 403
    assert (await viewer.post(f"{BASE}/test", json={"source": SOURCE, "data": 1})).status_code == 403
    assert (await eve.get(address)).status_code == 404
    foreign = f"/projects/other/scripts/{script}"
    for method, path in (
        *(("GET", ""), ("DELETE", ""), ("GET", "/versions"), ("GET", "/versions/1.0.0"), ("GET", "/versions/1/source")),
        *(("PATCH", "/versions/1.0.0/activate"), ("POST", "/rollback"), ("POST", "/versions/1.0.0/retire")),
        *(("POST", "/versions/1.0.0/submit"), ("POST", "/versions/1.0.0/release")),
        *(("GET", "/versions/1/diff?against=1"), ("GET", "/versions/1/compatibility?against=1")),
    ):
        assert (await eve.request(method, foreign + path)).status_code == 404, (method, path)
    for path, body in (
        ("/versions", {"source": SOURCE}),
        ("/versions/1.0.0/approve", {}),
        ("/versions/1.0.0/refuse", {"reason": "x"}),
        ("/versions/1.0.0/test", {"data": 1}),
    ):
        assert (await eve.post(foreign + path, json=body)).status_code == 404, path
    assert (await eve.patch(foreign, json={"name": "x"}, headers={"If-Match": "*"})).status_code == 404


@pytest.mark.asyncio
async def test_in_the_single_user_mode_a_privileged_version_stays_a_draft_and_the_answer_says_what_to_do(
    api: ScriptsApi,
) -> None:
    principal = Principal(actor=Actor(kind=ActorKind.LOCAL, id="local"), user_id=None, instance_admin=True)
    alone = ProjectAccess(principal=principal, project=api.project)
    limits = Limits(wall_seconds=60)
    script, pushed = await api.service.create(alone, name="slow", first=PushWish(source=SOURCE, limits=limits))
    assert pushed is not None
    for action in (api.service.submit, api.service.activate):
        with pytest.raises(Problem) as refused:
            await action(alone, script.script.id, "1.0.0")
        assert (refused.value.status, "single-user" in refused.value.detail) == (409, True)
        assert "quilate script run" in refused.value.next_step
    with pytest.raises(Problem) as at_once:
        await api.service.push(alone, script.script.id, PushWish(source=SOURCE, limits=limits, activate=True))
    assert "single-user" in at_once.value.detail
    with pytest.raises(Problem):
        await api.service.approve(alone, script.script.id, "1.0.0", "it is my machine")
    assert (await api.service.version(alone, script.script.id, "1.0.0")).version.state == "draft"
    wish = PushWish(source=SOURCE, activate=True)
    usual = await api.service.push(alone, script.script.id, wish)
    assert usual.record.version.state == "active"
