"""People log in by an identity provider, from the redirect to the session; nobody else gets in that way (C09)."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.accounts import BASE_URL, PASSWORD, AccountsSite, Person
from tests.support.issuer import CLIENT_ID, Issuer, running_issuer

LOGIN = "/api/v1/auth/oidc/company/login"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ANA = {"sub": "ana-1", "email": "ana@example.org", "email_verified": True, "name": "Ana"}


async def _ready(site: AccountsSite, issuer: Issuer, **changes: Any) -> Person:
    admin = await site.first_admin()
    body = {"slug": "company", "name": "Company", "issuer": issuer.url, "client_id": CLIENT_ID, **changes}
    answer = await site.call("POST", "/identity-providers", by=admin, body=body)
    assert answer.status_code == 201, answer.text
    return admin


async def _invited(site: AccountsSite, admin: Person, email: str = "ana@example.org") -> str:
    answer = await site.call("POST", "/users", by=admin, body={"email": email})
    assert answer.status_code == 201
    return str(answer.json()["user"]["id"])


async def _at_provider(location: str) -> str:
    """Log in at the provider; return where it sends the browser back to."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(location)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def _login(browser: httpx.AsyncClient, query: str = "") -> httpx.Response:
    """Go the whole way in one browser."""
    left = await browser.get(f"{LOGIN}{query}")
    assert left.status_code == 303, left.text
    return await browser.get(await _at_provider(left.headers["location"]))


async def _me(site: AccountsSite, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict((await site.call("GET", "/me", by=answer.json()["access_token"])).json())


@pytest.mark.asyncio
async def test_an_invited_person_logs_in_and_is_known_the_next_time(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    user_id = await _invited(connected, admin)
    issuer.person = dict(ANA)
    async with connected.client() as browser:
        first = await _login(browser)
        me = await _me(connected, first)
        assert (me["user_id"], me["email"], me["name"]) == (user_id, "ana@example.org", "Ana")
        assert first.headers["cache-control"] == "no-store"
        assert "__Host-quilate-login" not in browser.cookies
        # The subject counts from now on, not the address.
        issuer.person = {**ANA, "email": "married@example.org"}
        assert (await _me(connected, await _login(browser)))["user_id"] == user_id
    refreshed = await connected.call("POST", "/auth/refresh", body={"refresh_token": first.json()["refresh_token"]})
    assert refreshed.status_code == 200
    sessions = (await connected.call("GET", "/me/sessions", by=first.json()["access_token"])).json()["items"]
    assert {each["method"] for each in sessions} == {"provider"}
    user = (await connected.call("GET", f"/users/{user_id}", by=admin)).json()
    assert user["status"] == "active"
    assert len(await connected.audited("user.identity-linked")) == 1
    # The invitation that was never opened is no second way in.
    links = await connected.sql("SELECT id FROM one_time_links WHERE used_at IS NULL AND user_id::text = %s", user_id)
    assert links == []


@pytest.mark.asyncio
async def test_the_request_to_the_provider_carries_state_nonce_and_challenge_and_the_cookie_is_guarded(
    connected: AccountsSite, issuer: Issuer
) -> None:
    await _ready(connected, issuer)
    async with connected.client() as browser:
        left = await browser.get(LOGIN)
    words = parse_qs(urlsplit(left.headers["location"]).query)
    assert words["redirect_uri"] == [f"{BASE_URL}/api/v1/auth/oidc/company/callback"]
    assert words["code_challenge_method"] == ["S256"]
    assert all(len(words[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    cookie = left.headers["set-cookie"]
    assert cookie.startswith("__Host-quilate-login=")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    stored = await connected.sql("SELECT state_hash, browser_hash FROM login_flows")
    assert words["state"][0].encode() not in (stored[0]["state_hash"], stored[0]["browser_hash"])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "person",
    [
        {"sub": "x", "email": "nobody@example.org", "email_verified": True},
        {"sub": "x", "email": "ana@example.org", "email_verified": False},
        {"sub": "x", "email": "ana@example.org"},
        {"sub": "x", "email": "ana@example.org", "email_verified": "yes"},
        {"sub": "x", "email": ["ana@example.org"], "email_verified": True},
        {"sub": "x"},
    ],
)
async def test_who_was_not_invited_or_is_not_verified_stays_outside(
    connected: AccountsSite, issuer: Issuer, person: dict[str, Any]
) -> None:
    admin = await _ready(connected, issuer)
    await _invited(connected, admin)
    issuer.person = person
    async with connected.client() as browser:
        answer = await _login(browser)
    assert answer.status_code == 403
    assert answer.json()["next_step"]
    assert await connected.sql("SELECT subject FROM user_identities") == []


@pytest.mark.asyncio
async def test_an_account_in_use_is_not_taken_over_by_its_address(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    issuer.person = {"sub": "thief", "email": admin.email, "email_verified": True}
    async with connected.client() as browser:
        answer = await _login(browser)
    assert answer.status_code == 403
    assert "/me/identities" in answer.json()["next_step"]


@pytest.mark.asyncio
async def test_the_owner_of_an_account_adds_and_removes_a_provider(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    issuer.person = {"sub": "admin-1"}
    async with connected.client(admin.access_token) as browser:
        left = await browser.post("/api/v1/me/identities", json={"provider": "company"})
        assert left.status_code == 200, left.text
        back = await browser.get(await _at_provider(left.json()["location"]))
        assert (await _me(connected, back))["user_id"] == str(admin.id)
    listed = (await connected.call("GET", "/me/identities", by=admin)).json()["items"]
    assert [each["provider"] for each in listed] == ["company"]
    async with connected.client() as browser:
        assert (await _me(connected, await _login(browser)))["user_id"] == str(admin.id)
    # Somebody else cannot add the same identity.
    other = await connected.person(admin, "other@example.org")
    async with connected.client(other.access_token) as browser:
        left = await browser.post("/api/v1/me/identities", json={"provider": "company"})
        assert (await browser.get(await _at_provider(left.json()["location"]))).status_code == 409
    assert (await connected.call("DELETE", "/me/identities/company", by=admin)).status_code == 204
    assert (await connected.call("DELETE", "/me/identities/company", by=admin)).status_code == 404
    token = await connected.api_token(admin, ["project:read"])
    assert (await connected.call("GET", "/me/identities", by=token)).status_code == 403


@pytest.mark.asyncio
async def test_the_only_way_in_cannot_be_removed(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    await _invited(connected, admin)
    issuer.person = dict(ANA)
    async with connected.client() as browser:
        token = (await _login(browser)).json()["access_token"]
    assert (await connected.call("DELETE", "/me/identities/company", by=token)).status_code == 409
    assert len((await connected.call("GET", "/me/identities", by=token)).json()["items"]) == 1


@pytest.mark.asyncio
async def test_addresses_of_the_domains_that_are_named_make_users_and_no_others(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer, auto_create_domains=["example.com"])
    for email, verified, status in (
        ("new@example.com", True, 200),
        ("newer@example.com", False, 403),
        ("new@sub.example.com", True, 403),
        ("new@evil-example.com", True, 403),
        ("new@example.com.evil.org", True, 403),
        ("a@example.com@evil.org", True, 403),
    ):
        issuer.person = {"sub": f"sub-{email}-{verified}", "email": email, "email_verified": verified}
        async with connected.client() as browser:
            assert (await _login(browser)).status_code == status, email
    (entry,) = await connected.audited("user.created")
    assert "example.com" not in str(entry)
    users = (await connected.call("GET", "/users", by=admin)).json()["items"]
    assert [user["email"] for user in users] == [admin.email, "new@example.com"]
    assert users[1]["instance_admin"] is False


@pytest.mark.asyncio
async def test_another_browser_cannot_finish_a_login_nor_can_the_same_one_twice(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer)
    await _invited(connected, admin)
    issuer.person = dict(ANA)
    async with connected.client() as attacker, connected.client() as victim:
        left = await attacker.get(LOGIN)
        back = await _at_provider(left.headers["location"])
        # Login CSRF: a victim is sent to the attacker's callback, with and without a login of their own under way.
        assert (await victim.get(back)).status_code == 401
        await victim.get(LOGIN)
        assert (await victim.get(back)).status_code == 401
        forged = back.replace("state=", "state=x")
        assert (await attacker.get(forged)).status_code == 401
        attacker.cookies.update(left.cookies)
        assert (await attacker.get(back)).status_code == 200
        attacker.cookies.update(left.cookies)
        assert (await attacker.get(back)).status_code == 401


@pytest.mark.asyncio
async def test_a_login_that_took_too_long_or_was_refused_has_to_begin_again(
    connected: AccountsSite, issuer: Issuer
) -> None:
    await _ready(connected, issuer)
    async with connected.client() as browser:
        left = await browser.get(LOGIN)
        back = await _at_provider(left.headers["location"])
        await connected.sql("UPDATE login_flows SET expires_at = now()")
        assert (await browser.get(back)).status_code == 401
        left = await browser.get(LOGIN)
        state = parse_qs(urlsplit(left.headers["location"]).query)["state"][0]
        refused = await browser.get(
            f"/api/v1/auth/oidc/company/callback?state={state}&error=access_denied&error_description=<script>"
        )
        assert refused.status_code == 401
        assert "script" not in refused.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another"]},
        {"azp": "another-client"},
        {"nonce": "replayed"},
        {"nonce": None},
        {"exp": 1_700_000_000},
        {"iss": "https://elsewhere.example"},
        {"sub": ""},
        {"sub": "x" * 256},
        {"iat": None},
    ],
)
async def test_an_id_token_that_is_not_the_answer_is_refused(
    connected: AccountsSite, issuer: Issuer, changes: dict[str, Any]
) -> None:
    admin = await _ready(connected, issuer)
    await _invited(connected, admin)
    issuer.person, issuer.token_changes = dict(ANA), changes
    async with connected.client() as browser:
        assert (await _login(browser)).status_code == 401
    assert await connected.sql("SELECT subject FROM user_identities") == []


@pytest.mark.asyncio
async def test_an_id_token_signed_by_another_issuer_is_refused(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    await _invited(connected, admin)
    issuer.person = dict(ANA)
    async with connected.client() as browser:
        assert (await _login(browser)).status_code == 200
        with running_issuer() as other:
            issuer.keys = other.keys
            assert (await _login(browser)).status_code == 401


@pytest.mark.asyncio
async def test_a_program_on_the_same_machine_or_a_page_of_ours_gets_a_code_that_it_redeems_once(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer)
    user_id = await _invited(connected, admin)
    issuer.person = dict(ANA)
    for target in ("http://127.0.0.1:43123/done", "/panel/login"):
        async with connected.client() as browser:
            back = await _login(browser, f"?return_to={target}&challenge={CHALLENGE}")
        assert back.status_code == 303
        assert back.headers["location"].startswith(f"{target}?code=")
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        redeemed = await connected.call("POST", "/auth/oidc/redeem", body={"code": code, "verifier": VERIFIER})
        assert (await _me(connected, redeemed))["user_id"] == user_id
        again = await connected.call("POST", "/auth/oidc/redeem", body={"code": code, "verifier": VERIFIER})
        assert again.status_code == 401


@pytest.mark.asyncio
async def test_a_code_is_void_after_a_wrong_verifier_and_after_a_minute(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer)
    await _invited(connected, admin)
    issuer.person = dict(ANA)
    for spoil in ("verifier", "time"):
        async with connected.client() as browser:
            back = await _login(browser, f"?return_to=/panel&challenge={CHALLENGE}")
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        if spoil == "time":
            await connected.sql("UPDATE login_codes SET expires_at = now()")
        else:
            wrong = await connected.call("POST", "/auth/oidc/redeem", body={"code": code, "verifier": "w" * 43})
            assert wrong.status_code == 401
        late = await connected.call("POST", "/auth/oidc/redeem", body={"code": code, "verifier": VERIFIER})
        assert late.status_code == 401
    assert await connected.sql("SELECT id FROM sessions WHERE method = 'provider'") == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "http://127.0.0.1.evil.example:80/",
        "http://127.0.0.1@evil.example:80/",
        "http://127.0.0.1/",
        "http://localhost:80/",
        "javascript:alert(1)",
        "/a%0d%0aSet-Cookie:x",
        "/a?code=x",
        "/a#b",
    ],
)
async def test_nobody_is_sent_to_another_site(connected: AccountsSite, issuer: Issuer, target: str) -> None:
    await _ready(connected, issuer)
    async with connected.client() as browser:
        answer = await browser.get(LOGIN, params={"return_to": target, "challenge": CHALLENGE})
        if target == "/a%0d%0aSet-Cookie:x":
            # Encoded, it is a path like any other and stays one.
            assert answer.status_code == 303
            return
        assert answer.status_code == 422, answer.text
        assert (await browser.get(LOGIN, params={"return_to": "/panel"})).status_code == 422


@pytest.mark.asyncio
async def test_a_provider_that_is_away_or_disabled_is_said_to_be(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    async with connected.client() as browser:
        left = await browser.get(LOGIN)
        back = await _at_provider(left.headers["location"])
        issuer.down = True
        answer = await browser.get(back)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        issuer.down = False
        changed = await connected.call(
            "PATCH", "/identity-providers/company", by=admin, body={"enabled": False}, headers={"If-Match": '"1"'}
        )
        assert changed.status_code == 200
        assert (await browser.get(LOGIN)).status_code == 404
        assert (await browser.get(LOGIN.replace("company", "unknown"))).status_code == 404


@pytest.mark.asyncio
async def test_a_deactivated_or_erased_user_does_not_come_back_by_a_provider(
    connected: AccountsSite, issuer: Issuer
) -> None:
    admin = await _ready(connected, issuer)
    user_id = await _invited(connected, admin)
    issuer.person = dict(ANA)
    async with connected.client() as browser:
        token = (await _login(browser)).json()["access_token"]
        exported = (await connected.call("GET", "/me/personal-data", by=token)).json()
        assert [each["subject"] for each in exported["identities"]] == ["ana-1"]
        change = {"active": False}
        headers = {"If-Match": "*"}
        answer = await connected.call("PATCH", f"/users/{user_id}", by=admin, body=change, headers=headers)
        assert answer.status_code == 200
        assert (await connected.call("GET", "/me", by=token)).status_code == 401
        assert (await _login(browser)).status_code == 403
        assert (await connected.call("DELETE", f"/users/{user_id}/personal-data", by=admin)).status_code == 200
        assert await connected.sql("SELECT subject FROM user_identities") == []
        assert (await _login(browser)).status_code == 403
    kept = await connected.sql("SELECT device FROM sessions WHERE user_id::text = %s", user_id)
    assert {row["device"] for row in kept} == {""}


@pytest.mark.asyncio
async def test_a_password_still_works_beside_a_provider(connected: AccountsSite, issuer: Issuer) -> None:
    admin = await _ready(connected, issuer)
    issuer.person = {"sub": "admin-1"}
    async with connected.client(admin.access_token) as browser:
        left = await browser.post("/api/v1/me/identities", json={"provider": "company"})
        assert (await browser.get(await _at_provider(left.json()["location"]))).status_code == 200
    assert (await connected.login(admin.email, PASSWORD)).id == admin.id
