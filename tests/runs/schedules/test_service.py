"""Schedules over HTTP: create, change, preview, history (C03, A12)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quilate.runs.schedules.scheduler import Scheduler
from tests.support.governance import GovernanceApi

_BASE = "/projects/fraud/schedules"


def _body(**changes: Any) -> dict[str, Any]:
    return {"name": "nightly", "cron": "30 2 * * MON-FRI", "time_zone": "Europe/Berlin", **changes}


@pytest.mark.asyncio
async def test_a_schedule_is_created_read_changed_and_deleted(api: GovernanceApi) -> None:
    dev = api.as_caller("dev")
    run = {
        "source": {"kind": "dataset", "name": "sales", "version": "3"},
        "blueprint": "ds-batch",
        "priority": 5,
        "parameters": {"reason": "nightly"},
        "concurrency_key": "main",
        "supersede": True,
    }
    created = await dev.post(_BASE, json=_body(run=run, missed="run_all", most_missed=4))
    assert created.status_code == 201, created.text
    schedule = created.json()
    address = f"{_BASE}/{schedule['id']}"
    assert created.headers["location"] == f"/api/v1{address}"
    assert datetime.fromisoformat(schedule["next_fire"]) > datetime.now(UTC)
    assert schedule["run"] == {**run, "project_file": ""}

    off = await dev.put(address, json=_body(enabled=False), headers={"If-Match": created.headers["etag"]})
    assert (off.status_code, off.json()["next_fire"], off.json()["revision"]) == (200, None, 2)
    assert off.json()["run"]["source"]["kind"] == "git"
    stale = await dev.put(address, json=_body(name="b"), headers={"If-Match": created.headers["etag"]})
    assert stale.status_code == 412
    assert (await dev.put(address, json=_body())).status_code == 428
    read = await api.as_caller("viewer").get(address)
    assert read.headers["etag"] == off.headers["etag"]
    assert (await dev.delete(address, headers={"If-Match": read.headers["etag"]})).status_code == 204
    assert (await dev.get(address)).status_code == 404
    assert await api.audited() == ["schedule.created", "schedule.changed", "schedule.deleted"]


@pytest.mark.asyncio
async def test_a_name_belongs_to_one_schedule(api: GovernanceApi) -> None:
    dev = api.as_caller("dev")
    await dev.post(_BASE, json=_body())
    second = await dev.post(_BASE, json=_body(name="weekly"))
    assert (await dev.post(_BASE, json=_body())).status_code == 409
    renamed = await dev.put(f"{_BASE}/{second.json()['id']}", json=_body(), headers={"If-Match": "*"})
    assert renamed.status_code == 409


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron": "61 * * * *"}, "cannot be read"),
        ({"time_zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
        ({"run": {"blueprint": "nobody"}}, "there is no published blueprint"),
        ({"run": {"blueprint": "../../etc/passwd"}}, "is no blueprint of the service"),
        ({"run": {"source": {"kind": "none"}}}, "needs a project file"),
        ({"run": {"parameters": {"a": "\x00"}}}, "cannot be stored"),
        ({"name": ""}, ""),
        ({"name": "a\x00"}, ""),
        ({"missed": "sometimes"}, ""),
        ({"most_missed": 101}, ""),
        ({"run": {"priority": 1000}}, ""),
        ({"run": {"source": {"kind": "svn"}}}, ""),
        ({"surprise": 1}, ""),
    ],
)
async def test_what_makes_no_sense_is_refused(api: GovernanceApi, changes: dict[str, Any], words: str) -> None:
    answer = await api.as_caller("dev").post(_BASE, json=_body(**changes))
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]
    assert await api.rows("SELECT 1 FROM schedules") == []


@pytest.mark.asyncio
async def test_the_next_moments_are_shown_before_and_after_a_schedule_is_made(api: GovernanceApi) -> None:
    viewer = api.as_caller("viewer")
    asked: dict[str, str | int] = {"cron": "0 12 * * *", "time_zone": "America/New_York", "count": 3}
    before = await viewer.get("/projects/fraud/schedule-preview", params=asked)
    moments = [datetime.fromisoformat(each) for each in before.json()["moments"]]
    assert len(moments) == 3
    assert all(moment.utcoffset() == timedelta(0) and moment.hour in {16, 17} for moment in moments)
    created = await api.as_caller("dev").post(
        _BASE, json=_body(cron="0 12 * * *", time_zone="America/New_York", enabled=False)
    )
    after = await viewer.get(f"{_BASE}/{created.json()['id']}/preview", params={"count": 3})
    assert after.json() == before.json()
    wrong = await viewer.get("/projects/fraud/schedule-preview", params={"cron": "x"})
    assert wrong.status_code == 422
    assert (await viewer.get("/projects/fraud/schedule-preview", params={**asked, "count": 101})).status_code == 422


@pytest.mark.asyncio
async def test_the_history_says_what_became_of_each_firing(api: GovernanceApi) -> None:
    created = await api.as_caller("dev").post(
        _BASE, json=_body(cron="0 * * * *", time_zone="UTC", missed="run_all", most_missed=5)
    )
    await api.rows("UPDATE schedules SET next_fire = now() - interval '9 hours'")
    await Scheduler(api.database).fire_due()
    seen: list[dict[str, Any]] = []
    address = f"{_BASE}/{created.json()['id']}/firings?limit=2"
    while address:
        answer = await api.as_caller("viewer").get(address)
        assert answer.status_code == 200, answer.text
        seen += answer.json()["items"]
        address = answer.headers.get("link", "").partition(">")[0].removeprefix("</api/v1")
    assert [each["outcome"] for each in seen] == ["submitted"] * 5
    moments = [each["fire_at"] for each in seen]
    assert moments == sorted(moments, reverse=True)
    assert seen[-1]["missed"] in {4, 5}
    runs = {str(row["id"]) for row in await api.rows("SELECT id FROM runs")}
    assert {each["run_id"] for each in seen} == runs


@pytest.mark.asyncio
async def test_another_project_and_a_viewer_change_nothing(api: GovernanceApi) -> None:
    created = await api.as_caller("dev").post(_BASE, json=_body())
    schedule = created.json()["id"]
    eve = api.as_caller("eve")
    for address in (f"{_BASE}/{schedule}", f"/projects/other/schedules/{schedule}"):
        assert (await eve.get(address)).status_code == 404
        assert (await eve.get(f"{address}/firings")).status_code == 404
        assert (await eve.delete(address, headers={"If-Match": "*"})).status_code == 404
    assert (await api.as_caller("viewer").post(_BASE, json=_body(name="b"))).status_code == 403
    listed = await api.as_caller("viewer").get(_BASE)
    assert [each["id"] for each in listed.json()["items"]] == [schedule]
