"""Waivers by comment at every forge (C10, C11): hook, role asked there, four eyes, the answer written there."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quilate.connectors.forges.people import Forge
from quilate.deliveries.model import ConnectionWish
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import box_of
from quilate.ops.comments.working import CommentParts, CommentWorker, keep_command
from quilate.runs.triggers.working import EventWorker
from tests.connectors.forges.test_github import app_keys
from tests.support.deliveries import access_to, parts
from tests.support.forge_servers.bitbucket import BitbucketServer
from tests.support.forge_servers.gitea import GiteaServer
from tests.support.forge_servers.github import APP_ID, GitHubServer
from tests.support.forge_servers.gitlab import GitLabServer
from tests.support.forge_servers.server import Fault, ForgeServer, Reply
from tests.support.servers import serving
from tests.support.triggers_api import NewHook, TriggersApi, triggers_api
from tests.support.webhooks import (
    REPOSITORY,
    Delivery,
    bitbucket_comment,
    gitea_comment,
    github_comment,
    gitlab_comment,
)

UNTIL = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
ASK = f'/quilate waive ruff/S324 until={UNTIL} reason="a checksum" path=src/legacy/**'
TOKEN = "token-of-the-connection"  # noqa: S105 - known to nobody but the test


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A forge: its server, the words for three roles there, the comment that it sends."""

    type: str
    server: Callable[[], ForgeServer]
    writes: str
    maintains: str
    reads: str
    comment: Callable[[str, str], dict[str, Any]]
    event: str
    app: bool = False


def _by_login(comment: Delivery, by: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(comment.document))
    document["sender"]["login"] = document["comment"]["user"]["login"] = by
    return document


def _by_username(text: str, by: str) -> dict[str, Any]:
    return {**gitlab_comment(text).document, "user": {"id": 1, "username": by}}


KINDS = {
    "github": Kind(
        type="github",
        server=lambda: GitHubServer(token=TOKEN),
        writes="write",
        maintains="maintain",
        reads="triage",
        comment=lambda text, by: _by_login(github_comment(text), by),
        event="issue_comment",
    ),
    "github app": Kind(
        type="github",
        server=lambda: GitHubServer(public_key=app_keys()[1]),
        writes="write",
        maintains="admin",
        reads="read",
        comment=lambda text, by: _by_login(github_comment(text), by),
        event="issue_comment",
        app=True,
    ),
    "gitlab": Kind(
        type="gitlab",
        server=lambda: GitLabServer(token=TOKEN),
        writes="developer",
        maintains="maintainer",
        reads="reporter",
        comment=_by_username,
        event="Note Hook",
    ),
    "gitea": Kind(
        type="gitea",
        server=lambda: GiteaServer(token=TOKEN),
        writes="write",
        maintains="admin",
        reads="read",
        comment=lambda text, by: _by_login(gitea_comment(text), by),
        event="issue_comment",
    ),
    "bitbucket": Kind(
        type="bitbucket",
        server=lambda: BitbucketServer(token=TOKEN),
        writes="write",
        maintains="admin",
        reads="read",
        comment=lambda text, by: dict(bitbucket_comment(text, by).document),
        event="pullrequest:comment_created",
    ),
}


@dataclass(slots=True, kw_only=True)
class Comments:
    """A project with a hook of a forge and a connection to it, where ann writes, bob maintains and eve reads."""

    kind: Kind
    api: TriggersApi
    forge: ForgeServer
    hook: NewHook
    worker: CommentWorker
    written: int = 0
    repository: str = REPOSITORY
    repository_id: str = ""

    async def write(self, text: str, by: str) -> str:
        """Let somebody write a comment; return the last answer in the request."""
        self.written += 1
        document = json.loads(json.dumps({**self.kind.comment(text, by), "test": self.written}))
        place, name = ("project", "path_with_namespace") if "project" in document else ("repository", "full_name")
        document[place][name] = self.repository
        identity = self.repository_id or self.forge.repository_id
        if self.kind.type == "bitbucket":
            document[place]["uuid"] = identity
        else:
            document[place]["id"] = int(identity)
        await self.api.taken(self.hook, Delivery(provider=self.kind.type, event=self.kind.event, document=document))
        await self.settle()
        return next(reversed(self.forge.own(12)), "")

    async def settle(self) -> None:
        """Work off what came in, and carry out what it asks for."""
        events = EventWorker(self.api.database, on_comment=keep_command)
        while await events.work_once():
            pass
        await self.work()

    async def work(self) -> None:
        """Carry out what is due."""
        while await self.worker.work_once():
            pass

    async def waivers(self) -> list[dict[str, Any]]:
        """Return the waivers."""
        return await self.api.rows("SELECT * FROM waiver_requests ORDER BY id")


@pytest_asyncio.fixture(params=sorted(KINDS))
async def comments(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Comments]:
    kind = KINDS[request.param]
    server = kind.server()
    server.people = {"ann": kind.writes, "bob": kind.maintains, "eve": kind.reads}
    with serving(server):
        async with triggers_api(database) as api:
            sending = parts(database, tmp_path)
            settings = {
                "repository": REPOSITORY,
                "base_url": server.base_url,
                **({"app_id": APP_ID} if kind.app else {}),
            }
            secrets = {"private_key": app_keys()[0]} if kind.app else {"token": TOKEN}
            wish = ConnectionWish(name="forge", type=kind.type, settings=settings, secrets=secrets)
            await ConnectionService(sending).create(access_to(api.project), wish)
            worker = CommentWorker(CommentParts(sending=sending, open_forge=Forge, secrets=box_of(b"k" * 32)))
            yield Comments(kind=kind, api=api, forge=server, hook=await api.hook(kind.type), worker=worker)
    assert not server.violations, server.violations


@pytest.mark.asyncio
async def test_one_asks_another_approves_and_revokes(comments: Comments) -> None:
    asked = await comments.write(ASK, "ann")
    [waiver] = await comments.waivers()
    assert f"/quilate approve {waiver['id']}" in asked
    assert "needs the right to maintain" in await comments.write(f"/quilate approve {waiver['id']}", "ann")
    assert "is approved" in await comments.write(f"/quilate approve {waiver['id']}", "bob")
    assert (await comments.waivers())[0]["state"] == "approved"
    assert "is revoked" in await comments.write(f'/quilate revoke {waiver["id"]} reason="replaced"', "ann")


@pytest.mark.asyncio
async def test_nobody_approves_their_own(comments: Comments) -> None:
    await comments.write(ASK, "bob")
    [waiver] = await comments.waivers()
    assert "is approved" not in await comments.write(f"/quilate approve {waiver['id']}", "bob")
    assert (await comments.waivers())[0]["state"] == "requested"


@pytest.mark.asyncio
@pytest.mark.parametrize("stranger", ["eve", "mallory"])
async def test_who_may_not_write_there_asks_for_nothing(comments: Comments, stranger: str) -> None:
    assert "needs the right to write" in await comments.write(ASK, stranger)
    assert await comments.waivers() == []


@pytest.mark.asyncio
async def test_a_token_that_may_not_ask_for_roles_is_said_in_the_answer(comments: Comments) -> None:
    comments.forge.tells_roles = False
    answer = await comments.write(ASK, "bob")

    assert "token" in answer
    assert TOKEN not in answer
    assert await comments.waivers() == []


@pytest.mark.asyncio
async def test_a_renamed_repository_is_known_by_its_id(comments: Comments) -> None:
    await comments.write(ASK, "ann")
    comments.forge.rename("acme/scoring")
    comments.repository = "acme/scoring"
    [waiver] = await comments.waivers()

    assert "is approved" in await comments.write(f"/quilate approve {waiver['id']}", "bob")


@pytest.mark.asyncio
async def test_a_comment_in_another_repository_is_nothing_to_this_connection(comments: Comments) -> None:
    await comments.api.rows(
        "UPDATE connections SET settings = jsonb_set(settings, '{repository}', '\"acme/elsewhere\"')"
    )
    comments.forge.repository = "acme/elsewhere"
    comments.repository_id = "4712"
    await comments.write(ASK, "bob")

    assert await comments.waivers() == []
    assert not comments.forge.changes
    [row] = await comments.api.rows("SELECT done_at, error FROM comment_commands")
    assert row["done_at"] is not None
    assert f"no connection to {REPOSITORY}" in row["error"]


@pytest.mark.asyncio
async def test_what_was_given_up_is_a_failed_event_that_can_be_replayed(comments: Comments) -> None:
    comments.forge.faults.append(Fault(reply=Reply(status=503)))
    await comments.write(ASK, "ann")
    for _ in range(8):
        await comments.api.rows("UPDATE comment_commands SET due_at = now() WHERE done_at IS NULL")
        await comments.work()
    [row] = await comments.api.rows("SELECT id FROM inbound_events")
    seen = await comments.api.event(str(row["id"]))
    assert seen["state"] == "failed"
    assert "503" in seen["reason"]
    assert "replay" in seen["next_step"]
    [told] = await comments.api.rows("SELECT data FROM outgoing_events WHERE type = 'dev.quilate.event.failed'")
    assert told["data"]["event"] == str(row["id"])
    entries = await comments.api.rows(
        "SELECT a::text AS text FROM audit_pending AS a WHERE a::text LIKE '%%event.failed%%'"
    )
    assert [entry for entry in entries if "ann" in str(entry["text"])] == []

    comments.forge.faults.clear()
    assert (await comments.api.call("POST", f"/fraud/events/{row['id']}/replay", by="dev")).status_code == 202
    await comments.settle()

    assert len(await comments.waivers()) == 1
    assert "waits for approval" in comments.forge.own(12)[-1]
    assert (await comments.api.event(str(row["id"])))["state"] != "failed"
    assert (await comments.api.call("POST", f"/fraud/events/{row['id']}/replay", by="dev")).status_code == 202
    await comments.settle()
    assert len(comments.forge.own(12)) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("reply", [Reply(document=7), Reply(document=[7]), Reply(raw=b"<html>"), Reply(status=503)])
async def test_a_forge_that_answers_anything_ends_no_command_but_its_own(comments: Comments, reply: Reply) -> None:
    comments.forge.faults.append(Fault(reply=reply, times=4))
    await comments.write(ASK, "ann")
    for _ in range(8):
        await comments.api.rows("UPDATE comment_commands SET due_at = now() WHERE done_at IS NULL")
        await comments.work()

    rows = await comments.api.rows("SELECT done_at FROM comment_commands")
    assert [row["done_at"] is not None for row in rows] == [True]
    assert len(await comments.waivers()) <= 1
    comments.forge.faults.clear()
    assert "waits for approval" in await comments.write(ASK.replace("S324", "S325"), "ann")
