"""Waivers by comment: the writer's role at the forge decides, four eyes hold, the answer is written there (C10)."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from quilate.connectors.forges.people import Forge
from quilate.deliveries.model import ConnectionWish
from quilate.deliveries.service import ConnectionService
from quilate.kit.database.database import Database
from quilate.kit.secrets.box import box_of
from quilate.ops.comments.working import CommentParts, CommentWorker, keep_command
from quilate.runs.triggers.working import EventWorker
from tests.support.deliveries import access_to, parts
from tests.support.receivers import Received, Receiver, Reply, receiver
from tests.support.triggers_api import NewHook, TriggersApi, triggers_api
from tests.support.webhooks import Delivery, github_comment

UNTIL = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
ASK = f'/quilate waive ruff/S324 until={UNTIL} reason="a checksum" path=src/legacy/**'


@dataclass(slots=True, kw_only=True)
class Comments:
    """A project with a hook and a connection to a forge; ``roles`` are those of its people there."""

    api: TriggersApi
    forge: Receiver
    hook: NewHook
    worker: CommentWorker
    roles: dict[str, str]

    async def write(self, text: str, by: str = "ann") -> str:
        """Let somebody write a comment; return the last answer in the request."""
        delivery = github_comment(text)
        document = json.loads(json.dumps(delivery.document))
        document["sender"]["login"] = document["comment"]["user"]["login"] = by
        document["comment"]["id"] = len(self.forge.received) + 1000
        sent = Delivery(provider="github", event="issue_comment", document=document)
        await self.api.taken(self.hook, sent)
        events = EventWorker(self.api.database, on_comment=keep_command)
        while await events.work_once():
            pass
        while await self.worker.work_once():
            pass
        answers = [each for each in self.forge.received if each.method == "POST"]
        return str(answers[-1].json()["body"]) if answers else ""

    def answer(self, request: Received) -> Reply:
        """Answer as GitHub does."""
        if request.path.endswith("/permission"):
            role = self.roles.get(request.path.split("/")[-2])
            if role is None:
                return Reply(status=404)
            permission = {"maintain": "write"}.get(role, role)
            return Reply(body=json.dumps({"permission": permission, "role_name": role}).encode())
        return Reply(status=201, body=b'{"id": 1}')


@pytest_asyncio.fixture
async def comments(database: Database, tmp_path: Path) -> AsyncIterator[Comments]:
    async with triggers_api(database) as api:
        with receiver() as forge:
            sending = parts(database, tmp_path)
            wish = ConnectionWish(
                name="forge",
                type="github",
                settings={"repository": "acme/fraud", "base_url": forge.url},
                secrets={"token": "a-token"},
            )
            await ConnectionService(sending).create(access_to(api.project), wish)
            worker = CommentWorker(CommentParts(sending=sending, open_forge=Forge, secrets=box_of(b"k" * 32)))
            roles = {"ann": "write", "bob": "maintain", "eve": "read"}
            opened = Comments(api=api, forge=forge, hook=await api.hook("github"), worker=worker, roles=roles)
            forge.answer = opened.answer
            yield opened


async def waivers(comments: Comments) -> list[dict[str, object]]:
    return await comments.api.rows("SELECT * FROM waiver_requests ORDER BY id")


@pytest.mark.asyncio
async def test_one_asks_and_another_approves(comments: Comments) -> None:
    asked = await comments.write(ASK)
    [waiver] = await waivers(comments)
    assert f"/quilate approve {waiver['id']}" in asked
    assert (waiver["state"], waiver["rule"], waiver["paths"]) == ("requested", "ruff/S324", ["src/legacy/**"])

    approved = await comments.write(f"/quilate approve {waiver['id']}", by="bob")

    assert "is approved" in approved
    assert (await waivers(comments))[0]["state"] == "approved"
    assert (await waivers(comments))[0]["decided_by"] != waiver["owner"]


@pytest.mark.asyncio
async def test_nobody_approves_their_own(comments: Comments) -> None:
    await comments.write(ASK, by="bob")
    [waiver] = await waivers(comments)
    answer = await comments.write(f"/quilate approve {waiver['id']}", by="bob")

    assert (await waivers(comments))[0]["state"] == "requested"
    assert "is approved" not in answer


@pytest.mark.asyncio
@pytest.mark.parametrize("stranger", ["eve", "mallory"])
async def test_who_may_not_write_there_asks_for_nothing(comments: Comments, stranger: str) -> None:
    answer = await comments.write(ASK, by=stranger)

    assert "needs the right to write" in answer
    assert await waivers(comments) == []


@pytest.mark.asyncio
async def test_who_may_only_write_decides_nothing(comments: Comments) -> None:
    await comments.write(ASK, by="bob")
    [waiver] = await waivers(comments)
    answer = await comments.write(f"/quilate approve {waiver['id']}", by="ann")

    assert "needs the right to maintain" in answer
    assert (await waivers(comments))[0]["state"] == "requested"


@pytest.mark.asyncio
async def test_a_waiver_of_another_project_is_not_there(comments: Comments) -> None:
    answer = await comments.write("/quilate approve 01a1fd5e-a0c6-7610-9bd9-e15f5ad4db4e", by="bob")

    assert "has no waiver" in answer


@pytest.mark.asyncio
async def test_a_mistake_is_answered_with_what_is_expected_and_chatter_with_nothing(comments: Comments) -> None:
    assert "Known commands" in await comments.write("/quilate waive")
    before = len(comments.forge.received)
    await comments.write("looks good to me")

    assert len(comments.forge.received) == before


@pytest.mark.asyncio
async def test_a_forge_that_is_away_is_asked_again_and_nothing_is_done_twice(comments: Comments) -> None:
    comments.forge.answer = lambda request: comments.answer(request) if request.method == "GET" else Reply(status=503)
    await comments.write(ASK)
    assert len(await waivers(comments)) == 1
    comments.forge.answer = comments.answer
    await comments.api.rows("UPDATE comment_commands SET due_at = now()")
    while await comments.worker.work_once():
        pass

    assert len(await waivers(comments)) == 1
    [row] = await comments.api.rows("SELECT done_at, error FROM comment_commands")
    assert row["done_at"] is not None
    assert row["error"] == ""


@pytest.mark.asyncio
async def test_no_name_of_a_person_stands_in_the_audit_log(comments: Comments) -> None:
    await comments.write(ASK, by="bob")
    entries = await comments.api.rows("SELECT a::text AS text FROM audit_pending AS a WHERE a::text LIKE '%%waiver%%'")

    assert entries
    assert not [row for row in entries if "bob" in str(row["text"])]
