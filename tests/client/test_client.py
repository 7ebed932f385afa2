"""The client against the real application over a real socket (C06)."""

import asyncio
import tarfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from quilate.accounts.bootstrap import first_admin_link
from quilate.accounts.model import ProjectReference
from quilate.client import (
    Client,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    WaitTimeoutError,
)
from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.evidence.model import Evidence
from quilate.kit.database.database import Database
from quilate.runs.judging import encoded_evidence
from quilate.seals.dsse import parse_envelope
from tests.support.live_service import LiveService, live_service
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run, start_check

PASSWORD = "amber kettle under glass"  # noqa: S105 - of somebody who lives for one test
GIT = {"kind": "git", "repository": "https://git.example/a.git", "branch": "main"}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[LiveService]:
    with live_service(database_url, tmp_path / "state", local=True) as opened:
        yield opened


@pytest.fixture
def client(service: LiveService) -> Iterator[Client]:
    with Client(service.url, patience_seconds=10) as opened:
        opened.projects.create("fraud", "Fraud")
        yield opened


@asynccontextmanager
async def opened(service: LiveService) -> AsyncIterator[tuple[Database, ProjectReference]]:
    async with Database.open(service.settings.database_url) as database:
        async with database.connection() as connection:
            row = await (await connection.execute("SELECT id, slug, name FROM projects")).fetchone()
        assert row is not None
        yield database, ProjectReference(**row)


def plan(service: LiveService, run: UUID, *checks: str) -> None:
    async def work() -> None:
        async with opened(service) as (database, project):
            await plan_run(database, project, run, outlined(*checks))

    asyncio.run(work())


def finish(service: LiveService, run: UUID, evidence: Evidence) -> None:
    async def work() -> None:
        async with opened(service) as (database, project):
            await start_check(database, project, run, "a")
            result = CheckResult.FAIL if evidence.findings else CheckResult.PASS
            ended = Ended(check="a", result=result, evidence=evidence)
            await end_check(database, project, run, ended)
            await decide_by_hand(database, project, run, [ended])

    asyncio.run(work())


def test_a_run_is_submitted_followed_and_read(service: LiveService, client: Client) -> None:
    submitted = client.runs.submit("fraud", source=GIT, event="push", parameters={"pr": 7})
    assert (submitted.status, submitted.created) == (RunStatus.QUEUED, True)
    plan(service, submitted.id, "a")
    assert client.runs.get("fraud", submitted.id).stages[0].checks[0].state == "waiting"
    evidence = Evidence(summary="1 finding", findings=(finding("R1"),))
    writer = threading.Timer(0.3, finish, (service, submitted.id, evidence))
    writer.start()
    events = list(client.runs.events("fraud", submitted.id))
    writer.join()
    assert [(event.name, event.data.get("state"), event.data.get("status")) for event in events][-2:] == [
        ("check", "ended", None),
        ("run", None, "failed"),
    ]
    detail = client.runs.wait("fraud", submitted.id, 10)
    assert (detail.verdict, detail.status, detail.event) == (Verdict.FAIL, RunStatus.FAILED, "push")
    assert detail.subject is not None
    assert detail.checks[0].findings == {"high": 1}
    assert client.runs.evidence("fraud", submitted.id, "a") == encoded_evidence(evidence)
    assert [found.rule for found in client.runs.findings("fraud", submitted.id, severity=["high"])] == ["R1"]
    assert b'"verdict":"FAIL"' in client.runs.decision("fraud", submitted.id)
    assert client.runs.decision_input("fraud", submitted.id)
    assert parse_envelope(client.runs.seal("fraud", submitted.id)).signatures
    assert "FAILED" in client.runs.explanation("fraud", submitted.id)
    assert [seal.verdict for seal in client.runs.seals("fraud", detail.subject.digest)] == [Verdict.FAIL]
    assert client.runs.log("fraud", submitted.id, "a") == ""


def test_lists_are_followed_over_pages(client: Client) -> None:
    made = [client.runs.submit("fraud", source=GIT).id for _ in range(203)]
    found = [run.id for run in client.runs.list("fraud", status=RunStatus.QUEUED)]
    assert found == sorted(made, reverse=True)
    since = datetime.now(UTC) + timedelta(hours=1)
    assert list(client.runs.list("fraud", since=since)) == []


def test_the_same_key_gives_the_same_run(client: Client) -> None:
    first = client.runs.submit("fraud", source=GIT, idempotency_key="k")
    assert client.runs.submit("fraud", source=GIT, idempotency_key="k").id == first.id
    assert client.runs.submit("fraud", source=GIT).id != first.id


def test_a_run_is_cancelled_and_repeated(client: Client) -> None:
    run = client.runs.submit("fraud", source=GIT).id
    with pytest.raises(WaitTimeoutError):
        client.runs.wait("fraud", run, 0.05)
    assert client.runs.cancel("fraud", run, "not needed") is RunStatus.CANCELLED
    assert client.runs.wait("fraud", run).status is RunStatus.CANCELLED
    again = client.runs.rerun("fraud", run, failed_only=True)
    assert client.runs.get("fraud", again.id).rerun_of == run


def test_refusals_are_exceptions_with_the_document(client: Client) -> None:
    with pytest.raises(NotFoundError) as missing:
        client.runs.get("fraud", uuid4())
    assert (missing.value.status, missing.value.type) == (404, "not-found")
    with pytest.raises(InvalidRequestError) as wrong:
        client.runs.submit("fraud", source={"kind": "ftp"})
    assert wrong.value.problem["errors"]
    assert wrong.value.next_step
    with pytest.raises(NotFoundError):
        client.projects.get("nobody/../fraud")


def test_a_stream_survives_cut_connections(service: LiveService, client: Client) -> None:
    run = client.runs.submit("fraud", source=GIT).id
    plan(service, run, "a")

    def disturb() -> None:
        time.sleep(0.5)
        with psycopg.connect(service.settings.database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quilate-api'"
            )
        finish(service, run, Evidence(summary="fine"))

    writer = threading.Thread(target=disturb)
    writer.start()
    events = list(client.runs.events("fraud", run))
    writer.join()
    assert events[-1].data["verdict"] == "PASS"
    resumed = list(client.runs.events("fraud", run, last_event_id=events[-1].id))
    assert resumed == []


def test_archives_and_datasets_are_uploaded(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    archive = tmp_path / "files.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "a.csv", "a.csv")
    uploaded = client.archives.upload("fraud", archive)
    assert uploaded.size == archive.stat().st_size
    assert client.archives.upload("fraud", archive).digest == uploaded.digest
    run = client.runs.submit("fraud", source={"kind": "archive", "digest": uploaded.digest})
    assert client.runs.get("fraud", run.id).source["digest"] == uploaded.digest
    client.datasets.create("fraud", "sales", "what was sold")
    version = client.datasets.upload("fraud", "sales", tmp_path / "a.csv")
    assert (version.number, version.rows) == (1, 1)
    assert [each.digest for each in client.datasets.versions("fraud", "sales")] == [version.digest]
    assert client.datasets.get("fraud", "sales").latest == 1
    with pytest.raises(ConflictError):
        client.datasets.create("fraud", "sales")
    assert [each.name for each in client.datasets.list("fraud")] == ["sales"]
    assert list(client.models.list("fraud")) == []


BLUEPRINT = """\
id: own
version: 1
project_types: [ds]
stages:
  - name: build
    checks:
      - {id: code_lint, type: CODE_LINT, select: [F]}
policies:
  approval:
    rule: all_required_checks_pass
"""


def test_blueprints_are_drafted(client: Client) -> None:
    draft = client.blueprints.create_draft("fraud", BLUEPRINT)
    changed = client.blueprints.update_draft("fraud", draft, BLUEPRINT.replace("[F]", "[F, E]"))
    with pytest.raises(ConflictError):
        client.blueprints.update_draft("fraud", draft, BLUEPRINT)
    assert client.blueprints.draft("fraud", "own") == changed
    assert "own" in {each.name for each in client.blueprints.list("fraud")}
    assert client.blueprints.what_if("fraud", "own")["replayed"] == 0
    client.blueprints.discard_draft("fraud", changed)
    with pytest.raises(NotFoundError):
        client.blueprints.draft("fraud", "own")


def test_waivers_and_schedules(client: Client) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).date()
    waiver = client.waivers.request("fraud", rule="ruff/F401", reason="generated", until=until, paths=("gen/*",))
    assert client.waivers.get("fraud", waiver.id) == waiver
    assert [each.id for each in client.waivers.list("fraud")] == [waiver.id]
    assert client.waivers.revoke("fraud", waiver.id, "mended").end_reason == "mended"
    schedule = client.schedules.create("fraud", name="nightly", cron="30 2 * * *", run={"source": GIT})
    assert client.schedules.get("fraud", schedule.id).next_fire is not None
    assert len(client.schedules.preview("fraud", schedule.id)) > 1
    assert list(client.schedules.firings("fraud", schedule.id)) == []
    client.schedules.delete("fraud", schedule.id)
    assert list(client.schedules.list("fraud")) == []


def test_the_audit_log_has_a_checkpoint(service: LiveService, client: Client) -> None:
    client.runs.submit("fraud", source=GIT)
    end = time.monotonic() + 30
    with service.process("background"):
        while True:
            try:
                note = client.audit.checkpoint()
                break
            except NotFoundError:
                assert time.monotonic() < end
                time.sleep(0.1)
    assert note.splitlines()[1].isdigit()


def test_a_login_lives_on_and_ends(database_url: str, tmp_path: Path) -> None:
    with live_service(database_url, tmp_path / "state", local=False) as service, Client(service.url) as client:
        with pytest.raises(NotAuthenticatedError):
            list(client.projects.list())

        async def link() -> str:
            async with Database.open(database_url) as database:
                made = await first_admin_link(database, service.url)
                assert made is not None
                return made

        setup = {
            "token": asyncio.run(link()).rpartition("token=")[2],
            "email": "a@example.org",
            "name": "A",
            "password": PASSWORD,
        }
        client._transport.request("POST", "/auth/setup", json=setup)  # noqa: SLF001 - people do this in a browser
        client.login("a@example.org", PASSWORD)
        client.projects.create("fraud", "Fraud")
        token = client.create_token("ci", ["project:read"], 1, "fraud")
        with Client(service.url, token=token.token) as limited:
            assert [project.slug for project in limited.projects.list()] == ["fraud"]
            with pytest.raises(ForbiddenError):
                limited.runs.submit("fraud", source=GIT)
        client._transport.log_in("spoilt", client._transport.refresh_token)  # noqa: SLF001 - as if it had expired
        assert [project.slug for project in client.projects.list()] == ["fraud"]
        client.logout()
        with pytest.raises(NotAuthenticatedError):
            list(client.projects.list())
        with pytest.raises(NotAuthenticatedError):
            client.login("a@example.org", "wrong password here")
