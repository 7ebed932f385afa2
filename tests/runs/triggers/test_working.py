"""What becomes of events: runs, cancellations, order, replay (C03)."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import pytest

from quilate.kit.ids import uuid7
from quilate.runs.triggers.inside import take_inside_events
from quilate.runs.triggers.intake import EventIntake
from quilate.runs.triggers.model import EventFacts, EventKind, NewEvent, StoredEvent
from quilate.runs.triggers.store import forget_events
from quilate.runs.triggers.working import EventWorker, run_triggers
from tests.support.durable import until
from tests.support.triggers_api import TriggersApi
from tests.support.webhooks import (
    ZERO,
    bitbucket_pull_request,
    commit,
    github_comment,
    github_merge_group,
    github_pull_request,
    github_push,
    github_tag,
    gitlab_merge_request,
    gitlab_push,
    mlflow_version,
)


@pytest.mark.asyncio
async def test_a_push_to_the_protected_branch_begins_a_run_of_its_commit(api: TriggersApi) -> None:
    hook = await api.hook("github")
    (event,) = await api.taken(hook, github_push(after=commit(5)))
    assert (await api.event(event))["state"] == "pending"
    assert await api.worked() == 1
    seen = await api.event(event)
    assert (seen["state"], seen["rule"], seen["kind"], seen["hook"]) == (
        "matched", "protected-branch", "push", str(hook.id),
    )  # fmt: skip
    (run,) = await api.runs()
    assert seen["run"] == str(run["id"])
    document = run["document"]
    assert document["source"] == {
        "kind": "git", "location": "https://git.example/acme/fraud.git", "revision": commit(5), "branch": "main",
        "digest": "", "subdirectory": "",
    }  # fmt: skip
    assert document["trigger"]["repository"] == "acme/fraud"
    assert (document["trigger"]["commit"], document["trigger"]["event_id"]) == (commit(5), event)
    assert (run["event"], document["supersede"]) == ("push", True)
    assert run["concurrency_key"] == "acme/fraud:refs/heads/main"


@pytest.mark.asyncio
async def test_what_matches_nothing_is_kept_and_begins_a_run_once_a_rule_wants_it(api: TriggersApi) -> None:
    hook = await api.hook("github")
    (event,) = await api.taken(hook, github_push("feature"))
    await api.worked()
    seen = await api.event(event)
    assert (seen["state"], seen["run"]) == ("unmatched", None)
    assert "trigger rules" in seen["next_step"]
    listed = await api.call("GET", "/fraud/events?state=unmatched&kind=push", by="viewer")
    assert [each["id"] for each in listed.json()["items"]] == [event]
    assert (await api.call("GET", "/fraud/events?state=matched", by="viewer")).json()["items"] == []

    rules = [{"name": "features", "match": {"branch": ["feat*"]}, "blueprint": "ds-batch", "priority": 3}]
    current = await api.call("GET", "/fraud/trigger-rules")
    changed = await api.call(
        "PUT", "/fraud/trigger-rules", json={"rules": rules}, headers={"If-Match": current.headers["etag"]}
    )
    assert changed.status_code == 200, changed.text
    replayed = await api.call("POST", f"/fraud/events/{event}/replay", by="dev")
    assert (replayed.status_code, replayed.json()["state"]) == (202, "pending")
    await api.worked()
    (run,) = await api.runs()
    assert (run["priority"], run["document"]["blueprint"]) == (3, "ds-batch")
    assert (await api.event(event))["run"] == str(run["id"])

    again = await api.call("POST", f"/fraud/events/{event}/replay", by="dev")
    assert again.status_code == 202
    assert (await api.call("POST", f"/fraud/events/{event}/replay", by="dev")).status_code == 409
    await api.worked()
    assert len(await api.runs()) == 2


@pytest.mark.asyncio
async def test_a_request_of_a_fork_runs_without_secrets_and_never_as_a_branch_of_the_repository(
    api: TriggersApi,
) -> None:
    hook = await api.hook("github")
    await api.taken(hook, github_pull_request("opened", fork=True))
    await api.worked()
    (run,) = await api.runs()
    document = run["document"]
    assert document["without_secrets"] is True
    assert document["source"]["branch"] == "pull/12"
    assert document["source"]["location"] == "https://git.example/acme/fraud.git"
    trigger = document["trigger"]
    assert (trigger["pull_request"], trigger["base_branch"], trigger["from_fork"]) == (12, "main", True)
    own = await api.hook("gitlab")
    await api.taken(own, gitlab_merge_request("open"))
    await api.worked()
    assert (await api.runs())[-1]["document"]["without_secrets"] is False


@pytest.mark.asyncio
async def test_a_fork_of_bitbucket_is_cloned_where_its_commit_is(api: TriggersApi) -> None:
    hook = await api.hook("bitbucket")
    await api.taken(hook, bitbucket_pull_request(fork=True))
    await api.worked()
    (run,) = await api.runs()
    source = run["document"]["source"]
    assert (source["location"], source["revision"], source["branch"]) == (
        "https://git.example/eve/fraud.git", "", "feature",
    )  # fmt: skip
    assert run["document"]["without_secrets"] is True


@pytest.mark.asyncio
async def test_a_closed_request_and_a_deleted_branch_end_their_runs(api: TriggersApi) -> None:
    hook = await api.hook("github")
    ids = await api.taken(
        hook,
        github_pull_request("opened"),
        github_push(after=commit(1)),
        github_pull_request("closed", at="2026-11-20T11:00:00Z"),
        github_push(after=ZERO, before=commit(1)),
    )
    assert await api.worked() == 4
    assert [run["status"] for run in await api.runs()] == ["cancelled", "cancelled"]
    for event in ids[2:]:
        seen = await api.event(event)
        assert seen["state"] == "matched"
        assert seen["reason"].endswith("1 of its runs were cancelled")
    assert {each["action"] for each in await _audited(api)} >= {"event.accepted", "run.submitted", "run.cancelled"}
    # The branch comes again, on a commit that it was on before: that is no late delivery.
    (fresh,) = await api.taken(hook, github_push(after=commit(1), at=1))
    await api.worked()
    assert (await api.event(fresh))["state"] == "matched"


@pytest.mark.asyncio
async def test_an_older_push_that_comes_late_does_not_supersede_the_newer(api: TriggersApi) -> None:
    github, gitlab = await api.hook("github"), await api.hook("gitlab")
    ids = await api.taken(
        github,
        github_push(after=commit(3), before=commit(2), at=2000),
        github_push(after=commit(2), before=commit(1), at=1000),
        github_push(after=commit(1), before=commit(3), at=3000, forced=True),
    )
    await api.worked()
    assert [(await api.event(each))["state"] for each in ids] == ["matched", "superseded", "matched"]
    # GitLab tells no time of a push: what the branch was on before decides.
    await api.rows("DELETE FROM inbound_heads")
    ids = await api.taken(
        gitlab,
        gitlab_push(after=commit(3), before=commit(2)),
        gitlab_push(after=commit(2), before=commit(1)),
        gitlab_push(after=commit(2), before=commit(3)),
    )
    await api.worked()
    assert [(await api.event(each))["state"] for each in ids] == ["matched", "superseded", "matched"]
    commits = [run["document"]["trigger"]["commit"] for run in await api.runs()]
    assert commits == [commit(3), commit(1), commit(3), commit(2)]
    assert {run["concurrency_key"] for run in await api.runs()} == {"acme/fraud:refs/heads/main"}


@pytest.mark.asyncio
async def test_merge_queue_tag_and_model_version_begin_runs(api: TriggersApi) -> None:
    github, mlflow = await api.hook("github"), await api.hook("mlflow")
    await api.taken(github, github_merge_group(), github_tag("v1.2", commit(8)))
    await api.taken(mlflow, mlflow_version())
    await api.worked()
    merge, tag, model = await api.runs()
    assert (merge["event"], merge["priority"]) == ("merge_group", 20)
    assert merge["document"]["source"]["revision"] == commit(3)
    assert (tag["event"], tag["document"]["source"]["revision"]) == ("tag", commit(8))
    assert tag["document"]["trigger"]["tag"] == "v1.2"
    assert (model["event"], model["document"]["trigger"]["version"]) == ("model_version", "3")
    assert model["document"]["source"]["branch"] == "main"
    await api.taken(github, github_merge_group("destroyed"))
    await api.worked()
    assert (await api.runs())[0]["status"] == "cancelled"


@pytest.mark.asyncio
async def test_a_comment_begins_nothing_and_is_handed_to_whoever_acts_on_comments(api: TriggersApi) -> None:
    hook = await api.hook("github")
    heard: list[EventFacts] = []

    async def act(connection: Any, event: StoredEvent) -> str:
        assert connection is not None
        heard.append(event.facts)
        return "a waiver was asked for" if event.facts.text.startswith("/quilate") else ""

    command, chatter = await api.taken(hook, github_comment("/quilate waive X1"), github_comment("nice"))
    worker = EventWorker(api.database, on_comment=act)
    while await worker.work_once():
        pass
    assert [(each.text, each.sender, each.association, each.pull_request) for each in heard] == [
        ("/quilate waive X1", "ann", "MEMBER", 12),
        ("nice", "ann", "MEMBER", 12),
    ]
    assert (await api.event(command))["reason"] == "a waiver was asked for"
    assert (await api.event(chatter))["state"] == "unmatched"
    assert await api.runs() == []


@pytest.mark.asyncio
async def test_a_full_queue_keeps_events_pending_and_an_archived_project_refuses_them(api: TriggersApi) -> None:
    hook = await api.hook("github")
    await api.rows("UPDATE projects SET max_queued_runs = 1")
    ids = await api.taken(hook, github_push(after=commit(1)))
    await api.worked()
    ids += await api.taken(hook, github_push(after=commit(2), before=commit(1)), github_push("x"))
    await api.worked()
    states = [(await api.event(each))["state"] for each in ids]
    assert states == ["matched", "pending", "unmatched"]
    await api.rows("UPDATE projects SET max_queued_runs = NULL, archived = true")
    await api.rows("UPDATE inbound_events SET ready_at = now()")
    await api.worked()
    assert (await api.event(ids[1]))["state"] == "refused"


@pytest.mark.asyncio
async def test_an_event_that_cannot_be_worked_off_fails_alone_and_can_be_replayed(api: TriggersApi) -> None:
    hook = await api.hook("github")

    async def broken(connection: Any, event: StoredEvent) -> str:
        raise ZeroDivisionError(connection, event)

    push, comment = await api.taken(hook, github_push(), github_comment("/quilate"))
    worker = EventWorker(api.database, on_comment=broken)
    while await worker.work_once():
        pass
    assert (await api.event(push))["state"] == "matched"
    seen = await api.event(comment)
    assert (seen["state"], seen["reason"]) == ("failed", "working it off failed: ZeroDivisionError")
    assert "replay" in seen["next_step"]
    told = await api.rows("SELECT subject FROM outgoing_events WHERE type = 'dev.quilate.event.failed'")
    assert [row["subject"] for row in told] == [f"event:{comment}"]
    assert (await api.call("POST", f"/fraud/events/{comment}/replay", by="dev")).status_code == 202
    await api.worked()
    assert (await api.event(comment))["state"] == "unmatched"


@pytest.mark.asyncio
async def test_a_burst_is_worked_off_in_the_order_of_each_subject_by_several_workers(api: TriggersApi) -> None:
    number, subjects = 10_000, 100
    intake = EventIntake(api.database)

    def event(place: int) -> NewEvent:
        subject = f"acme/fraud:refs/heads/b{place % subjects}"
        facts = EventFacts(
            provider="github",
            kind=EventKind.PUSH,
            order_key=subject,
            repository="acme/fraud",
            clone_url="https://git.example/acme/fraud.git",
            branch="main",
            commit=commit(place),
            before=commit(place - subjects),
        )
        return NewEvent(
            project_id=api.project.id, actor="hook:x", source="burst", id=str(place), facts=facts,
            payload_digest="sha256:0", payload_bytes=1,
        )  # fmt: skip

    for begin in range(0, number, 1000):
        accepted = await asyncio.gather(*(intake.accept([event(place)]) for place in range(begin, begin + 1000)))
        assert not any(each.duplicate for (each,) in accepted)
    stop = asyncio.Event()
    tasks = [asyncio.create_task(run_triggers(api.database, stop, poll_seconds=0.05)) for _ in range(2)]

    async def done() -> bool:
        return not await api.rows("SELECT 1 FROM inbound_events WHERE state = 'pending' LIMIT 1")

    await until(done, seconds=120)
    stop.set()
    await asyncio.gather(*tasks)
    assert await api.rows("SELECT state, count(*) FROM inbound_events GROUP BY state") == [
        {"state": "matched", "count": number}
    ]
    wrong = await api.rows(
        "SELECT count(*) AS wrong FROM ("
        " SELECT sequence < lag(sequence) OVER (PARTITION BY order_key ORDER BY r.id) AS earlier"
        " FROM inbound_events AS e JOIN runs AS r ON r.id = e.run_id) AS ordered WHERE earlier"
    )
    assert wrong == [{"wrong": 0}]
    assert (await api.rows("SELECT count(DISTINCT run_id) AS runs FROM inbound_events")) == [{"runs": number}]


@pytest.mark.asyncio
async def test_registered_versions_of_the_catalogue_begin_runs_once(api: TriggersApi) -> None:
    await api.rows(
        "INSERT INTO outgoing_events (id, type, project_id, subject, data) VALUES"
        " (%s, 'dev.quilate.dataset.version.registered', %s, 'dataset:sales', '{\"name\": \"sales\", \"version\": 4}')",
        uuid4(), api.project.id,
    )  # fmt: skip
    assert await take_inside_events(api.database) == 1
    assert await take_inside_events(api.database) == 0
    await api.worked()
    (run,) = await api.runs()
    assert run["document"]["source"]["kind"] == "dataset"
    assert (run["document"]["source"]["location"], run["document"]["source"]["revision"]) == ("sales", "4")
    # Once it is older than any transaction may be, it is not even looked at again.
    await api.rows("UPDATE outgoing_events SET created_at = now() - interval '1 hour'")
    assert await take_inside_events(api.database) == 0
    (row,) = await api.rows("SELECT sequence FROM inbound_positions WHERE reader = 'triggers'")
    assert row["sequence"] > 0


@pytest.mark.asyncio
async def test_old_events_are_forgotten_and_pending_ones_are_not(api: TriggersApi) -> None:
    hook = await api.hook("github")
    (done,) = await api.taken(hook, github_push("x"))
    await api.worked()
    (kept,) = await api.taken(hook, github_push("y"))
    # Numbers begin with the time: these are of a hundred days ago.
    old = uuid7(int((time.time() - 100 * 86400) * 1000))
    await api.rows("UPDATE inbound_events SET id = %s WHERE id = %s", old, UUID(done))
    await api.rows("UPDATE inbound_events SET id = %s WHERE id = %s", UUID(int=old.int + 1), UUID(kept))
    async with api.database.connection() as connection:
        assert await forget_events(connection, days=101) == 0
        assert await forget_events(connection, days=90) == 1
    assert [row["id"] for row in await api.rows("SELECT id FROM inbound_events")] == [UUID(int=old.int + 1)]


async def _audited(api: TriggersApi) -> list[dict[str, Any]]:
    rows = await api.rows("SELECT convert_from(leaf, 'UTF8')::jsonb AS leaf FROM audit_pending")
    return [row["leaf"] for row in rows]
