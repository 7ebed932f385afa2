"""C03: the deliveries of these tests are of published shapes, and what GitHub publishes as examples is taken.

The examples (npm ``@octokit/webhooks-examples``, MIT) are read where they lie:
``npm pack @octokit/webhooks-examples``, unpacked in ``.peers/webhooks-examples``.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator, FormatChecker

from quilate.kit.database.database import Database
from quilate.runs.triggers.model import EventFacts
from quilate.runs.triggers.providers import gitea, github
from tests.support.forge_servers.gitea_hooks import GITEA_HOOKS
from tests.support.forge_servers.shapes import closed
from tests.support.triggers_api import TriggersApi, triggers_api
from tests.support.webhooks import (
    ZERO,
    Delivery,
    commit,
    gitea_comment,
    gitea_pull_request,
    gitea_push,
    github_comment,
    github_merge_group,
    github_pull_request,
    github_push,
    github_tag,
)

ROOT = Path(__file__).parents[4]
PUBLISHED = json.loads((ROOT / "tests/support/forge_servers/schemas/github-webhooks.json").read_bytes())
EXAMPLES = ROOT / ".peers" / "webhooks-examples" / "package" / "api.github.com" / "index.json"
OF_GITHUB = (
    github_push(),
    github_push("x", after=ZERO, before=commit(1)),
    github_push(forced=True, before=commit(3), at=1),
    github_tag("v1", commit(8)),
    github_pull_request("opened"),
    github_pull_request("opened", fork=True),
    github_pull_request("synchronize", before=commit(1), head=commit(4)),
    github_pull_request("closed"),
    github_merge_group(),
    github_merge_group("destroyed"),
    github_comment("/quilate approve 1", "NONE"),
)
OF_GITEA = (gitea_push(), gitea_pull_request(), gitea_pull_request("opened"), gitea_comment("/quilate approve 1"))
_READ_AS = {
    "push": {"push", "tag", "branch_deleted", "other"},
    "delete": {"branch_deleted", "other"},
    "pull_request": {"pull_request"},
    "release": {"release"},
    "merge_group": {"merge_group"},
    "issue_comment": {"comment"},
    "pull_request_review_comment": {"comment"},
}


def problems(schema: Any, document: Any) -> list[str]:
    """Return what is wrong with a document, an unknown member included."""
    validator = Draft202012Validator(closed(schema), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]


def published(delivery: Delivery) -> Any:
    """Return the published shape of one of GitHub's deliveries."""
    action = str(delivery.document.get("action", "")).replace("_", "-")
    return PUBLISHED["events"]["-".join(part for part in (delivery.event.replace("_", "-"), action) if part)]["schema"]


@pytest.mark.parametrize("delivery", OF_GITHUB, ids=lambda each: f"{each.event} {each.document.get('action', '')}")
def test_what_the_tests_send_as_github_is_of_the_published_shape(delivery: Delivery) -> None:
    assert problems(published(delivery), delivery.document) == []
    assert problems(published(delivery), {**delivery.document, "no-such-member": 1})


@pytest.mark.parametrize("delivery", OF_GITEA, ids=lambda each: f"{each.event} {each.document.get('action', '')}")
def test_what_the_tests_send_as_gitea_is_of_the_shape_in_its_sources(delivery: Delivery) -> None:
    assert problems(GITEA_HOOKS[delivery.event], delivery.document) == []


def _smallest(schema: Any) -> Any:
    """Return the poorest document of a shape: nothing that is not always sent, null where it may be."""
    kinds = schema.get("type", "string")
    if "enum" in schema:
        return schema["enum"][0]
    if "null" in kinds:
        return None
    if kinds == "object":
        return {name: _smallest(schema["properties"][name]) for name in schema.get("required", ())}
    return {"array": [], "integer": 7, "boolean": False}.get(kinds, "https://git.example/2026-11-20T10:00:00Z")


@pytest.mark.parametrize("name", sorted(PUBLISHED["events"]))
def test_the_poorest_delivery_that_github_may_send_is_read(name: str) -> None:
    event = next(each for each in (*_READ_AS, "ping") if name.startswith(each.replace("_", "-")))
    read = github.read({"x-github-event": event}, _smallest(PUBLISHED["events"][name]["schema"]))
    assert event == "ping" or (isinstance(read, tuple) and len(read) == 1)


@pytest.mark.parametrize("event", sorted(GITEA_HOOKS))
def test_the_poorest_delivery_that_gitea_may_send_is_read(event: str) -> None:
    (facts,) = _events(gitea.read({"x-gitea-event": event}, _smallest(GITEA_HOOKS[event])))
    assert facts.provider == "gitea"


def _events(reading: Any) -> tuple[EventFacts, ...]:
    assert isinstance(reading, tuple)
    return reading


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncIterator[TriggersApi]:
    async with triggers_api(database) as opened:
        yield opened


@pytest.mark.asyncio
@pytest.mark.skipif(not EXAMPLES.is_file(), reason="the examples that GitHub's users publish are not here")
async def test_every_published_example_of_github_is_taken_and_read(api: TriggersApi) -> None:
    hook = await api.hook("github")
    taken = 0
    for group in json.loads(EXAMPLES.read_bytes()):
        for example in group["examples"]:
            delivery = Delivery(provider="github", event=group["name"], document=example)
            answer = await api.deliver(hook, delivery)
            if group["name"] == "ping":
                assert answer.status_code == 200, answer.text
                continue
            assert answer.status_code == 202, (group["name"], answer.text)
            for each in answer.json()["events"]:
                taken += 1
                _as_it_was_meant(group["name"], example, await api.event(each["id"]))
    assert taken > 250
    await api.worked()
    states = await api.rows("SELECT DISTINCT state FROM inbound_events")
    assert {str(row["state"]) for row in states} <= {"matched", "unmatched", "superseded", "refused"}


def _as_it_was_meant(event: str, example: dict[str, Any], seen: dict[str, Any]) -> None:
    assert seen["kind"] in _READ_AS.get(event, {"other"})
    assert seen["repository"] == example.get("repository", {}).get("full_name", "")
    if event == "pull_request":
        head = example["pull_request"]["head"]
        assert (seen["commit"], seen["branch"]) == (head["sha"], head["ref"])
        assert seen["pull_request"] == example["number"]
    if event == "push" and seen["kind"] == "push":
        assert (f"refs/heads/{seen['branch']}", seen["commit"]) == (example["ref"], example["after"])
    if event == "release":
        assert seen["tag"] == example["release"]["tag_name"]
