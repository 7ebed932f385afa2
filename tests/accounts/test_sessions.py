"""Logins, refresh, logout, passwords (A12)."""

import asyncio

import pytest

from tests.support.accounts import PASSWORD, AccountsSite, Person

NEW_PASSWORD = "river of seven candles"  # noqa: S105 - of a test


async def _refresh(site: AccountsSite, token: str) -> int:
    return (await site.call("POST", "/auth/refresh", body={"refresh_token": token})).status_code


@pytest.mark.asyncio
async def test_a_login_gives_a_short_access_token_that_nobody_stores(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    answer = await site.call("POST", "/auth/login", body={"email": " ANA@example.org ", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert document["expires_in"] == 600
    assert document["token_type"] == "Bearer"  # noqa: S105 - the word of RFC 6750
    stored = str(await site.sql("SELECT * FROM refresh_tokens")) + str(await site.sql("SELECT * FROM users"))
    assert document["refresh_token"] not in stored
    assert PASSWORD not in stored
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in stored


@pytest.mark.asyncio
async def test_unknown_user_wrong_password_and_inactive_user_take_the_same_work_and_get_the_same_answer(
    site: AccountsSite,
) -> None:
    admin = await site.first_admin()
    invited = await site.call("POST", "/users", by=admin, body={"email": "invited@example.org"})
    assert invited.status_code == 201
    gone = await site.person(admin, "gone@example.org")
    off = await site.call("PATCH", f"/users/{gone.id}", by=admin, body={"active": False}, headers={"If-Match": "*"})
    assert off.status_code == 200
    answers, works = [], []
    for email, password in (
        ("nobody@example.org", PASSWORD),
        ("no address at all", PASSWORD),
        ("admin@example.org", "wrong wrong wrong"),
        ("invited@example.org", PASSWORD),
        ("gone@example.org", PASSWORD),
    ):
        before = site.service.passwords.verifications
        answer = await site.call("POST", "/auth/login", body={"email": email, "password": password})
        works.append(site.service.passwords.verifications - before)
        answers.append((answer.status_code, answer.json(), sorted(answer.headers)))
    assert works == [1] * 5
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.asyncio
async def test_a_refresh_token_works_once_and_its_reuse_ends_the_login(site: AccountsSite) -> None:
    first = await site.first_admin()
    answer = await site.call("POST", "/auth/refresh", body={"refresh_token": first.refresh_token})
    assert answer.status_code == 200
    second = answer.json()
    assert (await site.call("GET", "/me", by=second["access_token"])).status_code == 200
    assert await _refresh(site, first.refresh_token) == 401
    assert await _refresh(site, second["refresh_token"]) == 401
    assert (await site.call("GET", "/me", by=second["access_token"])).status_code == 401
    entry = (await site.audited("session.revoked"))[0]
    assert entry["details"] == {"because": "reuse"}
    assert entry["actor"] == "system:quilate"


@pytest.mark.asyncio
async def test_of_two_refreshes_at_once_the_login_is_ended_not_doubled(site: AccountsSite) -> None:
    first = await site.first_admin()
    codes = await asyncio.gather(*(_refresh(site, first.refresh_token) for _ in range(4)))
    assert sorted(codes) == [200, 401, 401, 401]
    assert (await site.call("GET", "/me", by=first)).status_code == 401


@pytest.mark.asyncio
async def test_refresh_tokens_end(site: AccountsSite) -> None:
    first = await site.first_admin()
    assert await _refresh(site, "no such token") == 401
    assert await _refresh(site, "x" * 5000) == 422
    await site.sql("UPDATE refresh_tokens SET expires_at = now()")
    assert await _refresh(site, first.refresh_token) == 401
    second = await site.login("admin@example.org")
    await site.sql("UPDATE sessions SET expires_at = now()")
    assert await _refresh(site, second.refresh_token) == 401
    assert await site.audited("session.revoked") == []


@pytest.mark.asyncio
async def test_logout_ends_this_login_only_and_tells_nothing(site: AccountsSite) -> None:
    first = await site.first_admin()
    second = await site.login("admin@example.org")
    for token in (first.refresh_token, first.refresh_token, "no such token"):
        answer = await site.call("POST", "/auth/logout", body={"refresh_token": token})
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await site.call("GET", "/me", by=first)).status_code == 401
    assert (await site.call("GET", "/me", by=second)).status_code == 200
    assert [entry["details"] for entry in await site.audited("session.revoked")] == [{"because": "logout"}]


async def _change(site: AccountsSite, who: Person | str, current: str, new: str) -> int:
    body = {"current_password": current, "new_password": new}
    return (await site.call("POST", "/auth/password", by=who, body=body)).status_code


@pytest.mark.asyncio
async def test_a_change_of_password_ends_every_other_login(site: AccountsSite) -> None:
    first = await site.first_admin()
    second = await site.login("admin@example.org")
    assert await _change(site, first, "wrong wrong wrong", NEW_PASSWORD) == 401
    assert await _change(site, first, PASSWORD, PASSWORD) == 422
    assert await _change(site, first, PASSWORD, "Password1234!") == 422
    assert await _change(site, first, PASSWORD, NEW_PASSWORD) == 204
    assert (await site.call("GET", "/me", by=first)).status_code == 200
    assert (await site.call("GET", "/me", by=second)).status_code == 401
    assert await _refresh(site, second.refresh_token) == 401
    old = await site.call("POST", "/auth/login", body={"email": "admin@example.org", "password": PASSWORD})
    assert old.status_code == 401
    await site.login("admin@example.org", NEW_PASSWORD)
    assert [entry["actor"] for entry in await site.audited("user.password-changed")] == [f"user:{first.id}"]


@pytest.mark.asyncio
async def test_a_token_changes_no_password_and_a_change_is_throttled_like_a_login(site: AccountsSite) -> None:
    admin = await site.first_admin()
    token = await site.api_token(admin, ["instance:admin"])
    assert await _change(site, token, PASSWORD, NEW_PASSWORD) == 403
    codes = [await _change(site, admin, "wrong wrong wrong", NEW_PASSWORD) for _ in range(12)]
    assert codes[0] == 401
    assert codes[-1] == 429


@pytest.mark.asyncio
async def test_a_password_under_older_parameters_is_hashed_again_at_login(site: AccountsSite) -> None:
    from argon2 import PasswordHasher  # noqa: PLC0415 - as the code does

    await site.first_admin()
    weaker = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await site.sql("UPDATE users SET password_hash = %s", weaker)
    await site.login("admin@example.org")
    rows = await site.sql("SELECT password_hash FROM users")
    assert rows[0]["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await site.login("admin@example.org")


@pytest.mark.asyncio
async def test_composed_and_decomposed_letters_are_the_same_password(site: AccountsSite) -> None:
    admin = await site.first_admin()
    assert await _change(site, admin, PASSWORD, "coração à meia noite") == 204
    await site.login("admin@example.org", "corac\u0327a\u0303o a\u0300 meia noite")


@pytest.mark.asyncio
async def test_hostile_logins_are_refused_without_a_fault(site: AccountsSite) -> None:
    bodies: list[object] = [
        {},
        [],
        "x",
        {"email": "a@b.c"},
        {"email": "a\x00b@c.d", "password": PASSWORD},
        {"email": "a@b.c", "password": "\x00"},
        {"email": "\ud800@b.c", "password": PASSWORD},
        {"email": "a@b.c", "password": "x" * 100_000},
        {"email": {"$ne": 1}, "password": {"$ne": 1}},
        {"email": "a@b.c' OR 1=1 --", "password": PASSWORD},
    ]
    for body in bodies:
        answer = await site.call("POST", "/auth/login", body=body)
        assert answer.status_code in {401, 422}, body
        assert answer.headers["content-type"] == "application/problem+json"
