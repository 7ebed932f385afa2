"""Projects and members; one tenant never sees another's anything (A12, A13)."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.support.accounts import AccountsSite, Person

ANY = {"If-Match": "*"}


async def _patch(
    site: AccountsSite, who: Person | str, body: Mapping[str, Any], headers: dict[str, str] | None = None
) -> int:
    answer = await site.call("PATCH", "/projects/alpha", by=who, body=dict(body), headers=headers or ANY)
    return answer.status_code


@pytest.mark.asyncio
async def test_an_instance_administrator_creates_a_project_and_administers_it(site: AccountsSite) -> None:
    admin = await site.first_admin()
    body = {
        "slug": "ml-service-123",
        "name": "ML service",
        "repository_url": "https://example.org/ml.git",
        "protected_branch": "release/1.x",
        "default_blueprint": "realtime-ml@3",
        "max_concurrent_runs": 4,
    }
    created = await site.call("POST", "/projects", by=admin, body=body)
    assert created.status_code == 201
    assert created.headers["location"] == "/api/v1/projects/ml-service-123"
    found = await site.call("GET", "/projects/ml-service-123", by=admin)
    assert found.json() == created.json()
    assert found.headers["etag"] == created.headers["etag"] == '"1"'
    assert {name: found.json()[name] for name in body} == body
    members = (await site.call("GET", "/projects/ml-service-123/members", by=admin)).json()["items"]
    assert [(each["user_id"], each["role"]) for each in members] == [(str(admin.id), "admin")]
    events = await site.sql("SELECT type, subject FROM outgoing_events")
    assert events == [{"type": "dev.quilate.project.created", "subject": f"project:{created.json()['id']}"}]
    assert (await site.call("POST", "/projects", by=admin, body=body)).status_code == 409


@pytest.mark.asyncio
async def test_a_repeated_request_with_a_key_gets_the_first_answer(site: AccountsSite) -> None:
    admin = await site.first_admin()
    body, key = {"slug": "alpha", "name": "A"}, {"Idempotency-Key": "k1"}
    first = await site.call("POST", "/projects", by=admin, body=body, headers=key)
    second = await site.call("POST", "/projects", by=admin, body=body, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(await site.audited("project.created")) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a/b", "..", "a" * 65, "a\x00", "é", "a\n"])
async def test_slugs_are_safe_in_addresses(site: AccountsSite, slug: str) -> None:
    admin = await site.first_admin()
    assert (await site.call("POST", "/projects", by=admin, body={"slug": slug, "name": "x"})).status_code == 422


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "setting",
    [
        {"repository_url": "https://user:secret@example.org/x.git"},
        {"repository_url": "https://token@example.org/x.git"},
        {"repository_url": "ssh://example.org/x.git"},
        {"repository_url": "ext::sh -c id"},
        {"repository_url": "--upload-pack=id"},
        {"repository_url": "https://example.org/x\n.git"},
        {"repository_url": "https://[/x"},
        {"repository_url": "relative/path"},
        {"protected_branch": "-x"},
        {"protected_branch": "a..b"},
        {"protected_branch": "a b"},
        {"protected_branch": "x.lock"},
        {"protected_branch": None},
        {"default_blueprint": "a\tb"},
        {"max_concurrent_runs": 0},
        {"max_concurrent_runs": 10**12},
        {"max_queued_runs": -1},
        {"name": "  "},
        {"name": None},
        {"name": "x\x00"},
        {"slug": "other"},
        {"unknown": 1},
    ],
)
async def test_settings_that_are_no_good_are_refused(site: AccountsSite, setting: dict[str, Any]) -> None:
    admin = await site.first_admin()
    await site.project(admin, "alpha")
    assert await _patch(site, admin, setting) == 422
    assert "secret" not in str(await site.audit())


@pytest.mark.asyncio
async def test_a_project_administrator_decides_settings_but_not_quotas_nor_the_services_disk(
    site: AccountsSite,
) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    assert await _patch(site, bia, {"name": "New", "repository_url": "https://example.org/a.git"}) == 200
    assert await _patch(site, bia, {"max_concurrent_runs": 100}) == 403
    assert await _patch(site, bia, {"max_queued_runs": 100}) == 403
    assert await _patch(site, bia, {"repository_url": "file:///srv/other-tenant"}) == 403
    assert await _patch(site, bia, {"repository_url": "/srv/other-tenant"}) == 403
    assert await _patch(site, admin, {"max_concurrent_runs": 100, "repository_url": "/srv/alpha"}) == 200
    # What an administrator of the installation has set is no obstacle to other changes.
    assert await _patch(site, bia, {"name": "Newer"}) == 200
    assert await _patch(site, bia, {"default_blueprint": None}) == 200
    scoped = await site.api_token(admin, ["project:read", "project:admin"])
    assert await _patch(site, scoped, {"max_concurrent_runs": 1}) == 403


@pytest.mark.asyncio
async def test_of_two_changes_over_the_same_state_one_is_refused(site: AccountsSite) -> None:
    admin = await site.first_admin()
    await site.project(admin, "alpha")
    codes = await asyncio.gather(
        *(_patch(site, admin, {"name": f"n{number}"}, {"If-Match": '"1"'}) for number in range(4))
    )
    assert sorted(codes) == [200, 412, 412, 412]
    no_condition = await site.call("PATCH", "/projects/alpha", by=admin, body={"name": "x"})
    assert no_condition.status_code == 428
    assert len(await site.audited("project.changed")) == 1


@pytest.mark.asyncio
async def test_an_archived_project_is_read_and_changes_no_more_until_it_is_taken_out(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    assert await _patch(site, bia, {"archived": True}) == 200
    assert (await site.call("GET", "/projects/alpha", by=bia)).json()["archived"] is True
    assert (await site.call("GET", "/projects", by=bia)).json()["items"] == []
    shown = (await site.call("GET", "/projects?archived=true", by=bia)).json()["items"]
    assert [each["slug"] for each in shown] == ["alpha"]
    assert await _patch(site, bia, {"archived": False}) == 200
    actions = [entry["action"] for entry in await site.audit() if entry["action"].startswith("project.")]
    assert actions == ["project.created", "project.archived", "project.unarchived"]


@pytest.mark.asyncio
async def test_a_stranger_sees_of_a_project_what_is_seen_of_one_that_does_not_exist(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    eve = await site.person(admin, "eve@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    await site.project(admin, "beta", [(eve, "admin")])
    token = await site.api_token(eve, ["project:read", "project:admin"])
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("GET", "/members", None),
        ("POST", "/members", {"user_id": str(eve.id), "role": "admin"}),
        ("GET", f"/members/{bia.id}", None),
        ("PATCH", f"/members/{bia.id}", {"role": "viewer"}),
        ("DELETE", f"/members/{bia.id}", None),
    ]
    for method, rest, body in requests:
        for who in (eve, token):
            there = await site.call(method, f"/projects/alpha{rest}", by=who, body=body, headers=ANY)
            nowhere = await site.call(method, f"/projects/gamma{rest}", by=who, body=body, headers=ANY)
            assert there.status_code == nowhere.status_code == 404
            assert there.text.replace("alpha", "gamma") == nowhere.text
            assert sorted(there.headers) == sorted(nowhere.headers)
        nobody = await site.call(method, f"/projects/alpha{rest}", body=body, headers=ANY)
        assert nobody.status_code == 401
        assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert [each["slug"] for each in (await site.call("GET", "/projects", by=eve)).json()["items"]] == ["beta"]
    body = {"name": "t", "scopes": ["project:read"], "expires_in_days": 1, "project": "alpha"}
    assert (await site.call("POST", "/me/tokens", by=eve, body=body)).status_code == 404


@pytest.mark.asyncio
async def test_members_are_added_changed_and_removed(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    caio = await site.person(admin, "caio@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    by_email = {"email": "CAIO@example.org", "role": "viewer"}
    added = await site.call("POST", "/projects/alpha/members", by=bia, body=by_email)
    assert added.status_code == 201
    path = added.headers["location"].removeprefix("/api/v1")
    assert path == f"/projects/alpha/members/{caio.id}"
    assert (await site.call("POST", "/projects/alpha/members", by=bia, body=by_email)).status_code == 409
    assert (await site.call("GET", path, by=caio)).json()["email"] is None
    assert (await site.call("GET", path, by=bia)).json()["email"] == "caio@example.org"
    assert (await site.call("PATCH", path, by=caio, body={"role": "admin"}, headers=ANY)).status_code == 403
    tag = {"If-Match": added.headers["etag"]}
    changed = await site.call("PATCH", path, by=bia, body={"role": "reviewer"}, headers=tag)
    assert changed.json()["role"] == "reviewer"
    assert (await site.call("PATCH", path, by=bia, body={"role": "viewer"}, headers=tag)).status_code == 412
    assert (await site.call("PATCH", path, by=bia, body={"role": "owner"}, headers=ANY)).status_code == 422
    assert (await site.call("DELETE", path, by=bia)).status_code == 204
    assert (await site.call("GET", "/projects/alpha", by=caio)).status_code == 404
    assert (await site.call("DELETE", path, by=bia)).status_code == 404
    entries = [entry for entry in await site.audit() if entry["subject"] == f"user:{caio.id}"]
    assert [entry["action"] for entry in entries][-3:] == ["member.added", "member.role-changed", "member.removed"]
    assert all(entry["actor"] == f"user:{bia.id}" for entry in entries[-3:])


@pytest.mark.asyncio
async def test_only_users_who_can_log_in_become_members(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha")
    await site.call("PATCH", f"/users/{bia.id}", by=admin, body={"active": False}, headers=ANY)
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"user_id": str(bia.id), "role": "viewer"}, 404),
        ({"user_id": str(uuid4()), "role": "viewer"}, 404),
        ({"email": "nobody@example.org", "role": "viewer"}, 404),
        ({"role": "viewer"}, 422),
        ({"user_id": str(bia.id), "email": "bia@example.org", "role": "viewer"}, 422),
    ]
    for body, status in bodies:
        assert (await site.call("POST", "/projects/alpha/members", by=admin, body=body)).status_code == status


@pytest.mark.asyncio
async def test_the_last_administrator_of_a_project_stays_even_when_two_remove_each_other(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    one, two = f"/projects/alpha/members/{admin.id}", f"/projects/alpha/members/{bia.id}"
    answers = await asyncio.gather(
        site.call("DELETE", one, by=admin),
        site.call("PATCH", two, by=admin, body={"role": "viewer"}, headers=ANY),
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [204, 409])
    left = await site.sql("SELECT user_id FROM project_members WHERE role = 'admin'")
    assert len(left) == 1
    last = f"/projects/alpha/members/{left[0]['user_id']}"
    assert (await site.call("DELETE", last, by=admin)).status_code == 409
    assert (await site.call("PATCH", last, by=admin, body={"role": "security"}, headers=ANY)).status_code == 409
