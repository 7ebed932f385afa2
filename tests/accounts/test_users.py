"""Users of the installation and their personal data (A12, A18)."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.accounts import PASSWORD, AccountsSite, Person

ANY = {"If-Match": "*"}


async def _status(site: AccountsSite, who: Person | str) -> int:
    return (await site.call("GET", "/me", by=who)).status_code


@pytest.mark.asyncio
async def test_an_invited_user_chooses_a_password_and_gets_no_rights_by_it(site: AccountsSite) -> None:
    admin = await site.first_admin()
    body = {"email": "Bia@Example.org", "name": "Bia"}
    invited = await site.call("POST", "/users", by=admin, body=body)
    assert invited.status_code == 201
    user = invited.json()["user"]
    assert (user["status"], user["email"], user["instance_admin"]) == ("invited", "bia@example.org", False)
    bia = await site.set_up(invited.json()["link"], "bia@example.org")
    assert (await site.call("GET", f"/users/{bia.id}", by=admin)).json()["status"] == "active"
    assert (await site.call("GET", "/users", by=bia)).status_code == 403
    assert (await site.call("POST", "/users", by=bia, body={"email": "c@example.org"})).status_code == 403
    assert (await site.call("GET", "/projects", by=bia)).json()["items"] == []
    again = await site.call("POST", "/users", by=admin, body=body)
    assert again.status_code == 409


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "email", ["", "x", "a@b@c", "a b@c.d", "a\n@c.d", "a\x00@c.d", "ä@c.d", "a@" + "d" * 300, "<x>@c.d", "a@-c.d"]
)
async def test_what_is_no_address_is_not_invited(site: AccountsSite, email: str) -> None:
    admin = await site.first_admin()
    assert (await site.call("POST", "/users", by=admin, body={"email": email})).status_code == 422


@pytest.mark.asyncio
async def test_another_link_voids_the_one_before_and_resets_a_password(site: AccountsSite) -> None:
    admin = await site.first_admin()
    invited = (await site.call("POST", "/users", by=admin, body={"email": "bia@example.org"})).json()
    path = f"/users/{invited['user']['id']}/link"
    newer = (await site.call("POST", path, by=admin)).json()["link"]
    body = {"token": invited["link"].partition("=")[2], "email": "bia@example.org", "name": "B", "password": PASSWORD}
    assert (await site.call("POST", "/auth/setup", body=body)).status_code == 410
    bia = await site.set_up(newer, "bia@example.org")
    reset = (await site.call("POST", path, by=admin)).json()["link"]
    assert await _status(site, bia) == 200
    await site.set_up(reset, "bia@example.org", password="river of seven candles")  # noqa: S106 - of a test
    assert await _status(site, bia) == 401
    assert (await site.call("GET", f"/users/{bia.id}", by=admin)).json()["instance_admin"] is False


@pytest.mark.asyncio
async def test_a_deactivation_cuts_logins_and_tokens_at_once_and_for_good(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "developer")])
    token = await site.api_token(bia, ["project:read"])
    pending = (await site.call("POST", f"/users/{bia.id}/link", by=admin)).json()["link"]
    assert await _status(site, bia) == await _status(site, token) == 200
    path = f"/users/{bia.id}"
    off = await site.call("PATCH", path, by=admin, body={"active": False}, headers=ANY)
    assert off.json()["status"] == "inactive"
    assert await _status(site, bia) == await _status(site, token) == 401
    assert (await site.call("POST", "/auth/refresh", body={"refresh_token": bia.refresh_token})).status_code == 401
    body = {"token": pending.partition("=")[2], "email": bia.email, "name": "B", "password": PASSWORD}
    assert (await site.call("POST", "/auth/setup", body=body)).status_code == 410
    assert (await site.call("POST", f"{path}/link", by=admin)).status_code == 409
    on = await site.call("PATCH", path, by=admin, body={"active": True}, headers=ANY)
    assert on.json()["status"] == "active"
    assert await _status(site, bia) == await _status(site, token) == 401
    await site.login(bia.email)
    actions = [entry["action"] for entry in await site.audit() if entry["subject"] == f"user:{bia.id}"]
    assert actions[-2:] == ["user.deactivated", "user.activated"]


@pytest.mark.asyncio
async def test_changes_need_the_state_that_they_change(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    path = f"/users/{bia.id}"
    tag = (await site.call("GET", path, by=admin)).headers["etag"]
    assert (await site.call("PATCH", path, by=admin, body={"auditor": True})).status_code == 428
    changed = await site.call("PATCH", path, by=admin, body={"auditor": True}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["auditor"] is True
    stale = await site.call("PATCH", path, by=admin, body={"auditor": False}, headers={"If-Match": tag})
    assert stale.status_code == 412
    assert stale.headers["etag"] == changed.headers["etag"] != tag
    assert (await site.call("PATCH", f"/users/{uuid4()}", by=admin, body={}, headers=ANY)).status_code == 404


@pytest.mark.asyncio
async def test_an_auditor_reads_every_project_and_changes_none(site: AccountsSite) -> None:
    admin = await site.first_admin()
    await site.project(admin, "alpha")
    auditor = await site.person(admin, "aud@example.org", auditor=True)
    assert [each["slug"] for each in (await site.call("GET", "/projects", by=auditor)).json()["items"]] == ["alpha"]
    assert (await site.call("GET", "/projects/alpha", by=auditor)).status_code == 200
    changed = await site.call("PATCH", "/projects/alpha", by=auditor, body={"name": "x"}, headers=ANY)
    assert changed.status_code == 403
    assert (await site.call("GET", "/users", by=auditor)).status_code == 403


@pytest.mark.asyncio
async def test_the_last_administrator_stays_even_when_two_remove_each_other(site: AccountsSite) -> None:
    admin = await site.first_admin()
    path = f"/users/{admin.id}"
    for body in ({"active": False}, {"instance_admin": False}):
        assert (await site.call("PATCH", path, by=admin, body=body, headers=ANY)).status_code == 409
    assert (await site.call("DELETE", f"{path}/personal-data", by=admin)).status_code == 409
    # Somebody who was invited and has no password yet is no administrator to rely on.
    await site.call("POST", "/users", by=admin, body={"email": "later@example.org", "instance_admin": True})
    assert (await site.call("PATCH", path, by=admin, body={"active": False}, headers=ANY)).status_code == 409
    other = await site.person(admin, "other@example.org", instance_admin=True)
    answers = await asyncio.gather(
        site.call("PATCH", path, by=other, body={"instance_admin": False}, headers=ANY),
        site.call("PATCH", f"/users/{other.id}", by=admin, body={"active": False}, headers=ANY),
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 403], [200, 401])
    rows = await site.sql(
        "SELECT count(*) AS n FROM users WHERE instance_admin AND active AND password_hash IS NOT NULL"
    )
    assert rows == [{"n": 1}]


@pytest.mark.asyncio
async def test_the_export_holds_everything_about_a_person_and_is_audited(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "developer")])
    await site.api_token(bia, ["project:read"], name="laptop")
    own = (await site.call("GET", "/me/personal-data", by=bia)).json()
    by_admin = (await site.call("GET", f"/users/{bia.id}/personal-data", by=admin)).json()
    assert own == by_admin
    assert own["user"]["email"] == "bia@example.org"
    assert own["memberships"][0]["slug"] == "alpha"
    assert len(own["sessions"]) == 1
    assert own["tokens"][0]["name"] == "laptop"
    assert "hash" not in str(own)
    assert (await site.call("GET", f"/users/{admin.id}/personal-data", by=bia)).status_code == 403
    actors = [entry["actor"] for entry in await site.audited("user.personal-data-exported")]
    assert actors == [f"user:{bia.id}", f"user:{admin.id}"]


@pytest.mark.asyncio
async def test_an_erasure_leaves_an_id_and_a_salted_hash(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    await site.project(admin, "beta", [(bia, "developer")])
    token = await site.api_token(bia, ["project:read"], name="Bia's laptop")
    await site.call("PATCH", f"/users/{bia.id}", by=admin, body={"name": "Beatriz Lima"}, headers=ANY)
    path = f"/users/{bia.id}/personal-data"
    erased = await site.call("DELETE", path, by=admin)
    assert erased.status_code == 200, erased.text
    assert erased.json()["status"] == "erased"
    assert (erased.json()["email"], erased.json()["name"]) == (None, "")
    assert await _status(site, bia) == await _status(site, token) == 401
    everything = ""
    for row in await site.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        everything += str(await site.sql(f'SELECT * FROM "{row["tablename"]}"'))  # noqa: S608 - names of the catalogue
    for word in ("bia@example.org", "Beatriz Lima", "Bia's laptop"):
        assert word not in everything
    assert await site.service.personal_data.was(bia.id, "Bia@example.org")
    assert not await site.service.personal_data.was(bia.id, "eve@example.org")
    assert not await site.service.personal_data.was(uuid4(), "bia@example.org")
    assert (await site.call("DELETE", path, by=admin)).status_code == 200
    assert (
        await site.call("PATCH", f"/users/{bia.id}", by=admin, body={"active": True}, headers=ANY)
    ).status_code == 409
    assert len(await site.audited("user.erased")) == 1
    await site.person(admin, "bia@example.org")


@pytest.mark.asyncio
async def test_the_last_administrator_of_a_project_is_not_erased_before_there_is_another(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    assert (await site.call("DELETE", f"/projects/alpha/members/{admin.id}", by=admin)).status_code == 204
    refused = await site.call("DELETE", f"/users/{bia.id}/personal-data", by=admin)
    assert refused.status_code == 409
    assert "alpha" in refused.json()["detail"]


@pytest.mark.asyncio
async def test_nothing_personal_reaches_the_audit_log_or_the_outgoing_events(site: AccountsSite) -> None:
    admin = await site.first_admin()
    bia = await site.person(admin, "bia@example.org")
    await site.project(admin, "alpha", [(bia, "admin")])
    await site.call("PATCH", f"/users/{bia.id}", by=admin, body={"name": "Beatriz"}, headers=ANY)
    await site.call("DELETE", f"/projects/alpha/members/{bia.id}", by=admin)
    await site.call("DELETE", f"/users/{bia.id}/personal-data", by=admin)
    told = str(await site.audit()) + str(await site.sql("SELECT * FROM outgoing_events"))
    assert "member.removed" in told
    for word in ("example.org", "Some Body", "Beatriz"):
        assert word not in told
