"""Connections of other protocols keep to the rules of addresses as requests do (A14)."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingError
from quilate.kit.outgoing.sockets import connected_socket

LOCAL = AddressPolicy(allow_private=("127.0.0.1", "::1", "localhost"))


@contextlib.contextmanager
def listening(backlog: int = 5) -> Iterator[int]:
    """Listen on loopback for the time of the block; gives the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        yield server.getsockname()[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_allowed_host_is_connected_to(host: str) -> None:
    with listening() as port:
        opened = await connected_socket(host, port, LOCAL, 5)
        with opened:
            assert opened.getpeername() == ("127.0.0.1", port)
            assert not opened.getblocking()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1", "::ffff:127.0.0.1", "10.0.0.7", "169.254.169.254"]
)
async def test_private_addresses_are_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(OutgoingError) as caught:
        await connected_socket(host, 25, AddressPolicy(), 5)
    assert caught.value.permanent
    assert "private network" in caught.value.message
    assert caught.value.next_step


@pytest.mark.asyncio
async def test_one_private_address_among_others_refuses_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_arguments: object, **_more: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("93.184.216.34", 25)), (0, 0, 0, "", ("10.0.0.7", 25))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    with pytest.raises(OutgoingError) as caught:
        await connected_socket("mail.test", 25, AddressPolicy(), 5)
    assert caught.value.permanent


@pytest.mark.asyncio
async def test_nobody_and_nothing_there_is_tried_again() -> None:
    with listening() as port:
        pass
    for host, said in (("127.0.0.1", "nobody answers"), ("mail.invalid", "not known")):
        with pytest.raises(OutgoingError) as caught:
            await connected_socket(host, port, LOCAL, 5)
        assert said in caught.value.message
        assert not caught.value.permanent


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".test", "\ud800"])
async def test_a_name_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(OutgoingError) as caught:
        await connected_socket(host, 25, LOCAL, 5)
    assert caught.value.permanent


@pytest.mark.asyncio
async def test_a_slow_look_up_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_arguments: object, **_more: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    with pytest.raises(OutgoingError) as caught:
        await connected_socket("mail.test", 25, LOCAL, 0.05)
    assert "did not answer" in caught.value.message
