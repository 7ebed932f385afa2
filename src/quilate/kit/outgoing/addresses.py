"""Which addresses a request may go to: names that users give must not lead into the installation's own networks."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from quilate.domain.errors import QuilateError

_WRAPPERS = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""NAT64 (RFC 6052) and IPv4-compatible addresses (RFC 4291): the last 32 bits are the address that is meant."""

_OWN_NETWORKS = (ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("fec0::/10"))
"""Translation within a network (RFC 8215) and site-local addresses (RFC 3879), which `ipaddress` calls global."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefusedError(QuilateError):
    """An address that requests must not go to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What an administrator allows.

    Attributes:
        allow_private: Hosts, networks in CIDR form, or ``*``: what of loopback, link-local and private addresses may
            be reached.
        allow_plain_http: Let ``http://`` addresses be used; they carry secrets in the clear.
    """

    allow_private: tuple[str, ...] = ()
    allow_plain_http: bool = False

    def require(self, host: str, addresses: Iterable[str]) -> None:
        """Refuse a host one of whose addresses lies in a network that is not allowed.

        Raises:
            AddressRefusedError: It does.
        """
        if "*" in self.allow_private or host.lower() in self.allow_private:
            return
        networks = [ipaddress.ip_network(text) for text in self.allow_private if _is_network(text)]
        for text in addresses:
            address = ipaddress.ip_address(text.partition("%")[0])
            allowed = any(address.version == network.version and address in network for network in networks)
            if not allowed and not is_public(text):
                raise AddressRefusedError(
                    f"{host} leads into a private network",
                    next_step="have the installation's administrator allow it with QUILATE_PRIVATE_ADDRESSES",
                )


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Return whether an address is one of the public internet, also where it is wrapped into IPv6."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and any(address in network for network in _OWN_NETWORKS):
            return False
        if inner is None and any(address in network for network in _WRAPPERS):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


def address_literal(host: str) -> Address | None:
    """Return the address that a host is written as, in any spelling that a resolver takes for one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    # Spellings such as 0x7f.1 and 2130706433, which a resolver takes for an address and `ipaddress` does not.
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if re.match(r"\A[0-9]", host) else None
    except OSError:
        return None
