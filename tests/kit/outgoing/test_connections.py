"""Connections of outgoing requests: one look-up for each, kept for the next request, never for another's (A13, A14)."""

import asyncio
import gc
import socket
from typing import Any

import pytest

from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingError, OutgoingHttp
from tests.support.receivers import receiver

LOOPBACK = AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True)


class Names:
    """Stands for the machine's resolver: it gives its answers in turn, as a name whose owner rebinds it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._found)

    def _found(self, host: Any, port: int, *_rest: Any, **_more: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.replace(".", "").isdigit():
            address = name  # A literal is no question.
        else:
            self.asked.append(name)
            address = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def test_a_name_is_looked_up_once_and_cannot_lead_elsewhere_after_the_judgement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, "127.0.0.1", "10.0.0.1")

    async def ask() -> None:
        outgoing = OutgoingHttp(policy=LOOPBACK)
        with receiver() as server:
            url = server.url.replace("127.0.0.1", "rebound.example")
            assert (await outgoing.request("GET", f"{url}/a")).status == 200
            assert names.asked == ["rebound.example"]
            # The connection is kept: no second question.
            assert (await outgoing.request("GET", f"{url}/b")).status == 200
            assert names.asked == ["rebound.example"]
            await outgoing.close()
            # A new connection asks again, and what the name leads to now is judged.
            with pytest.raises(OutgoingError, match="private network"):
                await outgoing.request("GET", f"{url}/c")
            assert [each.path for each in server.received] == ["/a", "/b"]
        await outgoing.close()

    asyncio.run(ask())


def test_one_address_in_a_private_network_is_enough_to_refuse_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::ffff:10.0.0.1", 443, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_rest, **_more: found)

    async def ask() -> None:
        outgoing = OutgoingHttp(policy=AddressPolicy())
        with pytest.raises(OutgoingError, match="private network") as caught:
            await outgoing.request("GET", "https://mixed.example/x")
        assert caught.value.permanent
        await outgoing.close()

    asyncio.run(ask())


def test_after_its_end_it_opens_new_connections() -> None:
    async def ask() -> None:
        outgoing = OutgoingHttp(policy=LOOPBACK)
        with receiver() as server:
            await outgoing.request("GET", f"{server.url}/a")
            await outgoing.close()
            await outgoing.close()
            assert (await outgoing.request("GET", f"{server.url}/b")).status == 200
            await outgoing.close()

    asyncio.run(ask())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_of_one_event_loop_is_not_used_in_another() -> None:
    outgoing = OutgoingHttp(policy=LOOPBACK)

    async def ask(url: str) -> int:
        return (await outgoing.request("GET", url)).status

    async def ask_last(url: str) -> int:
        status = await ask(url)
        await outgoing.close()
        return status

    with receiver() as server:
        assert asyncio.run(ask(f"{server.url}/a")) == 200
        # What the first loop left open goes with it, and says so: here, not in some other test.
        assert asyncio.run(ask_last(f"{server.url}/b")) == 200
        assert [each.path for each in server.received] == ["/a", "/b"]
    gc.collect()
