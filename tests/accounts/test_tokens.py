"""Scoped API tokens (A12)."""

import hashlib
from uuid import uuid4

import pytest

from quilate.accounts.credentials import is_api_token, new_api_token
from tests.support.accounts import AccountsSite


def test_a_token_has_256_random_bits_and_a_form_that_scanners_find() -> None:
    tokens = [new_api_token() for _ in range(50)]
    assert len({token.text for token in tokens}) == 50
    for token in tokens:
        assert is_api_token(token.text)
        assert token.text.startswith(f"ql_{token.prefix}_")
        assert len(token.text.rpartition("_")[2]) * 4 == 256
        assert token.hash == hashlib.sha256(token.text.encode()).digest()
        assert token.text not in repr(token)
    assert not is_api_token(tokens[0].text + "\n")


@pytest.mark.asyncio
async def test_a_token_is_shown_once_and_stored_as_its_hash(site: AccountsSite) -> None:
    admin = await site.first_admin()
    body = {"name": "ci", "scopes": ["project:read", "run:submit"], "expires_in_days": 365}
    created = await site.call("POST", "/me/tokens", by=admin, body=body)
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    secret = created.json()["token"]
    shown = await site.call("GET", created.headers["location"].removeprefix("/api/v1"), by=admin)
    assert shown.json() == {name: value for name, value in created.json().items() if name != "token"}
    listed = (await site.call("GET", "/me/tokens", by=admin)).json()["items"]
    assert listed == [shown.json()]
    assert secret.rpartition("_")[2] not in str(await site.sql("SELECT * FROM api_tokens"))
    entry = (await site.audited("token.created"))[0]
    assert entry["details"] == {"days": 365, "scopes": ["project:read", "run:submit"]}
    assert entry["subject"] == f"token:{created.json()['id']}"


@pytest.mark.asyncio
async def test_a_token_acts_as_itself_within_its_scopes(site: AccountsSite) -> None:
    admin = await site.first_admin()
    await site.project(admin, "alpha")
    token = await site.api_token(admin, ["project:read"])
    me = (await site.call("GET", "/me", by=token)).json()
    assert me["actor"].startswith("token:")
    assert me["user_id"] == str(admin.id)
    assert me["scopes"] == ["project:read"]
    assert me["email"] is None
    assert (await site.call("GET", "/projects/alpha", by=token)).status_code == 200
    assert (await site.call("GET", "/users", by=token)).status_code == 403
    changed = await site.call("PATCH", "/projects/alpha", by=token, body={"name": "x"}, headers={"If-Match": "*"})
    assert changed.status_code == 403


@pytest.mark.asyncio
async def test_a_token_of_one_project_knows_no_other(site: AccountsSite) -> None:
    admin = await site.first_admin()
    await site.project(admin, "alpha")
    await site.project(admin, "beta")
    token = await site.api_token(admin, ["project:read", "project:admin"], project="alpha")
    assert [each["slug"] for each in (await site.call("GET", "/projects", by=token)).json()["items"]] == ["alpha"]
    assert list((await site.call("GET", "/me", by=token)).json()["roles"].values()) == ["admin"]
    assert (await site.call("GET", "/projects/alpha", by=token)).status_code == 200
    assert (await site.call("GET", "/projects/beta", by=token)).status_code == 404
    assert (await site.call("POST", "/projects", by=token, body={"slug": "c", "name": "c"})).status_code == 403


@pytest.mark.asyncio
async def test_a_refusal_says_where_the_permission_is_missing_and_who_gives_it(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "viewer")])
    limited = await site.api_token(admin, ["project:read"], project="alpha")
    member = {"email": "cid@example.org", "role": "viewer"}
    for path, by, detail, next_step in (
        ("/projects/alpha/members", bia, "project:admin", "ask an administrator of the project for a role that has it"),
        ("/projects/alpha/members", limited, "project:admin", "use a token with that scope, whose owner has it"),
        ("/users", bia, "instance:admin for the whole installation", "ask an administrator of the installation for"),
        ("/users", limited, "instance:admin for the whole installation", "that scope and no limit to one project"),
    ):
        problem = (await site.call("POST", path, by=by, body=member)).json()
        assert problem["detail"] == f"this needs the permission {detail}"
        assert next_step in problem["next_step"]


@pytest.mark.asyncio
async def test_a_token_loses_what_its_owner_loses(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    token = await site.api_token(bia, ["project:read", "project:admin"], project="alpha")
    members = f"/projects/alpha/members/{bia.id}"
    patched = await site.call("PATCH", members, by=token, body={"role": "viewer"}, headers={"If-Match": '"1"'})
    assert patched.status_code == 200
    assert (await site.call("GET", members, by=token)).status_code == 200
    assert (await site.call("DELETE", members, by=token)).status_code == 403
    assert (await site.call("DELETE", members, by=admin)).status_code == 204
    assert (await site.call("GET", members, by=token)).status_code == 404


@pytest.mark.asyncio
async def test_scopes_beyond_the_owners_rights_are_refused(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "viewer")])
    await site.project(admin, "beta", [(bia, "developer")])
    for scopes, project in (
        (["instance:admin"], None),
        (["run:submit"], "alpha"),
        (["waiver:approve"], None),
        ([], None),
        (["no:such"], None),
    ):
        body = {"name": "t", "scopes": scopes, "expires_in_days": 1, "project": project}
        assert (await site.call("POST", "/me/tokens", by=bia, body=body)).status_code == 422
    await site.api_token(bia, ["run:submit"])
    body = {"name": "t", "scopes": ["project:read"], "expires_in_days": 1, "project": "gamma"}
    assert (await site.call("POST", "/me/tokens", by=bia, body=body)).status_code == 404


@pytest.mark.asyncio
@pytest.mark.parametrize("days", [0, -1, 366, 10**30, 1.5, "x", None])
async def test_a_life_beyond_a_year_is_refused(site: AccountsSite, days: object) -> None:
    admin = await site.first_admin()
    body = {"name": "t", "scopes": ["project:read"], "expires_in_days": days}
    assert (await site.call("POST", "/me/tokens", by=admin, body=body)).status_code == 422


@pytest.mark.asyncio
async def test_tokens_manage_no_tokens(site: AccountsSite) -> None:
    admin = await site.first_admin()
    token = await site.api_token(admin, ["instance:admin", "project:read"])
    body = {"name": "t", "scopes": ["project:read"], "expires_in_days": 1}
    assert (await site.call("POST", "/me/tokens", by=token, body=body)).status_code == 403
    assert (await site.call("GET", "/me/tokens", by=token)).status_code == 403
    assert (await site.call("GET", "/me/personal-data", by=token)).status_code == 403


@pytest.mark.asyncio
async def test_a_revoked_or_expired_token_is_void_at_once(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    token = await site.api_token(admin, ["project:read"])
    assert (await site.call("GET", "/me", by=token)).status_code == 200
    token_id = (await site.call("GET", "/me/tokens", by=admin)).json()["items"][0]["id"]
    assert (await site.call("DELETE", f"/me/tokens/{token_id}", by=bia)).status_code == 404
    assert (await site.call("DELETE", f"/me/tokens/{uuid4()}", by=admin)).status_code == 404
    for _ in range(2):
        assert (await site.call("DELETE", f"/me/tokens/{token_id}", by=admin)).status_code == 204
    assert (await site.call("GET", "/me", by=token)).status_code == 401
    assert len(await site.audited("token.revoked")) == 1
    other = await site.api_token(admin, ["project:read"])
    await site.sql("UPDATE api_tokens SET expires_at = now()")
    assert (await site.call("GET", "/me", by=other)).status_code == 401


@pytest.mark.asyncio
async def test_the_last_use_is_kept_as_a_day(site: AccountsSite) -> None:
    admin = await site.first_admin()
    token = await site.api_token(admin, ["project:read"])
    listed = (await site.call("GET", "/me/tokens", by=admin)).json()["items"]
    assert listed[0]["last_used_on"] is None
    await site.call("GET", "/me", by=token)
    rows = await site.sql("SELECT last_used_on = (now() AT TIME ZONE 'UTC')::date AS today FROM api_tokens")
    assert rows == [{"today": True}]


@pytest.mark.asyncio
async def test_the_same_request_twice_makes_one_token_and_keeps_no_secret(site: AccountsSite) -> None:
    admin = await site.first_admin()
    body = {"name": "t", "scopes": ["project:read"], "expires_in_days": 1}
    key = {"Idempotency-Key": "a-key"}
    first = await site.call("POST", "/me/tokens", by=admin, body=body, headers=key)
    assert first.status_code == 201
    second = await site.call("POST", "/me/tokens", by=admin, body=body, headers=key)
    assert second.status_code == 409
    assert len(await site.sql("SELECT 1 FROM api_tokens")) == 1
    secret = first.json()["token"].rpartition("_")[2]
    assert secret.encode() not in str(await site.sql("SELECT * FROM idempotency_keys")).encode()


@pytest.mark.asyncio
async def test_lists_come_in_pages(site: AccountsSite) -> None:
    admin = await site.first_admin()
    for number in range(5):
        await site.api_token(admin, ["project:read"], name=f"t{number}")
    names: list[str] = []
    path = "/me/tokens?limit=2"
    pages = 0
    while path:
        answer = await site.call("GET", path, by=admin)
        names += [each["name"] for each in answer.json()["items"]]
        link = answer.headers.get("link", "")
        path = link.partition("<")[2].partition(">")[0].removeprefix("/api/v1")
        pages += 1
    assert (names, pages) == ([f"t{number}" for number in range(5)], 3)
    assert (await site.call("GET", "/me/tokens?cursor=x", by=admin)).status_code == 422
    assert (await site.call("GET", "/me/tokens?limit=0", by=admin)).status_code == 422
