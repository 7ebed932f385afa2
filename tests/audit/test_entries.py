"""What is appended: whole, canonical, with personal data beside it so that erasure keeps every proof (C10)."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from quilate.audit.entries import AuditEntry, append_entries, erase_person, salted_hash
from quilate.audit.merkle import leaf_hash
from quilate.audit.service import AuditService
from quilate.audit.store import EntryFilter
from quilate.kit.canonical import canonical_json
from quilate.kit.database.database import Database
from tests.support.audit_log import Log


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Log:
    return Log(database, tmp_path)


@pytest.mark.asyncio
async def test_an_entry_is_canonical_json_of_what_was_said(log: Log) -> None:
    project = uuid4()
    said = AuditEntry(
        action="waiver.approved",
        actor="user:1",
        subject='waiver:é\\"\n\0',
        project_id=project,
        details={"b": 1, "a": ["\u20ac", None, True]},
    )
    await log.append([said])
    await log.sequence()

    row = (await log.sql("SELECT * FROM audit_entries WHERE entry_index = 1"))[0]
    told = json.loads(row["leaf"])
    assert canonical_json(told) == row["leaf"]
    assert (told["action"], told["subject"], told["project"]) == (said.action, said.subject, str(project))
    assert told["details"] == {"a": ["\u20ac", None, True], "b": 1}
    assert row["leaf_hash"] == leaf_hash(row["leaf"])
    assert row["subject"] == 'waiver:é\\"\n\ufffd', "PostgreSQL cannot keep the NUL, the leaf does"
    assert (await log.verify())[1].intact


@pytest.mark.asyncio
async def test_details_that_are_too_long_are_replaced_by_their_digest(log: Log) -> None:
    await log.append([AuditEntry(action="a.b", actor="user:1", subject="c:1", details={"text": "x" * 70_000})])
    await log.sequence()

    row = (await log.sql("SELECT leaf FROM audit_entries WHERE entry_index = 1"))[0]
    assert json.loads(row["leaf"])["details"]["bytes"] == 70_011
    async with log.database.transaction() as connection:
        with pytest.raises(ValueError, match="too long"):
            await append_entries(connection, [AuditEntry(action="a.b", actor="user:1", subject="c" * 70_000)])


@pytest.mark.asyncio
async def test_nothing_is_appended_for_nothing(log: Log) -> None:
    await log.append([])

    assert await log.sql("SELECT 1 FROM audit_pending") == []


@pytest.mark.asyncio
async def test_personal_data_can_be_erased_and_every_proof_stays_valid(log: Log) -> None:
    mail = "ana@example.com"
    said = AuditEntry(
        action="user.invited", actor="user:1", subject="user:2", personal={"email": mail}, person="user:2"
    )
    await log.append([said, said])
    await log.sequence()
    service = AuditService(log.database)
    kept = log.head()
    before = await log.export()

    listed = await service.list_entries(EntryFilter(action="user.invited"))
    assert [each.personal for each in listed] == [{"email": mail}] * 2
    hashes = [json.loads(each.entry.leaf)["personal"]["email"] for each in listed]
    assert hashes[0] != hashes[1], "a salt for each value: equal values cannot be told"
    salts = {row["salt"] for row in await log.sql("SELECT salt FROM audit_personal")}
    assert {salted_hash(salt, mail) for salt in salts} == set(hashes)
    assert mail.encode() not in b"".join(before)

    async with log.database.transaction() as connection:
        assert await erase_person(connection, "user:2") == 2

    assert [each.personal for each in await service.list_entries(EntryFilter(action="user.invited"))] == [{}, {}]
    assert await log.export() == before
    for report in await log.verify(head=kept):
        assert report.intact, report.findings
