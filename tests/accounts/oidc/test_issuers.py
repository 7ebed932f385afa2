"""Keys of issuers are remembered within bounds and looked for again where that can help (C09)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quilate.accounts.oidc.errors import IssuerFaultError
from quilate.accounts.oidc.issuers import KEYS_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, STALE_SECONDS, Issuers
from quilate.kit.outgoing.http import OutgoingHttp
from tests.support.issuer import Issuer, loopback_http

KEYS = "/keys"


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def issuers(clock: Clock) -> AsyncIterator[Issuers]:
    http = loopback_http()
    yield Issuers(http, clock=clock)
    await http.close()


@pytest.mark.asyncio
async def test_keys_are_asked_for_once_and_again_when_they_are_old(
    issuers: Issuers, issuer: Issuer, clock: Clock
) -> None:
    kid = issuer.keys[-1].kid
    for _ in range(5):
        assert await issuers.key(issuer.url, kid) is not None
    assert issuer.asked.count(KEYS) == 1
    clock.now += KEYS_SECONDS
    assert await issuers.key(issuer.url, kid) is not None
    assert issuer.asked.count(KEYS) == 2


@pytest.mark.asyncio
async def test_a_new_key_is_found_and_unknown_ones_make_us_ask_once_a_minute(
    issuers: Issuers, issuer: Issuer, clock: Clock
) -> None:
    before = issuer.keys[-1].kid
    assert await issuers.key(issuer.url, before) is not None
    issuer.rotate()
    for number in range(20):
        assert await issuers.key(issuer.url, f"unknown-{number}") is None
    assert issuer.asked.count(KEYS) == 1
    clock.now += REFRESH_SECONDS
    assert await issuers.key(issuer.url, issuer.keys[-1].kid) is not None
    assert issuer.asked.count(KEYS) == 2
    # What was withdrawn counts no more.
    assert await issuers.key(issuer.url, before) is None


@pytest.mark.asyncio
async def test_known_keys_outlive_an_issuer_that_is_away_for_an_hour_at_most(
    issuers: Issuers, issuer: Issuer, clock: Clock
) -> None:
    kid = issuer.keys[-1].kid
    assert await issuers.key(issuer.url, kid) is not None
    issuer.down = True
    clock.now += KEYS_SECONDS
    assert await issuers.key(issuer.url, kid) is not None
    clock.now += STALE_SECONDS
    with pytest.raises(IssuerFaultError):
        await issuers.key(issuer.url, kid)
    asked = len(issuer.asked)
    with pytest.raises(IssuerFaultError):
        await issuers.key(issuer.url, kid)
    assert len(issuer.asked) == asked
    issuer.down = False
    clock.now += RETRY_SECONDS
    assert await issuers.key(issuer.url, kid) is not None


@pytest.mark.asyncio
async def test_an_issuer_within_the_own_networks_is_not_asked(issuer: Issuer) -> None:
    http = OutgoingHttp()
    with pytest.raises(IssuerFaultError):
        await Issuers(http).endpoints(issuer.url)
    with pytest.raises(IssuerFaultError):
        await Issuers(http).endpoints(issuer.url.replace("http://", "https://"))
    await http.close()
    assert issuer.asked == []
