"""Addresses of databases: what is taken from them, and that a password is never shown (C07)."""

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.kit.database.addresses import connection_arguments, shown_address
from quilate.kit.database.inspection import inspect_server


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://quilate:secret@db.example.org:5433/quilate", "postgresql://quilate@db.example.org:5433/quilate"),
        ("postgresql://db.example.org/quilate?password=secret", "postgresql://db.example.org/quilate"),
        ("postgresql://u:secret@one:5432,two:5432/quilate", "postgresql://u@one:5432,two:5432/quilate"),
        ("postgresql://u:secret@one:99999/quilate", "postgresql://u@one:99999/quilate"),
        ("postgresql://u:secret@[::1]:5432/quilate", "postgresql://u@[::1]:5432/quilate"),
        ("postgresql://u:secret@[::1/quilate", "postgresql://…"),
        ("postgresql://u:sec/ret@one/quilate", "postgresql://…"),
        ("postgresql://u:sec#ret@one/quilate", "postgresql://…"),
        ("postgresql://u:sec?ret@one/quilate", "postgresql://…"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_address(url) == shown


@pytest.mark.parametrize(
    ("hosts", "verified"),
    [
        ("db.example.org", True),
        ("one.example.org,two.example.org", True),
        ("127.0.0.1,db.example.org", True),
        ("127.0.0.1:1,localhost:2", False),
        ("", False),
    ],
)
def test_the_certificate_of_every_host_over_the_network_is_verified(hosts: str, *, verified: bool) -> None:
    assert (connection_arguments(f"postgresql://u@{hosts}/quilate").get("sslmode") == "verify-full") is verified


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:secret@127.0.0.1:1,127.0.0.1:2/quilate", "refused"),
        ("postgresql://u:secret@127.0.0.1:1/quilate", "refused"),
        ("postgresql://u:secret@127.0.0.1:99999/quilate", "invalid port number"),
        ("postgresql://u:secret@[::1/quilate", "cannot be read"),
    ],
)
async def test_a_database_that_cannot_be_reached_is_told_with_its_reason(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        await inspect_server(url)
    assert "secret" not in refused.value.message
    assert refused.value.next_step
