"""Addresses: none that is not public is connected to, however it is written down."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.decode.claims import ClaimSettings
from worker.decode.claims.address import may_connect
from worker.decode.claims.network import resolve

NOT_PUBLIC = [
    ("loopback", "127.0.0.1"),
    ("loopback, another of its millions", "127.8.9.10"),
    ("this machine", "0.0.0.0"),
    ("private", "10.0.0.7"),
    ("private", "172.16.3.4"),
    ("private", "192.168.1.1"),
    ("carrier's", "100.64.0.1"),
    ("benchmarks", "198.18.0.1"),
    ("documentation", "192.0.2.1"),
    ("link-local: the metadata service", "169.254.169.254"),
    ("metadata service of another cloud", "100.100.100.200"),
    ("and of another", "168.63.129.16"),
    ("broadcast", "255.255.255.255"),
    ("multicast", "224.0.0.1"),
    ("reserved", "240.0.0.1"),
    ("loopback", "::1"),
    ("unspecified", "::"),
    ("link-local", "fe80::1"),
    ("link-local with a zone", "fe80::1%eth0"),
    ("private", "fd12:3456::1"),
    ("metadata service over IPv6", "fd00:ec2::254"),
    ("site-local, given up long ago", "fec0::1"),
    ("multicast", "ff02::1"),
    ("documentation", "2001:db8::1"),
    ("mapped loopback", "::ffff:127.0.0.1"),
    ("mapped, in hexadecimal", "::ffff:7f00:1"),
    ("mapped metadata service", "::ffff:169.254.169.254"),
    ("compatible, as it was before mapped", "::127.0.0.1"),
    ("6to4 of a private one", "2002:0a00:0007::1"),
    ("NAT64 of loopback", "64:ff9b::7f00:1"),
    ("Teredo", "2001:0:4136:e378:8000:63bf:f5ff:fffe"),
    ("nothing", ""),
    ("a name", "localhost"),
]


@pytest.mark.parametrize("address", [a for _, a in NOT_PUBLIC], ids=[f"{what} {a}" for what, a in NOT_PUBLIC])
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """By what it means, not by how it is written."""
    assert not may_connect(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34",
                                     "64:ff9b::5db8:d822"])  # fmt: skip
def test_a_public_address_may_be_connected_to(address: str) -> None:
    """Also one of IPv4 that a gateway translates."""
    assert may_connect(address)


@given(st.ip_addresses(v=4))
def test_no_writing_of_an_address_in_ipv6_opens_what_is_shut(address: object) -> None:
    """Mapped and translated forms are judged as what they stand for."""
    alone = may_connect(str(address))
    assert may_connect(f"::ffff:{address}") == alone
    assert may_connect(f"64:ff9b::{address}") == alone


def test_a_network_of_ones_own_is_opened_by_name_and_no_other() -> None:
    """For a store inside the house, also where it is reached through a mapped address."""
    own: list[IPv4Network | IPv6Network] = [ip_network("10.1.0.0/16")]
    assert may_connect("10.1.2.3", own)
    assert may_connect("::ffff:10.1.2.3", own)
    assert not may_connect("10.2.2.3", own)
    assert not may_connect("169.254.169.254", [ip_network("0.0.0.0/0")])


@pytest.mark.parametrize("network", ["169.254.0.0/16", "169.254.169.254/32", "0.0.0.0/0", "fe80::/64", "::/0"])
def test_no_setting_opens_the_metadata_service(network: str) -> None:
    """A worker with such a setting does not start."""
    with pytest.raises(ValidationError, match="metadata"):
        ClaimSettings.model_validate({"networks": [network]})


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1"])
async def test_decimal_octal_and_short_hosts_resolve_to_what_they_mean(host: str) -> None:
    """The machine's own resolver reads them as loopback, and that is refused."""
    found = await resolve(host, 443)
    assert found == ["127.0.0.1"]
    assert not may_connect(found[0])
