"""The first administrator and the way back for a lost one (C03, A12)."""

import asyncio

import pytest

from quilate.accounts.bootstrap import first_admin_link, recovery_link
from quilate.domain.errors import ConfigurationError
from tests.support.accounts import BASE_URL, PASSWORD, AccountsSite, token_of


def _setup_body(link: str, **more: str) -> dict[str, str]:
    return {"token": token_of(link), "email": "ana@example.org", "name": "Ana", "password": PASSWORD, **more}


@pytest.mark.asyncio
async def test_the_first_link_makes_an_administrator_and_then_no_more_links(site: AccountsSite) -> None:
    link = await first_admin_link(site.database, BASE_URL)
    assert link is not None
    assert link.startswith(f"{BASE_URL}/welcome?token=")
    ana = await site.set_up(link, "ana@example.org")
    me = (await site.call("GET", "/me", by=ana)).json()
    assert me["instance_admin"] is True
    assert me["name"] == "Some Body"
    assert await first_admin_link(site.database, BASE_URL) is None
    assert [entry["action"] for entry in await site.audit()] == [
        "first-admin.link-created",
        "user.first-admin-created",
        "login.succeeded",
    ]


@pytest.mark.asyncio
async def test_a_link_opens_once_and_only_the_newest_of_them(site: AccountsSite) -> None:
    older = await first_admin_link(site.database, BASE_URL)
    newer = await first_admin_link(site.database, BASE_URL)
    assert older is not None
    assert newer is not None
    refused = await site.call("POST", "/auth/setup", body=_setup_body(older))
    assert refused.status_code == 410
    assert (await site.call("POST", "/auth/setup", body=_setup_body(newer))).status_code == 200
    again = await site.call("POST", "/auth/setup", body=_setup_body(newer, email="eve@example.org"))
    assert again.status_code == 410


@pytest.mark.asyncio
async def test_of_many_who_use_a_link_at_once_one_gets_in(site: AccountsSite) -> None:
    link = await first_admin_link(site.database, BASE_URL)
    assert link is not None
    answers = await asyncio.gather(
        *(
            site.call("POST", "/auth/setup", body=_setup_body(link, email=f"user{number}@example.org"))
            for number in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410, 410, 410]
    assert len(await site.sql("SELECT 1 FROM users")) == 1


@pytest.mark.asyncio
async def test_a_link_is_void_after_24_hours_and_is_stored_as_its_hash(site: AccountsSite) -> None:
    link = await first_admin_link(site.database, BASE_URL)
    assert link is not None
    rows = await site.sql("SELECT *, expires_at - created_at = interval '24 hours' AS a_day FROM one_time_links")
    assert rows[0]["a_day"]
    assert token_of(link) not in str(rows)
    await site.sql("UPDATE one_time_links SET expires_at = now()")
    assert (await site.call("POST", "/auth/setup", body=_setup_body(link))).status_code == 410


@pytest.mark.asyncio
async def test_recovery_lets_a_lost_administrator_in_and_ends_other_logins(site: AccountsSite) -> None:
    ana = await site.first_admin("ana@example.org")
    link = await recovery_link(site.database, BASE_URL, " Ana@Example.org ")
    wrong_person = await site.call("POST", "/auth/setup", body=_setup_body(link, email="eve@example.org"))
    assert wrong_person.status_code == 410
    await site.set_up(link, "ana@example.org", password="river of seven candles")  # noqa: S106 - of a test
    assert (await site.call("GET", "/me", by=ana)).status_code == 401
    await site.login("ana@example.org", "river of seven candles")
    assert (await site.audited("user.recovered"))[0]["subject"] == f"user:{ana.id}"


@pytest.mark.asyncio
async def test_recovery_works_for_somebody_new_when_the_administrator_has_left(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    bia = await site.set_up(await recovery_link(site.database, BASE_URL, "bia@example.org"), "bia@example.org")
    assert (await site.call("GET", "/users", by=bia)).status_code == 200
    with pytest.raises(ConfigurationError, match="no e-mail address"):
        await recovery_link(site.database, BASE_URL, "nobody\n@example.org")


@pytest.mark.asyncio
async def test_recovery_ends_a_lockout(site: AccountsSite) -> None:
    await site.first_admin("ana@example.org")
    for number in range(12):
        body = {"email": "ana@example.org", "password": "wrong wrong wrong"}
        await site.call("POST", "/auth/login", body=body, address=f"198.51.100.{number}")
    blocked = await site.call("POST", "/auth/login", body={"email": "ana@example.org", "password": PASSWORD})
    assert blocked.status_code == 429
    await site.set_up(await recovery_link(site.database, BASE_URL, "ana@example.org"), "ana@example.org")
    await site.login("ana@example.org")


@pytest.mark.asyncio
@pytest.mark.parametrize("guessed", [["ana@example.org"] * 13, [f"user{number}@example.org" for number in range(52)]])
async def test_recovery_ends_a_lockout_at_the_usual_address(site: AccountsSite, guessed: list[str]) -> None:
    await site.first_admin("ana@example.org")
    await site.login("ana@example.org")
    for email in guessed:
        await site.call("POST", "/auth/login", body={"email": email, "password": "wrong wrong wrong"})
    blocked = await site.call("POST", "/auth/login", body={"email": "ana@example.org", "password": PASSWORD})
    assert blocked.status_code == 429
    await site.set_up(await recovery_link(site.database, BASE_URL, "ana@example.org"), "ana@example.org")
    await site.login("ana@example.org")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 12"),
        ("password123!", "most common"),
        ("Qwertyuiop2026", "most common"),
        ("aaaaaaaaaabbbb", "repeats"),
        ("ana@example.org", "e-mail address"),
        ("has\x00a nul inside", "pattern"),
    ],
)
async def test_weak_passwords_are_refused_and_the_link_stays_good(
    site: AccountsSite, password: str, reason: str
) -> None:
    link = await first_admin_link(site.database, BASE_URL)
    assert link is not None
    refused = await site.call("POST", "/auth/setup", body=_setup_body(link, password=password))
    assert refused.status_code == 422
    assert reason in refused.text
    if "@" not in password:
        assert password not in refused.text
    assert (await site.call("POST", "/auth/setup", body=_setup_body(link))).status_code == 200
