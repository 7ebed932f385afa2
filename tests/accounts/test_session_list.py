"""People see their logins and end them; administrators end those of others (C09)."""

import pytest

from quilate.accounts.devices import device_of
from tests.support.accounts import PASSWORD, AccountsSite, Person

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def _two_logins(site: AccountsSite) -> tuple[Person, Person]:
    first = await site.first_admin()
    body = {"email": first.email, "password": PASSWORD}
    answer = await site.call("POST", "/auth/login", body=body, headers={"User-Agent": FIREFOX})
    assert answer.status_code == 200
    document = answer.json()
    second = Person(
        id=first.id,
        email=first.email,
        access_token=document["access_token"],
        refresh_token=document["refresh_token"],
    )
    return first, second


@pytest.mark.asyncio
async def test_open_logins_are_listed_with_their_device_and_no_address(site: AccountsSite) -> None:
    first, second = await _two_logins(site)
    answer = await site.call("GET", "/me/sessions", by=second)
    older, newer = answer.json()["items"]
    assert (older["method"], newer["method"]) == ("link", "password")
    assert newer["device"] == "Firefox on Linux"
    assert [older["current"], newer["current"]] == [False, True]
    assert "192.0.2" not in answer.text
    page = await site.call("GET", "/me/sessions?limit=1", by=first)
    assert [each["current"] for each in page.json()["items"]] == [True]
    rest = await site.call("GET", f"/me/sessions?cursor={page.json()['next_cursor']}", by=first)
    assert [each["id"] for each in rest.json()["items"]] == [newer["id"]]


@pytest.mark.asyncio
async def test_a_refresh_is_a_use(site: AccountsSite) -> None:
    admin = await site.first_admin()
    await site.sql("UPDATE sessions SET last_used_at = created_at - interval '1 hour'")
    assert (await site.call("POST", "/auth/refresh", body={"refresh_token": admin.refresh_token})).status_code == 200
    (session,) = (await site.call("GET", "/me/sessions", by=admin)).json()["items"]
    assert session["last_used_at"] >= session["created_at"]


@pytest.mark.asyncio
async def test_a_revoked_login_ends_at_once_with_its_refresh_token(site: AccountsSite) -> None:
    first, second = await _two_logins(site)
    older = (await site.call("GET", "/me/sessions", by=second)).json()["items"][0]["id"]
    assert (await site.call("GET", "/me", by=first)).status_code == 200
    assert (await site.call("DELETE", f"/me/sessions/{older}", by=second)).status_code == 204
    assert (await site.call("GET", "/me", by=first)).status_code == 401
    assert (await site.call("POST", "/auth/refresh", body={"refresh_token": first.refresh_token})).status_code == 401
    assert (await site.call("DELETE", f"/me/sessions/{older}", by=second)).status_code == 404
    (entry,) = await site.audited("session.revoked")
    assert (entry["subject"], entry["details"]["because"]) == (f"session:{older}", "revoked")


@pytest.mark.asyncio
async def test_all_others_end_and_the_present_one_stays(site: AccountsSite) -> None:
    first, second = await _two_logins(site)
    assert (await site.call("DELETE", "/me/sessions", by=second)).status_code == 204
    assert (await site.call("GET", "/me", by=first)).status_code == 401
    assert len((await site.call("GET", "/me/sessions", by=second)).json()["items"]) == 1


@pytest.mark.asyncio
async def test_an_administrator_ends_the_logins_of_a_user_and_nobody_else_can(site: AccountsSite) -> None:
    admin = await site.first_admin()
    user = await site.person(admin, "user@example.org")
    path = f"/users/{user.id}/sessions"
    assert len((await site.call("GET", path, by=admin)).json()["items"]) == 1
    for method in ("GET", "DELETE"):
        assert (await site.call(method, path, by=user)).status_code == 403
        unknown = await site.call(method, f"/users/{'0' * 8}-0000-4000-8000-{'0' * 12}/sessions", by=admin)
        assert unknown.status_code == 404
    theirs = (await site.call("GET", "/me/sessions", by=admin)).json()["items"][0]["id"]
    assert (await site.call("DELETE", f"/me/sessions/{theirs}", by=user)).status_code == 404
    assert (await site.call("DELETE", path, by=admin)).status_code == 204
    assert (await site.call("GET", "/me", by=user)).status_code == 401
    assert (await site.call("GET", path, by=admin)).json()["items"] == []
    (entry,) = await site.audited("session.revoked")
    assert entry["details"]["because"] == "revoked-by-administrator"
    again = await site.login(user.email)
    assert (await site.call("GET", "/me", by=again)).status_code == 200


@pytest.mark.asyncio
async def test_a_token_manages_no_sessions(site: AccountsSite) -> None:
    admin = await site.first_admin()
    token = await site.api_token(admin, ["project:read", "instance:admin"])
    for method, path in (("GET", "/me/sessions"), ("DELETE", "/me/sessions"), ("DELETE", f"/me/sessions/{admin.id}")):
        assert (await site.call(method, path, by=token)).status_code == 403


@pytest.mark.parametrize(
    ("header", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("quilate/0.1 python-httpx", "Quilate command line"),
        ("<script>", ""),
        ("", ""),
    ],
)
def test_a_device_is_program_and_system_and_nothing_of_the_header_itself(header: str, device: str) -> None:
    assert device_of(header) == device
