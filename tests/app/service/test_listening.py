"""The API's listening socket and what is said when there can be none."""

import socket

import pytest

from quilate.app.service.listening import LISTEN_VARIABLE, inherited_socket, listen
from quilate.domain.errors import ConfigurationError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_it_listens_on_any_free_port(host: str) -> None:
    with listen(host, 0) as opened:
        port = opened.getsockname()[1]
        with socket.create_connection((opened.getsockname()[0], port)):
            pass
        with pytest.raises(ConfigurationError, match=f":{port} is in use") as caught:
            listen(host, port)
        assert "--port" in caught.value.next_step


@pytest.mark.parametrize(
    ("host", "message"),
    [("192.0.2.1", r"192\.0\.2\.1:0 is no address of this machine"), ("no such host.invalid", "unknown")],
)
def test_a_host_that_is_not_ours_is_named(host: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        listen(host, 0)


def test_a_child_takes_the_socket_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inherited_socket() is None
    opened = listen("127.0.0.1", 0)
    port = opened.getsockname()[1]
    monkeypatch.setenv(LISTEN_VARIABLE, str(opened.detach()))
    taken = inherited_socket()
    assert taken is not None
    with taken:
        assert taken.getsockname()[1] == port
        assert not taken.get_inheritable()
    assert inherited_socket() is None
