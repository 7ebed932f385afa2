"""Deliveries of providers: signatures, replays, rotation, what they are read as (C03, A13)."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.support.durable import until
from tests.support.triggers_api import TriggersApi
from tests.support.webhooks import (
    ZERO,
    Delivery,
    bitbucket_change,
    bitbucket_pull_request,
    bitbucket_push,
    commit,
    gitea_pull_request,
    gitea_push,
    github_merge_group,
    github_pull_request,
    github_push,
    gitlab_merge_request,
    gitlab_push,
    mlflow_version,
    sign,
)

GENERIC = Delivery(
    provider="generic",
    event="",
    document={
        "type": "dev.quilate.key.rotated",
        "timestamp": "2026-11-20T10:00:00Z",
        "data": {"subject": "kms/signing", "branch": "main"},
    },
)
ONE_OF_EACH = (
    github_push(),
    gitlab_push(),
    bitbucket_push(bitbucket_change("main", commit(1))),
    gitea_push(),
    mlflow_version(),
    GENERIC,
)
_SIGNED_BY = {
    "github": "x-hub-signature-256",
    "gitlab": "x-gitlab-token",
    "bitbucket": "x-hub-signature",
    "gitea": "x-gitea-signature",
    "mlflow": "x-mlflow-signature",
    "generic": "webhook-signature",
}


def _ids(delivery: Delivery) -> str:
    return delivery.provider


@pytest.mark.asyncio
@pytest.mark.parametrize("delivery", ONE_OF_EACH, ids=_ids)
async def test_a_delivery_counts_once_and_only_with_the_right_signature(api: TriggersApi, delivery: Delivery) -> None:
    hook = await api.hook(delivery.provider)
    header = _SIGNED_BY[delivery.provider]
    right = delivery.signed(hook.secret, delivery="d-1")
    without = {name: value for name, value in right.items() if name != header}
    flipped = right[header][:-2] + ("A" if right[header][-2] != "A" else "B") + right[header][-1]
    forged = [
        without,
        {**right, header: ""},
        {**right, header: flipped},
        {**right, header: right[header][:-1]},
        delivery.signed("whsec_" + base64.b64encode(b"x" * 32).decode(), delivery="d-1"),
    ]
    for headers in forged:
        answer = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["content-type"] == "application/problem+json"
        assert hook.secret not in answer.text
    assert await api.rows("SELECT 1 FROM inbound_events") == []
    seen = (await api.call("GET", f"/fraud/hooks/{hook.id}")).json()
    assert (seen["refused"], "secret" in seen) == (len(forged), False)

    first = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=right)
    again = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=right)
    assert (first.status_code, again.status_code) == (202, 202)
    (event,), (repeated,) = first.json()["events"], again.json()["events"]
    assert (event["duplicate"], repeated["duplicate"], repeated["id"]) == (False, True, event["id"])
    stored = await api.event(event["id"])
    assert stored["payload_digest"] == "sha256:" + hashlib.sha256(delivery.body).hexdigest()
    assert (stored["payload_bytes"], stored["provider"]) == (
        len(delivery.body), "cloudevents" if delivery.provider == "generic" else delivery.provider,
    )  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("delivery", ONE_OF_EACH[:4], ids=_ids)
async def test_a_body_that_was_seen_cannot_be_sent_again_under_another_id(api: TriggersApi, delivery: Delivery) -> None:
    hook = await api.hook(delivery.provider)
    (event,) = await api.taken(hook, delivery)
    answer = await api.deliver(hook, delivery, name="another-id")
    assert answer.json()["events"] == [{"id": event, "duplicate": True}]


@pytest.mark.asyncio
@pytest.mark.parametrize("delivery", ONE_OF_EACH[4:], ids=_ids)
async def test_a_delivery_with_a_signed_time_is_not_taken_late_or_early(api: TriggersApi, delivery: Delivery) -> None:
    hook = await api.hook(delivery.provider)
    for away, status in ((-310, 401), (310, 401), (-290, 202), (290, 202)):
        headers = delivery.signed(hook.secret, at=time.time() + away)
        answer = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=headers)
        assert answer.status_code == status, (away, answer.text)
    moved = delivery.signed(hook.secret, delivery="d-9")
    for name in list(moved):
        if name.endswith(("timestamp", "-id")):
            changed = {**moved, name: moved[name] + "1"}
            answer = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=changed)
            assert answer.status_code == 401


@pytest.mark.asyncio
async def test_gitlabs_signing_token_counts_where_gitlab_signs(api: TriggersApi) -> None:
    hook = await api.hook("gitlab")
    delivery = gitlab_push()
    signed = {
        "x-gitlab-event": "Push Hook",
        **sign("generic", "", delivery.body, hook.secret, "msg-1"),
    }
    wrong = {**signed, "webhook-signature": "v1,AAAA", "x-gitlab-token": hook.secret}
    refused = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=wrong)
    assert refused.status_code == 401
    taken = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=signed)
    assert taken.status_code == 202


@pytest.mark.asyncio
async def test_a_secret_is_rotated_under_load_and_nothing_is_lost(api: TriggersApi) -> None:
    hook = await api.hook("github")
    secrets, answers = [hook.secret], []

    async def send(place: int) -> None:
        delivery = github_push(f"b{place}")
        headers = delivery.signed(secrets[-1] if place % 2 else secrets[0])
        answer = await api.client.post(f"/hooks/{hook.id}", content=delivery.body, headers=headers)
        answers.append(answer.status_code)

    sending = [asyncio.create_task(send(place)) for place in range(40)]
    rotated = await api.call("POST", f"/fraud/hooks/{hook.id}/rotate", json={"overlap_seconds": 3600})
    assert rotated.status_code == 200, rotated.text
    await asyncio.gather(*sending)
    secrets.append(rotated.json()["secret"])
    assert rotated.json()["previous_secret_until"] is not None
    await asyncio.gather(*(send(place) for place in range(40, 80)))
    assert answers == [202] * 80
    await api.rows("UPDATE inbound_hooks SET previous_until = now() - interval '1 second'")
    await api.hooks.tidy()
    (row,) = await api.rows("SELECT previous_secret, secret FROM inbound_hooks")
    assert row["previous_secret"] is None
    assert secrets[1].encode() not in bytes(row["secret"])

    async def refused() -> bool:
        old = github_push(f"late-{uuid4()}")
        answer = await api.client.post(f"/hooks/{hook.id}", content=old.body, headers=old.signed(secrets[0]))
        return answer.status_code == 401

    await until(refused)  # A process reads a hook once a second.


@pytest.mark.asyncio
async def test_a_hook_of_certain_repositories_keeps_events_of_others_as_refused(api: TriggersApi) -> None:
    for bound in ("ACME/fraud", "4711"):
        hook = await api.hook("github", repositories=[bound])
        (own,) = await api.taken(hook, github_push(bound.replace("/", "-")))
        await api.worked()
        assert (await api.event(own))["state"] in {"matched", "unmatched"}
    hook = await api.hook("github", repositories=["acme/else"])
    (other,) = await api.taken(hook, github_push("elsewhere"))
    seen = await api.event(other)
    assert (seen["state"], seen["reason"]) == ("refused", "the hook takes no events of acme/fraud")
    paused = await api.hook("github", paused=True)
    (kept,) = await api.taken(paused, github_push())
    assert (await api.event(kept))["reason"] == "the hook is paused"
    assert await api.worked() == 0


@pytest.mark.asyncio
async def test_a_ping_is_answered_and_an_unknown_hook_is_not_there(api: TriggersApi) -> None:
    hook = await api.hook("github")
    ping = Delivery(provider="github", event="ping", document={"zen": "Keep it simple", "hook_id": 1})
    answer = await api.deliver(hook, ping)
    assert (answer.status_code, answer.json()) == (200, {"events": [], "ping": True})
    data_center = await api.hook("bitbucket")
    test = Delivery(provider="bitbucket", event="diagnostics:ping", document={"test": True})
    assert (await api.deliver(data_center, test)).status_code == 200
    assert (await api.client.post(f"/hooks/{uuid4()}", content=b"{}")).status_code == 404
    deleted = await api.call("GET", f"/fraud/hooks/{hook.id}")
    gone = await api.call("DELETE", f"/fraud/hooks/{hook.id}", headers={"If-Match": deleted.headers["etag"]})
    assert gone.status_code == 204


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"ref": "\\ud800", "after": 7, "repository": []}'],
)
async def test_a_signed_body_that_makes_no_sense_is_refused_or_kept_and_never_a_fault(
    api: TriggersApi, body: bytes
) -> None:
    hook = await api.hook("github")
    headers = sign("github", "push", body, hook.secret, "d")
    answer = await api.client.post(f"/hooks/{hook.id}", content=body, headers=headers)
    assert answer.status_code in {400, 202}, answer.text
    await api.worked()


@pytest.mark.asyncio
async def test_githubs_default_form_is_understood(api: TriggersApi) -> None:
    hook = await api.hook("github")
    body = urlencode({"payload": json.dumps(github_push().document)}).encode()
    digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-github-event": "push",
        "x-github-delivery": "f-1",
        "x-hub-signature-256": f"sha256={digest}",
    }
    answer = await api.client.post(f"/hooks/{hook.id}", content=body, headers=headers)
    assert answer.status_code == 202
    assert (await api.event(answer.json()["events"][0]["id"]))["branch"] == "main"


_REQUEST = {"kind": "pull_request", "pull_request": 12, "branch": "feature", "base_branch": "main"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("delivery", "facts"),
    [
        (github_pull_request("opened"), {**_REQUEST, "action": "opened", "from_fork": False}),
        (github_pull_request("synchronize", before=commit(1), head=commit(4)), {**_REQUEST, "action": "updated"}),
        (github_pull_request("reopened"), {**_REQUEST, "action": "reopened"}),
        (github_pull_request("closed"), {**_REQUEST, "action": "closed"}),
        (github_pull_request("opened", fork=True), {"kind": "pull_request", "from_fork": True, "branch": "main"}),
        (gitea_pull_request(), {**_REQUEST, "action": "updated", "commit": commit(2)}),
        (gitlab_merge_request("open"), {**_REQUEST, "action": "opened", "commit": commit(2)}),
        (gitlab_merge_request("update", oldrev=commit(1)), {**_REQUEST, "action": "updated"}),
        (gitlab_merge_request("update"), {**_REQUEST, "action": "edited"}),
        (gitlab_merge_request("merge", fork=True), {**_REQUEST, "action": "closed", "from_fork": True}),
        (bitbucket_pull_request(), {**_REQUEST, "action": "opened", "commit": commit(2)[:12]}),
        (bitbucket_pull_request("updated"), {**_REQUEST, "action": "updated"}),
        (bitbucket_pull_request("fulfilled", fork=True), {**_REQUEST, "action": "closed", "from_fork": True}),
        (github_merge_group(), {"kind": "merge_group", "base_branch": "main", "commit": commit(3)}),
        (github_push("x", after=ZERO), {"kind": "branch_deleted", "branch": "x", "commit": ""}),
        (gitlab_push("x", after=ZERO), {"kind": "branch_deleted", "branch": "x"}),
        (bitbucket_push(bitbucket_change("x", "", commit(1))), {"kind": "branch_deleted", "branch": "x"}),
        (bitbucket_push(bitbucket_change("v1", commit(1), kind="tag")), {"kind": "tag", "tag": "v1"}),
        (
            Delivery(
                provider="github",
                event="release",
                document={
                    "action": "published",
                    "release": {"tag_name": "v2"},
                    "repository": {"full_name": "acme/fraud"},
                },
            ),
            {"kind": "release", "tag": "v2", "action": "published"},
        ),
        (
            Delivery(provider="github", event="delete", document={"ref": "x", "ref_type": "branch", "repository": {}}),
            {"kind": "branch_deleted", "branch": "x"},
        ),
        (Delivery(provider="github", event="star", document={"action": "created"}), {"kind": "other", "type": "star"}),
        (mlflow_version(), {"kind": "model_version", "subject": "churn", "version": "3"}),
        (GENERIC, {"kind": "key", "action": "rotated", "subject": "kms/signing"}),
    ],
)
async def test_deliveries_are_read_in_the_same_words(
    api: TriggersApi, delivery: Delivery, facts: dict[str, Any]
) -> None:
    hook = await api.hook(delivery.provider)
    (event,) = await api.taken(hook, delivery)
    seen = await api.event(event)
    assert {name: seen[name] for name in facts} == facts


@pytest.mark.asyncio
async def test_each_branch_of_one_push_is_an_event(api: TriggersApi) -> None:
    hook = await api.hook("bitbucket")
    delivery = bitbucket_push(bitbucket_change("main", commit(1)), bitbucket_change("next", commit(2), commit(1)))
    ids = await api.taken(hook, delivery)
    assert [(await api.event(each))["branch"] for each in ids] == ["main", "next"]
    again = await api.deliver(hook, delivery)
    assert [(each["id"], each["duplicate"]) for each in again.json()["events"]] == [(each, True) for each in ids]


@pytest.mark.asyncio
async def test_hooks_belong_to_their_project_and_its_administrators(api: TriggersApi) -> None:
    hook = await api.hook("github")
    (event,) = await api.taken(hook, github_push())
    for path in (f"/hooks/{hook.id}", "/hooks", f"/events/{event}", "/events", "/trigger-rules"):
        assert (await api.call("GET", f"/fraud{path}", by="eve")).status_code == 404
        assert (await api.call("GET", f"/fraud{path}", by="nobody")).status_code == 401
    for path in (f"/hooks/{hook.id}", f"/events/{event}"):
        assert (await api.call("GET", f"/other{path}", by="eve")).status_code == 404
    assert (await api.call("POST", f"/other/events/{event}/replay", by="eve")).status_code == 404
    body = {"name": "x", "provider": "github"}
    assert (await api.call("POST", "/fraud/hooks", by="dev", json=body)).status_code == 403
    assert (await api.call("POST", f"/fraud/hooks/{hook.id}/rotate", by="dev", json={})).status_code == 403
    rules = await api.call("PUT", "/fraud/trigger-rules", by="dev", json={"rules": []}, headers={"If-Match": "*"})
    assert rules.status_code == 403
    assert (await api.call("POST", f"/fraud/events/{event}/replay", by="viewer")).status_code == 403


@pytest.mark.asyncio
async def test_a_hook_is_changed_under_its_etag_and_its_provider_stays(api: TriggersApi) -> None:
    made = await api.call("POST", "/fraud/hooks", json={"name": "a", "provider": "gitea"})
    address, etag = f"/fraud/hooks/{made.json()['id']}", made.headers["etag"]
    assert made.json()["address"].endswith(f"/hooks/{made.json()['id']}")
    assert made.headers["cache-control"] == "no-store"
    assert (await api.call("POST", "/fraud/hooks", json={"name": "a", "provider": "github"})).status_code == 409
    body = {"name": "b", "provider": "gitea", "repositories": ["acme/fraud"], "paused": True}
    assert (await api.call("PUT", address, json=body)).status_code == 428
    changed = await api.call("PUT", address, json=body, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["paused"], changed.json()["revision"]) == (200, True, 2)
    assert (await api.call("PUT", address, json=body, headers={"If-Match": etag})).status_code == 412
    other = await api.call("PUT", address, json={**body, "provider": "github"}, headers={"If-Match": "*"})
    assert other.status_code == 422
    key = {"Idempotency-Key": "k1"}
    first = await api.call("POST", "/fraud/hooks", json={"name": "c", "provider": "gitlab"}, headers=key)
    second = await api.call("POST", "/fraud/hooks", json={"name": "c", "provider": "gitlab"}, headers=key)
    assert (first.status_code, second.status_code) == (201, 409)
    assert first.json()["secret"] not in second.text
    listed = await api.call("GET", "/fraud/hooks?limit=1", by="viewer")
    assert [each["name"] for each in listed.json()["items"]] == ["c"]
    assert 'rel="next"' in listed.headers["link"]
