"""``quilate audit`` and the log's part of ``quilate verify``, as processes over a real database (C10, D09)."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quilate.audit.entries import AuditEntry
from quilate.audit.service import AuditService
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Database
from quilate.seals.keys import SigningKey, verification_key
from quilate.seals.log_proof import encode_bundle
from quilate.seals.sealing import seal_decision
from quilate.seals.statement import Environment
from tests.support.audit_log import Log
from tests.support.decisions import BLUEPRINT_DIGEST, SUBJECT_DIGEST, decided
from tests.support.projects import Outcome, quilate


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "work" / ".quilate"
    directory.mkdir(parents=True)
    return directory


def over(url: str, state: Path, work: Callable[[Log], Awaitable[Any]]) -> Any:
    """Do something with the log of a database."""

    async def run() -> Any:
        async with Database.open(url, name="test", max_size=4) as database:
            return await work(Log(database, state))

    return asyncio.run(run())


def audit(state: Path, url: str, *arguments: str) -> Outcome:
    return quilate(state.parent, "audit", *arguments, QUILATE_DATABASE_URL=url)


def test_an_export_is_verified_without_the_database(database_url: str, state: Path) -> None:
    over(database_url, state, lambda log: log.grow(5, 300))
    exported = audit(state, database_url, "export", "--output", "audit.ndjson")
    assert exported.code == 0, exported.errors
    keys = audit(state, database_url, "keys").output
    (state.parent / "keys.txt").write_text(keys, encoding="utf-8")

    done = quilate(
        state.parent, "audit", "verify", "audit.ndjson", "--key", "keys.txt", "--head", ".quilate/audit-head"
    )
    assert done.code == 0, done.output + done.errors
    assert done.lines[0].startswith("intact: 306 entries of quilate/audit/")
    assert "entries 0 to 305: signed by the log's key" in done.output
    assert "known from .quilate/audit-head" in done.output
    assert "tamper-evident, not tamper-proof" in done.output
    assert done.lines[-1] == "exit 0: intact"
    assert quilate(state.parent, "audit", "verify", "audit.ndjson", "--key", keys.split("\n")[0]).code == 0

    file = state.parent / "audit.ndjson"
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(file.read_bytes().replace(b'"number":200', b'"number":999'))
    done = quilate(state.parent, "audit", "verify", "audit.ndjson", "--json")
    told = json.loads(done.output)
    assert (done.code, told["intact"]) == (1, False)
    assert [(each["kind"], each["first"]) for each in told["findings"]] == [("entry", 206)]


def test_the_services_database_is_held_against_its_head(database_url: str, state: Path) -> None:
    async def turned_back(log: Log) -> None:
        await log.grow(5)
        await log.copy()
        await log.grow(5)

    over(database_url, state, turned_back)
    assert audit(state, database_url, "verify").code == 0
    over(database_url, state, lambda log: log.restore())

    done = audit(state, database_url, "verify")
    assert done.code == 1
    assert "rollback: the log was turned back" in done.output
    assert done.lines[-1] == "exit 1: tampered with"
    assert quilate(state.parent, "audit", "verify", "--database", database_url).code == 0, "no head was given"


def test_an_auditor_who_may_only_read_the_database_verifies_it(database_url: str, state: Path) -> None:
    over(database_url, state, lambda log: log.grow(5))
    reading = f"{database_url}{'&' if '?' in database_url else '?'}options=-crole%3Dpg_read_all_data"
    done = audit(state, reading, "verify")
    assert (done.code, done.lines[-1]) == (0, "exit 0: intact"), done.errors
    assert audit(state, reading, "keys").code == 0
    refused = audit(state, reading, "export", "--output", "audit.ndjson")
    assert refused.code == 2
    assert "permission denied" in refused.errors
    assert "need the service's own user" in refused.errors


def test_a_key_is_rotated_from_the_command_line(database_url: str, state: Path) -> None:
    early = audit(state, database_url, "rotate-key")
    assert (early.code, "not begun" in early.errors) == (2, True)
    over(database_url, state, lambda log: log.grow(5))
    before = audit(state, database_url, "keys").lines

    async def rotated(log: Log) -> Outcome:
        running = asyncio.create_task(asyncio.to_thread(audit, state, database_url, "rotate-key"))
        while not running.done():
            await log.sequence()
        return await running

    done = over(database_url, state, rotated)
    assert done.code == 0, done.errors
    assert done.lines[-1] == "the log signs with this key now"
    after = audit(state, database_url, "keys").lines
    assert after == [*before, *done.lines[:-1]]
    assert audit(state, database_url, "verify", "--key", before[0]).code == 0


def test_an_export_comes_from_a_service_with_an_auditors_token(database_url: str, state: Path) -> None:
    async def exported(log: Log) -> list[bytes]:
        await log.grow(5)
        return await log.export()

    lines = over(database_url, state, exported)
    (state.parent / "token").write_text("secret-token", encoding="utf-8")
    with serving(b"".join(lines)) as (address, asked):
        options = ("--server", address, "--token-file", "token", "--output", "audit.ndjson")
        done = quilate(state.parent, "audit", "export", *options)

    assert done.code == 0, done.errors
    assert asked == ["/api/v1/audit/export Bearer secret-token"]
    assert quilate(state.parent, "audit", "verify", "audit.ndjson", "--head", ".quilate/audit-head").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "missing.ndjson"),
        ("verify", "x", "--database", "postgresql://localhost/x"),
        ("verify", "x", "--key", "nonsense"),
        ("verify", "x", "--key", "a+b+c"),
        ("verify", "x", "--head", "missing"),
        ("export", "--output", "/nowhere/at/all", "--server", "http://127.0.0.1:9"),
        ("export", "--output", "x", "--server", "http://127.0.0.1:9", "--database", "x"),
        ("export", "--output", "x", "--server", "http://127.0.0.1:9", "--token-file", "missing"),
        ("verify",),
        ("export",),
    ],
)
def test_wrong_usage_ends_with_2_and_a_next_step(state: Path, arguments: tuple[str, ...]) -> None:
    done = quilate(state.parent, "audit", *arguments, QUILATE_DATABASE_URL="")

    assert done.code == 2, done.output + done.errors
    assert done.errors


DECISION, _INPUT = decided()
KEY = SigningKey(key_id="", private_key=Ed25519PrivateKey.generate())
PEM = KEY.verification_key().pem()
SEAL = seal_decision(
    DECISION,
    sealed_at=datetime(2026, 11, 21, tzinfo=UTC),
    key=SigningKey(key_id=verification_key(PEM).key_id, private_key=KEY.private_key),
    environment=Environment.SERVICE,
)


@pytest.fixture
def sealed(database_url: str, state: Path) -> dict[str, Any]:
    """A service's answer about a subject; the keys lie beside it."""

    async def work(log: Log) -> tuple[dict[str, Any] | None, str]:
        run, project = uuid4(), uuid4()
        details = {"verdict": "PASS", "seal": sha256_of(SEAL)}
        await log.append(
            [
                AuditEntry(
                    action="run.decided",
                    actor="system:quilate",
                    subject=f"run:{run}",
                    project_id=project,
                    details=details,
                )
            ]
        )
        await log.sequence()
        inclusion = await AuditService(log.database).proof_of_run(project, run)
        return inclusion, "\n".join(map(str, await log.keys()))

    inclusion, keys = over(database_url, state, work)
    home = state.parent
    (home / "service.pub.pem").write_bytes(PEM)
    (home / "log.keys").write_text(keys, encoding="utf-8")
    (home / "bundle.json").write_bytes(encode_bundle(SEAL, inclusion))
    (home / "bare.json").write_bytes(encode_bundle(SEAL, None))
    return {"items": [{"envelope": json.loads(SEAL), "inclusion": inclusion}]}


def gate(home: Path, *arguments: str, subject: str = SUBJECT_DIGEST) -> Outcome:
    expected = ("--policy-digest", BLUEPRINT_DIGEST, "--key", "service.pub.pem", "--log-key", "log.keys")
    return quilate(home, "verify", subject, *expected, *arguments)


def test_a_deploy_gate_judges_a_bundle_offline(sealed: dict[str, Any], state: Path) -> None:
    home = state.parent
    done = gate(home, "--bundle", "bundle.json")
    assert done.code == 0, done.output + done.errors
    assert "signed by the service" in done.output
    assert ", log" in done.output

    refused = gate(home, "--bundle", "bare.json")
    assert refused.code == 1
    assert "not_logged: the audit log does not vouch for the seal" in refused.output
    other = gate(home, "--bundle", "bundle.json", subject="sha256:" + "0" * 64)
    assert (other.code, "wrong_subject" in other.output) == (1, True)
    (home / "file").write_text("something else", encoding="utf-8")
    assert gate(home, "--bundle", "bundle.json", subject="file").code == 1
    assert gate(home, "--bundle", "bundle.json", subject="missing").code == 2
    assert gate(home, "--bundle", "log.keys").code == 2
    assert gate(home, "--bundle", "bundle.json", "--seal", "x").code == 2


@contextmanager
def serving(answer: dict[str, Any] | bytes) -> Iterator[tuple[str, list[str]]]:
    """Give the address of a server that answers like the service, and the requests that came."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization', '')}")
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_deploy_gate_asks_the_service(sealed: dict[str, Any], state: Path) -> None:
    home = state.parent
    (home / "token").write_text("secret-token\n", encoding="utf-8")
    with serving(sealed) as (address, asked):
        server = ("--server", address, "--project", "sample", "--token-file", "token")
        done = gate(home, *server)
        assert done.code == 0, done.output + done.errors
        subject = SUBJECT_DIGEST.replace(":", "%3A")
        assert asked == [f"/api/v1/projects/sample/seals?subject={subject}&limit=1 Bearer secret-token"]
        assert gate(home, "--server", address).code == 2, "no project"
    with serving({"items": []}) as (address, _):
        nothing = gate(home, "--server", address, "--project", "sample")
        assert (nothing.code, "has no seal about" in nothing.errors) == (2, True)
    with serving({"items": [{"envelope": 1}]}) as (address, _):
        assert gate(home, "--server", address, "--project", "sample").code == 2
