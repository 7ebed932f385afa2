"""Trusts are created by administrators, within bounds that keep strangers out (C09)."""

from typing import Any

import pytest

from tests.support.accounts import AccountsSite, Person

PATH = "/projects/service/trusts"
BODY: dict[str, Any] = {
    "name": "gate",
    "provider": "github",
    "audience": "https://quilate.example.org",
    "bindings": [{"claim": "repository", "value": "example/service"}],
    "role": "developer",
}


async def _admin(site: AccountsSite) -> Person:
    admin = await site.first_admin()
    await site.project(admin, "service")
    return admin


@pytest.mark.asyncio
async def test_a_trust_has_the_issuer_of_its_provider_and_is_listed(site: AccountsSite) -> None:
    admin = await _admin(site)
    created = await site.call("POST", PATH, by=admin, body=BODY)
    assert created.status_code == 201, created.text
    trust = created.json()
    assert trust["issuer"] == "https://token.actions.githubusercontent.com"
    assert trust["lifetime_seconds"] == 900
    assert trust["pull_requests"] is False
    gitlab = {**BODY, "name": "lab", "provider": "gitlab", "bindings": [{"claim": "project_id", "value": "28"}]}
    assert (await site.call("POST", PATH, by=admin, body=gitlab)).json()["issuer"] == "https://gitlab.com"
    first = await site.call("GET", f"{PATH}?limit=1", by=admin)
    assert [each["name"] for each in first.json()["items"]] == ["gate"]
    second = await site.call("GET", f"{PATH}?cursor={first.json()['next_cursor']}", by=admin)
    assert [each["name"] for each in second.json()["items"]] == ["lab"]
    assert (await site.call("GET", f"{PATH}/{trust['id']}", by=admin)).json() == trust
    assert (await site.call("POST", PATH, by=admin, body=BODY)).status_code == 409
    assert len(await site.audited("trust.created")) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"bindings": []},
        {"bindings": [{"claim": "ref", "value": "refs/heads/main"}]},
        {"bindings": [{"claim": "repository", "value": "a/b"}, {"claim": "repository", "value": "a/c"}]},
        {"bindings": [{"claim": "repository", "value": "*", "match": "glob"}]},
        {"bindings": [{"claim": "repository", "value": "exam*/service", "match": "glob"}]},
        {"bindings": [{"claim": "sub", "value": "repo:*/x", "match": "glob"}]},
        {"bindings": [{"claim": "repository", "value": "e/*-*-*", "match": "glob"}]},
        {"provider": "other", "issuer": "https://ci.example"},
        {"provider": "other", "bindings": [{"claim": "sub", "value": "job"}]},
        {"issuer": "http://ci.example"},
        {"issuer": "https://user@ci.example"},
        {"issuer": "https://ci.example?x=1"},
        {"issuer": "https://ci.example/\u00e9"},
        {"issuer": "file:///etc/passwd"},
        {"lifetime_seconds": 3601},
        {"lifetime_seconds": 10},
        {"role": "admin"},
        {"role": "reviewer"},
        {"scopes": ["run:submit"]},
        {"role": None},
        {"role": None, "scopes": ["waiver:approve"]},
        {"role": None, "scopes": ["project:admin"]},
        {"role": None, "scopes": ["instance:admin"]},
        {"name": " "},
        {"audience": ""},
        {"audience": "a\u0000b"},
    ],
)
async def test_a_trust_that_would_let_others_in_is_not_created(site: AccountsSite, changes: dict[str, Any]) -> None:
    admin = await _admin(site)
    answer = await site.call("POST", PATH, by=admin, body={**BODY, **changes})
    assert answer.status_code == 422, answer.text


@pytest.mark.asyncio
async def test_only_administrators_of_the_project_see_and_make_trusts(site: AccountsSite) -> None:
    admin = await _admin(site)
    developer = await site.person(admin, "dev@example.org")
    body = {"user_id": str(developer.id), "role": "developer"}
    assert (await site.call("POST", "/projects/service/members", by=admin, body=body)).status_code == 201
    assert (await site.call("POST", PATH, by=developer, body=BODY)).status_code == 403
    assert (await site.call("GET", PATH, by=developer)).status_code == 403
    stranger = await site.person(admin, "stranger@example.org")
    assert (await site.call("GET", PATH, by=stranger)).status_code == 404


@pytest.mark.asyncio
async def test_the_same_idempotency_key_creates_one_trust(site: AccountsSite) -> None:
    admin = await _admin(site)
    headers = {"Idempotency-Key": "one"}
    answers = [await site.call("POST", PATH, by=admin, body=BODY, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
