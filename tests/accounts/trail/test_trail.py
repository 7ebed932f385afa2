"""Who saw which evidence is on record before the answer leaves, and what is changed later is noticed (A18, C10)."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from starlette.requests import Request

from quilate.accounts.model import Actor, ActorKind, Principal, ProjectAccess, ProjectReference
from quilate.accounts.trail.model import AccessKind
from quilate.accounts.trail.recording import AccessTrail
from quilate.accounts.trail.sealing import expire, run_trail, seal
from quilate.audit.sequencer import run_sequencer
from quilate.kit.database.database import Database
from tests.support.accounts import AccountsSite, Person

REQUEST = Request({"type": "http", "method": "GET", "path": "/x", "headers": [], "route": SimpleNamespace(path="/x")})


async def _granted(site: AccountsSite, admin: Person, slug: str = "service") -> ProjectAccess:
    await site.project(admin, slug)
    project = (await site.call("GET", f"/projects/{slug}", by=admin)).json()
    actor = Actor(kind=ActorKind.USER, id=str(admin.id))
    return ProjectAccess(
        principal=Principal(actor=actor, user_id=admin.id),
        project=ProjectReference(id=UUID(project["id"]), slug=slug, name=slug),
    )


async def _placed(database: Database, state: Path) -> None:
    """Let the audit log take in what waits."""
    stop = asyncio.Event()
    stop.set()
    await run_sequencer(database, state, stop)


async def _checked(site: AccountsSite, admin: Person) -> list[dict[str, Any]]:
    batches = (await site.call("GET", "/projects/service/access-batches", by=admin)).json()["items"]
    answers = [await site.call("GET", f"/projects/service/access-batches/{each['id']}", by=admin) for each in batches]
    return [cast("dict[str, Any]", answer.json()) for answer in answers]


async def _record(trail: AccessTrail, granted: ProjectAccess, subjects: Sequence[str]) -> None:
    await asyncio.gather(
        *(trail.record(REQUEST, granted, AccessKind.EVIDENCE, subject) for subject in subjects), return_exceptions=False
    )


@pytest.mark.asyncio
async def test_accesses_that_come_together_share_a_transaction_and_are_durable_when_it_returns(
    site: AccountsSite, database: Database
) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    groups: list[int] = []
    trail = AccessTrail(database, observe=groups.append)
    await _record(trail, granted, [f"run:{number}" for number in range(300)])
    assert sum(groups) == 300
    assert len(groups) < 30
    (counted,) = await site.sql("SELECT count(*) AS records, min(batch_id::text) AS batch FROM access_records")
    assert counted == {"records": 300, "batch": None}


@pytest.mark.asyncio
async def test_records_are_listed_with_filters_and_pages(site: AccountsSite, database: Database) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    trail = AccessTrail(database)
    for number in range(5):
        await trail.record(REQUEST, granted, AccessKind.LOG if number % 2 else AccessKind.SEAL, f"run:{number}")
    path = "/projects/service/access-records"
    first = await site.call("GET", f"{path}?limit=3", by=admin)
    assert [each["subject"] for each in first.json()["items"]] == ["run:4", "run:3", "run:2"]
    second = await site.call("GET", f"{path}?limit=3&cursor={first.json()['next_cursor']}", by=admin)
    assert [each["subject"] for each in second.json()["items"]] == ["run:1", "run:0"]
    assert 'rel="next"' in first.headers["link"]
    assert "link" not in second.headers
    item = first.json()["items"][0]
    assert (item["actor"], item["route"], item["kind"]) == (f"user:{admin.id}", "/x", "seal")
    assert admin.email not in first.text
    for query, expected in (
        ("kind=log", 2),
        ("subject=run:3", 1),
        (f"actor=user:{admin.id}", 5),
        ("actor=user:nobody", 0),
        ("since=2020-01-01T00:00:00Z", 5),
        ("until=2020-01-01T00:00:00", 0),
    ):
        assert len((await site.call("GET", f"{path}?{query}", by=admin)).json()["items"]) == expected, query
    assert (await site.call("GET", f"{path}?actor=a%00b", by=admin)).status_code == 422
    assert (await site.call("GET", f"{path}?cursor=zzz", by=admin)).status_code == 422


@pytest.mark.asyncio
async def test_only_those_who_read_the_audit_log_read_the_trail(site: AccountsSite, database: Database) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    await AccessTrail(database).record(REQUEST, granted, AccessKind.LOG, "run:1")
    people = {role: await site.person(admin, f"{role}@example.org") for role in ("developer", "security")}
    for role, person in people.items():
        body = {"user_id": str(person.id), "role": role}
        assert (await site.call("POST", "/projects/service/members", by=admin, body=body)).status_code == 201
    auditor = await site.person(admin, "auditor@example.org", auditor=True)
    path = "/projects/service/access-records"
    assert (await site.call("GET", path, by=people["developer"])).status_code == 403
    for person in (people["security"], auditor):
        assert len((await site.call("GET", path, by=person)).json()["items"]) == 1


@pytest.mark.asyncio
async def test_sealed_records_agree_with_the_audit_log_until_somebody_changes_them(
    site: AccountsSite, database: Database, tmp_path: Path
) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    other = await _granted(site, admin, "other")
    trail = AccessTrail(database)
    await _record(trail, granted, ["run:1", "run:2"])
    await _record(trail, other, ["run:3"])
    await seal(database)
    await seal(database)
    (unplaced,) = await _checked(site, admin)
    assert (unplaced["records"], unplaced["logged"], unplaced["intact"]) == (2, "", None)
    await _placed(database, tmp_path)
    (intact,) = await _checked(site, admin)
    assert intact["intact"] is True
    assert intact["found"] == intact["logged"] == intact["digest"]
    foreign = await site.call("GET", f"/projects/other/access-batches/{intact['id']}", by=admin)
    assert foreign.status_code == 404
    await site.sql("UPDATE access_records SET actor = 'user:somebody' WHERE subject = 'run:1'")
    (changed,) = await _checked(site, admin)
    assert changed["intact"] is False
    # Nor does it help to change the batch as well.
    await site.sql("UPDATE access_batches SET digest = %s WHERE id = %s", changed["found"], UUID(changed["id"]))
    assert (await _checked(site, admin))[0]["intact"] is False


@pytest.mark.asyncio
async def test_a_record_that_was_taken_away_is_noticed(site: AccountsSite, database: Database, tmp_path: Path) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    await _record(AccessTrail(database), granted, ["run:1", "run:2"])
    await seal(database)
    await _placed(database, tmp_path)
    await site.sql("DELETE FROM access_records WHERE subject = 'run:1'")
    assert (await _checked(site, admin))[0]["intact"] is False
    await site.sql("DELETE FROM access_records")
    await site.sql("UPDATE access_batches SET expired_at = now()")
    assert (await _checked(site, admin))[0]["intact"] is False


@pytest.mark.asyncio
async def test_many_records_are_sealed_in_batches_each_record_once(site: AccountsSite, database: Database) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    subjects = [f"run:{number}" for number in range(1500)]
    await AccessTrail(database).record(REQUEST, granted, AccessKind.EVIDENCE, *subjects)
    stop = asyncio.Event()
    stop.set()
    await asyncio.gather(run_trail(database, stop, days=365), run_trail(database, stop, days=365))
    sizes = await site.sql("SELECT records FROM access_batches ORDER BY records")
    assert [row["records"] for row in sizes] == [500, 1000]
    (left,) = await site.sql("SELECT count(*) AS unsealed FROM access_records WHERE batch_id IS NULL")
    assert left["unsealed"] == 0
    entries = await site.audited("access.recorded")
    assert sum(entry["details"]["records"] for entry in entries) == 1500


@pytest.mark.asyncio
async def test_records_go_when_their_time_is_over_and_the_audit_log_says_so(
    site: AccountsSite, database: Database, tmp_path: Path
) -> None:
    admin = await site.first_admin()
    granted = await _granted(site, admin)
    trail = AccessTrail(database)
    await _record(trail, granted, ["run:1"])
    await site.sql("UPDATE access_records SET at = now() - interval '31 days'")
    await seal(database)
    await _record(trail, granted, ["run:2"])
    await seal(database)
    assert await expire(database, days=32) == 0
    assert await expire(database, days=30) == 1
    assert await expire(database, days=30) == 0
    left = await site.sql("SELECT subject FROM access_records")
    assert [row["subject"] for row in left] == ["run:2"]
    await _placed(database, tmp_path)
    newer, older = await _checked(site, admin)
    assert (newer["intact"], older["intact"]) == (True, None)
    assert older["expired_at"] is not None
