"""Which addresses a worker may connect to for content that a stranger named: public ones, in any disguise."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Metadata services of the clouds and the link's own machines: not even a setting opens these.
NEVER: Final[tuple[Network, ...]] = (
    IPv4Network("169.254.0.0/16"),
    IPv6Network("fe80::/10"),
    IPv6Network("fd00:ec2::254/128"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("168.63.129.16/32"),
)
_UNICAST: Final = IPv6Network("2000::/3")  # all of IPv6 that is given out
_TRANSLATED: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))  # IPv4 in the last 32 bits


def may_connect(text: str, networks: Sequence[Network] = ()) -> bool:
    """
    Whether `text`, an address as the resolver gave it, may be connected to.

    networks: those that may although they are not public. An IPv6 address that stands for an IPv4 one (mapped,
    translated, 6to4, Teredo) is judged by both.
    """
    try:
        address = ip_address(text.partition("%")[0])  # a zone names an interface: the address decides
    except ValueError:
        return False
    return all(_allowed(one, networks) for one in (address, *_inside(address)))


def _allowed(address: Address, networks: Sequence[Network]) -> bool:
    if any(address in network for network in NEVER):
        return False
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return True  # not public by itself: what it stands for decides
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return address in _TRANSLATED[0]
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inside(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return []
    found: list[IPv4Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _TRANSLATED):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


__all__ = ["NEVER", "Network", "ip_network", "may_connect"]
