"""Service accounts: no person, no password, tokens only, within one project (C09)."""

import asyncio
from typing import Any

import pytest

from tests.support.accounts import AccountsSite, Person

PATH = "/projects/service/service-accounts"


async def _account(site: AccountsSite, **changes: Any) -> tuple[Person, dict[str, Any]]:
    admin = await site.first_admin()
    await site.project(admin, "service")
    await site.project(admin, "other")
    body = {"name": "nightly", "role": "developer", **changes}
    answer = await site.call("POST", PATH, by=admin, body=body)
    assert answer.status_code == 201, answer.text
    return admin, dict(answer.json())


async def _token(site: AccountsSite, admin: Person, account: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {"name": "export", "expires_in_days": 30, **changes}
    answer = await site.call("POST", f"{PATH}/{account['id']}/tokens", by=admin, body=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.asyncio
async def test_a_token_acts_as_its_service_account_in_its_project_only(site: AccountsSite) -> None:
    admin, account = await _account(site)
    token = await _token(site, admin, account)
    me = (await site.call("GET", "/me", by=token["token"])).json()
    assert me["actor"] == account["actor"] == f"service:{account['id']}"
    assert (me["user_id"], me["email"]) == (None, None)
    assert (await site.call("GET", "/projects/service", by=token["token"])).status_code == 200
    assert (await site.call("GET", "/projects/other", by=token["token"])).status_code == 404
    slugs = [each["slug"] for each in (await site.call("GET", "/projects", by=token["token"])).json()["items"]]
    assert slugs == ["service"]
    for method, path, body in (
        ("GET", PATH, None),
        ("POST", f"{PATH}/{account['id']}/tokens", {"name": "x", "expires_in_days": 1}),
        ("POST", "/me/tokens", {"name": "x", "scopes": ["project:read"], "expires_in_days": 1}),
        ("GET", "/me/personal-data", None),
        ("GET", "/users", None),
    ):
        assert (await site.call(method, path, by=token["token"], body=body)).status_code == 403, path


@pytest.mark.asyncio
async def test_a_token_is_limited_to_its_scopes_and_never_more_than_the_account(site: AccountsSite) -> None:
    admin, account = await _account(site, role=None, scopes=["project:read", "run:submit"])
    token = await _token(site, admin, account, scopes=["project:read"])
    assert (await site.call("GET", "/me", by=token["token"])).json()["scopes"] == ["project:read"]
    path = f"{PATH}/{account['id']}/tokens"
    for body in (
        {"name": "x", "expires_in_days": 30, "scopes": ["evidence:read"]},
        {"name": "x", "expires_in_days": 366},
    ):
        assert (await site.call("POST", path, by=admin, body=body)).status_code == 422
    listed = (await site.call("GET", path, by=admin)).json()["items"]
    assert [each["id"] for each in listed] == [token["id"]]
    assert token["token"] not in str(listed)
    assert listed[0]["last_used_on"] is not None


@pytest.mark.asyncio
async def test_a_disabled_account_loses_its_tokens_for_good(site: AccountsSite) -> None:
    admin, account = await _account(site)
    token = await _token(site, admin, account)
    one = f"{PATH}/{account['id']}"
    assert (await site.call("PATCH", one, by=admin, body={"enabled": False})).status_code == 428
    stale = await site.call("PATCH", one, by=admin, body={"enabled": False}, headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    changed = await site.call("PATCH", one, by=admin, body={"enabled": False}, headers={"If-Match": '"1"'})
    assert changed.json()["enabled"] is False
    assert (await site.call("GET", "/me", by=token["token"])).status_code == 401
    more = await site.call("POST", f"{one}/tokens", by=admin, body={"name": "x", "expires_in_days": 1})
    assert more.status_code == 409
    again = await site.call("PATCH", one, by=admin, body={"enabled": True}, headers={"If-Match": '"2"'})
    assert again.json()["enabled"] is True
    assert (await site.call("GET", "/me", by=token["token"])).status_code == 401
    listed = (await site.call("GET", PATH, by=admin)).json()["items"]
    assert [(each["id"], each["version"]) for each in listed] == [(account["id"], 3)]
    assert len(await site.audited("service-account.changed")) == 2


@pytest.mark.asyncio
async def test_a_revoked_token_is_void_and_of_another_project_nothing_is_known(site: AccountsSite) -> None:
    admin, account = await _account(site)
    token = await _token(site, admin, account)
    foreign = f"/projects/other/service-accounts/{account['id']}"
    for method, path in (("GET", foreign), ("GET", f"{foreign}/tokens"), ("DELETE", f"{foreign}/tokens/{token['id']}")):
        assert (await site.call(method, path, by=admin)).status_code == 404
    assert (await site.call("GET", "/me", by=token["token"])).status_code == 200
    for _ in range(2):
        answer = await site.call("DELETE", f"{PATH}/{account['id']}/tokens/{token['id']}", by=admin)
        assert answer.status_code == 204
    assert (await site.call("GET", "/me", by=token["token"])).status_code == 401
    assert len(await site.audited("token.revoked")) == 1


@pytest.mark.asyncio
async def test_names_are_unique_within_a_project(site: AccountsSite) -> None:
    admin, account = await _account(site)
    assert (await site.call("POST", PATH, by=admin, body={"name": "nightly", "role": "viewer"})).status_code == 409
    other = (await site.call("POST", PATH, by=admin, body={"name": "hourly", "role": "viewer"})).json()
    renamed = await site.call(
        "PATCH", f"{PATH}/{other['id']}", by=admin, body={"name": "nightly"}, headers={"If-Match": "*"}
    )
    assert renamed.status_code == 409
    assert (await site.call("GET", f"{PATH}/{account['id']}", by=admin)).json()["name"] == "nightly"


@pytest.mark.asyncio
async def test_of_several_that_take_one_name_at_once_one_gets_it(site: AccountsSite) -> None:
    admin, first = await _account(site)
    bodies = [{"name": f"number {number}", "role": "viewer"} for number in range(5)]
    others = [(await site.call("POST", PATH, by=admin, body=body)).json() for body in bodies]
    for name in ("one", "two", " two "):
        answers = await asyncio.gather(
            *(
                site.call("PATCH", f"{PATH}/{each['id']}", by=admin, body={"name": name}, headers={"If-Match": "*"})
                for each in (first, *others)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409], name
    listed = (await site.call("GET", PATH, by=admin)).json()["items"]
    assert max(each["name"] for each in listed) == "two"
