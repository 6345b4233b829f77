from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.addresses import PRIVATE_NETWORKS, networks, refusal

EVERYTHING = networks(("0.0.0.0/0", "::/0"))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_may_be_reached(address):
    assert refusal(address, ()) is None


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.31.0.9", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"],
)
def test_a_private_address_needs_an_allowed_network(address):
    assert "not in an allowed network" in refusal(address, ())
    assert refusal(address, networks(PRIVATE_NETWORKS)) is None


def test_an_allowed_network_allows_no_other():
    allow = networks(("10.0.0.0/8",))
    assert refusal("10.9.9.9", allow) is None
    assert refusal("192.168.0.1", allow) is not None
    assert refusal("127.0.0.1", allow) is not None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%2",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::a9fe:a9fe",
    ],
)
def test_link_local_and_metadata_are_refused_whatever_is_allowed(address):
    assert refusal(address, EVERYTHING) is not None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_judged_as_itself(address: IPv4Address):
    allow = networks(("10.0.0.0/8", "127.0.0.0/8"))
    mapped = IPv6Address(int(IPv6Address("::ffff:0:0")) + int(address))
    translated = IPv6Address(int(IPv6Address("64:ff9b::")) + int(address))
    assert refusal(str(mapped), allow) == refusal(str(address), allow)
    assert refusal(str(translated), allow) == refusal(str(address), allow)


@given(st.ip_addresses())
def test_without_an_allowed_network_only_global_addresses_pass(address):
    if refusal(str(address), ()) is None:
        assert ip_address(address).is_global or address in IPV4_INSIDE


class _Inside:
    def __contains__(self, address):
        return isinstance(address, IPv6Address) and (
            address.ipv4_mapped is not None or int(address) < 2**32 or str(address).startswith("64:ff9b::")
        )


IPV4_INSIDE = _Inside()


def test_a_network_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        networks(("10.0.0.0/99",))
