"""Names that users give do not lead into the installation's own networks, however they are spelt (A14)."""

import pytest

from quilate.kit.outgoing.addresses import AddressPolicy, AddressRefusedError, address_literal, is_public


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.8",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",  # noqa: S104 - refused
            "240.0.0.1",
        ),
        *("255.255.255.255", "224.0.0.1", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1"),
        *("ff02::1", "ff0e::1", "2001:db8::1", "64:ff9b:1::808:808"),
        *("::ffff:10.0.0.8", "::10.0.0.8", "64:ff9b::10.0.0.8", "2002:a00:8::", "2002:7f00:1::1"),
        "2001:0:4136:e378:8000:63bf:f5ff:fff7",
    ],
)
def test_what_is_no_address_of_the_internet_is_private_also_wrapped(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(AddressRefusedError) as caught:
        AddressPolicy().require("shop.example", ["8.8.8.8", address])
    assert str(caught.value).startswith("shop.example leads into a private network")
    assert "QUILATE_PRIVATE_ADDRESSES" in caught.value.next_step


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)
    AddressPolicy().require("shop.example", [address])


@pytest.mark.parametrize(
    "spelling", ["127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "127.0.1"]
)
def test_every_spelling_that_a_resolver_takes_for_an_address_is_one(spelling: str) -> None:
    address = address_literal(spelling)
    assert address is not None
    assert str(address) == "127.0.0.1"


@pytest.mark.parametrize("name", ["localhost", "shop.example", "1and1.com", "face.b00c", "4.3.2.1.in-addr.arpa", ""])
def test_names_are_no_addresses(name: str) -> None:
    assert address_literal(name) is None


@pytest.mark.parametrize(
    ("allowed", "host", "address", "passes"),
    [
        ("*", "any.example", "10.0.0.8", True),
        ("git.internal", "git.internal", "10.0.0.8", True),
        ("git.internal", "GIT.internal", "10.0.0.8", True),
        ("git.internal", "evil.git.internal", "10.0.0.8", False),
        ("10.0.0.0/8", "any.example", "10.0.0.8", True),
        ("10.0.0.0/8", "any.example", "192.168.0.8", False),
        ("10.0.0.8", "any.example", "10.0.0.8", True),
        ("fd00::/8", "any.example", "fd00::8", True),
        ("fd00::/8", "any.example", "10.0.0.8", False),
    ],
)
def test_an_administrator_may_allow_some(allowed: str, host: str, address: str, *, passes: bool) -> None:
    policy = AddressPolicy(allow_private=(allowed,))
    if passes:
        policy.require(host, [address])
        return
    with pytest.raises(AddressRefusedError):
        policy.require(host, [address])
