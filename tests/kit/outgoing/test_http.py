"""Requests to addresses that users name: no private networks, no redirects elsewhere, bounded, certified (A13, A14)."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from quilate.kit.outgoing import http
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingAnswer, OutgoingError, OutgoingHttp
from tests.support.git_https import make_certificate
from tests.support.receivers import Receiver, Reply, receiver

pytestmark = pytest.mark.asyncio

LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)


@contextlib.asynccontextmanager
async def opened(policy: AddressPolicy = LOOPBACK, **more: Any) -> AsyncIterator[OutgoingHttp]:
    outgoing = OutgoingHttp(policy=policy, **more)
    try:
        yield outgoing
    finally:
        await outgoing.close()


def redirecting(server: Receiver, status: int, target: str) -> Callable[[Any], Reply]:
    def answer(request: Any) -> Reply:
        if request.path == "/from":
            return Reply(status=status, headers={"location": target.replace("SERVER", server.url)})
        return Reply(body=b'{"there": true}')

    return answer


# Addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0.0.0.0"),  # noqa: S104 - refused
        *("[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_private_addresses_are_refused_in_every_spelling(host: str, *, dry_run: bool) -> None:
    with receiver() as server:
        port = server.url.rpartition(":")[2]
        async with opened(AddressPolicy(allow_plain_http=True), dry_run=dry_run) as outgoing:
            with pytest.raises(OutgoingError) as caught:
                await outgoing.request("GET", f"http://{host}:{port}/x")
    assert caught.value.permanent
    assert "private network" in str(caught.value)
    assert server.received == []


@pytest.mark.parametrize(
    "url",
    [
        *("", "nothing", "ftp://shop.example/", "file:///etc/passwd", "https://", "https:///x", "//shop.example/x"),
        *("https://[::1", "https://shop.example:99999/", "https://shop.example:x/", "https://münchen.example/"),
        *("https://user:hunter2@shop.example/", "http://shop.example/"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("dry_run", [False, True])
async def test_what_is_no_usable_address_is_refused(url: str, method: str, *, dry_run: bool) -> None:
    if dry_run and "ü" in url:
        url = "https://"
    async with opened(AddressPolicy(), dry_run=dry_run) as outgoing:
        with pytest.raises(OutgoingError) as caught:
            await outgoing.request(method, url, json_body={} if method == "POST" else None)
    assert caught.value.permanent
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
async def test_a_name_that_leads_nowhere_may_be_tried_again(host: str) -> None:
    async with opened() as outgoing:
        with pytest.raises(OutgoingError) as caught:
            await outgoing.request("GET", f"http://{host}/")
    assert not caught.value.permanent


async def test_nobody_there() -> None:
    with receiver() as server:
        gone = server.url
    async with opened() as outgoing:
        with pytest.raises(OutgoingError, match="cannot be reached") as caught:
            await outgoing.request("GET", f"{gone}/path?token=hunter2")
    assert "hunter2" not in str(caught.value)


# Redirects ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://localhost:1/x",
            "https://127.0.0.1/x",
            "http://127.0.0.1:1/x",
            "//other.example/x",
            "file:///etc/passwd",
        ),
        *("http://[::1", "http://127.0.0.1:99999/"),
    ],
)
async def test_redirects_elsewhere_are_refused(target: str) -> None:
    with receiver() as server:
        server.answer = redirecting(server, 302, target)
        async with opened() as outgoing:
            with pytest.raises(OutgoingError, match="sends requests on to") as caught:
                await outgoing.request("GET", f"{server.url}/from", headers={"authorization": "Bearer hunter2"})
    assert caught.value.permanent
    assert [each.path for each in server.received] == ["/from"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["SERVER/to?x=1", "/to?x=1", "to?x=1"])
async def test_redirects_to_the_same_host_are_followed_with_the_credentials(status: int, target: str) -> None:
    with receiver() as server:
        server.answer = redirecting(server, status, target)
        async with opened() as outgoing:
            answer = await outgoing.request("GET", f"{server.url}/from", headers={"Authorization": "Bearer x"})
    assert answer.json() == {"there": True}
    assert answer.url == f"{server.url}/to?x=1"
    assert [(each.method, each.path) for each in server.received] == [("GET", "/from"), ("GET", "/to?x=1")]
    assert server.received[1].headers["authorization"] == "Bearer x"


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_change_is_sent_on_as_it_is(status: int) -> None:
    with receiver() as server:
        server.answer = redirecting(server, status, "/to")
        async with opened() as outgoing:
            await outgoing.request("POST", f"{server.url}/from", json_body={"n": 1})
    assert [(each.method, each.path, each.body) for each in server.received] == [
        ("POST", "/from", b'{"n": 1}'),
        ("POST", "/to", b'{"n": 1}'),
    ]


@pytest.mark.parametrize("status", [302, 303])
async def test_a_change_never_becomes_a_question(status: int) -> None:
    with receiver() as server:
        server.answer = redirecting(server, status, "/to")
        async with opened() as outgoing:
            answer = await outgoing.request("POST", f"{server.url}/from", json_body={})
    assert answer.status == status
    assert [each.path for each in server.received] == ["/from"]


async def test_redirects_without_end_are_ended() -> None:
    with receiver(lambda _: Reply(status=302, headers={"location": "/from"})) as server:
        async with opened() as outgoing:
            with pytest.raises(OutgoingError, match="on and on"):
                await outgoing.request("GET", f"{server.url}/from")
    assert len(server.received) == http.MOST_REDIRECTS + 1


# Answers --------------------------------------------------------------------------------------------------------------


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LONGEST_ANSWER_BYTES", 1 << 20)
    with receiver(lambda request: Reply(body=b"x" * ((1 << 20) + (request.path == "/long")))) as server:
        async with opened() as outgoing:
            assert len((await outgoing.request("GET", f"{server.url}/short")).content) == 1 << 20
            with pytest.raises(OutgoingError, match="more than 1 MiB"):
                await outgoing.request("GET", f"{server.url}/long")
            assert (await outgoing.request("GET", f"{server.url}/short")).status == 200


async def test_an_answer_that_takes_too_long_is_not_waited_for() -> None:
    with receiver(lambda _: Reply(delay=2.0)) as server:
        async with opened() as outgoing:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(OutgoingError, match=r"did not answer within 0\.2 s") as caught:
                await outgoing.request("GET", f"{server.url}/", timeout=0.2)
            assert asyncio.get_running_loop().time() - begun < 1.5
    assert not caught.value.permanent


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 200_000], ids=["none", "page", "bytes", "deep"])
async def test_an_answer_that_is_not_json_says_what_it_is(body: bytes) -> None:
    with receiver(lambda _: Reply(status=502, body=body, headers={"content-type": "text/html"})) as server:
        async with opened() as outgoing:
            answer = await outgoing.request("GET", f"{server.url}/page?token=hunter2")
    assert (answer.status, answer.content) == (502, body)
    with pytest.raises(OutgoingError, match="answered 502 with text/html instead of JSON") as caught:
        answer.json()
    assert "hunter2" not in str(caught.value)


async def test_text_without_bytes_is_sent_all_the_same() -> None:
    with receiver() as server:
        async with opened() as outgoing:
            await outgoing.request("POST", f"{server.url}/", json_body={"path": "naïve-\udcff"})
    assert server.received[0].json() == {"path": "naïve-?"}


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b"])
async def test_a_header_cannot_bring_another(value: str) -> None:
    with receiver() as server:
        async with opened() as outgoing:
            with pytest.raises(OutgoingError):
                await outgoing.request("GET", f"{server.url}/", headers={"x-name": value})
    assert server.received == []


# Dry runs -------------------------------------------------------------------------------------------------------------


async def test_a_dry_run_sends_questions_only_and_shows_no_credentials() -> None:
    headers = {
        "Authorization": "Bearer hunter2",
        "Private-Token": "hunter2",
        "X-Api-Key": "hunter2",
        "X-Gitlab-Token": "hunter2",
        "Cookie": "session=hunter2",
        "X-Shown": "yes",
    }
    answers: list[OutgoingAnswer] = []
    with receiver() as server:
        async with opened(dry_run=True) as outgoing:
            assert not (await outgoing.request("GET", f"{server.url}/read", headers=headers)).recorded
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                url = f"{server.url}/write?page=2&access_token=hunter2&key=hunter2"
                answers.append(await outgoing.request(method, url, headers=headers, json_body={"n": 1}))
    assert [(each.method, each.path) for each in server.received] == [("GET", "/read")]
    assert all((each.recorded, each.status, each.json()) == (True, 202, {}) for each in answers)
    assert [each.method for each in outgoing.recorded] == ["POST", "PUT", "PATCH", "DELETE"]
    sent = outgoing.recorded[0]
    assert "hunter2" not in repr(outgoing.recorded)
    assert sent.url == f"{server.url}/write?page=2&access_token=***&key=***"
    assert (sent.headers["x-shown"], sent.headers["authorization"], sent.body) == ("yes", "***", b'{"n": 1}')


# Certificates ---------------------------------------------------------------------------------------------------------


def contexts(directory: Path, names: tuple[str, ...] = ()) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server shows, and what a client trusts."""
    certificate, key = make_certificate(directory, names)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(certificate, key)
    return shown, ssl.create_default_context(cafile=str(certificate))


async def test_a_certificate_is_verified_against_the_name(tmp_path: Path) -> None:
    shown, trusted = contexts(tmp_path)
    policy = AddressPolicy(allow_private=("127.0.0.0/8", "localhost"))
    with receiver(tls=shown) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        async with opened(policy, verify=trusted) as outgoing:
            assert (await outgoing.request("GET", f"{server.url}/")).status == 200
            with pytest.raises(OutgoingError, match="cannot be reached"):
                await outgoing.request("GET", f"{named}/")
    assert len(server.received) == 1


async def test_a_name_of_the_certificate_is_enough_whatever_its_address(tmp_path: Path) -> None:
    shown, trusted = contexts(tmp_path, ("localhost",))
    with receiver(tls=shown) as server:
        async with opened(AddressPolicy(allow_private=("localhost",)), verify=trusted) as outgoing:
            assert (await outgoing.request("GET", f"{server.url.replace('127.0.0.1', 'localhost')}/")).status == 200


async def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    shown, _ = contexts(tmp_path)
    with receiver(tls=shown) as server:
        async with opened() as outgoing:
            with pytest.raises(OutgoingError, match="cannot be reached"):
                await outgoing.request("GET", f"{server.url}/", headers={"authorization": "Bearer hunter2"})
    assert server.received == []
