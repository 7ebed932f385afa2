"""Lockout that slows down guesses and never locks a user out for good (A12)."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.accounts.throttle import LONGEST_PAUSE_SECONDS, network_of, pause_after
from tests.support.accounts import HOME, PASSWORD, AccountsSite

ELSEWHERE = "203.0.113.5"


async def _try(site: AccountsSite, email: str, password: str, address: str = ELSEWHERE) -> int:
    body = {"email": email, "password": password}
    return (await site.call("POST", "/auth/login", body=body, address=address)).status_code


async def _guess(site: AccountsSite, email: str, times: int, address: str = ELSEWHERE) -> list[int]:
    return [await _try(site, email, f"wrong wrong {number}", address) for number in range(times)]


@given(st.integers(0, 10_000), st.integers(0, 100))
def test_pauses_grow_and_stay_below_15_minutes(failures: int, free: int) -> None:
    pause = pause_after(failures, free=free)
    assert 0 <= pause <= LONGEST_PAUSE_SECONDS == timedelta(minutes=15).total_seconds()
    assert pause <= pause_after(failures + 1, free=free)
    assert (pause > 0) == (failures > free)


def test_one_client_is_one_network() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("testclient") == "unknown"


@pytest.mark.asyncio
async def test_known_and_unknown_accounts_are_throttled_alike(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    known = await _guess(site, "ana@example.org", 13)
    unknown = await _guess(site, "nobody@example.org", 13, "203.0.113.77")
    assert known == unknown
    assert known[:11] == [401] * 11
    assert known[-1] == 429


@pytest.mark.asyncio
async def test_the_answer_says_how_long_to_wait_and_waiting_helps(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    await _guess(site, "ana@example.org", 12)
    body = {"email": "ana@example.org", "password": PASSWORD}
    answer = await site.call("POST", "/auth/login", body=body, address=ELSEWHERE)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= LONGEST_PAUSE_SECONDS
    await site.sql("UPDATE login_throttles SET blocked_until = now()")
    assert await _try(site, "ana@example.org", PASSWORD) == 200


@pytest.mark.asyncio
async def test_guesses_from_elsewhere_do_not_lock_the_user_out_at_home(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    await site.login("ana@example.org", address=HOME)
    for number in range(6):
        await _guess(site, "ana@example.org", 5, f"203.0.113.{number}")
    assert await _try(site, "ana@example.org", PASSWORD, "203.0.113.200") == 429
    await site.login("ana@example.org", address=HOME)


@pytest.mark.asyncio
async def test_attempts_during_a_pause_do_not_lengthen_it(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    await _guess(site, "ana@example.org", 12)
    before = await site.sql("SELECT key, failures, blocked_until FROM login_throttles ORDER BY key")
    work = site.service.passwords.verifications
    assert set(await _guess(site, "ana@example.org", 20)) == {429}
    assert await site.sql("SELECT key, failures, blocked_until FROM login_throttles ORDER BY key") == before
    assert site.service.passwords.verifications == work


@pytest.mark.asyncio
async def test_an_address_that_tries_many_accounts_is_slowed_down_even_with_an_account_of_its_own(
    site: AccountsSite,
) -> None:
    await site.first_admin("mallory@example.org")
    codes = []
    for number in range(60):
        codes.append(await _try(site, f"user{number}@example.org", PASSWORD))
        await _try(site, "mallory@example.org", PASSWORD)
    assert 429 in codes
    assert await _try(site, "mallory@example.org", PASSWORD, HOME) == 200


@pytest.mark.asyncio
async def test_guesses_at_once_count_each(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    codes = await asyncio.gather(*(_try(site, "ana@example.org", f"wrong wrong {number}") for number in range(40)))
    assert codes.count(401) <= 12
    assert codes.count(429) >= 28


@pytest.mark.asyncio
async def test_success_forgives_and_no_address_is_kept(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    await _guess(site, "ana@example.org", 9)
    assert await _try(site, "ana@example.org", PASSWORD) == 200
    assert await _guess(site, "ana@example.org", 9) == [401] * 9
    kept = str(await site.sql("SELECT * FROM login_throttles")) + str(await site.sql("SELECT * FROM known_addresses"))
    assert ELSEWHERE not in kept
    assert "ana@example.org" not in kept


@pytest.mark.asyncio
async def test_a_flood_of_failures_does_not_flood_the_audit_log(site: AccountsSite) -> None:
    ana = await site.first_admin("ana@example.org")
    for number in range(30):
        await _try(site, f"user{number}@example.org", PASSWORD)
    await _guess(site, "ana@example.org", 8)
    entries = await site.audited("login.failed")
    assert [(entry["subject"], entry["details"]) for entry in entries] == [
        ("user:unknown", {"failures": 1}),
        (f"user:{ana.id}", {"failures": 1}),
    ]
    await site.sql("UPDATE login_failures SET reported_at = now() - interval '2 minutes'")
    await site.service.tidy()
    await site.service.tidy()
    entries = await site.audited("login.failed")
    assert sorted(entry["details"]["failures"] for entry in entries) == [1, 1, 7, 29]
    assert "example.org" not in str(await site.audit())


@pytest.mark.asyncio
async def test_tidy_removes_what_has_expired_and_nothing_else(site: AccountsSite) -> None:
    admin = await site.first_admin()
    await _guess(site, "ana@example.org", 2)
    await site.service.tidy()
    assert len(await site.sql("SELECT 1 FROM login_throttles")) == 2
    await site.sql("UPDATE login_throttles SET changed_at = now() - interval '3 days'")
    await site.sql("UPDATE one_time_links SET expires_at = now() - interval '8 days'")
    await site.service.tidy()
    assert await site.sql("SELECT 1 FROM login_throttles") == []
    assert await site.sql("SELECT 1 FROM one_time_links") == []
    assert (await site.call("GET", "/me", by=admin)).status_code == 200
    await site.sql("UPDATE sessions SET expires_at = now() - interval '8 days'")
    await site.service.tidy()
    assert await site.sql("SELECT 1 FROM refresh_tokens") == []
