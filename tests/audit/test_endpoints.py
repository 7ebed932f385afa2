"""The audit log over HTTP: who sees what, and proofs that hold without the service (C10)."""

import base64
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from quilate.accounts.access import Access
from quilate.accounts.model import Actor, ActorKind, Principal, Role
from quilate.audit.checkpoints import Checkpoint, cosign, parse_checkpoint
from quilate.audit.endpoints import make_router
from quilate.audit.findings import Reference, Trust
from quilate.audit.merkle import leaf_hash, verify_consistency
from quilate.audit.notes import SignatureType
from quilate.audit.proofs import read_document, verify_proof
from quilate.audit.service import AuditService
from quilate.audit.tiles import decode_bundle
from quilate.audit.verification import verify_lines
from quilate.kit.database.database import Database
from quilate.kit.web.documents import ProblemWriter
from quilate.kit.web.handlers import install_handlers
from tests.support.audit_log import Log, entries, new_signer
from tests.support.projects_access import HeaderAuthenticator, member, project

ALPHA, BETA = project("alpha"), project("beta")
AUDITOR = Principal(actor=Actor(kind=ActorKind.USER, id="auditor"), user_id=None, auditor=True)
PRINCIPALS = {
    "auditor": AUDITOR,
    "security": member(ALPHA, role=Role.SECURITY),
    "developer": member(ALPHA, role=Role.DEVELOPER),
    "stranger": member(BETA, role=Role.SECURITY),
    "scoped": replace(AUDITOR, project_scope=ALPHA.id),
}
WITNESS = new_signer("witness.example/w1", SignatureType.COSIGNATURE_ED25519)


@dataclass(frozen=True, slots=True)
class Api:
    client: httpx.AsyncClient
    log: Log

    async def get(self, path: str, user: str = "auditor", **query: str) -> httpx.Response:
        headers = {"X-User": user} if user else {}
        return await self.client.get(f"/api/v1{path}", headers=headers, params=query)


@contextlib.asynccontextmanager
async def api(database: Database, state: Path) -> AsyncIterator[Api]:
    app = FastAPI()
    access = Access(HeaderAuthenticator((ALPHA, BETA), PRINCIPALS))
    app.include_router(make_router(AuditService(database, witnesses=[WITNESS.verifier]), access), prefix="/api/v1")
    install_handlers(app, ProblemWriter())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://quilate.test") as client:
        yield Api(client, Log(database, state))


async def filled(found: Api) -> None:
    """Five entries of each project, then one of none, all signed: 12 with the log's first."""
    for reference in (ALPHA, BETA):
        await found.log.append(entries(5, project=reference.id))
    await found.log.append(entries(1, action="user.created"))
    await found.log.sequence()


@pytest.mark.asyncio
async def test_nobody_sees_what_is_not_theirs(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await filled(found)

        listed = (await found.get("/projects/alpha/audit/entries", "security")).json()
        assert {item["project"] for item in listed["items"]} == {str(ALPHA.id)}
        assert len(listed["items"]) == 5
        assert (await found.get("/projects/alpha/audit/entries", "developer")).status_code == 403
        assert (await found.get("/projects/alpha/audit/entries", "stranger")).status_code == 404
        assert (await found.get("/projects/alpha/audit/entries", "")).status_code == 401
        for path in ("/audit/entries", "/audit/export", "/audit/head", "/audit/tile/0/000.p/12"):
            assert (await found.get(path, "security")).status_code == 403, path
            assert (await found.get(path, "scoped")).status_code == 403, path
            assert (await found.get(path, "")).status_code == 401, path
            assert (await found.get(path)).status_code == 200, path
        assert (await found.get("/audit/entries/3", "security")).status_code == 200
        assert (await found.get("/audit/entries/3", "scoped")).status_code == 200
        for user, index in (("security", 8), ("security", 0), ("developer", 3), ("stranger", 3), ("scoped", 8)):
            assert (await found.get(f"/audit/entries/{index}", user)).status_code == 404, (user, index)
        assert (await found.get("/audit/entries/3", "")).status_code == 401


@pytest.mark.asyncio
async def test_lists_are_filtered_and_paged(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await filled(found)

        pages, indexes, path = 0, [], "/api/v1/audit/entries?limit=5"
        while path:
            answer = await found.client.get(path, headers={"X-User": "auditor"})
            indexes += [item["index"] for item in answer.json()["items"]]
            path = answer.links.get("next", {}).get("url", "")
            pages += 1
        assert (pages, indexes) == (3, list(range(11, -1, -1)))
        for query, count in (
            ({"action": "user.created"}, 1),
            ({"subject": "run:2"}, 2),
            ({"subject": "run:2", "project": str(BETA.id)}, 1),
            ({"actor": "system:quilate"}, 12),
            ({"actor": "user:nobody"}, 0),
            ({"since": "2020-01-01T00:00:00Z"}, 12),
            ({"until": "2020-01-01T00:00:00Z"}, 0),
        ):
            assert len((await found.get("/audit/entries", **query)).json()["items"]) == count, query
        for wrong in ({"cursor": "xyz"}, {"limit": "0"}, {"action": "a\0"}, {"since": "yesterday"}, {"project": "1"}):
            assert (await found.get("/audit/entries", **wrong)).status_code == 422, wrong


@pytest.mark.asyncio
async def test_an_entrys_proof_holds_offline(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await filled(found)
        keys = await found.log.keys()

        answer = (await found.get("/audit/entries/3", "security")).json()
        proof = read_document(answer["inclusion"])
        assert base64.b64decode(answer["entry"]["leaf_hash"]) == leaf_hash(proof.leaf)
        assert verify_proof(proof, keys).checkpoint.size == 12
        with pytest.raises(ValueError, match="not in the log"):
            verify_proof(replace(proof, leaf=proof.leaf.replace(b"PASS", b"FAIL")), keys)
        with pytest.raises(ValueError, match="no trusted key"):
            verify_proof(proof, [new_signer("another").verifier])
        with pytest.raises(ValueError, match="was changed"):
            verify_proof(replace(proof, checkpoint=proof.checkpoint.replace("\n12\n", "\n13\n")), keys)
        await found.log.sql("UPDATE audit_entries SET entry_index = 12 WHERE entry_index = 11")
        assert (await found.get("/audit/entries/12")).json()["inclusion"] is None
        assert (await found.get("/audit/entries/99")).status_code == 404
        assert (await found.get(f"/audit/entries/{2**63}")).status_code == 422


@pytest.mark.asyncio
async def test_checkpoints_and_consistency_are_public(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        assert (await found.get("/audit/checkpoint", "")).status_code == 404
        assert (await found.get("/audit/consistency", "", first="0", second="0")).status_code == 404
        assert (await found.get("/audit/head")).status_code == 404
        await found.log.grow(300, 500)

        answer = await found.get("/audit/checkpoint", "")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        newest = parse_checkpoint(answer.text).checkpoint
        older = parse_checkpoint((await found.get("/audit/checkpoints/301", "")).text).checkpoint
        proof = (await found.get("/audit/consistency", "", first="301", second="801")).json()
        hashes = [base64.b64decode(each) for each in proof["proof"]]
        assert verify_consistency(301, older.root, 801, newest.root, hashes)
        assert base64.b64decode(proof["first_root"]) == older.root
        assert base64.b64decode(proof["second_root"]) == newest.root
        assert (await found.get("/audit/checkpoints/300", "")).status_code == 404
        assert (await found.get("/audit/consistency", "", first="2", second="1")).status_code == 422
        assert (await found.get("/audit/consistency", "", first="1", second="802")).status_code == 404
        assert (await found.get("/audit/consistency", "", first="0", second="801")).json()["proof"] == []


@pytest.mark.asyncio
async def test_tiles_and_bundles_are_those_of_c2sp(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await found.log.grow(599)

        full = await found.get("/audit/tile/0/001")
        assert full.headers["content-type"] == "application/octet-stream"
        bundle = decode_bundle((await found.get("/audit/tile/entries/001")).content)
        assert full.content == b"".join(map(leaf_hash, bundle))
        assert len((await found.get("/audit/tile/0/002.p/88")).content) == 88 * 32
        assert len(decode_bundle((await found.get("/audit/tile/entries/002.p/7")).content)) == 7
        assert len((await found.get("/audit/tile/1/000.p/2")).content) == 64
        for path in ("0/002", "0/002.p/89", "0/003.p/1", "1/000", "2/000.p/1", "0/1", "0/x001", "entries/002"):
            assert (await found.get(f"/audit/tile/{path}")).status_code == 404, path
        assert (await found.get("/audit/tile/64/000")).status_code == 422


@pytest.mark.asyncio
async def test_an_export_verifies_offline_and_is_an_entry_itself(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await filled(found)
        answer = await found.get("/audit/export")

        head = Reference(name="head", head=found.log.head())
        report = verify_lines(answer.content.splitlines(keepends=True), Trust(references=(head,)))
        assert report.intact, report.findings
        assert report.size == 12
        await found.log.sequence()
        listed = (await found.get("/audit/entries", action="audit.exported")).json()["items"]
        assert [item["actor"] for item in listed] == ["user:auditor"]


@pytest.mark.asyncio
async def test_witnesses_cosign_and_others_do_not(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await found.log.grow(5)
        head = found.log.head()
        checkpoint = Checkpoint(origin=head.origin, size=head.size, root=head.root)

        async def send(*lines: str, size: int = 6) -> httpx.Response:
            body = {"size": size, "signatures": list(lines)}
            return await found.client.post("/api/v1/audit/witness/cosignatures", json=body)

        now = int(time.time())
        line = str(cosign(checkpoint, WITNESS, now))
        answer = await send(line)
        assert answer.status_code == 200
        assert answer.text == head.note + line + "\n"
        assert (await found.get("/audit/checkpoint", "")).text == answer.text
        newer = str(cosign(checkpoint, WITNESS, now + 5))
        assert newer in (await send(newer)).text
        assert newer in (await send(line)).text, "an older signature replaces no newer one"
        forged = str(cosign(replace(checkpoint, root=bytes(32)), WITNESS, now))
        stranger = str(cosign(checkpoint, new_signer("witness.example/w1", SignatureType.COSIGNATURE_ED25519), now))
        early = str(cosign(checkpoint, WITNESS, now + 9999))
        for wrong in (forged, stranger, early, "nonsense", f"{line}\n{line}", str(line) + "\0"):
            assert (await send(wrong)).status_code == 422, wrong
        assert (await send(line, size=5)).status_code == 404
        assert (await send()).status_code == 422
        await found.log.sequence()
        assert (await found.get("/audit/head")).json()["witnessed_size"] == 6
        report, stored = await found.log.verify(Trust(witnesses=(WITNESS.verifier,)))
        assert stored.intact
        assert ("witness.example/w1", 6) in {(anchor.name, anchor.size) for anchor in report.anchors}


@pytest.mark.asyncio
async def test_the_head_says_how_the_log_stands(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await found.log.grow(5)
        await found.log.append(entries(2))

        head = (await found.get("/audit/head")).json()
        assert (head["size"], head["signed_size"], head["waiting"], head["refusal"]) == (6, 6, 2, "")
        assert head["keys"][0]["verifier_keys"] == list(map(str, await found.log.keys()))
        await found.log.rewrite(lambda _, leaf: leaf.replace(b"PASS", b"FAIL"))
        await found.log.sequence()
        head = (await found.get("/audit/head")).json()
        assert "rewritten" in head["refusal"]
        assert head["refused_at"]
        assert "rewritten" in await AuditService(database).refusal()


@pytest.mark.asyncio
async def test_a_damaged_tree_is_a_fault_with_a_next_step(database: Database, tmp_path: Path) -> None:
    async with api(database, tmp_path) as found:
        await found.log.grow(5)
        await found.log.sql("UPDATE audit_tiles SET hashes = substr(hashes, 1, 32)")
        await found.log.sql("UPDATE audit_entries SET leaf = 'no json' WHERE entry_index = 2")

        for path in ("/audit/entries/3", "/audit/tile/0/000.p/6"):
            answer = await found.get(path)
            assert (answer.status_code, answer.json()["type"]) == (500, "/problems/corrupt")
            assert "quilate audit verify" in answer.json()["next_step"]
        assert (await found.get("/audit/entries")).json()["items"][3]["action"] == ""
