"""Waivers of the service: four eyes, a year at most, every step audited, nothing rewritten (C10, A12)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from quilate.policy.waiver_matching import refusal
from quilate.waivers.requests.service import expire_waivers, remind_of_waivers
from quilate.waivers.requests.store import approved_waivers
from tests.support.governance import GovernanceApi, add_machine_and_administrator

_BASE = "/projects/fraud/waivers"


def _today() -> date:
    return datetime.now(UTC).date()


def _body(**changes: Any) -> dict[str, Any]:
    return {
        "rule": "ruff/S324",
        "paths": ["src/legacy/**"],
        "check": "lint",
        "reason": "A checksum, no signature",
        "until": (_today() + timedelta(days=30)).isoformat(),
        **changes,
    }


async def _requested(api: GovernanceApi, caller: str = "dev", **changes: Any) -> str:
    answer = await api.as_caller(caller).post(_BASE, json=_body(**changes))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/projects/fraud/waivers/{answer.json()['id']}"
    return str(answer.json()["id"])


async def _counting(api: GovernanceApi, on: date | None = None) -> list[str]:
    async with api.database.connection() as connection:
        return [each.id for each in await approved_waivers(connection, api.project.id, on or _today())]


@pytest.mark.asyncio
async def test_a_waiver_counts_once_another_person_approved_it(api: GovernanceApi) -> None:
    waiver = await _requested(api)
    assert await _counting(api) == []
    approved = await api.as_caller("ann").post(f"{_BASE}/{waiver}/approve", json={"comment": "Seen"})
    assert (approved.status_code, approved.json()["state"], approved.json()["decided_by"]) == (
        200,
        "approved",
        "user:ann",
    )
    async with api.database.connection() as connection:
        (counting,) = await approved_waivers(connection, api.project.id, _today())
    assert (counting.rule, counting.paths, counting.owner, counting.approver) == (
        "ruff/S324",
        ("src/legacy/**",),
        "user:dev",
        "user:ann",
    )
    assert refusal(counting, _today()) == ""
    assert await api.audited() == ["waiver.requested", "waiver.approved"]
    events = [row["type"] for row in await api.rows("SELECT type FROM outgoing_events ORDER BY sequence")]
    assert events == ["dev.quilate.waiver.requested", "dev.quilate.waiver.approved"]


@pytest.mark.asyncio
async def test_its_last_day_is_the_last_that_it_counts(api: GovernanceApi) -> None:
    waiver = await _requested(api)
    await api.as_caller("ann").post(f"{_BASE}/{waiver}/approve", json={})
    last = _today() + timedelta(days=30)
    assert await _counting(api, last) == [waiver]
    assert await _counting(api, last + timedelta(days=1)) == []


@pytest.mark.asyncio
async def test_nobody_decides_on_their_own_waiver(api: GovernanceApi) -> None:
    waiver = await _requested(api, "ann")
    for verb, body in (("approve", {}), ("reject", {"reason": "no"})):
        answer = await api.as_caller("ann").post(f"{_BASE}/{waiver}/{verb}", json=body)
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("four-eyes")
    developer = await api.as_caller("dev").post(f"{_BASE}/{waiver}/approve", json={})
    assert developer.json()["type"].endswith("forbidden")
    assert await _counting(api) == []


@pytest.mark.asyncio
async def test_an_administrator_does_not_approve_what_a_machine_of_the_project_asked_for(api: GovernanceApi) -> None:
    add_machine_and_administrator(api)
    waiver, other = await _requested(api, "robot"), await _requested(api, "robot")
    answer = await api.as_caller("adm").post(f"{_BASE}/{waiver}/approve", json={})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "four-eyes")
    assert await _counting(api) == []
    assert (await api.as_caller("adm").post(f"{_BASE}/{other}/reject", json={"reason": "no"})).status_code == 200
    assert (await api.as_caller("ann").post(f"{_BASE}/{waiver}/approve", json={})).status_code == 200
    assert await _counting(api) == [waiver]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE waiver_requests SET state = 'approved', decided_by = owner, decided_at = now()",
        "UPDATE waiver_requests SET state = 'approved'",
        "UPDATE waiver_requests SET rule = 'ruff/*'",
        "UPDATE waiver_requests SET paths = '{}'",
        "UPDATE waiver_requests SET owner = 'user:x'",
        "UPDATE waiver_requests SET until = until + 3000",
    ],
)
async def test_the_database_itself_keeps_four_eyes_and_what_was_asked_for(api: GovernanceApi, statement: str) -> None:
    await _requested(api)
    with pytest.raises(psycopg.errors.IntegrityError):
        await api.rows(statement)


@pytest.mark.asyncio
async def test_what_was_approved_is_not_widened_or_brought_back(api: GovernanceApi) -> None:
    waiver = await _requested(api)
    await api.as_caller("ann").post(f"{_BASE}/{waiver}/approve", json={})
    for statement in (
        "UPDATE waiver_requests SET decided_by = 'user:x'",
        "UPDATE waiver_requests SET state = 'requested', decided_by = NULL, decided_at = NULL",
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            await api.rows(statement)
    await api.as_caller("dev").post(f"{_BASE}/{waiver}/revoke", json={"reason": "Mended"})
    with pytest.raises(psycopg.errors.IntegrityError):
        await api.rows(
            "UPDATE waiver_requests SET state = 'approved', ended_by = NULL, ended_at = NULL, end_reason = NULL"
        )


@pytest.mark.asyncio
async def test_a_rejected_waiver_stays_in_the_list_and_never_counts(api: GovernanceApi) -> None:
    waiver = await _requested(api)
    rejected = await api.as_caller("ann").post(f"{_BASE}/{waiver}/reject", json={"reason": "Mend it"})
    assert (rejected.json()["state"], rejected.json()["comment"]) == ("rejected", "Mend it")
    late = await api.as_caller("ben").post(f"{_BASE}/{waiver}/approve", json={})
    assert (late.status_code, late.json()["type"]) == (409, "/problems/conflict")
    assert (await api.as_caller("viewer").get(f"{_BASE}/{waiver}")).json()["state"] == "rejected"
    assert await _counting(api) == []


@pytest.mark.asyncio
async def test_owner_and_approvers_revoke_nobody_else_does(api: GovernanceApi) -> None:
    own, others = await _requested(api), await _requested(api, "ann")
    foreign = await api.as_caller("dev").post(f"{_BASE}/{others}/revoke", json={"reason": "no"})
    assert foreign.status_code == 403
    assert (await api.as_caller("dev").post(f"{_BASE}/{own}/revoke", json={"reason": "Mended"})).status_code == 200
    await api.as_caller("ben").post(f"{_BASE}/{others}/approve", json={})
    revoked = await api.as_caller("ben").post(f"{_BASE}/{others}/revoke", json={"reason": "Mended"})
    assert (revoked.json()["state"], revoked.json()["ended_by"]) == ("revoked", "user:ben")
    again = await api.as_caller("ann").post(f"{_BASE}/{others}/revoke", json={"reason": "Twice"})
    assert again.status_code == 409
    assert await _counting(api) == []


@pytest.mark.asyncio
async def test_an_answer_given_twice_counts_once(api: GovernanceApi) -> None:
    waiver = await _requested(api)
    for _ in range(2):
        answer = await api.as_caller("ann").post(f"{_BASE}/{waiver}/approve", json={})
        assert answer.status_code == 200
    assert (await api.audited()).count("waiver.approved") == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"rule": "*"},
        {"rule": "ruff"},
        {"rule": "ruff/S324\n"},
        {"reason": "  "},
        {"reason": "a\x00b"},
        {"reason": "\x1b[2J"},
        {"reason": "x" * 501},
        {"paths": ["../other/**"]},
        {"paths": ["/etc"]},
        {"until": (datetime.now(UTC).date() - timedelta(days=1)).isoformat()},
        {"until": (datetime.now(UTC).date() + timedelta(days=367)).isoformat()},
        {"until": "9999-12-31"},
        {"until": "soon"},
        {"owner": "user:ann"},
    ],
)
async def test_unclear_and_endless_waivers_are_refused(api: GovernanceApi, changes: dict[str, Any]) -> None:
    answer = await api.as_caller("dev").post(_BASE, json=_body(**changes))
    if changes.get("rule", "").strip() == "ruff/S324":
        assert answer.json()["rule"] == "ruff/S324"
        return
    assert answer.status_code == 422, answer.text


@pytest.mark.asyncio
async def test_an_expired_waiver_says_so_before_and_after_its_end_is_written_down(api: GovernanceApi) -> None:
    approved, waiting = await _requested(api), await _requested(api)
    await api.as_caller("ann").post(f"{_BASE}/{approved}/approve", json={})
    # As if both had been asked for a month ago: the trigger is for everybody else.
    for statement in (
        "ALTER TABLE waiver_requests DISABLE TRIGGER ALL",
        "UPDATE waiver_requests SET requested_at = now() - interval '40 days', until = current_date - 5",
        "ALTER TABLE waiver_requests ENABLE TRIGGER ALL",
    ):
        await api.rows(statement)
    before = (await api.as_caller("viewer").get(_BASE, params={"state": "expired"})).json()["items"]
    assert {each["id"] for each in before} == {approved, waiting}
    assert {each["age_days"] for each in before} == {40}
    late = await api.as_caller("ann").post(f"{_BASE}/{waiting}/approve", json={})
    assert late.status_code == 409
    assert await expire_waivers(api.database) == 2
    assert await expire_waivers(api.database) == 0
    after = (await api.as_caller("viewer").get(f"{_BASE}/{approved}")).json()
    assert (after["state"], after["ended_by"]) == ("expired", "system:quilate")
    assert (await api.audited()).count("waiver.expired") == 2


@pytest.mark.asyncio
async def test_the_list_is_filtered_and_paged(api: GovernanceApi) -> None:
    ids = [await _requested(api, rule=f"ruff/S{number}") for number in range(5)]
    await api.as_caller("ann").post(f"{_BASE}/{ids[0]}/approve", json={})
    seen, address = [], f"{_BASE}?limit=2"
    while address:
        answer = await api.as_caller("viewer").get(address)
        seen += [each["id"] for each in answer.json()["items"]]
        address = answer.headers.get("link", "").partition(">")[0].removeprefix("</api/v1")
    assert seen == ids[::-1]
    approved = (await api.as_caller("viewer").get(_BASE, params={"state": "approved"})).json()
    assert [each["id"] for each in approved["items"]] == ids[:1]
    ruled = (await api.as_caller("viewer").get(_BASE, params={"rule": "ruff/S3"})).json()
    assert [each["id"] for each in ruled["items"]] == [ids[3]]
    assert (await api.as_caller("viewer").get(_BASE, params={"cursor": "x"})).status_code == 422


@pytest.mark.asyncio
async def test_another_project_sees_and_changes_nothing(api: GovernanceApi) -> None:
    waiver = await _requested(api)
    eve = api.as_caller("eve")
    assert (await eve.get(f"{_BASE}/{waiver}")).status_code == 404
    assert (await eve.get(f"/projects/other/waivers/{waiver}")).status_code == 404
    assert (await eve.post(f"/projects/other/waivers/{waiver}/approve", json={})).status_code == 404
    assert (await eve.get("/projects/other/waivers")).json()["items"] == []
    assert (await api.as_caller("viewer").post(_BASE, json=_body())).status_code == 403
    assert (await api.as_caller("ann").get(f"{_BASE}/{uuid4()}")).status_code == 404
    async with api.database.connection() as connection:
        assert await approved_waivers(connection, UUID(int=0), _today()) == ()


@pytest.mark.asyncio
async def test_people_are_reminded_in_time_and_once(api: GovernanceApi) -> None:
    soon = await _requested(api, until=(_today() + timedelta(days=10)).isoformat())
    later = await _requested(api, until=(_today() + timedelta(days=60)).isoformat())
    last = await _requested(api, until=_today().isoformat())
    waiting = await _requested(api, until=(_today() + timedelta(days=2)).isoformat())
    for waiver in (soon, later, last):
        await api.as_caller("ann").post(f"{_BASE}/{waiver}/approve", json={"comment": ""})

    counts = [await remind_of_waivers(api.database), await remind_of_waivers(api.database)]

    async with api.database.connection() as connection:
        cursor = await connection.execute(
            "SELECT subject, data->>'until' AS until FROM outgoing_events WHERE type = 'dev.quilate.waiver.expiring'"
        )
        told = {row["subject"] for row in await cursor.fetchall()}
    assert counts == [2, 0]
    assert told == {f"waiver:{soon}", f"waiver:{last}"}
    assert f"waiver:{waiting}" not in told
