"""Answers of any length: given on as they arrive, redirects judged anew, headers kept from other hosts (A11)."""

import pytest

from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import LONGEST_ANSWER_BYTES, OutgoingError, OutgoingHttp
from tests.support.receivers import Reply, receiver

_LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)


async def total(http: OutgoingHttp, url: str, **given: str) -> int:
    async with http.stream(url, headers=given) as answer:
        return sum([len(piece) async for piece in answer.pieces])


@pytest.mark.asyncio
async def test_an_answer_may_be_longer_than_those_that_are_held() -> None:
    http = OutgoingHttp(policy=_LOOPBACK)
    body = b"x" * (LONGEST_ANSWER_BYTES + 1)
    with receiver(lambda _: Reply(body=body)) as outside:
        assert await total(http, outside.url) == len(body)
    await http.close()


@pytest.mark.asyncio
async def test_headers_stay_with_the_host_that_they_are_for() -> None:
    http = OutgoingHttp(policy=_LOOPBACK)
    with receiver(lambda _: Reply(body=b"1")) as other, receiver() as first:
        first.answer = lambda _: Reply(status=307, headers={"location": f"{other.url}/there"})
        assert await total(http, f"{first.url}/here", authorization="secret") == 1
        assert first.received[0].headers["authorization"] == "secret"
        assert "authorization" not in other.received[0].headers
        assert other.received[0].path == "/there"
    await http.close()


@pytest.mark.asyncio
async def test_redirects_into_private_networks_and_without_end_are_refused() -> None:
    http = OutgoingHttp(policy=_LOOPBACK)
    with receiver() as outside:
        for target in ("http://127.0.0.2:1/", "http://[::1]:1/", "ftp://example.org/", "http://user@127.0.0.1/"):
            outside.answer = lambda _, target=target: Reply(status=302, headers={"location": target})  # type: ignore[misc]
            with pytest.raises(OutgoingError) as refused:
                await total(http, outside.url)
            assert refused.value.permanent
        outside.answer = lambda _: Reply(status=302, headers={"location": "/again"})
        with pytest.raises(OutgoingError, match="on and on"):
            await total(http, outside.url)
    await http.close()


@pytest.mark.asyncio
async def test_an_answer_that_does_not_come_is_an_error() -> None:
    http = OutgoingHttp(policy=_LOOPBACK, timeout=0.2)
    with receiver(lambda _: Reply(delay=1.0)) as outside, pytest.raises(OutgoingError, match="cannot be reached"):
        await total(http, outside.url)
    with pytest.raises(OutgoingError, match="cannot be reached"):
        await total(http, "http://127.0.0.1:1/")
    await http.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999999/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "http://127.0.0.1:1/a b",
        "http://127.0.0.1:1/a\r\nX: y",
        "http://127.0.0.1:1/\u00e9",
    ],
)
async def test_what_is_no_address_is_refused_for_good(url: str) -> None:
    http = OutgoingHttp(policy=_LOOPBACK)
    with pytest.raises(OutgoingError) as refused:
        await total(http, url)
    assert refused.value.permanent
