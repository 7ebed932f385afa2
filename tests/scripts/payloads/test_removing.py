"""Erasure by subject and retention: what goes, what stays, and what is left to show (A18, LGPD art. 16 and 18)."""

import json
import os
import time
from typing import Any
from uuid import UUID, uuid4

import pytest

from quilate.kit.web.problems import Problem
from quilate.scripts.executions import reading
from quilate.scripts.executions.model import Part
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import StoredPayload
from quilate.scripts.payloads.object_stores import ObjectStores, read_rule
from quilate.scripts.payloads.removing import Removing
from quilate.scripts.payloads.service import PayloadService
from tests.support.object_servers import object_server
from tests.support.payloads import PayloadSite, execution_of, records

PEOPLE = records({"customer": {"type": "string", "x-subject": True}, "note": {"type": "string"}})


def service_of(site: PayloadSite, days: int = 30) -> PayloadService:
    return PayloadService(site.database, site.store, site.vault, days=days)


async def rows(site: PayloadSite, query: bytes, *values: Any) -> list[dict[str, Any]]:
    async with site.database.connection() as connection:
        return await (await connection.execute(query, values)).fetchall()


async def about(site: PayloadSite, *customers: str, long: bool = False, **given: Any) -> UUID:
    """Make an execution whose input is about some customers, and whose output names them too."""
    note = "x" * 200_000 if long else ""
    data = json.dumps([{"customer": each, "note": note} for each in customers]).encode()
    payload = await site.store.keep_bytes(data, FileFormat.JSON, seal_for=site.project)
    admitted = await site.admission.admit(site.project, PEOPLE, payload)
    output = await site.store.keep_bytes(data, FileFormat.JSON, seal_for=site.project)
    return await execution_of(site, admitted.payload, output, subjects=admitted.subjects, **given)


@pytest.mark.asyncio
async def test_what_is_about_somebody_is_counted_and_erased_for_good(site: PayloadSite) -> None:
    service = service_of(site)
    both, theirs = await about(site, "ana", "bia", long=True), await about(site, "bia")
    assert len(site.files()) == 2
    assert (await service.count(site.access, " ana ")).executions == 1
    assert (await service.count(site.access, "bia")).executions == 2
    erased = await service.erase(site.access, "ana", "request 17")
    assert (erased.executions, erased.cancelled, erased.datasets) == (1, 0, ())
    assert site.files() == []
    assert await rows(site, b"SELECT part FROM script_payloads WHERE execution_id = %s", both) == []
    (row,) = await rows(site, b"SELECT * FROM script_executions WHERE id = %s", both)
    assert (row["input_reference"], row["output_reference"], row["input_digest"], row["output_digest"]) == (
        None, None, "", "",
    )  # fmt: skip
    assert row["failure_message"] == "erased"
    assert len(await rows(site, b"SELECT part FROM script_payloads WHERE execution_id = %s", theirs)) == 2
    after = await service.count(site.access, "ana")
    assert (after.executions, after.erasures) == (0, 1)
    assert (await service.count(site.access, "bia")).executions == 1
    with pytest.raises(Problem) as gone:
        reading.require_contents(await reading.execution_of(site.database, site.project, both), Part.INPUT)
    assert (gone.value.status, gone.value.extensions["erasure"]) == (410, str(erased.id))
    reading.require_contents(await reading.execution_of(site.database, site.project, theirs), Part.INPUT)
    assert (await service.erase(site.access, "ana", "again")).executions == 0


@pytest.mark.asyncio
async def test_neither_audit_nor_tombstones_say_whom_it_was_about(site: PayloadSite) -> None:
    await about(site, "ana-7391")
    service = service_of(site)
    await service.count(site.access, "ana-7391")
    await service.erase(site.access, "ana-7391", "request 17")
    entries = await rows(site, b"SELECT * FROM audit_pending ORDER BY id")
    actions = [json.loads(bytes(entry["leaf"]))["action"] for entry in entries]
    assert actions == ["script.subject.searched", "script.payloads.erased"]
    told = repr(entries) + repr(await rows(site, b"SELECT * FROM script_erasures"))
    assert "ana-7391" not in told
    assert repr(await rows(site, b"SELECT * FROM script_subjects")) == "[]"


@pytest.mark.asyncio
async def test_what_waits_is_cancelled(site: PayloadSite) -> None:
    waiting = await about(site, "ana", waiting=True)
    erased = await service_of(site).erase(site.access, "ana", "request 17")
    assert (erased.executions, erased.cancelled) == (1, 1)
    (row,) = await rows(site, b"SELECT status, ended_at FROM script_executions WHERE id = %s", waiting)
    assert row["status"] == "cancelled"
    assert await rows(site, b"SELECT * FROM script_queue") == []
    (event,) = await rows(site, b"SELECT type FROM outgoing_events")
    assert event["type"] == "dev.quilate.script.execution.finished"


@pytest.mark.asyncio
async def test_another_project_is_left_alone(site: PayloadSite) -> None:
    other = uuid4()
    token = (await site.vault.tokeniser(site.project)).subject("ana")
    plain = await site.store.keep_bytes(b"[1]", FileFormat.JSON)
    theirs = await execution_of(site, plain, subjects=(token,), project_id=other)
    assert (await service_of(site).erase(site.access, "ana", "request 17")).executions == 0
    assert len(await rows(site, b"SELECT part FROM script_payloads WHERE execution_id = %s", theirs)) == 1


async def plain(site: PayloadSite, length: int = 10) -> StoredPayload:
    return await site.store.keep_bytes(b"1" * length, FileFormat.JSON)


def age(site: PayloadSite) -> None:
    for file in site.files():
        os.utime(file, (time.time() - 90_000, time.time() - 90_000))


@pytest.mark.asyncio
async def test_contents_expire_with_their_artifacts_and_rows_stay(site: PayloadSite) -> None:
    removing = Removing(site.database, site.store, days=30)
    shared, own = await plain(site, 100_000), await plain(site, 200_000)
    old = [await execution_of(site, each, days_ago=31) for each in (shared, own, await plain(site))]
    young = [await execution_of(site, each, days_ago=29) for each in (shared, await plain(site))]
    waiting = await execution_of(site, await plain(site), days_ago=40, waiting=True)
    age(site)
    assert await removing.tidy() == 3 + 2
    kept = {row["execution_id"] for row in await rows(site, b"SELECT execution_id FROM script_payloads")}
    assert kept == {young[1], waiting}
    assert [file.name for file in site.files()] == [shared.digest.removeprefix("sha256:")]
    found = await rows(site, b"SELECT id, input_digest, input_reference FROM script_executions ORDER BY id")
    assert {row["id"] for row in found if row["input_reference"] is not None} == {young[0]}
    assert all(row["input_digest"] for row in found), "retention keeps what lineage refers to"
    assert len(found) == len(old) + len(young) + 1
    assert await removing.tidy() == 0
    (entry,) = await rows(site, b"SELECT project_id FROM audit_pending ORDER BY id")
    assert entry["project_id"] == site.project


@pytest.mark.asyncio
async def test_projects_have_days_of_their_own(site: PayloadSite) -> None:
    service, other = service_of(site, days=30), uuid4()
    await service.set_retention(site.access, 5, None)
    mine = await execution_of(site, await plain(site), days_ago=6)
    theirs = await execution_of(site, await plain(site), days_ago=6, project_id=other)
    assert await service.tidy() == 1
    kept = {row["execution_id"] for row in await rows(site, b"SELECT execution_id FROM script_payloads")}
    assert (mine in kept, theirs in kept) == (False, True)
    await service.set_retention(site.access, 0, 1)
    await execution_of(site, await plain(site), days_ago=600)
    assert await service.tidy() == 0


@pytest.mark.asyncio
async def test_many_executions_expire_over_pages(site: PayloadSite) -> None:
    payload = await plain(site)
    for number in range(1100):
        await execution_of(site, payload, days_ago=40 if number % 2 else 1)
    assert await Removing(site.database, site.store, days=30).expire() == 550


@pytest.mark.asyncio
async def test_a_retention_of_zero_keeps_all(site: PayloadSite) -> None:
    await execution_of(site, await plain(site), days_ago=4000)
    assert await Removing(site.database, site.store, days=0).tidy() == 0


@pytest.mark.asyncio
async def test_artifacts_that_nobody_refers_to_are_swept(site: PayloadSite) -> None:
    used, orphan = await plain(site, 100_000), await plain(site, 200_000)
    await execution_of(site, used)
    removing = Removing(site.database, site.store, days=0)
    assert await removing.sweep() == 0, "an upload may be on its way into an execution"
    age(site)
    assert await removing.sweep() == 1
    assert [file.name for file in site.files()] == [used.digest.removeprefix("sha256:")]
    assert orphan.reference is not None


@pytest.mark.asyncio
async def test_objects_are_deleted_and_tried_again_where_their_provider_is_away(
    site: PayloadSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    with object_server() as server:
        rule = read_rule(f"s3://bucket/out?endpoint={server.url}&region=eu-west-1")
        site.store.objects = ObjectStores(rules=(rule,), seconds=5, retry_seconds=0.2)
        server.objects["bucket/out/x.json"] = b"1"
        output = StoredPayload(digest="sha256:x", size=1, format=FileFormat.JSON, reference="s3://bucket/out/x.json")
        await execution_of(site, await plain(site), output, days_ago=40)
        removing = Removing(site.database, site.store, days=30)
        server.refuses = 403
        assert await removing.expire() == 1
        assert await removing.delete_removed() == 0
        server.refuses = 0
        assert await removing.delete_removed() == 1
        assert server.objects == {}
        assert await rows(site, b"SELECT * FROM script_removals") == []
